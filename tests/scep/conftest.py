"""Parties with test keys, and the programs and libraries that serve as oracles."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import Entropy, PooledKeys

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=timezone.utc)
NOT_AFTER = datetime(2036, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Party:
    """A key pair and a certificate for it."""

    key: RSAPrivateKey
    certificate: Certificate

    def pem_files(self, folder: Path, name: str) -> tuple[str, str]:
        """Write key and certificate as PEM; the paths."""
        key, certificate = folder / f"{name}-key.pem", folder / f"{name}.pem"
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.write_bytes(pem(self.certificate.der, "CERTIFICATE"))
        return str(key), str(certificate)


def pem(octets: bytes, label: str) -> bytes:
    import base64

    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(octets) + f"-----END {label}-----\n".encode()


@pytest.fixture(scope="session")
def keys() -> PooledKeys:
    return PooledKeys(Entropy(11))


@pytest.fixture(scope="session")
def authority(keys: PooledKeys) -> Party:
    key = keys.rsa(2048)
    return Party(
        key,
        x509.self_signed(
            key,
            subject=x509.name(("O", "Example AS"), ("CN", "Example CA")),
            serial=0x80FF,
            not_before=NOT_BEFORE,
            not_after=NOT_AFTER,
            extensions=[x509.basic_constraints_extension(True)],
        ),
    )


@pytest.fixture(scope="session")
def client(keys: PooledKeys) -> Party:
    key = keys.rsa(2048)
    subject = x509.name(("O", "Example AS"), ("CN", "printer-1.example"))
    return Party(key, x509.self_signed(key, subject=subject, serial=1, not_before=NOT_BEFORE, not_after=NOT_AFTER))


@pytest.fixture
def octets() -> Callable[[int], bytes]:
    return Entropy(5).octets


@pytest.fixture(scope="session")
def openssl() -> Callable[..., bytes]:
    """Run ``openssl``: its standard output; its standard error in the failure."""

    def run(*arguments: str, stdin: bytes = b"", fails: bool = False) -> bytes:
        done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
        assert (done.returncode != 0) is fails, done.stderr.decode()
        return done.stderr if fails else done.stdout

    return run
