"""Algorithms by name: digests, signatures, content ciphers and key transport, and their AlgorithmIdentifiers.

The only module of the protocol that calls cryptography's primitives, except for AES-GCM in ``envelope``. Supports
single DES and MD5, since real peers still send them; its callers decide whether to use or refuse them (SCEP-2.9-09,
SCEP-2.9-10). RFC 3370, 4055, 5754, 5084.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, SignatureInvalid
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.repeatable import encrypt_oaep, encrypt_pkcs1, sign_pss

__all__ = [
    "CIPHERS",
    "CIPHER_NAMES",
    "DIGEST_OF_SIGNATURE",
    "HASHES",
    "KeyTransport",
    "PrivateKey",
    "PublicKey",
    "algorithm",
    "decrypt_cbc",
    "digest_label",
    "digest_of",
    "encrypt_cbc",
    "pad",
    "pss_algorithm",
    "public_key_of",
    "read_key_transport",
    "sign",
    "signature_algorithm",
    "unpad",
    "verify_signature",
]

PrivateKey = RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = RSAPublicKey | ec.EllipticCurvePublicKey

HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
# name: key length and block length in bytes
CIPHERS: Mapping[str, tuple[int, int]] = {
    "des-cbc": (8, 8),
    "des-ede3-cbc": (24, 8),
    "aes-128-cbc": (16, 16),
    "aes-192-cbc": (24, 16),
    "aes-256-cbc": (32, 16),
}
CIPHER_NAMES = {oid: name for name, oid in v.CIPHER_OIDS.items()}
DIGEST_NAMES = {oid: name for name, oid in v.DIGEST_OIDS.items()}
DIGEST_OF_SIGNATURE = {oid: digest for digest, oid in v.RSA_SIGNATURE_OIDS.items()} | {
    oid: digest for digest, oid in v.ECDSA_SIGNATURE_OIDS.items()
}


@lru_cache(maxsize=64)
def algorithm(oid: str, *parameters: bytes) -> bytes:
    """An AlgorithmIdentifier; its parameters are absent unless ``parameters`` are given."""
    return der.sequence(der.oid(oid), *parameters)


def digest_of(name: str, octets: bytes) -> bytes:
    """The digest of `octets`; ``name`` is one of `HASHES`."""
    return hashlib.new(name, octets, usedforsecurity=False).digest()


def digest_label(element: der.Element) -> str:
    """The name of the digest for an OID of a digest or a signature algorithm; an unknown OID stays in dotted form."""
    dotted = element.to_oid()
    return DIGEST_NAMES.get(dotted) or DIGEST_OF_SIGNATURE.get(dotted) or dotted


def digest_name(element: der.Element) -> str:
    """Like `digest_label`, but an unknown OID is an error.

    Raises:
        AlgorithmRefused: the digest is unknown.
    """
    digest = dotted = digest_label(element)
    if digest not in HASHES:
        raise AlgorithmRefused(element.path, element.start, "a known digest", dotted)
    return digest


# --- signatures -------------------------------------------------------------------------------------------


def public_key_of(spki: bytes, path: str) -> PublicKey:
    """Load a SubjectPublicKeyInfo.

    Raises:
        AlgorithmRefused: the key is neither RSA nor EC, or its curve is unknown; ``got`` names it.
        DecodeError: the key is malformed.
    """
    wanted = "an RSA or EC public key"
    try:
        key = (_loaded if len(spki) <= _KEPT_KEY else load_der_public_key)(spki)
    except UnsupportedAlgorithm as error:
        raise AlgorithmRefused(path, 0, wanted, str(error) or "another kind of key") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise DecodeError(path, 0, wanted, str(error) or "something else") from None
    if not isinstance(key, PublicKey):
        kind = type(key).__name__.strip("_").removesuffix("PublicKey")
        raise AlgorithmRefused(path, 0, wanted, f"a key for {kind}")
    return key


_loaded = lru_cache(maxsize=64)(load_der_public_key)
"""The first use of a loaded key prepares it, which is worth keeping: a request has the same key in its CSR and in the
certificate of its signer."""
_KEPT_KEY = 1024
"""Larger keys, in bytes, are not kept: a hostile peer must not fill the memory."""


def sign(key: PrivateKey, octets: bytes, digest: str, *, pss: bool = False) -> bytes:
    """Sign with RSA PKCS#1 v1.5, with ECDSA, or with RSASSA-PSS (``pss``), whose salt is as long as the digest.

    The same key and bytes always give the same signature: ECDSA follows RFC 6979, and PSS derives its salt from them.
    So recent signatures are cached: runs with one seed need the same ones repeatedly.
    """
    return (_signed if len(octets) <= _KEPT_OCTETS else _signed.__wrapped__)(key, octets, digest, pss)


_KEPT_OCTETS = 8 * 1024
"""Signatures over more bytes are not cached: a hostile peer must not fill the memory."""


@lru_cache(maxsize=256)
def _signed(key: PrivateKey, octets: bytes, digest: str, pss: bool) -> bytes:
    hashed = HASHES[digest]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(octets, ec.ECDSA(hashed, deterministic_signing=True))
    if pss:
        return sign_pss(key, octets, digest)
    return key.sign(octets, padding.PKCS1v15(), hashed)


def signature_algorithm(key: PrivateKey, digest: str, *, md5: bool = False) -> bytes:
    """The AlgorithmIdentifier for a kind of key and a digest, as in certificates: ``sha256WithRSAEncryption``.

    Raises:
        AlgorithmRefused: MD5 without ``md5``, or a digest that cannot be used with the key.
    """
    elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
    known = v.ECDSA_SIGNATURE_OIDS if elliptic else v.RSA_SIGNATURE_OIDS
    if digest not in known or (digest == "md5" and not md5):
        raise AlgorithmRefused("signatureAlgorithm", 0, "SHA-1 or SHA-2", digest)
    return algorithm(known[digest], *([] if elliptic else [der.null()]))


def pss_algorithm(digest: str) -> bytes:
    """RSASSA-PSS with its parameters written out (RFC 4055, 3.1)."""
    hashed = algorithm(v.DIGEST_OIDS[digest], der.null())
    parameters = der.sequence(
        der.explicit(0, hashed),
        der.explicit(1, algorithm(v.MGF1, hashed)),
        der.explicit(2, der.integer(HASHES[digest]().digest_size)),
    )
    return algorithm(v.RSASSA_PSS, parameters)


def verify_signature(
    key: PublicKey, signature: bytes, signed: bytes, digest: str, what: str, *, md5: bool = False
) -> None:
    """Check an RSA PKCS#1 v1.5 or ECDSA signature.

    Raises:
        AlgorithmRefused: MD5 without ``md5`` (SCEP-2.9-10).
        SignatureInvalid: the signature does not verify; the message names ``what``.
    """
    if digest == "md5" and not md5:
        raise AlgorithmRefused(f"the signature of {what}", 0, "SHA-1 or SHA-2", digest)
    hashed = HASHES[digest]()
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), hashed)
        else:
            key.verify(signature, signed, ec.ECDSA(hashed))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise SignatureInvalid(f"the signature of {what} does not verify ({digest})") from None


# --- content ciphers --------------------------------------------------------------------------------------


def block_cipher(cipher: str, key: bytes) -> algorithms.AES | TripleDES:
    """The block cipher for a name of `CIPHERS`."""
    if cipher == "des-cbc":
        return TripleDES(key * 3)  # single DES is 3DES with three equal keys
    return TripleDES(key) if cipher == "des-ede3-cbc" else algorithms.AES(key)


def encrypt_cbc(cipher: str, key: bytes, iv: bytes, padded: bytes) -> bytes:
    """Encrypt whole blocks with CBC."""
    encryptor = Cipher(block_cipher(cipher, key), modes.CBC(iv)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def decrypt_cbc(cipher: str, key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """The reverse of `encrypt_cbc`.

    Raises:
        ValueError: the key, the IV or the ciphertext has the wrong length.
    """
    key_length, block = CIPHERS[cipher]
    if len(key) != key_length or len(iv) != block or len(ciphertext) % block:
        raise ValueError("length")
    decryptor = Cipher(block_cipher(cipher, key), modes.CBC(iv)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def pad(plaintext: bytes, block: int) -> bytes:
    """PKCS#7 padding, always at least one byte (RFC 5652, 6.3)."""
    count = block - len(plaintext) % block
    return plaintext + bytes((count,)) * count


def unpad(padded: bytes, block: int) -> bytes:
    """The reverse of `pad`.

    Raises:
        ValueError: the padding is wrong.
    """
    count = padded[-1] if padded else 0
    if not 1 <= count <= block or padded[-count:] != bytes((count,)) * count:
        raise ValueError("padding")
    return padded[:-count]


# --- key transport ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyTransport:
    """How a content key is wrapped: with PKCS#1 v1.5, or with OAEP and these digests and label.

    ``parameters`` is how the parameters are written. PKCS#1: ``null`` or ``absent``. OAEP: ``minimal`` omits defaults
    (SHA-1, MGF1 with SHA-1, no label), ``explicit`` writes them, and ``absent`` writes no parameters.
    """

    scheme: Literal["pkcs1", "oaep"] = "pkcs1"
    digest: str = "sha1"
    mgf_digest: str = "sha1"
    label: bytes = field(default=b"", repr=False)
    parameters: Literal["null", "absent", "minimal", "explicit"] = "null"

    def identifier(self) -> bytes:
        """The keyEncryptionAlgorithm."""
        if self.scheme == "pkcs1":
            return algorithm(v.RSA_ENCRYPTION, *([] if self.parameters == "absent" else [der.null()]))
        if self.parameters == "absent":
            return algorithm(v.RSAES_OAEP)
        explicit, parts = self.parameters == "explicit", []
        if explicit or self.digest != "sha1":
            parts.append(der.explicit(0, algorithm(v.DIGEST_OIDS[self.digest], der.null())))
        if explicit or self.mgf_digest != "sha1":
            hashed = algorithm(v.DIGEST_OIDS[self.mgf_digest], der.null())
            parts.append(der.explicit(1, algorithm(v.MGF1, hashed)))
        if explicit or self.label:
            parts.append(der.explicit(2, algorithm(v.P_SPECIFIED, der.octet_string(self.label))))
        return algorithm(v.RSAES_OAEP, der.sequence(*parts))

    def wrap(self, public: RSAPublicKey, secret: bytes, *, repeatable: bool = False) -> bytes:
        """The encrypted secret; with ``repeatable``, the padding is derived from the secret.

        Raises:
            ValueError: the modulus is too short for the secret.
        """
        if not repeatable:
            return public.encrypt(secret, self.padding())
        if self.scheme == "pkcs1":
            return encrypt_pkcs1(public, secret)
        return encrypt_oaep(public, secret, digest=self.digest, mgf_digest=self.mgf_digest, label=self.label)

    def padding(self) -> padding.AsymmetricPadding:
        """The padding for cryptography's RSA."""
        if self.scheme == "pkcs1":
            return padding.PKCS1v15()
        mgf = padding.MGF1(HASHES[self.mgf_digest]())
        return padding.OAEP(mgf, HASHES[self.digest](), self.label or None)

    @property
    def label_text(self) -> str:
        """For people: ``RSA PKCS#1 v1.5`` or ``RSA OAEP (sha256, MGF1 sha1)``."""
        if self.scheme == "pkcs1":
            return "RSA PKCS#1 v1.5"
        return f"RSA OAEP ({self.digest}, MGF1 {self.mgf_digest}{', labelled' if self.label else ''})"


def read_key_transport(method: der.Element) -> KeyTransport | None:
    """Read a keyEncryptionAlgorithm; None if it is not RSA.

    Omitted OAEP parameters mean SHA-1, MGF1 with SHA-1 and an empty label (RFC 4055, 4.1).

    Raises:
        DecodeError: the parameters are malformed.
    """
    kind = method.child(0, "algorithm").to_oid()
    parameters = method.child(1, "parameters") if len(method.children) > 1 else None
    if kind == v.RSA_ENCRYPTION:
        return KeyTransport(parameters="absent" if parameters is None else "null")
    if kind != v.RSAES_OAEP:
        return None
    if parameters is None or parameters.tag == der.NULL:
        return KeyTransport("oaep", parameters="absent")
    digest = mgf_digest = "sha1"
    label = b""
    for index, part in enumerate(parameters.expect(der.SEQUENCE).children):
        inner = parameters.child(index, f"[{index}]").child(0, "value", der.SEQUENCE)
        if part.tag == 0xA0:
            digest = digest_name(inner.child(0, "algorithm"))
        elif part.tag == 0xA1:
            mgf_digest = digest_name(inner.child(1, "parameters", der.SEQUENCE).child(0, "algorithm"))
        elif part.tag == 0xA2 and len(inner.children) > 1:
            label = inner.child(1, "label", der.OCTET_STRING).content
    return KeyTransport("oaep", digest, mgf_digest, label, "explicit" if parameters.children else "minimal")
