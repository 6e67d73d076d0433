"""An operator's own CA: a private key and its certificate, in PEM, DER or PKCS #12.

Refuses what cannot issue: unsupported keys, a certificate for another key, one that is not a CA certificate or not
valid now. Errors never contain parts of a key or a passphrase.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificates

from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.files import octets_of
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate, Identity

__all__ = ["read_own_ca"]

Loaded = TypeVar("Loaded")
_FORMS = "give a private key in PEM or DER, or a PKCS #12 file"
_CAP = 1024 * 1024
"""The size of the largest file that is read, in bytes."""
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_LEAST_BITS = 1024


def read_own_ca(key: Path, certificate: Path | None, passphrase: str | None, now: datetime) -> Identity:
    """Read the CA from `key` and `certificate`; without the latter, both are in `key`, in PKCS #12 or PEM.

    Raises:
        UsageError: a file cannot be read or decrypted, or its contents cannot be a CA at `now`.
    """
    octets = octets_of(key, _CAP)
    private, enclosed = _opened(key, octets, passphrase)
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
        raise UsageError(f"the key in {key} is neither RSA nor EC", remedy="use an RSA or EC key")
    if isinstance(private, EllipticCurvePrivateKey) and private.curve.name not in _CURVES:
        raise UsageError(
            f"the key in {key} uses the curve {private.curve.name}", remedy=f"use one of {', '.join(_CURVES)}"
        )
    if isinstance(private, RSAPrivateKey) and private.key_size < _LEAST_BITS:
        raise UsageError(f"the key in {key} has {private.key_size} bits", remedy=f"use at least {_LEAST_BITS}")
    where = certificate or key
    found = _certificates(where, octets_of(certificate, _CAP)) if certificate is not None else enclosed
    if not found:
        raise UsageError(f"{key} contains no certificate", remedy="give --ca-certificate")
    chosen = next((one for one in found if one.spki == x509.spki_of(private)), None)
    if chosen is None:
        remedy = "give the certificate of the key"
        raise UsageError(f"no certificate in {where} is for the key in {key}", remedy=remedy)
    _check(chosen, where, now)
    return Identity(chosen, private)


def _check(certificate: Certificate, where: Path, now: datetime) -> None:
    """Check that the certificate can be a CA's.

    Raises:
        UsageError: it cannot.
    """
    subject, usage = certificate.subject_text, certificate.stated_usage
    if not certificate.says_ca:
        raise UsageError(f"{subject} in {where} is not a CA certificate: its basicConstraints do not say cA")
    if usage is not None and "keyCertSign" not in usage:
        raise UsageError(f"{subject} in {where} is not a CA certificate: its keyUsage lacks keyCertSign")
    if now > certificate.not_after:
        raise UsageError(f"{subject} in {where} expired at {certificate.not_after:%Y-%m-%dT%H:%M:%SZ}")
    if now < certificate.not_before:
        raise UsageError(f"{subject} in {where} is not valid before {certificate.not_before:%Y-%m-%dT%H:%M:%SZ}")


def _opened(path: Path, octets: bytes, passphrase: str | None) -> tuple[PrivateKey | object, list[Certificate]]:
    """Return the key and the certificates in the same file."""
    secret = None if passphrase is None else passphrase.encode()
    if b"-----BEGIN " in octets:
        return _with(path, secret, lambda: load_pem_private_key(octets, secret)), _enclosed(path, octets)
    if octets[:1] == b"\x30" and _is_pkcs12(octets):
        key, own, more = _with(path, secret, lambda: pkcs12.load_key_and_certificates(octets, secret))
        if key is None:
            raise UsageError(f"{path} contains no private key")
        both = [one for one in (own, *more) if one is not None]
        return key, [_read(path, one.public_bytes(Encoding.DER)) for one in both]
    return _with(path, secret, lambda: load_der_private_key(octets, secret)), []


def _is_pkcs12(octets: bytes) -> bool:
    """Whether the bytes are a PFX: its first field is the version, 3 (RFC 7292, 4)."""
    try:
        first = der.read(octets, size=_CAP).children[0]
    except (DecodeError, IndexError):
        return False
    return first.tag == der.INTEGER and first.content == b"\x03"


def _with(path: Path, secret: bytes | None, load: Callable[[], Loaded]) -> Loaded:
    """Load the key with the passphrase, if one is given.

    Raises:
        UsageError: it cannot be loaded.
    """
    try:
        return load()
    except TypeError:  # a key in PEM or DER with a missing or superfluous passphrase
        if secret is None:
            raise UsageError(f"the key in {path} is encrypted", remedy="give --ca-key-passphrase-file") from None
        raise UsageError(f"the key in {path} is not encrypted", remedy="omit the passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        reason = "it is not a key, is damaged, or needs a passphrase"
        if secret is not None:
            reason = "the passphrase is wrong, or the file is damaged"
        raise UsageError(f"cannot read a private key in {path}: {reason}", remedy=_FORMS) from None


def _enclosed(path: Path, octets: bytes) -> list[Certificate]:
    return _certificates(path, octets) if b"-----BEGIN CERTIFICATE-----" in octets else []


def _certificates(path: Path, octets: bytes) -> list[Certificate]:
    """Return the certificates of a file in PEM, or the one in DER.

    Raises:
        UsageError: there is no certificate.
    """
    if b"-----BEGIN " not in octets:
        return [_read(path, octets)]
    try:
        found = load_pem_x509_certificates(octets)
    except ValueError:
        raise UsageError(f"{path} contains no readable certificate") from None
    return [_read(path, one.public_bytes(Encoding.DER)) for one in found]


def _read(path: Path, octets: bytes) -> Certificate:
    try:
        return Certificate.from_der(octets)
    except DecodeError as error:
        raise UsageError(f"{path} contains no readable certificate: {error.message}") from None
