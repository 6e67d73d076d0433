"""The messages made by others, and the keys that open them. Owns where they are; asserts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

FOLDER = Path(__file__).parents[1] / "vectors"

# file: the key that opens its envelope
MESSAGES: Mapping[str, str | None] = {
    "micromdm/pkcsreq.der": "micromdm/ca-key.pem",
    "micromdm/renewalreq.der": "micromdm/ca-key.pem",
    "micromdm/certrep-success.der": "micromdm/client-key.pem",
    "micromdm/certrep-renewed.der": "micromdm/client-key.pem",
    "micromdm/certrep-failure.der": None,
    "strongswan/pkcsreq-aes.der": "strongswan/pkcsreq-aes-ca-key.pem",
    "strongswan/pkcsreq-3des.der": "strongswan/pkcsreq-3des-ca-key.pem",
    "strongswan/certpoll.der": "strongswan/certpoll-ca-key.pem",
    "strongswan/renewalreq.der": "strongswan/renewalreq-ca-key.pem",
}


def vector(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def private_key(name: str) -> RSAPrivateKey:
    key = load_pem_private_key(vector(name), None)
    assert isinstance(key, RSAPrivateKey)
    return key
