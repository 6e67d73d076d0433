"""CMS SignedData on `mfp_sim.shared.scep.der`: structure and signature, no SCEP.

Writes DER that every peer can read: one SignerInfo by issuerAndSerialNumber, signedAttrs written and signed in sorted
order, ``rsaEncryption`` as signature algorithm. Other forms are options. Reads BER, both spellings of the signature
algorithm, unsorted attributes, signers by key identifier. RFC 5652, 5; RFC 8894, 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, SignatureInvalid
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import (
    DIGEST_OF_SIGNATURE,
    HASHES,
    PrivateKey,
    algorithm,
    digest_label,
    digest_of,
    pss_algorithm,
    sign,
    signature_algorithm,
    verify_signature,
)
from mfp_sim.shared.scep.certificate import Certificate, key_identifier
from mfp_sim.shared.scep.envelope import Envelope, content_key_of, encode_envelope, open_envelope, read_envelope
from mfp_sim.shared.scep.note import Note, notes_of
from mfp_sim.shared.scep.oddities import CORRECT, Oddities

__all__ = [
    "Bag",
    "Envelope",
    "SignedData",
    "attribute",
    "content_info",
    "content_key_of",
    "encode_certs_only",
    "encode_envelope",
    "encode_signed_data",
    "open_envelope",
    "read_bag",
    "read_content",
    "read_envelope",
    "read_signed_data",
]


def content_info(kind: str, content: bytes) -> bytes:
    """ContentInfo around ``content``."""
    return der.sequence(der.oid(kind), der.explicit(0, content))


def attribute(kind: str, *values: bytes) -> bytes:
    """An Attribute with its values, normally one."""
    return der.sequence(der.oid(kind), der.set_of(values))


# --- reading ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignedData:
    """SignedData with its one SignerInfo, as received. ``attributes`` maps each OID to the elements of its values.

    ``signed_attributes`` is their SET in DER; ``received_attributes`` is the SET as received, if it differs. If the
    SignerInfo names the signer by key identifier, ``signer_key_identifier`` is set, issuer is empty and serial is -1.
    """

    content: bytes | None = field(repr=False)
    content_type: str
    certificates: tuple[Certificate, ...]
    crls: tuple[bytes, ...] = field(repr=False)
    signer_issuer: bytes
    signer_serial: int
    signer_key_identifier: bytes | None
    digest: str
    signature_algorithm: str
    signed_attributes: bytes = field(repr=False)
    received_attributes: bytes = field(repr=False)
    attributes: Mapping[str, tuple[der.Element, ...]]
    unsigned_attributes: Mapping[str, tuple[der.Element, ...]]
    signature: bytes = field(repr=False)
    work: der.ReadingWork = field(repr=False, compare=False)
    attributes_offset: int = field(repr=False)
    notes: tuple[Note, ...] = ()

    def names_signer(self, certificate: Certificate) -> bool:
        """Whether the SignerInfo names ``certificate`` as the signer's."""
        if self.signer_key_identifier is None:
            return certificate.serial == self.signer_serial and certificate.issuer == self.signer_issuer
        extension = certificate.extensions.get(v.SUBJECT_KEY_IDENTIFIER)
        if extension is None:
            return self.signer_key_identifier == key_identifier(certificate.spki)
        return extension.value == der.octet_string(self.signer_key_identifier)

    @property
    def verifiable(self) -> bool:
        """Whether `verify` supports the signature algorithm."""
        return self.signature_algorithm in _VERIFIED

    def verify(self, signer: Certificate) -> None:
        """Check contentType, messageDigest and signature. MD5 is verified too: the caller refuses it by ``digest``.

        The signature is checked over the attributes as received; if that fails, over the sorted attributes (Bouncy
        Castle and Go sign them sorted but may send them unsorted).

        Raises:
            AlgorithmRefused: the digest, the signature algorithm or the kind of key is unknown; ``got`` names it.
            SignatureInvalid: contentType, messageDigest or signature is wrong.
        """
        if not self.verifiable:
            name = v.oid_text(self.signature_algorithm)
            raise AlgorithmRefused("signerInfos[0].signatureAlgorithm", 0, "RSA PKCS#1 v1.5 or ECDSA", name)
        if self.digest not in HASHES:
            raise AlgorithmRefused("signerInfos[0].digestAlgorithm", 0, "SHA-1 or SHA-2", v.oid_text(self.digest))
        kinds = self.attributes.get(v.CONTENT_TYPE, ())
        if len(kinds) != 1 or kinds[0].to_oid() != self.content_type:
            raise SignatureInvalid("the contentType attribute is not the type of the content")
        declared = self.attributes.get(v.MESSAGE_DIGEST, ())
        if len(declared) != 1 or declared[0].to_octets() != digest_of(self.digest, self.content or b""):
            raise SignatureInvalid("the messageDigest attribute is not the digest of the content")
        key = signer.public_key()
        try:
            verify_signature(key, self.signature, self.received_attributes, self.digest, "the message", md5=True)
        except SignatureInvalid:
            if self.received_attributes == self.signed_attributes:
                raise
            verify_signature(key, self.signature, self.signed_attributes, self.digest, "the message", md5=True)


_VERIFIED = frozenset({v.RSA_ENCRYPTION, v.EC_PUBLIC_KEY, *DIGEST_OF_SIGNATURE})


def read_signed_data(octets: bytes) -> SignedData:
    """Read a ContentInfo with SignedData and exactly one SignerInfo with signedAttrs.

    Raises:
        DecodeError: the bytes have another structure.
    """
    frame = _Frame(octets)
    holder = frame.signer_infos
    if len(holder.children) != 1:
        raise DecodeError("signerInfos", holder.start, "exactly one SignerInfo", str(len(holder.children)))
    info = holder.child(0, "[0]", der.SEQUENCE).under("signerInfos[0]")
    issuer, serial, identifier = _signer(info.child(1, "sid"))
    signed = info.child(3, "signedAttrs")
    if signed.tag != 0xA0:
        # Without signed attributes, the content could be a SET of them that an attacker moved there (SCEP-3-06).
        raise signed.fail("signed attributes", "none")
    unsigned = info.child(6, "unsignedAttrs", 0xA1) if len(info.children) > 6 else None
    content_type, content = frame.encapsulated()
    found = SignedData(
        content=content,
        content_type=content_type,
        certificates=frame.certificates,
        crls=frame.crls,
        signer_issuer=issuer,
        signer_serial=serial,
        signer_key_identifier=identifier,
        digest=digest_label(info.child(2, "digestAlgorithm", der.SEQUENCE).child(0, "algorithm")),
        signature_algorithm=info.child(4, "signatureAlgorithm", der.SEQUENCE).child(0, "algorithm").to_oid(),
        signed_attributes=der.set_of([entry.as_der() for entry in signed.children]),
        received_attributes=der.tlv(der.SET, signed.content),
        attributes=_attributes(signed),
        unsigned_attributes=_attributes(unsigned) if unsigned is not None else {},
        signature=info.child(5, "signature").to_octets(),
        work=frame.outer.work,
        attributes_offset=signed.start,
    )
    notes = (*frame.notes(), *_signer_notes(found, frame, info))
    return replace(found, notes=notes) if notes else found


class _Frame:
    """The parts of SignedData that do not depend on its content."""

    def __init__(self, octets: bytes) -> None:
        self.outer = der.read(octets, "", trailing=True).expect(der.SEQUENCE, "contentInfo")
        self.trailing = len(octets) - self.outer.end
        kind = self.outer.child(0, "contentType")
        if kind.to_oid() != v.SIGNED_DATA:
            raise kind.fail("signedData", v.oid_text(kind.to_oid()))
        self.data = self.outer.child(1, "content", 0xA0).child(0, "signedData", der.SEQUENCE).under("")
        self.version = self.data.child(0, "version", der.INTEGER).to_integer()
        self.digests = self.data.child(1, "digestAlgorithms", der.SET)
        self.encap = self.data.child(2, "encapContentInfo", der.SEQUENCE)
        self.certificates: tuple[Certificate, ...] = ()
        self.crls: tuple[bytes, ...] = ()
        self.others = 0  # entries of certificates that are not certificates
        self.empty: list[str] = []
        self._next = 3
        if (holder := self._optional("certificates", 0xA0)) is not None:
            entries = [(i, e) for i, e in enumerate(holder.children) if e.tag == der.SEQUENCE and not is_crl(e)]
            self.certificates = tuple(Certificate.from_element(e, f"certificates[{i}]") for i, e in entries)
            self.others = len(holder.children) - len(entries)
        if (holder := self._optional("crls", 0xA1)) is not None:
            self.crls = tuple(entry.as_der() for entry in holder.children if entry.tag == der.SEQUENCE)
        self.signer_infos = self.data.child(self._next, "signerInfos", der.SET)

    def encapsulated(self) -> tuple[str, bytes | None]:
        """The type and the bytes of the content; None for the bytes if there is no content."""
        content = None
        if len(self.encap.children) > 1:
            content = self.encap.child(1, "eContent", 0xA0).child(0, "value").to_octets()
        return self.encap.child(0, "eContentType").to_oid(), content

    def _optional(self, name: str, tag: int) -> der.Element | None:
        """The next field, if it has this tag; an empty field is noted in ``empty``."""
        if len(self.data.children) <= self._next or self.data.children[self._next].tag != tag:
            return None
        holder = self.data.child(self._next, name)
        self._next += 1
        if not holder.children:
            self.empty.append(name)
        return holder

    def notes(self) -> list[Note]:
        """Deviations in the parts that every SignedData has."""
        ber = "BER: an indefinite length, or one that is not the shortest"
        found = notes_of(
            self.trailing != 0 and ("SCEP-3-05", "signedData", f"{self.trailing} bytes follow the message"),
            self.outer.work.ber and ("SCEP-3-04", "signedData", ber),
            self.others != 0
            and ("SCEP-3.4-03", "certificates", f"{self.others} of the entries are not X.509 certificates"),
        )
        return [*found, *(Note("SCEP-3.4-05", name, "present but empty") for name in self.empty)]


def is_crl(entry: der.Element) -> bool:
    """Whether an entry of the certificates is a CRL: the fourth field of its TBS is a time.

    A certificate that begins with its version is not a CRL; this is decided without reading it.
    """
    if not entry.children or entry.children[0].tag != der.SEQUENCE or entry.children[0].first_tag == 0xA0:
        return False
    fields = entry.children[0].children
    return len(fields) > 3 and any(f.tag in (der.UTC_TIME, der.GENERALIZED_TIME) for f in fields[:5])


def _signer(sid: der.Element) -> tuple[bytes, int, bytes | None]:
    if sid.tag & ~0x20 == 0x80:
        return b"", -1, sid.to_octets(0x80)
    sid.expect(der.SEQUENCE)
    issuer = sid.child(0, "issuer", der.SEQUENCE).as_der()
    return issuer, sid.child(1, "serialNumber", der.INTEGER).to_integer(), None


def _attributes(holder: der.Element) -> dict[str, tuple[der.Element, ...]]:
    found: dict[str, tuple[der.Element, ...]] = {}
    for index in range(len(holder.children)):
        entry = holder.child(index, f"[{index}]", der.SEQUENCE)
        kind = entry.child(0, "attrType").to_oid()
        if kind in found:
            raise DecodeError(f"{holder.path}.{v.oid_text(kind)}", entry.start, "each attribute once", "it twice")
        found[kind] = entry.child(1, "attrValues", der.SET).children
    return found


def _signer_notes(found: SignedData, frame: _Frame, info: der.Element) -> list[Note]:
    version = info.child(0, "version", der.INTEGER).to_integer()
    listed = [entry.children[0].to_oid() for entry in frame.digests.children if entry.constructed and entry.children]
    named, digest = DIGEST_OF_SIGNATURE.get(found.signature_algorithm), found.digest
    versions = f"versions 1 and 1 expected, got {frame.version} and {version}"
    by_key = "subjectKeyIdentifier instead of issuerAndSerialNumber"
    included = any(found.names_signer(c) for c in found.certificates)
    place, attributes = "signerInfos[0]", "signerInfos[0].signedAttrs"
    return notes_of(
        found.signer_key_identifier is not None and ("SCEP-3.2-10", f"{place}.sid", by_key),
        (frame.version != 1 or version != 1) and ("SCEP-3.2-10", "version", versions),
        v.DIGEST_OIDS.get(digest, digest) not in listed
        and ("SCEP-3.2-11", "digestAlgorithms", f"{digest}, which the signer uses, is not listed"),
        named not in (None, digest)
        and ("SCEP-3.2-12", f"{place}.signatureAlgorithm", f"it names {named}, the digestAlgorithm is {digest}"),
        found.received_attributes != found.signed_attributes
        and ("SCEP-3.2-13", attributes, "not DER, or not in its order"),
        v.CONTENT_TYPE not in found.attributes and ("SCEP-3.2.1-05", f"{attributes}.contentType", "absent"),
        v.MESSAGE_DIGEST not in found.attributes and ("SCEP-3.2.1-05", f"{attributes}.messageDigest", "absent"),
        not included and ("SCEP-3.2-07", "certificates", "the signer's certificate is not in the message"),
        digest == "md5" and ("SCEP-2.9-10", f"{place}.digestAlgorithm", "MD5"),
    )


# --- writing ----------------------------------------------------------------------------------------------


def encode_signed_data(
    content: bytes | None,
    attributes: Sequence[bytes],
    *,
    signer_key: PrivateKey,
    signer_certificate: Certificate,
    certificates: Sequence[Certificate],
    digest: str,
    oddities: Oddities = CORRECT,
    contradiction: Sequence[bytes] = (),
) -> bytes:
    """ContentInfo with SignedData over ``content`` (None: eContent absent) and encoded attributes.

    contentType and messageDigest are added. The attributes are written and signed in sorted order, unless ``oddities``
    ask for another order. ``contradiction`` are the attributes of a second SignerInfo, for ``signers="two"``.

    Raises:
        AlgorithmRefused: MD5 without its option.
    """
    digest = "md5" if oddities.md5 else digest
    if digest == "md5" and not oddities.md5:
        raise AlgorithmRefused("signedData", 0, "SHA-1 or SHA-2", digest)
    writer = _Writer(signer_key, signer_certificate, digest, oddities)
    infos = [] if oddities.signers == "none" else [writer.signer_info(content, attributes)]
    if oddities.signers == "two":
        infos.append(writer.signer_info(content, contradiction))
    wrap = der.indefinite if oddities.ber else der.tlv
    stands = writer.stripped if writer.stripped is not None else content
    if oddities.flip_ciphertext and stands:
        stands = stands[:-1] + bytes((stands[-1] ^ 1,))
    body = b""
    if stands is not None:
        string = der.octet_string(stands)
        if oddities.ber:
            pieces = [stands[i : i + 1000] for i in range(0, len(stands), 1000)]
            string = der.indefinite(0x24, b"".join(map(der.octet_string, pieces)))
        body = wrap(0xA0, string)
    listed = [digest] if oddities.listed_digests is None else oddities.listed_digests
    certificates = certificates[::-1] if oddities.certificates == "reversed" else certificates
    bag = b"" if oddities.certificates == "empty" else b"".join(c.der for c in certificates)
    data = (
        der.integer(oddities.version)
        + der.set_of([writer.digest_algorithm(name) for name in listed])
        + wrap(der.SEQUENCE, der.oid(oddities.content_type) + body)
        + (b"" if oddities.certificates == "absent" else wrap(0xA0, bag))
        + wrap(der.SET, b"".join(infos))
    )
    inner = wrap(0xA0, wrap(der.SEQUENCE, data))
    return wrap(der.SEQUENCE, der.oid(v.SIGNED_DATA) + inner) + oddities.trailing


@dataclass
class _Writer:
    """Writes SignerInfos; ``stripped`` is the content that signed attributes were moved to."""

    key: PrivateKey
    certificate: Certificate
    digest: str
    oddities: Oddities
    stripped: bytes | None = None

    def digest_algorithm(self, name: str) -> bytes:
        parameters = [] if self.oddities.digest_parameters == "absent" else [der.null()]
        return algorithm(v.DIGEST_OIDS[name], *parameters)

    def signer_info(self, content: bytes | None, attributes: Sequence[bytes]) -> bytes:
        odd, by_key = self.oddities, self.oddities.signer_by == "key-identifier"
        signed, unsigned = self._placed(content, attributes)
        written, octets = self._ordered(signed)
        if odd.attributes == "none":
            octets = content or b""
        signature = sign(self.key, octets, self.digest, pss=odd.signature_name == "pss")
        if odd.signature == "flipped":
            signature = signature[:-1] + bytes((signature[-1] ^ 1,))
        for name, values in odd.after_signing:
            kind = _kind(name)
            old = next((entry for entry in signed if entry.startswith(der.oid(kind), 2)), None)
            if old is not None:
                written = written.replace(old, attribute(kind, *values))
        if odd.attributes == "stripped":
            self.stripped, written = octets, b""
        version = 3 if by_key else 1
        if by_key:
            sid = der.implicit(0, key_identifier(self.certificate.spki))
        else:
            sid = der.sequence(self.certificate.issuer, der.integer(self.certificate.serial))
        return der.sequence(
            der.integer(version if odd.signer_version is None else odd.signer_version),
            sid,
            self.digest_algorithm(self.digest),
            b"" if odd.attributes in ("none", "stripped") else der.tlv(0xA0, written),
            self._signature_algorithm(),
            der.octet_string(signature),
            der.tlv(0xA1, b"".join(sorted(unsigned))) if unsigned else b"",
        )

    def _placed(self, content: bytes | None, attributes: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Signed and unsigned attributes."""
        odd = self.oddities
        hashed = digest_of(self.digest, content or b"")
        if odd.message_digest == "wrong":
            hashed = bytes((hashed[0] ^ 1,)) + hashed[1:]
        signed = []
        if "contentType" not in odd.omit:
            signed.append(attribute(v.CONTENT_TYPE, der.oid(odd.content_type)))
        if "messageDigest" not in odd.omit:
            signed.append(attribute(v.MESSAGE_DIGEST, der.octet_string(hashed)))
        unsigned = [attribute(_kind(name), *values) for name, values in odd.extra_unsigned]
        (unsigned if odd.attributes == "unsigned" else signed).extend(attributes)
        signed.extend(attribute(_kind(name), *values) for name, values in odd.extra_signed)
        return signed, unsigned

    def _ordered(self, signed: Sequence[bytes]) -> tuple[bytes, bytes]:
        """The attributes as they are written, and the bytes that are signed."""
        right = b"".join(sorted(signed))
        unsorted = b"".join(sorted(signed, reverse=True))
        written = unsorted if self.oddities.attribute_order.startswith("unsorted") else right
        hashed = unsorted if self.oddities.attribute_order == "unsorted" else right
        return written, der.tlv(0xA0 if self.oddities.attribute_order == "signed-as-a0" else der.SET, hashed)

    def _signature_algorithm(self) -> bytes:
        odd = self.oddities
        if odd.signature_name == "pss":
            return pss_algorithm(self.digest)
        if isinstance(self.key, ec.EllipticCurvePrivateKey) or odd.signature_name == "combined":
            full = signature_algorithm(self.key, self.digest, md5=odd.md5)
            if odd.signature_parameters == "null" or isinstance(self.key, ec.EllipticCurvePrivateKey):
                return full
            return algorithm(v.RSA_SIGNATURE_OIDS[self.digest])
        return algorithm(v.RSA_ENCRYPTION, *([] if odd.signature_parameters == "absent" else [der.null()]))


def _kind(name: str) -> str:
    """The OID of an attribute with a name of RFC 8894; a dotted OID stays the same."""
    return v.SCEP_ATTRIBUTES.get(name, name)


# --- degenerate SignedData --------------------------------------------------------------------------------


def encode_certs_only(
    certificates: Sequence[bytes], crls: Sequence[bytes] = (), *, oddities: Oddities = CORRECT
) -> bytes:
    """A degenerate SignedData. The order is kept, since clients take the first certificate as their own.

    If there are CRLs, an empty set of certificates is omitted (SCEP-3.4-03, SCEP-3.4-05).
    """
    bag = [*certificates, *oddities.bag_others]
    if oddities.bag_crls_as_certificates:
        bag, crls = [*bag, *crls], ()
    if oddities.bag_sorted:
        bag.sort()
    with_crls = bool(crls) or oddities.bag_empty_sets
    with_certificates = bool(bag) or oddities.bag_empty_sets or not with_crls
    content = [] if oddities.bag_content is None else [der.explicit(0, der.octet_string(oddities.bag_content))]
    return content_info(
        v.SIGNED_DATA,
        der.sequence(
            der.integer(1),
            der.set_of([]),
            der.sequence(der.oid(v.DATA), *content),
            der.implicit(0, b"".join(bag), constructed=True) if with_certificates else b"",
            der.implicit(1, b"".join(crls), constructed=True) if with_crls else b"",
            der.set_of([]),
        ),
    )


@dataclass(frozen=True)
class Bag:
    """The certificates and CRLs of a SignedData, without its content; ``signed`` says whether it has signers."""

    certificates: tuple[Certificate, ...]
    crls: tuple[bytes, ...] = field(repr=False)
    trailing: int
    notes: tuple[Note, ...]
    signed: bool = False


def read_bag(octets: bytes) -> Bag:
    """Read a degenerate SignedData.

    Raises:
        DecodeError: it is not SignedData.
    """
    frame = _Frame(octets)
    content_type, content = frame.encapsulated()
    notes = frame.notes()
    if content is not None or content_type != v.DATA:
        text = "content where there should be none" if content is not None else f"of type {v.oid_text(content_type)}"
        notes.append(Note("SCEP-3.4-01", "encapContentInfo", text))
    if frame.signer_infos.children or frame.digests.children:
        notes.append(Note("SCEP-3.4-02", "signerInfos", "a signer or a digest in a certificates-only SignedData"))
    for index, certificate in enumerate(frame.certificates):
        if certificate.oddities:
            notes.append(Note("SCEP-3.3.2.1-16", f"certificates[{index}]", ", ".join(certificate.oddities)))
    return Bag(frame.certificates, frame.crls, frame.trailing, tuple(notes), frame.signer_infos.first_tag is not None)


def read_content(octets: bytes) -> bytes | None:
    """The content of any SignedData, without checking a signature; None if there is no content.

    Raises:
        DecodeError: it is not SignedData.
    """
    return _Frame(octets).encapsulated()[1]
