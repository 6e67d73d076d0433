"""PKCS#10 certification requests: writes our own, reads those of any client.

Reads attributes in any order and verifies the signature over the received bytes (strongSwan does not sort attributes,
and ``cryptography`` refuses that). A ``repr`` never shows the challenge password. RFC 2986; RFC 8894, 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import (
    DIGEST_OF_SIGNATURE,
    PrivateKey,
    PublicKey,
    public_key_of,
    sign,
    signature_algorithm,
    verify_signature,
)
from mfp_sim.shared.scep.certificate import (
    Certificate,
    Extension,
    Named,
    encode_extensions,
    read_extensions,
    spki_of,
    subject_alt_name_extension,
)
from mfp_sim.shared.scep.note import Note

__all__ = ["Csr", "build", "fits_key"]


def build(
    key: PrivateKey,
    *,
    subject: bytes,
    challenge: str | None = None,
    sans: Sequence[str] = (),
    digest: str = "sha256",
    md5: bool = False,
) -> bytes:
    """A signed PKCS#10 request.

    Args:
        key: the key pair to be certified, which signs the request.
        subject: the Name.
        challenge: the challengePassword; if None, the attribute is absent (MFP-REQ-05).
        sans: DNS names and IP literals for the requested subjectAltName.
        digest: the hash of the signature.
        md5: whether the hash may be MD5, for legacy personas.

    Raises:
        AlgorithmRefused: MD5 without ``md5``.
    """
    attributes = []
    if challenge:
        text = der.printable_string(challenge) if der.PRINTABLE.issuperset(challenge) else der.utf8_string(challenge)
        attributes.append(der.sequence(der.oid(v.CHALLENGE_PASSWORD), der.set_of([text])))
    if sans:
        requested = encode_extensions([subject_alt_name_extension(sans)])
        attributes.append(der.sequence(der.oid(v.EXTENSION_REQUEST), der.set_of([requested])))
    info = der.sequence(
        der.integer(0),
        subject,
        spki_of(key),
        der.implicit(0, b"".join(sorted(attributes)), constructed=True),
    )
    return der.sequence(info, signature_algorithm(key, digest, md5=md5), der.bit_string(sign(key, info, digest)))


@dataclass(frozen=True)
class Csr(Named):
    """A certification request as received."""

    der: bytes = field(repr=False)
    subject: bytes
    spki: bytes
    challenge: str | None = field(repr=False)
    extensions: Mapping[str, Extension]
    signature_digest: str | None
    info: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    notes: tuple[Note, ...] = ()
    challenge_type: str | None = None
    """The ASN.1 type of the challenge password, since some servers accept only one type (F-S01)."""
    version: int = 0
    """The number in the request: 0 means version 1, the only version of PKCS#10 (RFC 2986, 4.1)."""
    signature_algorithm: str = ""
    """The object identifier; ``signature_digest`` is None if `verify` does not support it."""

    @classmethod
    def from_der(cls, octets: bytes) -> Csr:
        """Read a request.

        Raises:
            DecodeError: it is not a PKCS#10 request.
        """
        # A CSR is a value, and the client, the CA and its ledger read the same one. Large ones are not cached, so that
        # a hostile peer cannot fill the memory.
        return _read(octets) if len(octets) <= 4096 else _read.__wrapped__(octets)

    @classmethod
    def _read_anew(cls, octets: bytes) -> Csr:
        outer = der.read(octets, "csr").expect(der.SEQUENCE)
        info = outer.child(0, "certificationRequestInfo", der.SEQUENCE)
        version = info.child(0, "version", der.INTEGER)
        signed_with = outer.child(1, "signatureAlgorithm", der.SEQUENCE).child(0, "algorithm").to_oid()
        challenge, challenge_type, extensions, notes = _attributes(info)
        number = version.to_integer()
        if number != 0:
            notes = (Note("SCEP-3.3.1-10", version.path, f"{v.number_text(number)} instead of 0"), *notes)
        return cls(
            der=octets,
            subject=info.child(1, "subject", der.SEQUENCE).raw,
            spki=info.child(2, "subjectPKInfo", der.SEQUENCE).raw,
            challenge=challenge,
            extensions=extensions,
            signature_digest=DIGEST_OF_SIGNATURE.get(signed_with),
            info=info.raw,
            signature=outer.child(2, "signature", der.BIT_STRING).to_bits(),
            notes=notes,
            challenge_type=challenge_type,
            version=number,
            signature_algorithm=signed_with,
        )

    def verify(self, *, md5: bool = False) -> None:
        """Check the self-signature over the received bytes; ``md5`` also accepts MD5.

        Raises:
            AlgorithmRefused: MD5 without ``md5``, or an unknown algorithm or kind of key; ``got`` names it.
            DecodeError: the key is malformed.
            SignatureInvalid: the signature does not verify.
        """
        if self.signature_digest is None:
            name = v.oid_text(self.signature_algorithm)
            raise AlgorithmRefused("csr.signatureAlgorithm", 0, "RSA PKCS#1 v1.5 or ECDSA", name)
        verify_signature(self.public_key(), self.signature, self.info, self.signature_digest, "the CSR", md5=md5)

    def public_key(self) -> PublicKey:
        """The public key to be certified.

        Raises:
            AlgorithmRefused: the key is neither RSA nor EC.
            DecodeError: the key is malformed.
        """
        return self._public_key

    @cached_property
    def _public_key(self) -> PublicKey:
        return public_key_of(self.spki, "csr.subjectPKInfo")


def _attributes(info: der.Element) -> tuple[str | None, str | None, dict[str, Extension], tuple[Note, ...]]:
    challenge: str | None = None
    challenge_type: str | None = None
    extensions: dict[str, Extension] = {}
    notes: list[Note] = []
    if len(info.children) < 4:
        return None, None, {}, (Note("SCEP-3.3.1-10", "csr.attributes", "absent; PKCS#10 wants an empty set"),)
    holder = info.child(3, "attributes", 0xA0)
    encodings = [entry.raw for entry in holder.children]
    if encodings != sorted(encodings):
        notes.append(Note("SCEP-3.3.1-10", holder.path, "not in DER order"))
    for index in range(len(holder.children)):
        entry = holder.child(index, f"[{index}]", der.SEQUENCE)
        kind = entry.child(0, "type").to_oid()
        values = entry.child(1, "values", der.SET)
        if kind == v.CHALLENGE_PASSWORD:
            if challenge is not None:
                raise DecodeError(entry.path, entry.start, "one challengePassword", "two")
            value = values.child(0, "challengePassword")
            challenge_type = der.tag_name(value.tag)
            challenge = value.content.decode("utf-8", "replace") if value.tag == der.OCTET_STRING else value.to_text()
            if value.tag not in (der.PRINTABLE_STRING, der.UTF8_STRING):
                text = f"PrintableString or UTF8String expected, got {der.tag_name(value.tag)}"
                notes.append(Note("SCEP-3.3.1-06", value.path, text))
            if len(values.children) > 1 or len(challenge) > 255:
                notes.append(Note("SCEP-3.3.1-07", value.path, "one value of at most 255 characters expected"))
        elif kind in (v.EXTENSION_REQUEST, v.MICROSOFT_EXTENSION_REQUEST):
            extensions.update(read_extensions(values.child(0, "extensions", der.SEQUENCE)))
    return challenge, challenge_type, extensions, tuple(notes)


def fits_key(certificate: Certificate, key: PrivateKey) -> bool:
    """Whether the certificate's public key is that of ``key`` (SCEP-3.3.2.1-11); False if it cannot be read."""
    try:
        return certificate.public_key() == key.public_key()
    except DecodeError:
        return False


@lru_cache(maxsize=16)
def _read(octets: bytes) -> Csr:
    return Csr._read_anew(octets)
