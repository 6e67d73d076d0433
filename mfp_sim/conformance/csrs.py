"""Unusual certification requests: chosen attributes, wrong signatures, odd names. RFC 2986."""

from __future__ import annotations

from collections.abc import Sequence

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey, sign, signature_algorithm
from mfp_sim.shared.scep.certificate import encode_extensions, spki_of

__all__ = ["challenge", "encoded", "extensions", "text"]


def encoded(
    key: PrivateKey,
    subject: bytes,
    attributes: Sequence[bytes],
    *,
    digest: str = "sha256",
    signed_by: PrivateKey | None = None,
    flipped: bool = False,
) -> bytes:
    """A PKCS#10 request.

    Args:
        key: the key to certify.
        subject: the Name.
        attributes: encoded Attributes; this function sorts them.
        digest: of the signature.
        signed_by: the key that signs instead.
        flipped: change the last bit of the signature.
    """
    info = der.sequence(
        der.integer(0), subject, spki_of(key), der.implicit(0, b"".join(sorted(attributes)), constructed=True)
    )
    signer = signed_by or key
    signature = sign(signer, info, digest)
    if flipped:
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    return der.sequence(info, signature_algorithm(signer, digest), der.bit_string(signature))


def challenge(*values: bytes) -> bytes:
    """A challengePassword attribute with encoded values."""
    return der.sequence(der.oid(v.CHALLENGE_PASSWORD), der.set_of(values))


def text(secret: str | None) -> list[bytes]:
    """The challengePassword attribute as clients write it; empty for None."""
    if secret is None:
        return []
    printable = all(letter in der.PRINTABLE for letter in secret)
    return [challenge(der.printable_string(secret) if printable else der.utf8_string(secret))]


def extensions(*entries: tuple[str, bool, bytes], oid: str = v.EXTENSION_REQUEST) -> bytes:
    """An extensionRequest attribute of (OID, critical, value)."""
    return der.sequence(der.oid(oid), der.set_of([encode_extensions(entries)]))
