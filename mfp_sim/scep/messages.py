"""SCEP messages as frozen values: reading any pkiMessage, writing requests and CertReps. RFC 8894, 3.

No I/O, no clock, no chance of its own: random octets come in through ``octets``. What is tolerated on reading is
noted with the requirement it deviates from; what is not raises :class:`~mfp_sim.errors.DecodeError` with a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.errors import DecodeError, EnvelopeUnreadable
from mfp_sim.scep import cms, der
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import Certificate, name_text
from mfp_sim.scep.cms import Envelope
from mfp_sim.scep.vocabulary import FailInfo, MessageType, PkiStatus

__all__ = [
    "CertRep",
    "Envelope",
    "Note",
    "PkiMessage",
    "Request",
    "certs_only",
    "decode",
    "encode_cert_rep",
    "encode_request",
    "issuer_and_subject",
    "open_envelope",
    "read_ca_certificates",
    "read_certs_only",
    "read_issuer_and_subject",
]

CA_CERT_TYPE = "application/x-x509-ca-cert"
CA_RA_CERT_TYPE = "application/x-x509-ca-ra-cert"


@dataclass(frozen=True)
class Note:
    """A tolerated deviation: the requirement, where it was seen, and a sentence."""

    requirement: str
    path: str
    text: str


@dataclass(frozen=True)
class PkiMessage:
    """A pkiMessage as received. Numbers stay numbers even when they are not in the RFC's tables."""

    octets: bytes = field(repr=False)
    message_type: int
    transaction_id: str
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    pki_status: int | None
    fail_info: int | None
    fail_info_text: str | None
    signing_time: datetime | None
    digest: str
    certificates: tuple[Certificate, ...]
    signer_issuer: bytes
    signer_serial: int
    content: bytes | None = field(repr=False)
    envelope: Envelope | None
    notes: tuple[Note, ...]
    signed_data: cms.SignedData = field(repr=False)

    def signer(self, among: Iterable[Certificate] = ()) -> Certificate | None:
        """The signer's certificate by issuer and serial: the message's own first, then ``among``."""
        for certificate in (*self.certificates, *among):
            if certificate.serial == self.signer_serial and certificate.issuer == self.signer_issuer:
                return certificate
        return None

    def verify(self, signer: Certificate) -> None:
        """Check messageDigest and signature (SCEP-3.2-05).

        Raises:
            SignatureInvalid: one of them is wrong.
        """
        self.signed_data.verify(signer)

    @property
    def label(self) -> str:
        """The RFC's name of the message type, or its number."""
        try:
            return MessageType(self.message_type).label
        except ValueError:
            return str(self.message_type)

    def describe(self) -> dict[str, object]:
        """The decoded content for traces and people: no ciphertext, no secret."""
        found: dict[str, object] = {
            "messageType": self.label,
            "transactionID": self.transaction_id,
            "senderNonce": self.sender_nonce.hex() if self.sender_nonce is not None else None,
            "recipientNonce": self.recipient_nonce.hex() if self.recipient_nonce is not None else None,
            "pkiStatus": _label(PkiStatus, self.pki_status),
            "failInfo": _label(FailInfo, self.fail_info),
            "failInfoText": self.fail_info_text,
            "signingTime": self.signing_time.isoformat() if self.signing_time else None,
            "digest": self.digest,
            "signer": f"{name_text(self.signer_issuer)} serial {self.signer_serial:x}",
            "cipher": self.envelope.cipher if self.envelope else None,
            "notes": [f"{note.requirement} {note.path}: {note.text}" for note in self.notes] or None,
        }
        return {key: value for key, value in found.items() if value is not None}


def _label(kind: type[PkiStatus] | type[FailInfo], number: int | None) -> str | None:
    if number is None:
        return None
    try:
        member = kind(number)
    except ValueError:
        return str(number)
    return f"{member.label} ({number})" if isinstance(member, FailInfo) else member.name


# --- reading ----------------------------------------------------------------------------------------------


def decode(octets: bytes) -> PkiMessage:
    """Read a pkiMessage; nothing is verified or decrypted.

    Raises:
        DecodeError: malformed, not exactly one SignerInfo, no signed attributes, or an attribute of the wrong form.
    """
    signed = cms.read_signed_data(octets)
    reader = _AttributeReader(signed)
    message_type = reader.number(v.MESSAGE_TYPE, "messageType", "SCEP-3.2.1-10")
    transaction_id = reader.text(v.TRANSACTION_ID, "transactionID", "SCEP-3.2.1-09")
    if message_type is None:
        raise DecodeError("signerInfos[0].signedAttrs.messageType", 0, "the attribute", "none")
    if transaction_id is None:
        raise DecodeError("signerInfos[0].signedAttrs.transactionID", 0, "the attribute", "none")
    for requirement, text in signed.notes:
        reader.note(requirement, "signedData", text)
    if signed.content_type != v.DATA:
        reader.note("SCEP-3.2-01", "encapContentInfo.eContentType", f"data expected, got {signed.content_type}")
    signing_time = reader.element(v.SIGNING_TIME, "signingTime")
    return PkiMessage(
        octets=octets,
        message_type=message_type,
        transaction_id=transaction_id,
        sender_nonce=reader.octets(v.SENDER_NONCE, "senderNonce"),
        recipient_nonce=reader.octets(v.RECIPIENT_NONCE, "recipientNonce"),
        pki_status=reader.number(v.PKI_STATUS, "pkiStatus", "SCEP-3.2.1-11"),
        fail_info=reader.number(v.FAIL_INFO, "failInfo", "SCEP-3.2.1-12"),
        fail_info_text=reader.text(v.FAIL_INFO_TEXT, "failInfoText", None),
        signing_time=signing_time.to_time() if signing_time is not None else None,
        digest=signed.digest,
        certificates=signed.certificates,
        signer_issuer=signed.signer_issuer,
        signer_serial=signed.signer_serial,
        content=signed.content,
        envelope=_envelope(signed.content, reader),
        notes=tuple(reader.notes),
        signed_data=signed,
    )


def _envelope(content: bytes | None, reader: _AttributeReader) -> Envelope | None:
    if content is None:
        return None
    if content in (b"", b"\x00"):
        form = "a zero-length OCTET STRING" if not content else "a single zero octet"
        reader.note("SCEP-3-02", "encapContentInfo.eContent", f"{form} where the content should be absent")
        return None
    return cms.read_envelope(content)


class _AttributeReader:
    """Reads SCEP attributes and collects notes on their odd forms."""

    def __init__(self, signed: cms.SignedData) -> None:
        self._attributes = signed.attributes
        self.notes: list[Note] = []

    def note(self, requirement: str, path: str, text: str) -> None:
        self.notes.append(Note(requirement, path, text))

    def element(self, kind: str, name: str) -> der.Element | None:
        values = self._attributes.get(kind)
        if values is None:
            return None
        path = f"signerInfos[0].signedAttrs.{name}"
        if len(values) != 1:
            raise DecodeError(path, values[0].start if values else 0, "exactly one value", f"{len(values)}")
        return values[0]._with_path(path)

    def text(self, kind: str, name: str, requirement: str | None) -> str | None:
        element = self.element(kind, name)
        if element is None:
            return None
        if requirement and element.tag != der.PRINTABLE_STRING:
            self.note(requirement, element.path, f"PrintableString expected, got {der.tag_name(element.tag)}")
        return element.to_text()

    def number(self, kind: str, name: str, requirement: str) -> int | None:
        text = self.text(kind, name, requirement)
        if text is None:
            return None
        # One spelling per number (SCEP-3.2.1-16): "03", "0 " and the empty string are no numbers here.
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and str(int(text)) == text):
            element = self.element(kind, name)
            assert element is not None
            raise element.fail("a decimal number without leading zeros or blanks", repr(text[:20]))
        return int(text)

    def octets(self, kind: str, name: str) -> bytes | None:
        element = self.element(kind, name)
        return None if element is None else element.to_octets()


def open_envelope(
    message: PkiMessage, key: RSAPrivateKey, certificate: Certificate, *, refuse: frozenset[str] = frozenset()
) -> bytes:
    """The messageData inside the envelope.

    Args:
        message: a decoded message.
        key: the recipient's key pair.
        certificate: the recipient's certificate, by whose issuer and serial the RecipientInfo is found.
        refuse: names of ciphers that are refused.

    Raises:
        AlgorithmRefused: the cipher is refused or unknown; ``got`` names it.
        EnvelopeUnreadable: there is no envelope, none for us, or decryption failed.
    """
    if message.envelope is None:
        raise EnvelopeUnreadable("the message has no envelope")
    return cms.open_envelope(message.envelope, key, certificate, refuse=refuse)


# --- writing ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a client asks: attributes and messageData of a request."""

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes
    message_data: bytes = field(repr=False)
    recipient: Certificate
    digest: str = "sha256"
    cipher: str = "aes-128-cbc"
    signing_time: datetime | None = None


def encode_request(
    request: Request,
    *,
    signer_key: RSAPrivateKey,
    signer_certificate: Certificate,
    octets: Callable[[int], bytes],
) -> bytes:
    """A pkiMessage from a client: enveloped to ``request.recipient``, signed with ``signer_key``."""
    envelope = cms.encode_envelope(
        request.message_data, recipient=request.recipient, cipher=request.cipher, octets=octets
    )
    attributes = _attributes(request.message_type, request.transaction_id, request.sender_nonce, request.signing_time)
    return cms.encode_signed_data(
        envelope,
        attributes,
        signer_key=signer_key,
        signer_certificate=signer_certificate,
        certificates=[signer_certificate],
        digest=request.digest,
    )


@dataclass(frozen=True)
class CertRep:
    """What a CA answers. ``certificates`` are DER, the issued one first; the order is kept.

    ``empty_content`` is the form of eContent in FAILURE and PENDING, since no one form suits all clients.
    """

    status: PkiStatus
    transaction_id: str
    recipient_nonce: bytes | None
    sender_nonce: bytes | None
    fail_info: int | None = None
    fail_info_text: str | None = None
    certificates: tuple[bytes, ...] = ()
    recipient: Certificate | None = None
    digest: str = "sha256"
    cipher: str = "aes-128-cbc"
    empty_content: Literal["absent", "empty", "zero"] = "absent"
    outer_certificates: tuple[Certificate, ...] = ()
    signing_time: datetime | None = None
    message_type: int = MessageType.CERT_REP


_EMPTY = {"absent": None, "empty": b"", "zero": b"\x00"}


def encode_cert_rep(
    reply: CertRep,
    *,
    signer_key: RSAPrivateKey,
    signer_certificate: Certificate,
    octets: Callable[[int], bytes],
) -> bytes:
    """A CertRep: with ``certificates`` and a ``recipient`` enveloped, else with empty content."""
    content = _EMPTY[reply.empty_content]
    if reply.certificates and reply.recipient is not None:
        content = cms.encode_envelope(
            certs_only(reply.certificates), recipient=reply.recipient, cipher=reply.cipher, octets=octets
        )
    attributes = _attributes(reply.message_type, reply.transaction_id, reply.sender_nonce, reply.signing_time)
    attributes.append(cms.attribute(v.PKI_STATUS, der.printable_string(str(int(reply.status)))))
    if reply.recipient_nonce is not None:
        attributes.append(cms.attribute(v.RECIPIENT_NONCE, der.octet_string(reply.recipient_nonce)))
    if reply.fail_info is not None:
        attributes.append(cms.attribute(v.FAIL_INFO, der.printable_string(str(int(reply.fail_info)))))
    if reply.fail_info_text is not None:
        attributes.append(cms.attribute(v.FAIL_INFO_TEXT, der.utf8_string(reply.fail_info_text)))
    return cms.encode_signed_data(
        content,
        attributes,
        signer_key=signer_key,
        signer_certificate=signer_certificate,
        certificates=[signer_certificate, *reply.outer_certificates],
        digest=reply.digest,
    )


def _attributes(
    message_type: int, transaction_id: str, sender_nonce: bytes | None, signing_time: datetime | None
) -> list[bytes]:
    found = [
        cms.attribute(v.MESSAGE_TYPE, der.printable_string(str(int(message_type)))),
        cms.attribute(v.TRANSACTION_ID, der.printable_string(transaction_id)),
    ]
    if sender_nonce is not None:
        found.append(cms.attribute(v.SENDER_NONCE, der.octet_string(sender_nonce)))
    if signing_time is not None:
        found.append(cms.attribute(v.SIGNING_TIME, der.time(signing_time)))
    return found


# --- messageData ------------------------------------------------------------------------------------------


def certs_only(certificates: Sequence[bytes]) -> bytes:
    """A degenerate SignedData of DER certificates, in the given order (SCEP-3.4)."""
    return cms.encode_certs_only(certificates)


def read_certs_only(octets: bytes) -> tuple[Certificate, ...]:
    """The certificates of a degenerate SignedData; no order can be relied on (SCEP-3.3.2.1-04).

    Raises:
        DecodeError: it is not one.
    """
    return cms.read_certs_only(octets)[0]


def read_ca_certificates(body: bytes, media_type: str | None) -> tuple[tuple[Certificate, ...], tuple[Note, ...]]:
    """The certificates of a GetCACert reply: one bare certificate, or a bag with CA and RA.

    The octets decide, the media type is only checked against them (SCEP-4.2.1).

    Raises:
        DecodeError: neither; the error says so when the body is PEM, HTML or empty.
    """
    if not body:
        raise DecodeError("GetCACert", 0, "a certificate", "an empty body")
    if body[:1] != b"\x30":
        got = "PEM text" if body.startswith(b"-----BEGIN") else "text" if body[:1].isascii() else body[:8].hex()
        raise DecodeError("GetCACert", 0, "a DER certificate or SignedData", got)
    outer = der.read(body, "GetCACert", trailing=True)
    is_bag = bool(outer.children) and outer.children[0].tag == der.OID
    wanted = CA_RA_CERT_TYPE if is_bag else CA_CERT_TYPE
    notes = []
    if media_type != wanted:
        notes.append(Note("SCEP-4.2.1-01", "Content-Type", f"{wanted} expected, got {media_type or 'none'}"))
    if outer.end != len(body):
        notes.append(Note("SCEP-4.2.1.1-01", "body", f"{len(body) - outer.end} octets follow"))
    if is_bag:
        certificates = cms.read_certs_only(body)[0]
        if not certificates:
            raise DecodeError("GetCACert.certificates", 0, "at least one certificate", "none")
        return certificates, tuple(notes)
    return (Certificate.from_element(outer, "GetCACert"),), tuple(notes)


def issuer_and_subject(issuer: bytes, subject: bytes) -> bytes:
    """The messageData of CertPoll (RFC 8894, 3.3.3)."""
    return der.sequence(issuer, subject)


def read_issuer_and_subject(octets: bytes) -> tuple[bytes, bytes]:
    """Issuer and subject of a CertPoll.

    Raises:
        DecodeError: it is not a SEQUENCE of two Names.
    """
    outer = der.read(octets, "issuerAndSubject").expect(der.SEQUENCE)
    return outer.child(0, "issuer", der.SEQUENCE).raw, outer.child(1, "subject", der.SEQUENCE).raw
