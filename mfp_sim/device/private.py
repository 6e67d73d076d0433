"""Private keys between the key store's octets (PKCS#8) and the objects that sign. Never logged, never shown."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

__all__ = ["load_private", "pkcs8"]


def pkcs8(key: RSAPrivateKey) -> bytes:
    """The key as it is stored."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(maxsize=256)  # loading checks the key, which takes 70 ms
def load_private(octets: bytes) -> RSAPrivateKey:
    """The key from its stored form.

    Raises:
        ValueError: it is no private RSA key.
    """
    try:
        key = load_der_private_key(octets, password=None)
    except UnsupportedAlgorithm:
        raise ValueError("the stored key is of an unknown kind") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the stored key is no RSA key")
    return key
