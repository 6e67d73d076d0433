"""One request for a certificate, from key generation to its end: limit, inquiries, polling, outcome.

Owns the material of the request while it is pending. It decides; the printer registers, shows and stores.
Serves MFP-POLL-*, MFP-DETAIL-*, MFP-REQ-01, MFP-REQ-05; A-22, A-23, A-27, A-31, A-34, A-35, A-36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from mfp_sim.device import persistence
from mfp_sim.device.keystore import KeyStore
from mfp_sim.device.profile import Profile
from mfp_sim.device.settings import CommunicationSettings, KeySettings, Polling
from mfp_sim.device.status import Detail
from mfp_sim.errors import AlgorithmRefused, DecodeError, TransportError
from mfp_sim.scep import certificate as x509
from mfp_sim.scep import csr, messages
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.exchange import (
    BadReply,
    ClientTransaction,
    Enrolment,
    Failed,
    HttpError,
    Issued,
    Lost,
    Outcome,
    Pending,
    Policy,
    State,
)
from mfp_sim.scep.http import HttpReply
from mfp_sim.simtime import Clock, Entropy, KeySource
from mfp_sim.trace import Recorder
from mfp_sim.transport import Transport

__all__ = ["CertificateRequest", "Ended", "Registration"]


@dataclass(frozen=True)
class Registration:
    """What is to be registered: the certificate and the key pair it fits (PKCS#8)."""

    certificate: Certificate
    private: bytes = field(repr=False)


@dataclass(frozen=True)
class Ended:
    """How a request ended: with a registration, or with a detail and a diagnosis for the audit log."""

    detail: Detail | None = None
    diagnosis: str = ""
    registration: Registration | None = None


class CertificateRequest:
    """A request under way. ``inquire`` makes one inquiry and says whether it ended; else ``next_poll`` is set."""

    def __init__(
        self,
        *,
        profile: Profile,
        settings: KeySettings,
        method: str,
        communication: CommunicationSettings,
        polling: Polling | None,
        delete_old: bool,
        clock: Clock,
        entropy: Entropy,
        keys: KeySource,
        transport: Transport,
        recorder: Recorder,
    ) -> None:
        self.profile, self.settings, self.method = profile, settings, method
        self.delete_old = delete_old
        self._communication, self._polling = communication, polling
        self._clock, self._entropy, self._keys = clock, entropy, keys
        self._transport, self._recorder = transport, recorder
        self.started = clock.now()
        self.next_poll: datetime | None = None
        self._polls = 1 if profile.first_request_counts else 0
        self._transaction: ClientTransaction | None = None

    @property
    def transaction_id(self) -> str | None:
        """The transactionID, once there is one."""
        return self._transaction.enrolment.transaction_id if self._transaction else None

    # --- one inquiry --------------------------------------------------------------------------------------

    def inquire(self, store: KeyStore) -> Ended | None:
        """Ask the server once, to the end of what that takes; None means that ``next_poll`` is booked."""
        self.next_poll = None
        destination = (self.settings.use, self.settings.policy)
        if store.is_full_for(destination, self.profile, delete_old=self.delete_old):
            return Ended(Detail("registration-limit"), "the limit for keys and certificates is reached")
        if self._transaction is None:
            self._transaction = self._new_transaction(self._new_enrolment())
        else:
            self._transaction.resume()
        return self._judge(self._run(self._transaction))

    def _run(self, transaction: ClientTransaction) -> Outcome:
        communication = self._communication
        while True:
            operation = transaction.state
            try:
                request = transaction.next_request()
            except (AlgorithmRefused, DecodeError) as error:
                return BadReply("refused-algorithm", str(error))
            self._recorder.record(
                "exchange.request",
                operation=operation.value,
                method=request.method,
                transaction=transaction.enrolment.transaction_id if operation in _MESSAGES else None,
            )
            try:
                reply = self._transport.exchange(
                    communication.host, communication.port, request, float(communication.timeout)
                )
            except TransportError as error:
                self._recorder.record("exchange.lost", operation=operation.value, error=str(error))
                outcome = transaction.lost(error)
            else:
                self._recorder.record("exchange.reply", operation=operation.value, **_described(operation, reply))
                outcome = transaction.received(reply)
            if outcome is not None:
                return outcome

    def _judge(self, outcome: Outcome) -> Ended | None:
        """What the outcome of an inquiry means; the table of the manual's section on polling."""
        if isinstance(outcome, Issued):
            assert self._transaction is not None
            return Ended(registration=Registration(outcome.certificate, _pkcs8(self._transaction.enrolment.key)))
        detail, diagnosis, polls = self._cause(outcome)
        if polls and self._polling is not None and self._polls < self._polling.count:
            self._polls += 1
            self.next_poll = self._clock.now() + timedelta(minutes=self._polling.minutes)
            self._recorder.record("printer.poll-booked", poll=self._polls, due=self.next_poll.isoformat())
            if isinstance(outcome, Lost) and self.profile.resend == "new-transaction":
                self._transaction = None
            return None
        return Ended(detail, diagnosis)

    def _cause(self, outcome: Outcome) -> tuple[Detail, str, bool]:
        """Detail, diagnosis, and whether polling may follow (MFP-POLL-01…05)."""
        if isinstance(outcome, Pending):
            return Detail("deferred"), "the server's last answer was PENDING", True
        if isinstance(outcome, Lost):
            return Detail("top-error"), f"{outcome.operation}: {outcome.error}", True
        if isinstance(outcome, HttpError):
            rule, status = self.profile.http_errors_that_poll, outcome.status
            polls = rule == "all" or (rule == "5xx" and 500 <= status <= 599)
            return Detail("http", status), f"the server answered HTTP {status}", polls
        if isinstance(outcome, Failed):
            text = f": {outcome.text}" if outcome.text else ""
            if outcome.fail_info is not None and 0 <= outcome.fail_info <= 4:
                return Detail("fail-info", outcome.fail_info), f"failInfo {outcome.fail_info}{text}", False
            return Detail("scep-error"), f"FAILURE with failInfo {outcome.fail_info}{text}", False
        assert isinstance(outcome, BadReply)
        return Detail("scep-error"), f"{outcome.reason}: {outcome.diagnosis}", False

    # --- material -----------------------------------------------------------------------------------------

    def _new_enrolment(self) -> Enrolment:
        settings, now = self.settings, self._clock.now()
        key = self._keys.rsa(settings.length)
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
                # A peer's clock may be slow, and some check signingTime against this validity.
                not_before=now - timedelta(minutes=10),
                not_after=now + timedelta(days=30),
                digest=digest,
            ),
            transaction_id=self._entropy.octets(16).hex().upper(),
            subject=subject,
            digest=digest if self.profile.cms_digest == "signature-algorithm" else None,
        )

    def _new_transaction(self, enrolment: Enrolment) -> ClientTransaction:
        return ClientTransaction(
            enrolment,
            target=self._communication.target,
            policy=Policy(
                read_single_des=self.profile.read_single_des,
                weak=self.profile.weak_algorithms,
                resend=self.profile.resend,
            ),
            entropy=self._entropy,
            clock=self._clock,
        )

    # --- across a restart ---------------------------------------------------------------------------------

    def stored(self) -> dict[str, object] | None:
        """The request as it is committed; None before the server was asked (then it is as if it had not begun)."""
        if self._transaction is None or self.next_poll is None:
            return None
        enrolment = self._transaction.enrolment
        return {
            "settings": persistence.key(self.settings),
            "method": self.method,
            "started": self.started.isoformat(),
            "next_poll": self.next_poll.isoformat(),
            "polls": self._polls,
            "key": _pkcs8(enrolment.key).hex(),
            "csr": enrolment.csr.hex(),
            "signer": enrolment.signer.der.hex(),
            "transaction_id": enrolment.transaction_id,
            "digest": enrolment.digest,
            "transaction": self._transaction.snapshot(),
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], **given: Any) -> CertificateRequest:
        """Go on with a committed request; ``given`` are the constructor's other arguments."""
        request = cls(method=str(stored["method"]), **given)
        request.started = datetime.fromisoformat(stored["started"])
        request.next_poll = datetime.fromisoformat(stored["next_poll"])
        request._polls = int(stored["polls"])
        key = load_der_private_key(bytes.fromhex(stored["key"]), password=None)
        assert isinstance(key, RSAPrivateKey)
        signer = Certificate.from_der(bytes.fromhex(stored["signer"]))
        enrolment = Enrolment(
            key=key,
            csr=bytes.fromhex(stored["csr"]),
            signer=signer,
            transaction_id=stored["transaction_id"],
            subject=signer.subject,
            digest=stored["digest"],
        )
        request._transaction = request._new_transaction(enrolment)
        request._transaction.restore(stored["transaction"])
        return request


_MESSAGES = (State.SUBMIT, State.POLL)


def _pkcs8(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _described(operation: State, reply: HttpReply) -> dict[str, object]:
    """A reply for the trace: decoded where it can be."""
    found: dict[str, object] = {"status": reply.status, "media_type": reply.media_type}
    if operation in _MESSAGES and reply.status == 200:
        try:
            found["message"] = messages.decode(reply.body).describe()
        except DecodeError as error:
            found["unreadable"] = str(error)
    return found
