"""One request for a certificate, from key generation to its end: limit, inquiries, polling, outcome.

Owns the material of the request from its preparation to its end. This module decides; the printer registers, shows and
stores, so a power failure between two messages loses neither the key nor the transaction (F-K07).
Serves MFP-POLL-*, MFP-DETAIL-*, MFP-REQ-01, MFP-REQ-05; A-22, A-23, A-27, A-31, A-34, A-35, A-36, A-37.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urljoin

from mfp_sim.client.exchange import (
    BadReply,
    ClientTransaction,
    Enrolment,
    Failed,
    HttpError,
    Issued,
    Lost,
    Outcome,
    Pending,
    Predecessor,
)
from mfp_sim.client.stages import State
from mfp_sim.device.inquiry import AwaitedExchange
from mfp_sim.device.keystore import KeyStore
from mfp_sim.device.polling import Ends, PollReply, counted_at_first, detail_of, what_follows
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.private import load_private, pkcs8
from mfp_sim.device.settings import CommunicationSettings, KeySettings, Polling
from mfp_sim.device.state import Material, StoredRequest
from mfp_sim.device.status import Detail
from mfp_sim.events import ExchangeLost, ExchangeReply, ExchangeRequest, PollBooked, ShownCsr
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.errors import (
    AlgorithmRefused,
    BoundExceeded,
    DecodeError,
    KeyGenerationFailed,
    PowerLost,
    TransportError,
)
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import Clock, Entropy, KeySource
from mfp_sim.shared.visible import one_line

__all__ = ["CertificateRequest", "Ended", "Registration", "Surroundings"]

_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECT_LIMIT = 5


@dataclass(frozen=True)
class Registration:
    """A certificate to register, and its key pair (PKCS#8)."""

    certificate: Certificate
    private: bytes = field(repr=False)


@dataclass(frozen=True)
class Ended:
    """How a request ended: with a registration, or with a detail and a diagnosis for the audit log.

    ``keep``: the next request asks about the same transaction (A-23). ``unforeseen``: the unexpected exception that
    ended it, which is a bug in this program.
    """

    detail: Detail | None = None
    diagnosis: str = ""
    registration: Registration | None = None
    keep: bool = False
    unforeseen: Exception | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Surroundings:
    """What every request of one printer depends on. ``abandon`` gets a transactionID that is given up, and why."""

    profile: Profile
    clock: Clock
    keys: KeySource
    recorder: Recorder
    points: PowerPoints
    abandon: Callable[[str, str], None]


class CertificateRequest:
    """A request in progress.

    ``prepare`` makes what has to be stored before anything is sent. ``inquire`` asks the server once; if the request
    continues, it sets ``next_poll``. Both return how the request ended, or None if it continues. `Inquiry` drives the
    coroutine ``inquire``.
    """

    def __init__(
        self,
        around: Surroundings,
        *,
        settings: KeySettings,
        method: str,
        communication: CommunicationSettings,
        polling: Polling | None,
        delete_old: bool,
        entropy: Entropy,
    ) -> None:
        self.settings, self.method, self.delete_old = settings, method, delete_old
        self._around, self._communication, self._polling = around, communication, polling
        self._entropy = entropy
        self.started = around.clock.now()
        self.next_poll: datetime | None = None
        self._polls = counted_at_first(polling, around.profile)
        self._transaction: ClientTransaction | None = None
        self._material: Material | None = None

    @property
    def transaction_id(self) -> str | None:
        """The transactionID, if there is one yet."""
        return self._transaction.enrolment.transaction_id if self._transaction else None

    @property
    def findings(self) -> tuple[str, ...]:
        """Deviations of the server that the printer accepted, one sentence each."""
        notes = self._transaction.notes if self._transaction else []
        return tuple(f"{note.requirement} {note.path}: {note.text}" for note in notes)

    # --- one inquiry --------------------------------------------------------------------------------------

    def prepare(self, store: KeyStore) -> Ended | None:
        """Check the limit, then make key and CSR, or prepare another inquiry about them (MFP-POLL-03, F-K02)."""
        try:
            return self._prepare(store)
        except Exception as error:  # noqa: BLE001 - see _ended_by
            return _ended_by(error)

    def _prepare(self, store: KeyStore) -> Ended | None:
        self.next_poll = None
        if store.is_full_for(self.settings.destination, self._around.profile, delete_old=self.delete_old):
            return Ended(Detail("registration-limit"), "the limit for keys and certificates is reached")
        if self._transaction is not None:
            self._transaction.resume()
            return None
        try:
            self._begin(self._new_enrolment(store))
        except KeyGenerationFailed as error:
            return Ended(Detail("scep-error"), f"no-key: {error.message}; nothing was sent")
        return None

    async def inquire(self) -> Ended | None:
        """Ask the server once, with all exchanges that this needs; None means that ``next_poll`` is set."""
        transaction = self._transaction
        assert transaction is not None
        try:
            return self._judge(await self._run(transaction))
        except Exception as error:  # noqa: BLE001 - see _ended_by
            return _ended_by(error)

    async def _run(self, transaction: ClientTransaction) -> Outcome:
        points, recorder = self._around.points, self._around.recorder
        while True:
            state = transaction.state
            try:
                request = transaction.next_request()
            except AlgorithmRefused as error:
                return BadReply("refused-algorithm", str(error))
            except DecodeError as error:
                return BadReply("bad-ca-certificates", f"the reply to GetCACert cannot be used: {error}")
            operation, is_message = transaction.operation, state in _MESSAGES
            digest, cipher = transaction.algorithms if is_message else (None, None)
            points.reach(f"{operation}.before")
            recorder.record(
                ExchangeRequest(
                    operation=operation,
                    method=request.method,
                    transaction=transaction.enrolment.transaction_id if is_message else None,
                    digest=digest,
                    cipher=cipher,
                    host=self._communication.host,
                    port=self._communication.port,
                    path=request.target.partition("?")[0],
                    csr=_shown_csr(transaction) if state is State.SUBMIT else None,
                )
            )
            try:
                reply = await self._exchange(request, operation)
            except TransportError as error:
                recorder.record(ExchangeLost(operation=operation, sent=error.sent, error=str(error)))
                outcome = transaction.lost(error)
            else:
                outcome = transaction.received(reply)
                recorder.record(_shown_reply(operation, reply, transaction.reply if is_message else None))
            points.reach(f"{operation}.after")
            if outcome is not None:
                return outcome

    async def _exchange(self, request: HttpRequest, operation: str) -> HttpReply:
        """One exchange. It follows redirects if the profile says so, over schemes that the printer has (A-37)."""
        communication, schemes = self._communication, ("http", "https") if self._around.profile.https else ("http",)
        request = replace(request, scheme=communication.scheme)
        where, timeout = (communication.host, communication.port), float(communication.timeout)
        reply = await AwaitedExchange(operation, *where, request, timeout)
        if reply.status not in _REDIRECTS or self._around.profile.redirects != "followed":
            return reply
        for _ in range(_REDIRECT_LIMIT):
            location = reply.header("Location")
            if reply.status not in _REDIRECTS or location is None:
                break
            host = f"[{where[0]}]" if ":" in where[0] else where[0]
            try:
                found = Url.parse(urljoin(f"{request.scheme}://{host}:{where[1]}{request.target}", location))
                where = found.host, found.port
            except ValueError:
                break
            known = found.parts.scheme in schemes and found.host
            if not known or not re.fullmatch(r"[!-~]+", found.host + found.target):
                break
            request = replace(request, target=found.target, scheme=found.scheme)
            reply = await AwaitedExchange(operation, *where, request, timeout)
        return reply

    def _judge(self, outcome: Outcome) -> Ended | None:
        """Apply the rules of polling to the outcome of an inquiry."""
        if isinstance(outcome, Issued):
            assert self._transaction is not None
            return Ended(registration=Registration(outcome.certificate, pkcs8(self._transaction.enrolment.key)))
        answer, diagnosis = _answer_of(outcome)
        follows = what_follows(answer, self._polls, self._polling, self._around.profile)
        if isinstance(follows, Ends):
            return Ended(follows.detail, diagnosis, keep=follows.keep)
        self._polls += 1
        self.next_poll = self._around.clock.now() + timedelta(minutes=follows.minutes)
        self._around.recorder.record(PollBooked(poll=self._polls, due=self.next_poll.isoformat()))
        if follows.anew:
            assert self.transaction_id is not None
            self._around.abandon(self.transaction_id, diagnosis)
            self._transaction = None
        return None

    # --- material -----------------------------------------------------------------------------------------

    def _new_enrolment(self, store: KeyStore) -> Enrolment:
        settings, now = self.settings, self._around.clock.now()
        key = self._around.keys.rsa(settings.length)
        organization = [("O", settings.organization)] if settings.organization else []
        subject = x509.name(*organization, ("CN", settings.common_name))
        digest = settings.signature.lower()
        return Enrolment(
            key=key,
            csr=csr.build(key, subject=subject, challenge=settings.challenge, digest=digest),
            signer=x509.self_signed(
                key,
                subject=subject,
                serial=int.from_bytes(self._entropy.octets(8), "big") >> 1 | 1,
                # A peer's clock may be slow, and some peers check signingTime against this validity.
                not_before=now - timedelta(minutes=10),
                not_after=now + timedelta(days=30),
                digest=digest,
            ),
            transaction_id=self._entropy.octets(16).hex().upper(),
            subject=subject,
            digest=digest if self._around.profile.cms_digest == "signature-algorithm" else None,
            predecessor=self._predecessor(store),
        )

    def _predecessor(self, store: KeyStore) -> Predecessor | None:
        """The key that a RenewalReq would renew: same use, same subject, never the default key."""
        old = store.assigned_to(self.settings.destination)
        if self._around.profile.renewal_message != "RenewalReq" or old is None or old.default:
            return None
        try:
            if x509.common_name_of(old.certificate.subject) != self.settings.common_name:
                return None
        except DecodeError:  # stored by a version that accepted such a certificate
            return None
        return Predecessor(old.certificate, load_private(old.private))

    def _begin(self, enrolment: Enrolment) -> ClientTransaction:
        self._material = Material.of(enrolment)
        self._transaction = ClientTransaction(
            enrolment,
            target=self._communication.target,
            policy=self._around.profile,
            entropy=self._entropy,
            clock=self._around.clock,
        )
        return self._transaction

    # --- across a restart ---------------------------------------------------------------------------------

    def stored(self) -> StoredRequest:
        """The request in its stored form."""
        transaction = self._transaction
        return StoredRequest(
            settings=self.settings,
            method=self.method,
            communication=self._communication,
            polling=self._polling,
            delete_old=self.delete_old,
            started=self.started,
            next_poll=self.next_poll,
            polls=self._polls,
            transaction=transaction.snapshot() if transaction else None,
            enrolment=self._material if transaction else None,
        )

    @classmethod
    def from_stored(cls, stored: StoredRequest, around: Surroundings, entropy: Entropy) -> CertificateRequest:
        """Continue a stored request."""
        request = cls(
            around,
            settings=stored.settings,
            method=stored.method,
            communication=stored.communication,
            polling=stored.polling,
            delete_old=stored.delete_old,
            entropy=entropy,
        )
        request.started, request.next_poll, request._polls = stored.started, stored.next_poll, stored.polls
        if stored.transaction is not None and stored.enrolment is not None:
            request._begin(stored.enrolment.enrolment()).restore(stored.transaction)
        return request

    def begin_again(self, *, method: str, polling: Polling | None, delete_old: bool) -> None:
        """Ask about a kept request again: the same key and transaction, as a separate request (A-23)."""
        self.method, self._polling, self.delete_old = method, polling, delete_old
        self.started = self._around.clock.now()
        self._polls = counted_at_first(polling, self._around.profile)


def _answer_of(outcome: Outcome) -> tuple[PollReply, str]:
    """Convert an outcome without a certificate for the rules of polling, and add a diagnosis for the audit log."""
    match outcome:
        case Pending():
            return PollReply("pending"), "the last reply of the server was PENDING"
        case Lost(error, operation):
            return PollReply("lost"), f"{operation}: {error}"
        case HttpError(status):
            return PollReply("http", status), f"the server replied with HTTP {status}"
        case Failed(fail_info, text):
            answer, said = PollReply("failure", fail_info), f": {one_line(text, 200)}" if text else ""
            known = detail_of(answer).kind == "fail-info"
            return answer, f"{'' if known else 'FAILURE with '}failInfo {fail_info}{said}"
    assert isinstance(outcome, BadReply)
    return PollReply("unusable"), f"{outcome.reason}: {outcome.diagnosis}"


_MESSAGES = (State.SUBMIT, State.POLL)
_PASSED_ON = (PowerLost, BoundExceeded)
"""Exceptions that end more than a request."""


def _ended_by(error: Exception) -> Ended:
    """An unexpected exception ends the request, so that the printer does not stay busy forever."""
    if isinstance(error, _PASSED_ON):
        raise error
    diagnosis = one_line(f"unforeseen: {type(error).__name__}: {error}", 500)
    return Ended(Detail("scep-error"), diagnosis, unforeseen=error)


def _shown_csr(transaction: ClientTransaction) -> ShownCsr:
    request = csr.Csr.from_der(transaction.enrolment.csr)
    return ShownCsr(
        subject=request.subject_text,
        signature=request.signature_digest,
        length=transaction.enrolment.key.key_size,
        challenge="absent" if request.challenge is None else "present",
        challenge_type=request.challenge_type or "absent",
    )


def _shown_reply(operation: str, reply: HttpReply, decoded: PkiMessage | DecodeError | None) -> ExchangeReply:
    shown = ExchangeReply(operation=operation, status=reply.status, media_type=reply.media_type)
    if decoded is None or reply.status != 200:
        return shown
    if isinstance(decoded, DecodeError):
        return replace(shown, unreadable=str(decoded))
    return replace(shown, message=decoded.describe())
