"""Reads the files that a command is given, up to a size, with errors that name the file; writes certificates."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfp_sim.shared.errors import UsageError, unread

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["json_of", "octets_of", "rsa_key_of", "write_certificate"]

_KEY = 64 * 1024
"""The largest file with one private key, in bytes."""
_ONE_CERTIFICATE = re.compile(rb"\s*(-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*)?")


def octets_of(path: Path, most: int) -> bytes:
    """The content of a file of at most ``most`` bytes.

    Raises:
        UsageError: the file cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(most + 1)
    except OSError as error:
        raise unread(path, error) from None
    if len(octets) > most:
        raise UsageError(f"{path} is larger than {most} bytes")
    return octets


def json_of(path: Path, most: int, remedy: str) -> Any:
    """The JSON value of a file; ``remedy`` says which file it should be.

    Raises:
        UsageError: it cannot be read, is larger than ``most`` bytes, or is not JSON.
    """
    try:
        return json.loads(octets_of(path, most))
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not JSON", remedy=remedy) from None


def rsa_key_of(path: Path) -> RSAPrivateKey:
    """The RSA private key, which opens SCEP envelopes, from a PEM file without a password.

    Raises:
        UsageError: the file cannot be read, or does not hold such a key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - most commands are given no key
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

    try:
        key = load_pem_private_key(octets_of(path, _KEY), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} is not a PEM private key without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{path} is not an RSA key, which SCEP envelopes need")
    return key


def write_certificate(path: Path, der: bytes, option: str) -> None:
    """Write a certificate in PEM. It replaces only another certificate: ``option`` may name a key file by mistake.

    Raises:
        UsageError: the file cannot be written, or exists and is not a single certificate in PEM.
    """
    try:
        if path.is_file() and not _ONE_CERTIFICATE.fullmatch(path.read_bytes()):
            text = f"{path} exists already and is not a single PEM certificate"
            raise UsageError(text, remedy=f"give {option} another name: only a certificate is overwritten")
        path.write_text(ssl.DER_cert_to_PEM_cert(der), "ascii")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
