"""RSA operations whose randomness is derived from their input, so that a run can be repeated byte for byte.

Only for public keys of the pool, in runs with a seed: predictable padding is not secure. Real servers and real keys use
the library's operations. RFC 8017, 7.1.1, 7.2.1, 9.1.1.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

__all__ = ["encrypt_oaep", "encrypt_pkcs1", "sign_pss"]


def encrypt_pkcs1(public: RSAPublicKey, secret: bytes) -> bytes:
    """RSAES-PKCS1-v1_5 with padding derived from modulus and secret.

    Raises:
        ValueError: the modulus is too short for the secret.
    """
    size, chance = _chance(public, secret)
    return _raised(public, _pkcs1(secret, size, chance))


def encrypt_oaep(public: RSAPublicKey, secret: bytes, *, digest: str, mgf_digest: str, label: bytes) -> bytes:
    """RSAES-OAEP with a seed derived from modulus and secret; digests have the names of ``hashlib``.

    Raises:
        ValueError: the modulus is too short for the secret.
    """
    size, chance = _chance(public, secret)
    hashed = hashlib.new(digest, label, usedforsecurity=False).digest()
    return _raised(public, _oaep(secret, size, chance[: len(hashed)], hashed, mgf_digest))


def _chance(public: RSAPublicKey, secret: bytes) -> tuple[int, bytes]:
    """The length of the modulus in bytes, and twice as many derived bytes as needed.

    One byte in 256 is zero, and PKCS#1's padding must not contain zeros.
    """
    modulus = public.public_numbers().n
    size = (modulus.bit_length() + 7) // 8
    return size, hashlib.shake_256(b"padding" + modulus.to_bytes(size, "big") + secret).digest(2 * size)


def _raised(public: RSAPublicKey, block: bytes) -> bytes:
    numbers = public.public_numbers()
    return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(len(block), "big")


def _pkcs1(secret: bytes, size: int, chance: bytes) -> bytes:
    room = size - len(secret) - 3
    if room < 8:
        raise ValueError("the key is too short")
    return b"\x00\x02" + chance.replace(b"\x00", b"")[:room] + b"\x00" + secret


def _oaep(secret: bytes, size: int, seed: bytes, label: bytes, mgf_digest: str) -> bytes:
    room = size - 2 * len(label) - 2 - len(secret)
    if room < 0:
        raise ValueError("the key is too short")
    block = label + bytes(room) + b"\x01" + secret
    masked = _xor(block, _mask(seed, len(block), mgf_digest))
    return b"\x00" + _xor(seed, _mask(masked, len(seed), mgf_digest)) + masked


def sign_pss(key: RSAPrivateKey, octets: bytes, digest: str) -> bytes:
    """RSASSA-PSS with MGF1 of the same digest; the salt is as long as the digest and derived from key and digest."""
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    size, bits = (modulus.bit_length() + 7) // 8, modulus.bit_length() - 1
    hashed = hashlib.new(digest, octets, usedforsecurity=False).digest()
    salt = hashlib.shake_256(b"salt" + numbers.d.to_bytes(size, "big") + hashed).digest(len(hashed))
    inner = hashlib.new(digest, bytes(8) + hashed + salt, usedforsecurity=False).digest()
    length = (bits + 7) // 8
    block = bytes(length - 2 * len(hashed) - 2) + b"\x01" + salt
    masked = bytearray(_xor(block, _mask(inner, len(block), digest)))
    masked[0] &= 0xFF >> (8 * length - bits)
    encoded = int.from_bytes(bytes(masked) + inner + b"\xbc", "big")
    return pow(encoded, numbers.d, modulus).to_bytes(size, "big")


def _mask(seed: bytes, length: int, digest: str) -> bytes:
    """MGF1 (RFC 8017, B.2.1)."""
    found = b""
    for number in range(-(-length // hashlib.new(digest, usedforsecurity=False).digest_size)):
        found += hashlib.new(digest, seed + number.to_bytes(4, "big"), usedforsecurity=False).digest()
    return found[:length]


def _xor(first: bytes, second: bytes) -> bytes:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).to_bytes(len(first), "big")
