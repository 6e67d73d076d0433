"""Reading pkiMessages: frozen values, and notes on what was tolerated. RFC 8894, 3.

Verifies and decrypts only on request. Deviations that are not tolerated raise `DecodeError` with a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable
from mfp_sim.shared.scep import cms, der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate, name_text
from mfp_sim.shared.scep.cms import Envelope
from mfp_sim.shared.scep.note import Note, notes_of
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus

__all__ = ["PkiMessage", "decode", "open_envelope"]

_PLACE = "signerInfos[0].signedAttrs"


@dataclass(frozen=True)
class PkiMessage:
    """A pkiMessage as received. Numbers stay numbers even when they are not in the RFC's tables."""

    octets: bytes = field(repr=False)
    message_type: int
    transaction_id: str
    transaction_der: bytes = field(repr=False)
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    pki_status: int | None
    fail_info: int | None
    fail_info_text: str | None
    signing_time: datetime | None
    digest: str
    certificates: tuple[Certificate, ...]
    content: bytes | None = field(repr=False)
    envelope: Envelope | None
    notes: tuple[Note, ...]
    signed_data: cms.SignedData = field(repr=False)
    closed: AlgorithmRefused | None = None
    """The reason why ``envelope`` is None although the message has an envelope: it uses an unknown algorithm."""

    def signer(self, among: Iterable[Certificate] = ()) -> Certificate | None:
        """The certificate that the SignerInfo names, from the message's own certificates first, then from ``among``."""
        return next((c for c in (*self.certificates, *among) if self.names_signer(c)), None)

    def names_signer(self, certificate: Certificate) -> bool:
        """Whether the SignerInfo names ``certificate``, by issuer and serial or by key identifier."""
        return self.signed_data.names_signer(certificate)

    def verify(self, signer: Certificate) -> None:
        """Check messageDigest and signature (SCEP-3.2-05).

        Raises:
            SignatureInvalid: the messageDigest or the signature is wrong.
        """
        self.signed_data.verify(signer)

    @property
    def signer_text(self) -> str:
        """The signer that the SignerInfo names, as text."""
        signed = self.signed_data
        if signed.signer_key_identifier is not None:
            return f"key identifier {signed.signer_key_identifier[:32].hex()}"
        return f"{name_text(signed.signer_issuer)} serial {signed.signer_serial:x}"

    @property
    def label(self) -> str:
        """The RFC's name of the message type, or its number."""
        try:
            return MessageType(self.message_type).label
        except ValueError:
            return str(self.message_type)

    def _further(self, kind: str, word: Callable[[str], str]) -> str | None:
        """The text of an attribute that the RFC does not define, in words; None if it is absent or not text."""
        values = self.signed_data.attributes.get(kind, ())
        try:
            return word(values[0].to_text()) if values else None
        except DecodeError:
            return None

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
            "HRESULT": self._further(v.NDES_RESULT, v.hresult_text),
            "serverMessage": self._further(v.NDES_MESSAGE, str),
            "signingTime": self.signing_time.isoformat() if self.signing_time else None,
            "digest": self.digest,
            "signer": self.signer_text,
            "cipher": self.envelope.cipher if self.envelope else None,
            "notes": [str(note) for note in self.notes] or None,
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


def decode(octets: bytes) -> PkiMessage:
    """Read a pkiMessage without verifying or decrypting it.

    Raises:
        DecodeError: the message is malformed, or does not have exactly one SignerInfo, or does not have signed
            attributes, or an attribute has the wrong form.
    """
    signed = cms.read_signed_data(octets)
    reader = _AttributeReader(signed)
    message_type = reader.number(v.MESSAGE_TYPE, "messageType", "SCEP-3.2.1-10")
    transaction_id = reader.text(v.TRANSACTION_ID, "transactionID", "SCEP-3.2.1-09")
    transaction = reader.element(v.TRANSACTION_ID, "transactionID")
    if message_type is None:
        raise DecodeError(f"{_PLACE}.messageType", signed.attributes_offset, "the attribute", "none")
    if transaction_id is None or transaction is None:
        raise DecodeError(f"{_PLACE}.transactionID", signed.attributes_offset, "the attribute", "none")
    reader.notes.extend(signed.notes)
    if signed.content_type != v.DATA:
        text = f"data expected, got {v.oid_text(signed.content_type)}"
        reader.note("SCEP-3.2-01", "encapContentInfo.eContentType", text)
    signing_time = reader.element(v.SIGNING_TIME, "signingTime")
    envelope, closed = _envelope(signed.content, reader)
    message = PkiMessage(
        octets=octets,
        message_type=message_type,
        transaction_id=transaction_id,
        transaction_der=transaction.as_der(),
        sender_nonce=reader.octets(v.SENDER_NONCE, "senderNonce"),
        recipient_nonce=reader.octets(v.RECIPIENT_NONCE, "recipientNonce"),
        pki_status=reader.number(v.PKI_STATUS, "pkiStatus", "SCEP-3.2.1-11"),
        fail_info=reader.number(v.FAIL_INFO, "failInfo", "SCEP-3.2.1-12"),
        fail_info_text=reader.text(v.FAIL_INFO_TEXT, "failInfoText", "SCEP-3.2.1-13", der.UTF8_STRING),
        signing_time=signing_time.to_time() if signing_time is not None else None,
        digest=signed.digest,
        certificates=signed.certificates,
        content=signed.content,
        envelope=envelope,
        notes=(),
        signed_data=signed,
        closed=closed,
    )
    notes = (*reader.notes, *_content_notes(message))
    return replace(message, notes=notes) if notes else message


_KNOWN = frozenset(
    {*v.SCEP_ATTRIBUTES.values(), v.CONTENT_TYPE, v.MESSAGE_DIGEST, v.SIGNING_TIME}  # RFC 8894, 3.2.1
)
_TYPES, _STATUSES, _FAILURES = set(MessageType), {None, *PkiStatus}, {None, *FailInfo}


def _content_notes(message: PkiMessage) -> list[Note]:
    """Deviations in the values of a message, as far as the message alone shows them."""
    signed = message.signed_data
    reply, status = message.message_type == MessageType.CERT_REP, message.pki_status
    success, failure = status == PkiStatus.SUCCESS, status == PkiStatus.FAILURE
    kind, fail_info = message.message_type, message.fail_info
    extra = ", ".join(v.oid_text(kind) for kind in signed.attributes if kind not in _KNOWN)
    unsigned = ", ".join(v.oid_text(kind) for kind in signed.unsigned_attributes)
    enveloped = message.envelope is not None or message.closed is not None
    signer = None if reply else message.signer()
    odd = ", ".join(signer.oddities) if signer is not None else ""
    bare = signer is not None and signer.issuer == signer.subject and v.KEY_USAGE not in signer.extensions
    letters = not der.PRINTABLE.issuperset(message.transaction_id)
    mine, yours = message.sender_nonce, message.recipient_nonce
    nonce, status_place, fail_place = f"{_PLACE}.senderNonce", f"{_PLACE}.pkiStatus", f"{_PLACE}.failInfo"
    stray, content = reply and not failure and fail_info is not None, "encapContentInfo"
    return notes_of(
        kind not in _TYPES and ("SCEP-3.2.1.2-03", f"{_PLACE}.messageType", f"{kind} is not assigned"),
        letters and ("SCEP-3.2.1.1-02", f"{_PLACE}.transactionID", "letters outside PrintableString"),
        message.transaction_id == "" and ("SCEP-3.2.1.1-02", f"{_PLACE}.transactionID", "empty"),
        mine is None and ("SCEP-3.2.1-04" if reply else "SCEP-3.2.1-03", nonce, "absent"),
        mine and len(mine) != 16 and ("SCEP-3.2.1-14", nonce, "not 16 bytes"),
        yours and len(yours) != 16 and ("SCEP-3.2.1-15", f"{_PLACE}.recipientNonce", "not 16 bytes"),
        bare and ("SCEP-2.3-02", "certificates", "the self-signed certificate has no keyUsage"),
        odd and ("SCEP-2.3-03", "certificates", f"the signer's certificate has {odd}"),
        extra and ("SCEP-3.2.1-19", _PLACE, f"further attributes: {extra}"),
        unsigned and ("SCEP-3.2.1-18", "signerInfos[0].unsignedAttrs", f"not signed: {unsigned}"),
        reply and status is None and ("SCEP-3.2.1-06", status_place, "absent"),
        reply and yours is None and ("SCEP-3.2.1-08", f"{_PLACE}.recipientNonce", "absent"),
        status not in _STATUSES and ("SCEP-3.2.1.3-02", status_place, f"{status} is not defined"),
        failure and fail_info is None and ("SCEP-3.2.1-07", fail_place, "absent from a FAILURE"),
        fail_info not in _FAILURES and ("SCEP-3.2.1.4-08", fail_place, f"{fail_info} is not defined"),
        stray and ("SCEP-3.2.1.4-10", fail_place, "present without a FAILURE"),
        reply and success and not enveloped and ("SCEP-3.3.2.1-15", content, "a SUCCESS without an envelope"),
        failure and enveloped and ("SCEP-3.3.2.2-03", content, "a FAILURE with an envelope"),
        status == PkiStatus.PENDING and enveloped and ("SCEP-3.3.2.3-01", content, "PENDING with an envelope"),
    )


def _envelope(content: bytes | None, reader: _AttributeReader) -> tuple[Envelope | None, AlgorithmRefused | None]:
    if content is None:
        return None, None
    if content in (b"", b"\x00"):
        form = "a zero-length OCTET STRING" if not content else "a single zero byte"
        reader.note("SCEP-3-02", "encapContentInfo.eContent", f"{form} where the content should be absent")
        return None, None
    try:
        envelope = cms.read_envelope(content)
    except AlgorithmRefused as error:
        return None, error
    reader.notes.extend(envelope.notes)
    return envelope, None


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
        path = f"{_PLACE}.{name}"
        if len(values) != 1:
            raise DecodeError(path, values[0].start if values else 0, "exactly one value", f"{len(values)}")
        return values[0].under(path)

    def text(self, kind: str, name: str, requirement: str, tag: int = der.PRINTABLE_STRING) -> str | None:
        element = self.element(kind, name)
        if element is None:
            return None
        if element.tag != tag:
            self.note(requirement, element.path, f"{der.tag_name(tag)} expected, got {der.tag_name(element.tag)}")
        return element.to_text()

    def number(self, kind: str, name: str, requirement: str) -> int | None:
        text = self.text(kind, name, requirement)
        if text is None:
            return None
        # One spelling per number (SCEP-3.2.1-16): "03", "0 " and the empty string are not numbers here.
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and str(int(text)) == text):
            element = self.element(kind, name)
            assert element is not None
            raise element.fail("a decimal number without leading zeros or blanks", repr(text[:20]))
        return int(text)

    def octets(self, kind: str, name: str) -> bytes | None:
        element = self.element(kind, name)
        return None if element is None else element.to_octets()


def open_envelope(
    message: PkiMessage,
    key: RSAPrivateKey | None = None,
    certificate: Certificate | None = None,
    *,
    password: str | None = None,
    refuse: frozenset[str] = frozenset(),
) -> bytes:
    """The messageData inside the envelope.

    Args:
        message: a decoded message.
        key: the recipient's key pair.
        certificate: the recipient's, whose issuer and serial select the RecipientInfo; without one, each is tried.
        password: the challengePassword, for password recipients (SCEP-3.1-04).
        refuse: names of ciphers that are refused.

    Raises:
        AlgorithmRefused: the cipher is refused or unknown; ``got`` names it.
        EnvelopeUnreadable: the message has no envelope, it is for another recipient, or decryption failed.
    """
    if message.closed is not None:
        raise message.closed
    if message.envelope is None:
        raise EnvelopeUnreadable("the message has no envelope")
    return cms.open_envelope(message.envelope, key, certificate, password=password, refuse=refuse)
