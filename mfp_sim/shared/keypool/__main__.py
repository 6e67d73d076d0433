"""Generates the key pool: ``python -m mfp_sim.shared.keypool``. Run by hand; the result is committed."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SIZES = {1024: 8, 2048: 64, 4096: 6}

if __name__ == "__main__":
    for bits, count in SIZES.items():
        lines = [
            base64.b64encode(
                rsa.generate_private_key(65537, bits).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            ).decode()
            for _ in range(count)
        ]
        Path(__file__).with_name(f"rsa{bits}.txt").write_text("\n".join(lines) + "\n", "ascii")
