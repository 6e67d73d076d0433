"""A PKCSReq built by PyScep, for comparison in one run: the same CSR, keys, certificates, digest and cipher.

PyScep (PyPI, 0.0.14) builds with asn1crypto, as the tests' oracle does. Its own key and certificate classes want
oscrypto, which cannot load OpenSSL 3.0.10 and later; two stand-ins take their place and do what those classes do: give
asn1crypto's certificate, and sign and encrypt with cryptography. Everything of CMS is PyScep's. It is not a dependency
of the product: ``pip install -e '.[dev,bench]'``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["builder"]

_ABSENT = ("oscrypto", "oscrypto.asymmetric", "oscrypto.keys", "csrbuilder", "certbuilder", "requests")


class _Absent(ModuleType):
    """A module that PyScep imports and a PKCSReq does not use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Key:
    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key

    def sign(self, data: bytes, padding_type: str, algorithm: str) -> bytes:
        assert (padding_type, algorithm) == ("pkcs", "sha256")
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class _PublicKey:
    def __init__(self, key: RSAPublicKey) -> None:
        self._key = key

    def encrypt(self, plaintext: bytes, padding_type: str) -> bytes:
        assert padding_type == "pkcs"
        return self._key.encrypt(plaintext, padding.PKCS1v15())


class _Certificate:
    def __init__(self, certificate: Certificate) -> None:
        from asn1crypto import x509

        key = certificate.public_key()
        assert isinstance(key, RSAPublicKey)
        self.public_key = _PublicKey(key)
        self._certificate = x509.Certificate.load(certificate.der)

    def to_asn1_certificate(self) -> Any:
        return self._certificate


def builder(key: RSAPrivateKey, signer: Certificate, recipient: Certificate, data: bytes) -> Callable[[], bytes]:
    """What builds a PKCSReq around ``data`` each time it is called.

    Raises:
        ImportError: PyScep is not installed, or cannot be loaded with the libraries that are.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _ABSENT:
            sys.modules.setdefault(name, _Absent(name))
        from scep.Client.builders import PKIMessageBuilder, Signer
        from scep.Client.enums import MessageType
        from scep.Client.envelope import PKCSPKIEnvelopeBuilder
    identity, authority, private = _Certificate(signer), _Certificate(recipient), _Key(key)

    def build() -> bytes:
        envelope, _, _ = PKCSPKIEnvelopeBuilder().encrypt(data, "aes128").add_recipient(authority).finalize()
        message = PKIMessageBuilder().message_type(MessageType.PKCSReq).pki_envelope(envelope)
        message = message.add_signer(Signer(identity, private, "sha256")).transaction_id("0123456789abcdef")
        octets: bytes = message.sender_nonce().finalize(digest_algorithm="sha256").dump()
        return octets

    return build
