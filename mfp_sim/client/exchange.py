"""The client's transaction with a SCEP server, without I/O: it interprets replies and makes the next request.

Owns the next request, by the table in `stages`, and the meaning of a reply. The device passes in HTTP replies and
transport errors; it owns the wire and the time between inquiries. The mock does not share this decision logic.
Serves SCEP-2.3-*, SCEP-3.2.1.*, SCEP-4.*; MFP-POLL-01, MFP-DETAIL-*. A-27, A-34, A-39, A-40.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.client.stages import GOES_ON, Stage, StageResult, State
from mfp_sim.shared.documents.json_values import Hex
from mfp_sim.shared.documents.kinds import Words
from mfp_sim.shared.documents.records import document
from mfp_sim.shared.errors import (
    AlgorithmRefused,
    ConnectionLost,
    DecodeError,
    MfpSimError,
    SignatureInvalid,
    TransportError,
)
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate, name_pairs, name_text
from mfp_sim.shared.scep.csr import fits_key
from mfp_sim.shared.scep.http_messages import Capabilities, HttpReply, HttpRequest, read_capabilities, scep_request
from mfp_sim.shared.scep.messages import Note, PkiMessage
from mfp_sim.shared.scep.roles import ENCRYPTS, CaRoles
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Clock, Entropy

__all__ = [
    "NOTES",
    "NOTE_LETTERS",
    "STORED_CERTIFICATE",
    "BadReply",
    "ClientPolicy",
    "ClientTransaction",
    "Enrolment",
    "Failed",
    "HttpError",
    "Issued",
    "Lost",
    "Outcome",
    "Pending",
    "Predecessor",
    "Snapshot",
]


class Policy(Protocol):
    """What the client accepts and does where the RFC leaves it open. It reads each value when it needs it.

    ``weak_algorithms``: 3DES and SHA-1; ``read_single_des``: in replies (A-27); ``resend``: after a lost reply (A-34);
    ``not_yet_valid``: a certificate whose validity has not begun (A-39); ``changed_ca``: whether GetCACert is asked
    once more after badMessageCheck or an unknown signer, since the RA may have changed (A-40).
    """

    @property
    def read_single_des(self) -> bool: ...
    @property
    def weak_algorithms(self) -> Literal["use", "refuse"]: ...
    @property
    def resend(self) -> Literal["same", "CertPoll", "new-transaction"]: ...
    @property
    def not_yet_valid(self) -> Literal["refuse", "register"]: ...
    @property
    def changed_ca(self) -> Literal["keep", "refetch"]: ...


@dataclass(frozen=True)
class ClientPolicy:
    """A `Policy` by itself, with the defaults of the printer."""

    read_single_des: bool = False
    weak_algorithms: Literal["use", "refuse"] = "use"
    resend: Literal["same", "CertPoll", "new-transaction"] = "same"
    not_yet_valid: Literal["refuse", "register"] = "refuse"
    changed_ca: Literal["keep", "refetch"] = "keep"


@dataclass(frozen=True)
class Predecessor:
    """The certificate to renew and its key, which sign a RenewalReq (RFC 8894, 3.3.1.2)."""

    certificate: Certificate
    key: RSAPrivateKey = field(repr=False)


@dataclass(frozen=True)
class Enrolment:
    """The material of one request that is the same in every inquiry about it (MFP-POLL-01)."""

    key: RSAPrivateKey = field(repr=False)
    csr: bytes = field(repr=False)
    signer: Certificate
    transaction_id: str
    subject: bytes
    digest: str | None = None  # set if [Signature Algorithm] also decides the CMS digest
    predecessor: Predecessor | None = None  # if the model renews with RenewalReq


@dataclass(frozen=True)
class Issued:
    """A certificate that fits the key, from a reply that passed all checks."""

    certificate: Certificate
    chain: tuple[Certificate, ...]


@dataclass(frozen=True)
class Pending:
    """The server has not decided."""


@dataclass(frozen=True)
class Failed:
    """A signed FAILURE."""

    fail_info: int | None
    text: str | None


@dataclass(frozen=True)
class HttpError:
    """An HTTP status other than 200."""

    status: int


@dataclass(frozen=True)
class Lost:
    """No reply; ``operation`` is the one in progress."""

    error: TransportError
    operation: str


@dataclass(frozen=True)
class BadReply:
    """A reply that is not accepted; ``reason`` is a stable slug, ``diagnosis`` a sentence."""

    reason: str
    diagnosis: str


_RESULTS: Mapping[type[object], StageResult] = {
    type(None): "taken",
    Pending: "pending",
    Issued: "decided",
    Failed: "decided",
    HttpError: "unusable",
    BadReply: "unusable",
}
"""The stage result of each outcome; None stands for an accepted reply after which the inquiry continues."""

NOTES, NOTE_LETTERS = 100, 500
"""The number of notes kept for one request, and the length of each, so that a server cannot fill the memory."""

Outcome = Issued | Pending | Failed | HttpError | Lost | BadReply


STORED_CERTIFICATE: Final = Hex(Certificate.from_der, lambda certificate: certificate.der)
"""The stored form of a certificate."""


@document("a transaction", exchanged=True)
@dataclass(frozen=True)
class Snapshot:
    """What a client needs to continue a transaction after a restart."""

    state: Annotated[str, Words(lambda: State.__members__)]
    capabilities: tuple[str, ...]
    ca_certificates: tuple[Annotated[Certificate, STORED_CERTIFICATE], ...]
    pending: bool
    unanswered: bool
    renewal: bool


class ClientTransaction:
    """One request for one certificate.

    ``next_request`` returns the request to send in the present state. ``received`` or ``lost`` take its result, and
    return None to continue, or the outcome of this inquiry. After Pending or Lost, ``resume`` prepares the next
    inquiry.
    """

    def __init__(self, enrolment: Enrolment, *, target: str, policy: Policy, entropy: Entropy, clock: Clock) -> None:
        self.enrolment, self.policy = enrolment, policy
        self._target, self._entropy, self._clock = target, entropy, clock
        self.stage = Stage()
        self.capabilities = Capabilities()
        self.ca_certificates: tuple[Certificate, ...] = ()
        self.notes: list[Note] = []
        self._refetched = False
        self.is_renewal = False  # decided when the CA's certificates are known
        self._nonce = b""
        self.reply: messages.PkiMessage | DecodeError | None = None
        """The last CertRep as decoded, or why it could not be decoded; for traces."""

    @property
    def state(self) -> State:
        """The next request."""
        return self.stage.state

    @property
    def operation(self) -> str:
        """The next operation, or the message type of the next PKIOperation."""
        return self._message_type.label if self.state in (State.SUBMIT, State.POLL) else self.state.value

    def _renews(self, now: datetime) -> bool:
        """Whether to send RenewalReq: there is a certificate of this CA to renew, and the CA supports renewal."""
        old = self.enrolment.predecessor
        if old is None or not self.capabilities.renewal:
            return False
        in_date = old.certificate.not_before <= now <= old.certificate.not_after
        return in_date and any(old.certificate.was_issued_by(ca) for ca in self.ca_certificates)

    @property
    def algorithms(self) -> tuple[str, str]:
        """Digest and cipher of the messages to the server."""
        return self.enrolment.digest or self.capabilities.digest, self.capabilities.cipher

    @property
    def _message_type(self) -> MessageType:
        if self.state is State.POLL:
            return MessageType.CERT_POLL
        return MessageType.RENEWAL_REQ if self.is_renewal else MessageType.PKCS_REQ

    def _signer(self) -> tuple[Certificate, RSAPrivateKey]:
        """The certificate that signs, to which the reply is enveloped: in a renewal the old one, else self-signed."""
        old = self.enrolment.predecessor
        if old is not None and self.is_renewal:
            return old.certificate, old.key
        return self.enrolment.signer, self.enrolment.key

    # --- what to send -------------------------------------------------------------------------------------

    def next_request(self) -> HttpRequest:
        """The request of the present state, with a fresh senderNonce.

        Raises:
            AlgorithmRefused: the server offers only weak algorithms and the policy refuses them, or its key is not RSA.
            DecodeError: the reply to GetCACert cannot be decoded.
        """
        if self.state is State.CAPS:
            return scep_request(self._target, Operation.GET_CA_CAPS)
        if self.state is State.CA_CERT:
            return scep_request(self._target, Operation.GET_CA_CERT)
        octets = self._message()
        method: Literal["GET", "POST"] = "POST" if self.capabilities.post else "GET"
        return scep_request(self._target, Operation.PKI_OPERATION, octets, method=method)

    def _message(self) -> bytes:
        enrolment, recipient = self.enrolment, self.recipient()
        (digest, cipher), (certificate, key) = self.algorithms, self._signer()
        if (digest == "sha1" or cipher == "des-ede3-cbc") and self.policy.weak_algorithms == "refuse":
            raise AlgorithmRefused("GetCACaps", 0, "SHA-2 and AES", f"{digest} and {cipher}")
        self._nonce = self._entropy.octets(16)
        poll = self.state is State.POLL
        data = messages.issuer_and_subject(self._roles.issuer.subject, enrolment.subject) if poll else enrolment.csr
        return messages.encode_request(
            messages.RequestContent(
                message_type=self._message_type,
                transaction_id=enrolment.transaction_id,
                sender_nonce=self._nonce,
                message_data=data,
                recipient=recipient,
                digest=digest,
                cipher=cipher,
                repeatable=self._entropy.repeatable,
            ),
            signer_key=key,
            signer_certificate=certificate,
            octets=self._entropy.octets,
        )

    def recipient(self) -> Certificate:
        """The certificate to envelop to. A CA whose keyUsage forbids it is used, and noted (SCEP-2.1.2-02)."""
        found = self._roles.recipient
        if found is None:
            raise AlgorithmRefused("GetCACert", 0, "a certificate with an RSA key", "none")
        if found.key_usage is not None and ENCRYPTS not in found.key_usage:
            text = f"the CA's keyUsage has no {ENCRYPTS}; the request is enveloped to it regardless"
            self._note("SCEP-2.1.2-02", "GetCACert", text)
        return found

    @property
    def _roles(self) -> CaRoles:
        return CaRoles(self.ca_certificates)

    # --- replies -----------------------------------------------------------------------------------------

    def received(self, reply: HttpReply) -> Outcome | None:
        """Process the reply to the last request."""
        outcome = self._TABLE[self.state](self, reply)
        if _speaks_of_another_ca(outcome) and not self._refetched and self.policy.changed_ca == "refetch":
            self._refetched = True
            return self._move("changed-ca", outcome)
        return self._move(_RESULTS[type(outcome)], outcome)

    def lost(self, error: TransportError) -> Outcome | None:
        """Process the loss of the last exchange.

        A connection closed without a reply to GetCACaps means no capabilities, as with old servers (A-27, F-T20).
        """
        closed = self.state is State.CAPS and isinstance(error, ConnectionLost)
        result: StageResult = "closed" if closed else "unanswered" if error.sent else "lost"
        return self._move(result, Lost(error, self.operation))

    def _move(self, result: StageResult, outcome: Outcome | None) -> Outcome | None:
        self.stage = self.stage.after(result)
        return None if result in GOES_ON else outcome

    def resume(self) -> None:
        """Prepare the next inquiry about the same request (A-34)."""
        self._refetched = False
        self.stage = self.stage.again(self.policy.resend)

    def _capabilities(self, reply: HttpReply) -> Outcome | None:
        if reply.status == 200:
            self.capabilities = read_capabilities(reply.body)
        return None

    def _certificates(self, reply: HttpReply) -> Outcome | None:
        if reply.status != 200:
            return HttpError(reply.status)
        try:
            self.ca_certificates, notes = messages.read_ca_certificates(reply.body, reply.media_type)
        except DecodeError as error:
            return BadReply("bad-ca-certificates", f"the reply to GetCACert cannot be used: {error}")
        for note in notes:
            self._note(note.requirement, note.path, note.text)
        now = self._clock.now()
        for certificate in self.ca_certificates:
            if not certificate.not_before <= now <= certificate.not_after:
                text = f"{certificate.subject_text} is not valid now: {_span(certificate)}"
                self._note("SCEP-3.3.2.1-13", "GetCACert", text)
        self.is_renewal = self._renews(now)
        return None

    def _read(self, octets: bytes) -> messages.PkiMessage:
        try:
            if (instead := _instead_of_a_message(octets)) is not None:
                raise DecodeError("CertRep", 0, "a SCEP message", instead)
            self.reply = found = messages.decode(octets)
        except DecodeError as error:
            self.reply = error
            raise
        return found

    def _cert_rep(self, reply: HttpReply) -> Outcome | None:
        if reply.status != 200:
            return HttpError(reply.status)
        try:
            message = self._read(reply.body)
            for note in message.notes:
                self._note(note.requirement, note.path, note.text)
            return self._check(message) or self._by_status(message)
        except AlgorithmRefused as error:
            return BadReply("refused-algorithm", f"the CertRep uses {error.got}, which is refused")
        except DecodeError as error:
            return BadReply("unreadable", f"the CertRep is not readable: {error}")
        except MfpSimError as error:
            return BadReply("unusable", error.message)

    _TABLE: Mapping[State, Callable[[ClientTransaction, HttpReply], Outcome | None]] = {
        State.CAPS: _capabilities,
        State.CA_CERT: _certificates,
        State.SUBMIT: _cert_rep,
        State.POLL: _cert_rep,
    }

    def _check(self, message: PkiMessage) -> BadReply | None:
        """Check everything that must hold before the status of a CertRep counts."""
        signer = next((c for c in self.ca_certificates if message.names_signer(c)), None)
        if signer is None:
            return BadReply("unknown-signer", "the CertRep's signer is not among the certificates of GetCACert")
        if message.digest == "md5":
            return BadReply("refused-algorithm", "the CertRep is signed with md5, which is refused")
        if message.digest == "sha1" and self.policy.weak_algorithms == "refuse":
            return BadReply("refused-algorithm", "the CertRep is signed with sha1, which is refused")
        try:
            message.verify(signer)
        except SignatureInvalid as error:
            return BadReply("bad-signature", error.message)
        if message.message_type != MessageType.CERT_REP:
            return BadReply("wrong-message-type", f"the reply's messageType is {message.label}, not CertRep")
        if message.transaction_id != self.enrolment.transaction_id:
            return BadReply("wrong-transaction", "the CertRep's transactionID is not that of the request")
        if message.recipient_nonce != self._nonce:
            return BadReply("wrong-nonce", "the CertRep's recipientNonce is not the request's senderNonce")
        return None

    def _by_status(self, message: PkiMessage) -> Outcome:
        if message.pki_status == PkiStatus.PENDING:
            return Pending()
        if message.pki_status == PkiStatus.FAILURE:
            return Failed(message.fail_info, message.fail_info_text)
        if message.pki_status != PkiStatus.SUCCESS:
            return BadReply("undefined-status", f"pkiStatus is {message.pki_status}")
        weak = {"des-ede3-cbc"} if self.policy.weak_algorithms == "refuse" else set()
        refused = frozenset(weak if self.policy.read_single_des else {*weak, "des-cbc"})
        recipient, key = self._signer()
        data = messages.open_envelope(message, key, recipient, refuse=refused)
        certificates = messages.read_certs_only(data)
        if message.envelope is not None and message.envelope.cipher == "des-cbc":
            self._note("SCEP-2.9-09", "pkcsPKIEnvelope", "the reply is encrypted with single DES")
        return self._fitting(certificates)

    def _fitting(self, certificates: tuple[Certificate, ...]) -> Outcome:
        """The certificate for our key, found by its public key, never by position (SCEP-3.3.2.1-04).

        Raises:
            DecodeError: its subject or issuer is not a Name.
        """
        mine = [c for c in certificates if fits_key(c, self.enrolment.key)]
        if not mine:
            return BadReply("wrong-key", "no certificate of the CertRep is for the key of the request")
        certificate = mine[0]
        for name in (certificate.subject, certificate.issuer):
            name_pairs(name)  # a certificate with invalid names could not be shown
        issuers = [c for c in (*self.ca_certificates, *certificates) if c is not certificate]
        if not any(certificate.was_issued_by(issuer) for issuer in issuers):
            return BadReply("wrong-issuer", "the certificate was not issued by a CA of GetCACert or of the CertRep")
        now = self._clock.now()
        early = now < certificate.not_before
        if now > certificate.not_after or (early and self.policy.not_yet_valid == "refuse"):
            return BadReply("not-valid-now", f"the certificate is valid {_span(certificate)}")
        if early:
            self._note("SCEP-3.3.2.1-13", "CertRep", f"the certificate is not valid yet: {_span(certificate)}")
        if certificate.subject != self.enrolment.subject:
            text = f"the certificate is for {certificate.subject_text}, not for {name_text(self.enrolment.subject)}"
            self._note("SCEP-3.3.2.1-12", "CertRep", text)
        return Issued(certificate, tuple(c for c in certificates if c is not certificate))

    def _note(self, requirement: str, path: str, text: str) -> None:
        note = Note(requirement, path, text if len(text) <= NOTE_LETTERS else text[:NOTE_LETTERS] + "…")
        if note not in self.notes and len(self.notes) < NOTES:
            self.notes.append(note)

    # --- across a restart ---------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The state for a restart. The owner of the enrolment stores its material."""
        words, stage = self.capabilities.keywords, self.stage
        return Snapshot(self.state.name, words, self.ca_certificates, stage.pending, stage.unanswered, self.is_renewal)

    def restore(self, stored: Snapshot) -> None:
        """Continue from a `snapshot`."""
        self.stage = Stage(State[stored.state], pending=stored.pending, unanswered=stored.unanswered)
        self.capabilities = Capabilities(stored.capabilities)
        self.ca_certificates = stored.ca_certificates
        self.is_renewal = stored.renewal


def _span(certificate: Certificate) -> str:
    return f"from {certificate.not_before:%Y-%m-%d %H:%M:%S} to {certificate.not_after:%Y-%m-%d %H:%M:%S} UTC"


def _instead_of_a_message(octets: bytes) -> str | None:
    """Describe a common wrong body, with a hint at the cause (F-T04, F-T11, F-T28)."""
    start = octets[:200].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith(b"<"):
        return "an HTML or XML page"
    return "PEM text" if start.startswith(b"-----begin") else None


def _speaks_of_another_ca(outcome: Outcome | None) -> bool:
    if isinstance(outcome, BadReply):
        return outcome.reason == "unknown-signer"
    return isinstance(outcome, Failed) and outcome.fail_info == FailInfo.BAD_MESSAGE_CHECK
