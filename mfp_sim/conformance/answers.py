"""Requests and replies: an order, an exchange, and a reply that is read as tolerantly as possible.

Reading is tolerant, so that checks can see what a client would refuse; only the checks judge. Nothing here sends.
RFC 8894, 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.conformance.outcomes import Came
from mfp_sim.shared.errors import DecodeError, MfpSimError, TransportError
from mfp_sim.shared.scep import cms, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate, spki_of
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.oddities import CORRECT, Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus

__all__ = ["Answer", "Exchange", "Order"]


@dataclass(frozen=True)
class Exchange:
    """One HTTP exchange; `octets` is the request if it was sent as raw bytes.

    ``repeats`` is the number of the exchange that this one repeats because its reply was lost. ``confirmed``: this
    reply was lost too, while the server replied to other requests between and after.
    """

    number: int
    check: str
    label: str
    request: HttpRequest
    reply: HttpReply | None
    error: TransportError | None
    begun: datetime
    seconds: float
    octets: bytes | None = field(default=None, repr=False)
    repeats: int | None = None
    confirmed: bool = False

    @property
    def ok(self) -> bool:
        """The reply is HTTP 200."""
        return self.reply is not None and self.reply.status == 200

    @property
    def client_error(self) -> bool:
        """The reply is HTTP 4xx: the server blames the request."""
        return self.reply is not None and 400 <= self.reply.status < 500

    @property
    def came(self) -> Came:
        """The kind of reply, as far as HTTP shows it."""
        if self.reply is None:
            return "nothing"
        return "http-4xx" if self.client_error else "http-5xx" if self.reply.status >= 500 else "other"

    @property
    def text(self) -> str:
        """The reply, in a few words."""
        if self.reply is None:
            lost = self.error.message if self.error else "no reply"
            return f"{lost}, twice, while GetCACert gets replies" if self.confirmed else lost
        return f"HTTP {self.reply.status}, {self.reply.media_type or 'no Content-Type'}, {len(self.reply.body)} bytes"


@dataclass(frozen=True)
class Order:
    """A request before it is encoded: everything that a check may want to change."""

    message_type: int
    key: PrivateKey = field(repr=False)
    subject: bytes
    data: bytes = field(repr=False)
    signer_key: PrivateKey = field(repr=False)
    signer: Certificate
    transaction_id: str
    nonce: bytes
    recipient: Certificate | None
    digest: str
    cipher: str
    method: str
    oddities: Oddities = CORRECT
    signing_time: datetime | None = None
    chain: tuple[Certificate, ...] = ()
    challenge: str | None = field(default=None, repr=False)
    wrong: bool = False  # deliberately: the reply is not a sample of a right exchange

    @property
    def asks(self) -> bool:
        """Whether it requests a certificate, by any type that a server may treat as an enrolment."""
        return self.message_type not in (MessageType.CERT_POLL, MessageType.GET_CERT, MessageType.GET_CRL)

    @property
    def label(self) -> str:
        """The RFC's name of the type, or its number."""
        try:
            return MessageType(self.message_type).label
        except ValueError:
            return f"messageType {self.message_type}"


@dataclass(frozen=True)
class Payload:
    """The content of the envelope. ``problem`` says why it could not be opened or read."""

    plain: bytes | None = field(default=None, repr=False)
    bag: cms.Bag | None = None
    certificates: tuple[Certificate, ...] = ()
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    problem: str | None = None


@dataclass(frozen=True)
class Answer:
    """The reply to an order. ``trusted`` are the certificates of GetCACert."""

    order: Order
    exchange: Exchange
    trusted: tuple[Certificate, ...] = ()

    @property
    def reply(self) -> HttpReply | None:
        """The HTTP reply, if it is complete."""
        return self.exchange.reply

    @property
    def evidence(self) -> tuple[int, ...]:
        """For facts."""
        return (self.exchange.number,)

    @cached_property
    def _read(self) -> tuple[cms.SignedData | None, PkiMessage | None, DecodeError | None]:
        body = self.reply.body if self.reply else b""
        if body[:1] != b"\x30":
            return None, None, None
        try:
            signed = cms.read_signed_data(body)
        except DecodeError as error:
            return None, None, error
        try:
            return signed, messages.decode(body), None
        except DecodeError as error:
            return signed, None, error

    @property
    def signed(self) -> cms.SignedData | None:
        """The SignedData, if it has one signer and signed attributes."""
        return self._read[0]

    @property
    def message(self) -> PkiMessage | None:
        """The pkiMessage, if all of it is readable."""
        return self._read[1]

    @property
    def problem(self) -> DecodeError | None:
        """Why it is not readable as a whole; None if it is, or if the reply does not look like CMS."""
        return self._read[2]

    @property
    def is_cms(self) -> bool:
        """Whether the reply looks like a CMS message, readable or not."""
        return self.signed is not None or self.problem is not None

    def attribute(self, oid: str) -> tuple[der.Element, ...]:
        """The values of a signed attribute; empty if it is absent."""
        return self.signed.attributes.get(oid, ()) if self.signed else ()

    def number(self, oid: str) -> int | None:
        """A numeric attribute, read regardless of its type and spelling."""
        for element in self.attribute(oid)[:1]:
            try:
                if element.tag == der.INTEGER:
                    return element.to_integer()
                return int(element.content.decode("ascii").strip(" \x00"))
            except (DecodeError, ValueError):
                return None
        return None

    def octets(self, oid: str) -> bytes | None:
        """The content bytes of an attribute, regardless of its type."""
        values = self.attribute(oid)
        return values[0].content if values else None

    @property
    def status(self) -> int | None:
        """pkiStatus."""
        return self.number(v.PKI_STATUS)

    @property
    def fail_info(self) -> int | None:
        """failInfo."""
        return self.number(v.FAIL_INFO)

    @property
    def fail_info_text(self) -> str | None:
        """failInfoText."""
        octets = self.octets(v.FAIL_INFO_TEXT)
        return None if octets is None else octets.decode("utf-8", "replace")

    @property
    def granted(self) -> bool:
        """A CertRep says SUCCESS."""
        return self.status == PkiStatus.SUCCESS

    @property
    def parked(self) -> bool:
        """A CertRep says PENDING."""
        return self.status == PkiStatus.PENDING

    @property
    def refused(self) -> bool:
        """A CertRep says FAILURE."""
        return self.status == PkiStatus.FAILURE

    @property
    def taken(self) -> bool:
        """A CertRep says SUCCESS or PENDING."""
        return self.granted or self.parked

    @property
    def decided(self) -> bool:
        """A CertRep says SUCCESS, PENDING or FAILURE."""
        return self.taken or self.refused

    @property
    def came(self) -> Came:
        """The kind of reply."""
        if self.decided:
            return "granted" if self.granted else "parked" if self.parked else "refused"
        return "unreadable" if self.is_cms else self.exchange.came

    @property
    def unclear(self) -> str | None:
        """Why it is unknown whether the request was granted; None if a pkiStatus or an HTTP error shows it."""
        if self.reply is None:
            return f"there was no reply: {self.exchange.text}"
        if self.status in set(PkiStatus):
            return None
        if self.is_cms:
            return f"the reply cannot be read as a CertRep: {self.text}"
        return None if self.reply.status >= 400 else f"the reply is neither a CertRep nor an HTTP error: {self.text}"

    @property
    def handed_out(self) -> bool:
        """A CertRep says SUCCESS, or it contains a certificate for the key of the request with any pkiStatus."""
        return self.granted or self.issued is not None

    @cached_property
    def distrust(self) -> str | None:
        """Why the CertRep is not authentic: unsigned, wrongly signed, or by an unknown signer; None if it is."""
        if self.signed is None:
            return "it is not a readable CertRep"
        if self.signer is None:
            return "its signer is not a certificate of GetCACert"
        try:
            self.signed.verify(self.signer)
        except MfpSimError as error:
            return error.message
        return None

    @cached_property
    def signer(self) -> Certificate | None:
        """The certificate of GetCACert that the SignerInfo identifies, if there is one."""
        signed = self.signed
        return next((c for c in self.trusted if signed.names_signer(c)), None) if signed is not None else None

    @property
    def unverifiable(self) -> bool:
        """The signature uses an unsupported algorithm, so it is neither right nor wrong."""
        return self.signed is not None and not self.signed.verifiable

    @cached_property
    def envelope(self) -> cms.Envelope | None:
        """The EnvelopedData in the content, if there is one."""
        if self.signed is None or self.signed.content in (None, b"", b"\x00"):
            return None
        try:
            return cms.read_envelope(self.signed.content or b"")
        except DecodeError:
            return None

    @cached_property
    def payload(self) -> Payload:
        """The content of the envelope, opened with the key that signed the request (or with the challenge)."""
        plain, problem = self._open()
        if plain is None:
            return Payload(problem=problem)
        try:
            bag = cms.read_bag(plain)
        except DecodeError as error:
            try:
                return Payload(plain, certificates=(Certificate.from_der(plain),), problem="a bare certificate")
            except DecodeError:
                return Payload(plain, problem=str(error))
        return Payload(plain, bag, bag.certificates, bag.crls)

    def _open(self) -> tuple[bytes | None, str | None]:
        if self.signed is None:
            return None, "there is no readable CertRep"
        if self.envelope is None:
            content = self.signed.content
            return (content, None) if content else (None, "there is no envelope")
        key = self.order.signer_key if isinstance(self.order.signer_key, RSAPrivateKey) else None
        try:
            return cms.open_envelope(self.envelope, key, password=self.order.challenge), None
        except MfpSimError as error:
            return None, error.message

    @cached_property
    def content_key(self) -> bytes | None:
        """The content key of the envelope, if the key that signed the request opens it."""
        key = self.order.signer_key
        if self.envelope is None or self.payload.plain is None or not isinstance(key, RSAPrivateKey):
            return None
        return cms.content_key_of(self.envelope, key)

    @cached_property
    def issued(self) -> Certificate | None:
        """The certificate for the key of the request, found by its public key."""
        spki = spki_of(self.order.key)
        return next((c for c in self.payload.certificates if c.spki == spki), None)

    @cached_property
    def leaves(self) -> tuple[Certificate, ...]:
        """The certificates of the reply that are not in GetCACert and are not CA certificates."""
        known = {c.der for c in self.trusted}
        return tuple(c for c in self.payload.certificates if c.der not in known and not c.says_ca)

    @property
    def crls(self) -> tuple[Crl, ...]:
        """The readable CRLs in the envelope."""
        found = []
        for octets in self.payload.crls:
            try:
                found.append(Crl.from_der(octets))
            except DecodeError:
                continue
        return tuple(found)

    @cached_property
    def text(self) -> str:
        """The reply, in a few words."""
        if self.status is None:
            shape = f", not readable: {self.problem}" if self.problem is not None else ""
            return self.exchange.text + shape
        words = {0: "SUCCESS", 2: "FAILURE", 3: "PENDING"}.get(self.status, f"pkiStatus {self.status}")
        if self.refused:
            words += f" {_fail_label(self.fail_info)}"
        if self.fail_info_text:
            words += f" ({self.fail_info_text[:120]!r})"
        if self.reply is not None and self.reply.status != 200:
            words += f" with HTTP {self.reply.status}"
        return words


def _fail_label(number: int | None) -> str:
    if number is None:
        return "without failInfo"
    try:
        return FailInfo(number).label
    except ValueError:
        return f"failInfo {number}"
