"""Converts private keys between the key store's bytes (PKCS#8) and signing objects. Never logs or shows them."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

__all__ = ["load_private", "pkcs8"]


_MOST: Final = 256
_loaded: dict[bytes, RSAPrivateKey] = {}
"""Keys by their stored form, the last used at the end. Loading a key checks it, which takes 70 ms; a key that this
process stored needs no check."""


def pkcs8(key: RSAPrivateKey) -> bytes:
    """The stored form of the key."""
    octets = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    _remember(octets, key)
    return octets


def load_private(octets: bytes) -> RSAPrivateKey:
    """The key from its stored form.

    Raises:
        ValueError: it is not a private RSA key, or it is encrypted.
    """
    key = _loaded.get(octets) or _checked(octets)
    _remember(octets, key)
    return key


def _remember(octets: bytes, key: RSAPrivateKey) -> None:
    _loaded.pop(octets, None)
    _loaded[octets] = key
    if len(_loaded) > _MOST:
        _loaded.pop(next(iter(_loaded)), None)


def _checked(octets: bytes) -> RSAPrivateKey:
    try:
        key = load_der_private_key(octets, password=None)
    except UnsupportedAlgorithm:
        raise ValueError("the stored key is of an unknown kind") from None
    except TypeError:
        raise ValueError("the stored key is encrypted") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the stored key is not an RSA key")
    return key
