"""X.509 certificates and names: a tolerant view of received ones, and a writer for our own.

The view keeps issuer, subject and public key as the received bytes (issuerAndSerialNumber has to copy them). It reads
what real peers send: version 1, serial numbers of 33 bytes, GeneralizedTime before 2050. Owns no policy: the caller
decides what a certificate may be used for. RFC 5280; RFC 8894, 2.1 and 2.3.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property, lru_cache
from typing import ClassVar

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mfp_sim.shared.errors import DecodeError, MfpSimError, SignatureInvalid
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import (
    DIGEST_OF_SIGNATURE,
    HASHES,
    PrivateKey,
    PublicKey,
    algorithm,
    public_key_of,
    sign,
    signature_algorithm,
    verify_signature,
)
from mfp_sim.shared.scep.der import Element

__all__ = [
    "HASHES",
    "KEY_USAGE_BITS",
    "Certificate",
    "Extension",
    "Identity",
    "Named",
    "Signed",
    "algorithm",
    "basic_constraints_extension",
    "common_name_of",
    "encode_extensions",
    "extended_key_usage_extension",
    "folded_name",
    "issue",
    "key_identifier",
    "key_usage_extension",
    "name",
    "name_pairs",
    "name_text",
    "public_key_of",
    "read_extensions",
    "same_name",
    "self_signed",
    "spki_of",
    "subject_alt_name_extension",
    "verify_signature",
]

KEY_USAGE_BITS = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
_NAME_LABELS = {oid: label for label, oid in v.NAME_ATTRIBUTES.items()}


@dataclass(frozen=True)
class Extension:
    """One extension: whether it is critical, and the bytes inside its OCTET STRING."""

    critical: bool
    value: bytes


class Signed:
    """A certificate or a CRL. Checks whether a given CA signed it; subclasses have the fields."""

    noun: ClassVar[str]
    issuer: bytes
    tbs: bytes
    signature_oid: str
    signature: bytes

    @cached_property
    def issuer_text(self) -> str:
        """The issuer as text. This never raises."""
        return name_text(self.issuer)

    def verify_issued_by(self, issuer: Certificate) -> None:
        """Check the names and the signature.

        Raises:
            AlgorithmRefused: the signature uses MD5.
            DecodeError: the issuer's key is malformed.
            SignatureInvalid: the issuer's name or key does not match.
        """
        if self.issuer != issuer.subject:
            raise SignatureInvalid(f"{self.noun}'s issuer is {self.issuer_text}, not {issuer.subject_text}")
        digest = DIGEST_OF_SIGNATURE.get(self.signature_oid)
        if digest is None:
            name = v.oid_text(self.signature_oid)
            raise SignatureInvalid(f"{self.noun} is signed with an unknown algorithm, {name}")
        verify_signature(issuer.public_key(), self.signature, self.tbs, digest, self.noun)

    def was_issued_by(self, issuer: Certificate) -> bool:
        """Whether `verify_issued_by` passes. This never raises."""
        if self.issuer != issuer.subject:
            return False
        try:
            self.verify_issued_by(issuer)
        except MfpSimError:
            return False
        return True


class Named:
    """A certificate or a certification request, both of which have a subject. Subclasses have the fields."""

    subject: bytes
    extensions: Mapping[str, Extension]

    @cached_property
    def subject_text(self) -> str:
        """The subject as text, ``CN=…,O=…`` (RFC 4514 order and escaping). This never raises."""
        return name_text(self.subject)

    @cached_property
    def common_name(self) -> str | None:
        """The last CN of the subject, or None.

        Raises:
            DecodeError: the subject is not a Name.
        """
        return common_name_of(self.subject)

    @cached_property
    def sans(self) -> tuple[str, ...]:
        """dNSName and iPAddress entries of the subjectAltName, as text.

        Raises:
            DecodeError: the extension is malformed.
        """
        extension = self.extensions.get(v.SUBJECT_ALT_NAME)
        return () if extension is None else read_alt_names(extension.value)


@dataclass(frozen=True)
class Certificate(Signed, Named):
    """A certificate as received. Names and the public key are the received DER bytes.

    ``oddities`` describes what RFC 5280 forbids but real peers send: an old version, a long serial number,
    GeneralizedTime before 2050.
    """

    noun = "the certificate"

    der: bytes
    version: int
    serial: int
    issuer: bytes
    subject: bytes
    spki: bytes
    not_before: datetime
    not_after: datetime
    extensions: Mapping[str, Extension]
    tbs: bytes
    signature_oid: str
    signature: bytes
    oddities: tuple[str, ...] = ()

    @classmethod
    def from_der(cls, octets: bytes, path: str = "certificate") -> Certificate:
        """Read one certificate.

        Raises:
            DecodeError: the bytes are not an X.509 certificate.
        """
        return cls.from_element(der.read(octets, path), path)

    @classmethod
    def from_element(cls, element: Element, path: str = "certificate") -> Certificate:
        """Read a certificate that is part of a larger message."""
        outer = element.expect(der.SEQUENCE, path)
        octets, work = outer.raw, outer.work
        before = work.elements - outer.inside
        if octets in _READ:
            found, elements = _READ[octets]
            if before + elements <= work.most:
                work.elements = before + elements
                return found
        tbs = outer.child(0, "tbsCertificate", der.SEQUENCE)
        fields = tbs.children
        first = 1 if fields and fields[0].tag == 0xA0 else 0
        version = 1
        if first:
            version = tbs.child(0, "version").child(0, "value", der.INTEGER).to_integer() + 1
        validity = tbs.child(first + 3, "validity", der.SEQUENCE)
        serial = tbs.child(first, "serialNumber", der.INTEGER).to_integer()
        issuer = tbs.child(first + 2, "issuer", der.SEQUENCE).raw
        subject = tbs.child(first + 4, "subject", der.SEQUENCE).raw
        spki = tbs.child(first + 5, "subjectPublicKeyInfo", der.SEQUENCE).raw
        begins = validity.child(0, "notBefore")
        not_before = begins.to_time()
        ends = validity.child(1, "notAfter")
        not_after = ends.to_time()
        found = cls(
            der=octets,
            version=version,
            serial=serial,
            issuer=issuer,
            subject=subject,
            spki=spki,
            not_before=not_before,
            not_after=not_after,
            extensions=_extensions(tbs, first + 6),
            tbs=tbs.raw,
            signature_oid=outer.child(1, "signatureAlgorithm", der.SEQUENCE).child(0, "algorithm").to_oid(),
            signature=outer.child(2, "signature", der.BIT_STRING).to_bits(),
            oddities=_oddities(version, serial, (not_before, begins.tag), (not_after, ends.tag)),
        )
        return found if work.ber else _remembered(found, work.elements - before)

    def public_key(self) -> PublicKey:
        """The public key, RSA or EC.

        Raises:
            DecodeError: the key is of another kind, or malformed.
        """
        return self._public_key

    @cached_property
    def _public_key(self) -> PublicKey:
        return public_key_of(self.spki, "certificate.subjectPublicKeyInfo")

    @cached_property
    def key_usage(self) -> frozenset[str] | None:
        """The names of the keyUsage bits, or None without the extension (then all uses are allowed).

        Raises:
            DecodeError: the extension is malformed.
        """
        extension = self.extensions.get(v.KEY_USAGE)
        if extension is None:
            return None
        bits = der.read(extension.value, "certificate.keyUsage").to_bits()
        return frozenset(
            label
            for index, label in enumerate(KEY_USAGE_BITS)
            if index // 8 < len(bits) and bits[index // 8] & (0x80 >> index % 8)
        )

    @cached_property
    def purposes(self) -> tuple[str, ...] | None:
        """The object identifiers of extKeyUsage, or None without the extension (then any purpose is allowed).

        Raises:
            DecodeError: the extension is malformed.
        """
        extension = self.extensions.get(v.EXTENDED_KEY_USAGE)
        if extension is None:
            return None
        listed = der.read(extension.value, "certificate.extKeyUsage").expect(der.SEQUENCE).children
        return tuple(purpose.to_oid() for purpose in listed)

    @cached_property
    def is_ca(self) -> bool:
        """Whether basicConstraints says cA. A self-issued version 1 certificate also counts as a CA.

        Raises:
            DecodeError: the extension is malformed.
        """
        extension = self.extensions.get(v.BASIC_CONSTRAINTS)
        if extension is None:
            return self.version == 1 and self.issuer == self.subject
        fields = der.read(extension.value, "certificate.basicConstraints").expect(der.SEQUENCE).children
        return bool(fields) and fields[0].tag == der.BOOLEAN and fields[0].content != b"\x00"

    @cached_property
    def says_ca(self) -> bool:
        """Like `is_ca`, for choosing among certificates: a malformed extension counts as absent."""
        try:
            return self.is_ca
        except DecodeError:
            return False

    @cached_property
    def stated_usage(self) -> frozenset[str] | None:
        """Like `key_usage`, for choosing among certificates: a malformed extension counts as absent."""
        try:
            return self.key_usage
        except DecodeError:
            return None

    def fingerprint(self, hash: str = "sha256") -> str:  # noqa: A002 - the field's word
        """The hex digest over the DER of the certificate."""
        return hashlib.new(hash, self.der, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key."""

    certificate: Certificate
    key: PrivateKey = field(repr=False)


def _oddities(version: int, serial: int, *times: tuple[datetime, int]) -> tuple[str, ...]:
    """What RFC 5280 forbids (4.1.2.1, 4.1.2.2, 4.1.2.5) but the reader accepts; ``times`` have their tags."""
    size = serial.bit_length() // 8 + 1
    early = any(tag == der.GENERALIZED_TIME and when.year < 2050 for when, tag in times)
    rows = (
        version != 3 and f"version {version}",
        size > 20 and f"a serial number of {size} bytes",
        serial <= 0 and "a serial number that is not positive",
        early and "GeneralizedTime before 2050",
    )
    return tuple(text for text in rows if text)


READ_LIMIT, READ_OCTETS = 256, 4096
"""The number of read certificates in the cache, and the size of the largest one in bytes. A certificate is a value, and
the same few recur. The limits keep a hostile peer from filling the memory."""
_READ: dict[bytes, tuple[Certificate, int]] = {}
"""The read certificates, each with the number of its elements, so that reading it again counts the same."""


def _remembered(certificate: Certificate, elements: int) -> Certificate:
    """The certificate, which is not read again while it is in the cache."""
    if len(certificate.der) <= READ_OCTETS:
        if len(_READ) >= READ_LIMIT:
            _READ.clear()
        _READ[certificate.der] = certificate, elements
    return certificate


def _extensions(tbs: der.Element, first: int) -> dict[str, Extension]:
    found: dict[str, Extension] = {}
    for index in range(first, len(tbs.children)):
        if tbs.children[index].tag == 0xA3:
            holder = tbs.child(index, "extensions").child(0, "list", der.SEQUENCE)
            found.update(read_extensions(holder))
    return found


def read_extensions(holder: der.Element) -> dict[str, Extension]:
    """The extensions of a SEQUENCE OF Extension by dotted OID."""
    found: dict[str, Extension] = {}
    for index in range(len(holder.children)):
        entry = holder.child(index, f"[{index}]", der.SEQUENCE)
        critical = len(entry.children) > 2 and entry.child(1, "critical", der.BOOLEAN).content != b"\x00"
        value = entry.child(len(entry.children) - 1, "extnValue").to_octets()
        found[entry.child(0, "extnID").to_oid()] = Extension(critical, value)
    return found


# --- names ------------------------------------------------------------------------------------------------


def name(*pairs: tuple[str, str]) -> bytes:
    """A Name of single-valued RDNs in the given order: ``name(("O", "Example AS"), ("CN", "x"))``.

    Values are PrintableString if their characters allow it, else UTF8String; DC is IA5String.
    """
    rdns = []
    for label, text in pairs:
        if label == "DC":
            value = der.ia5_string(text)
        elif der.PRINTABLE.issuperset(text):
            value = der.printable_string(text)
        else:
            value = der.utf8_string(text)
        rdns.append(der.set_of([der.sequence(der.oid(v.NAME_ATTRIBUTES.get(label, label)), value)]))
    return der.sequence(*rdns)


def name_pairs(octets: bytes) -> tuple[tuple[str, str], ...]:
    """The attributes of a Name in order, as (label or dotted OID, text).

    A value that is not a string is shown as ``#`` and its DER in hex (RFC 4514, 2.4).

    Raises:
        DecodeError: the bytes are not a Name.
    """
    return tuple((label, text if is_text else f"#{text}") for label, text, is_text in _attributes(octets))


_Attribute = tuple[str, str, bool]
"""The label or dotted OID; the text, or the hex of a value that is not a string; whether it is text or hex."""


def _attributes(octets: bytes) -> tuple[_Attribute, ...]:
    return _known_attributes(octets) if len(octets) <= 512 else _read_attributes(octets)


@lru_cache(maxsize=512)
def _known_attributes(octets: bytes) -> tuple[_Attribute, ...]:
    return _read_attributes(octets)


def _read_attributes(octets: bytes) -> tuple[_Attribute, ...]:
    found = []
    for rdn in der.read(octets, "name").expect(der.SEQUENCE).children:
        for attribute in rdn.expect(der.SET).children:
            dotted = attribute.child(0, "type").to_oid()
            value = attribute.child(1, "value")
            is_text = value.tag in der.TEXT_ENCODINGS
            text = value.to_text() if is_text else value.raw.hex()
            found.append((_NAME_LABELS.get(dotted, dotted), text, is_text))
    return tuple(found)


NAME_OCTETS = 64
"""How many bytes are shown of something that is not a Name."""


def name_text(octets: bytes) -> str:
    """A Name as text, most specific attribute first (RFC 4514).

    This never raises: anything that is not a Name, or not a string in a Name, is shown as ``#`` and hex.
    """
    try:
        found = _attributes(octets)
    except DecodeError:
        return f"#{octets[:NAME_OCTETS].hex()}{'…' * (len(octets) > NAME_OCTETS)}"
    return ",".join(f"{label}={_escaped(text) if is_text else '#' + text}" for label, text, is_text in reversed(found))


_ESCAPES = str.maketrans({letter: "\\" + letter for letter in ',+"\\<>;'})


def _escaped(text: str) -> str:
    out = text.translate(_ESCAPES)
    return "\\" + out if out[:1] in ("#", " ") else out


def common_name_of(octets: bytes) -> str | None:
    """The last CN of a Name, or None.

    Raises:
        DecodeError: the bytes are not a Name.
    """
    names = [text for label, text in name_pairs(octets) if label == "CN"]
    return names[-1] if names else None


def same_name(first: bytes, second: bytes) -> bool:
    """Whether two Names are equal, ignoring string types, case and runs of blanks (RFC 5280, 7.1). Bytes that are not a
    Name only equal the same bytes."""
    return first == second or folded_name(first) == folded_name(second)


def folded_name(octets: bytes) -> tuple[_Attribute, ...] | bytes:
    """A Name in a form for comparison (RFC 5280, 7.1); the bytes themselves if they are not a Name."""
    try:
        found = _attributes(octets)
    except DecodeError:
        return octets
    return tuple((label, " ".join(text.split()).casefold(), is_text) for label, text, is_text in found)


# --- extensions and issuing -------------------------------------------------------------------------------


def extended_key_usage_extension(*purposes: str) -> tuple[str, bool, bytes]:
    """A non-critical extKeyUsage with these object identifiers."""
    return v.EXTENDED_KEY_USAGE, False, der.sequence(*(der.oid(purpose) for purpose in purposes))


def key_usage_extension(*bits: str) -> tuple[str, bool, bytes]:
    """A critical keyUsage with the named bits."""
    number = 0
    for bit in bits:
        number |= 0x8000 >> KEY_USAGE_BITS.index(bit)
    octets = number.to_bytes(2, "big").rstrip(b"\x00") or b"\x00"
    unused = (octets[-1] & -octets[-1]).bit_length() - 1 if octets[-1] else 0
    return v.KEY_USAGE, True, der.bit_string(octets, unused)


def basic_constraints_extension(ca: bool, path_length: int | None = None) -> tuple[str, bool, bytes]:
    """A critical basicConstraints."""
    fields = [der.boolean(True)] if ca else []
    if path_length is not None:
        fields.append(der.integer(path_length))
    return v.BASIC_CONSTRAINTS, True, der.sequence(*fields)


def subject_alt_name_extension(names: Sequence[str]) -> tuple[str, bool, bytes]:
    """A subjectAltName: IP literals become iPAddress, anything else dNSName."""
    parts = []
    for text in names:
        try:
            parts.append(der.implicit(7, ipaddress.ip_address(text).packed))
        except ValueError:
            parts.append(der.implicit(2, text.encode("idna") if not text.isascii() else text.encode()))
    return v.SUBJECT_ALT_NAME, False, der.sequence(*parts)


def read_alt_names(value: bytes) -> tuple[str, ...]:
    """dNSName and iPAddress entries of a subjectAltName value, as text."""
    names = []
    for entry in der.read(value, "subjectAltName").expect(der.SEQUENCE).children:
        if entry.tag == 0x82:
            names.append(entry.content.decode("ascii", "replace"))
        elif entry.tag == 0x87 and len(entry.content) in (4, 16):
            names.append(str(ipaddress.ip_address(entry.content)))
    return tuple(names)


def key_identifier(spki: bytes) -> bytes:
    """SHA-1 over the key's bits (RFC 5280, 4.2.1.2, method 1)."""
    bits = der.read(spki, "subjectPublicKeyInfo").child(1, "subjectPublicKey", der.BIT_STRING).to_bits()
    return hashlib.sha1(bits, usedforsecurity=False).digest()


def spki_of(key: PrivateKey | PublicKey) -> bytes:
    """The SubjectPublicKeyInfo of a key pair or a public key."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def encode_extensions(extensions: Sequence[tuple[str, bool, bytes]]) -> bytes:
    """SEQUENCE OF Extension."""
    return der.sequence(
        *(
            der.sequence(der.oid(oid), *([der.boolean(True)] if critical else []), der.octet_string(value))
            for oid, critical, value in extensions
        )
    )


def issue(
    *,
    serial: int,
    issuer: bytes,
    subject: bytes,
    spki: bytes,
    not_before: datetime,
    not_after: datetime,
    extensions: Sequence[tuple[str, bool, bytes]],
    signing_key: PrivateKey,
    digest: str = "sha256",
    md5: bool = False,
) -> Certificate:
    """Make an X.509 v3 certificate with exactly the given bytes of names and key.

    Raises:
        AlgorithmRefused: MD5 without ``md5``.
        DecodeError: a name or the key is not a SEQUENCE.
    """
    parts = {"issuer": issuer, "subject": subject, "subjectPublicKeyInfo": spki}
    read = [der.read(octets, f"certificate.{part}").expect(der.SEQUENCE) for part, octets in parts.items()]
    algorithm_identifier = signature_algorithm(signing_key, digest, md5=md5)
    begins, ends = der.time(not_before), der.time(not_after)
    tbs = der.sequence(
        der.explicit(0, der.integer(2)),
        der.integer(serial),
        algorithm_identifier,
        issuer,
        der.sequence(begins, ends),
        subject,
        spki,
        *([der.explicit(3, encode_extensions(extensions))] if extensions else []),
    )
    signature = sign(signing_key, tbs, digest)
    first, last = (moment.astimezone(timezone.utc).replace(microsecond=0) for moment in (not_before, not_after))
    signed_with = der.read(algorithm_identifier)
    found = Certificate(  # as `from_der` would read it
        der=der.sequence(tbs, algorithm_identifier, der.bit_string(signature)),
        version=3,
        serial=serial,
        issuer=issuer,
        subject=subject,
        spki=spki,
        not_before=first,
        not_after=last,
        extensions={oid: Extension(critical, value) for oid, critical, value in extensions},
        tbs=tbs,
        signature_oid=signed_with.child(0, "algorithm").to_oid(),
        signature=signature,
        oddities=_oddities(3, serial, (first, begins[0]), (last, ends[0])),
    )
    if any(part.work.ber for part in read):
        return found
    # What `from_element` would read in the certificate, its TBS, version, validity, algorithm, and extensions.
    elements = 3 + 7 + 1 + 2 + signed_with.inside
    if extensions:
        elements += 2 + sum(3 + critical for _, critical, _ in extensions)
    return _remembered(found, elements)


def self_signed(
    key: PrivateKey,
    *,
    subject: bytes,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    digest: str = "sha256",
    extensions: Sequence[tuple[str, bool, bytes]] = (),
) -> Certificate:
    """The certificate that a client uses for its first request: digitalSignature and keyEncipherment (SCEP-2.3-02)."""
    return issue(
        serial=serial,
        issuer=subject,
        subject=subject,
        spki=spki_of(key),
        not_before=not_before,
        not_after=not_after,
        extensions=[key_usage_extension("digitalSignature", "keyEncipherment"), *extensions],
        signing_key=key,
        digest=digest,
    )
