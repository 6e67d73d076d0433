"""Key pairs made in advance, and the enrolments made from them.

A key pair takes a quarter of a second of CPU time; generating it during the load would measure the generator.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from mfp_sim.client.exchange import Enrolment
from mfp_sim.shared.errors import UsageError, unread
from mfp_sim.shared.processes import worker_processes
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr
from mfp_sim.shared.simtime import Entropy, GeneratedKeys

__all__ = ["check_keys", "enrolment_of", "make_keys", "read_keys"]

_BEGIN = b"-----BEGIN PRIVATE KEY-----"


def make_keys(count: int, bits: int, file: Path, jobs: int, told: Callable[[int], None]) -> None:
    """Generate key pairs into a file that only its owner can read; `told` is called with the number so far.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} exists already", remedy="give another name; keys are not overwritten") from None
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as out, worker_processes(jobs) as pool:
            for number, pem in enumerate(pool.map(_one, [bits] * count), 1):
                out.write(pem)
                told(number)
    except BaseException as error:  # Ctrl-C, a full disk: the file is incomplete
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"cannot write {file}: {error.strerror}") from None
        raise


def _one(bits: int) -> bytes:
    key = GeneratedKeys().rsa(bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_keys(file: Path, first: int, count: int) -> list[RSAPrivateKey]:
    """Read ``count`` key pairs of a file, starting at number ``first``.

    Raises:
        UsageError: it cannot be read, has too few key pairs, or has other content.
    """
    return [_loaded(pem, file) for pem in _pems(file, first + count)[first : first + count]]


def check_keys(file: Path, count: int) -> None:
    """Raise what `read_keys` would raise about the file, its number of key pairs, or the first of them."""
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is not a file", remedy="save the keys as a file: each process reads it")
    _loaded(_pems(file, count)[0], file)


def _pems(file: Path, count: int) -> list[bytes]:
    try:
        pems = [_BEGIN + part for part in file.read_bytes().split(_BEGIN)[1:]]
    except OSError as error:
        raise unread(file, error, "mfp-sim load --make-keys N --keys FILE makes it") from None
    if len(pems) < count:
        text = f"{file} has {len(pems)} key pairs, but {count} are needed"
        raise UsageError(text, remedy="mfp-sim load --make-keys N --keys FILE makes more; no key is used twice")
    return pems


def _loaded(pem: bytes, file: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except ValueError:
        raise UsageError(f"{file} has a key pair that cannot be read") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{file} has a key pair that is not an RSA key pair")
    return key


def enrolment_of(key: RSAPrivateKey, name: str, *, challenge: str | None, entropy: Entropy, now: datetime) -> Enrolment:
    """The material to request one certificate for a common name."""
    subject = x509.name(("CN", name))
    return Enrolment(
        key=key,
        csr=csr.build(key, subject=subject, challenge=challenge, digest="sha256"),
        signer=x509.self_signed(
            key,
            subject=subject,
            serial=int.from_bytes(entropy.octets(8), "big") >> 1 | 1,
            not_before=now - timedelta(minutes=10),
            not_after=now + timedelta(days=30),
            digest="sha256",
        ),
        transaction_id=entropy.octets(16).hex().upper(),
        subject=subject,
    )
