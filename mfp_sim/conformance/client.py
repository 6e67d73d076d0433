"""The client of the checks: sends any message, right or deliberately wrong, and records the result.

Owns its keys, the samples that several checks share, the list of all certificates made, and the budget. Only checks
judge the server. Time, chance, keys and wire are injected. RFC 8894, 2 to 4.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from mfp_sim.conformance.answers import Answer, Exchange, Order
from mfp_sim.conformance.operators import Act, OperatorCase
from mfp_sim.conformance.outcomes import Inconclusive, Minted, NotApplicable, Untold
from mfp_sim.conformance.target import ChallengeSource, Permissions, Target
from mfp_sim.conformance.wire import ServerWire
from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, messages
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mfp_sim.shared.scep.http_messages import HttpRequest, scep_request
from mfp_sim.shared.scep.oddities import CORRECT, Oddities
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mfp_sim.shared.simtime import Entropy, KeySource, PassingClock
from mfp_sim.transport import Transport

__all__ = ["Client"]

_OTHERS, _LATER = 25, timedelta(hours=1)


class Client(ServerWire):
    """One run's session with one server."""

    def __init__(
        self,
        target: Target,
        transport: Transport,
        *,
        clock: PassingClock,
        entropy: Entropy,
        keys: KeySource,
        challenges: ChallengeSource,
        policy: Permissions | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        super().__init__(target, transport, clock, policy or Permissions())
        self.entropy, self.keys, self.challenges = entropy, keys, challenges
        self.redactor = redactor or Redactor([])
        self.answers: list[Answer] = []
        self.minted: list[Minted] = []
        self.untold: list[Untold] = []
        self.on_certificate: Callable[[Minted | Untold], None] = lambda _: None
        """Called with each certificate as soon as it is known, so that an interrupted run has listed it."""
        self._count = 0
        self._run = entropy.octets(3).hex()
        self._samples: dict[str, Answer] = {}
        self.questions: dict[str, Exchange] = {}
        self._granted: Answer | None = None
        self._waited = False
        self.barred: str | None = None
        """Why the run no longer requests certificates; None while it does."""
        self.usual: dict[str, Any] = {}
        """How the positive control had to differ from the RFC; every right request differs in the same way."""
        self._harmless: bool | None = None
        self.drawn: set[str] = set()
        """The right challenges so far."""

    # --- requests -----------------------------------------------------------------------------------------

    def subject(self) -> bytes:
        """A marked name that is unique among all requests of all runs."""
        self._count += 1
        return x509.name(("CN", f"{self.policy.subject_prefix}-{self._run}-{self._count}.example"))

    def key(self, bits: int = 2048) -> PrivateKey:
        """A new key pair."""
        return self.keys.rsa(bits)

    def self_signed(self, key: PrivateKey, subject: bytes, **changes: Any) -> Certificate:
        """A certificate like the one a client makes for its first request: valid from a day ago for a year."""
        now = self.clock.now().replace(microsecond=0)
        fields: dict[str, Any] = {
            "serial": int.from_bytes(self.entropy.octets(8), "big") | 1 << 60,
            "not_before": now - timedelta(days=1),
            "not_after": now + timedelta(days=365),
        }
        return x509.self_signed(key, subject=subject, **{**fields, **changes})

    def transaction_id(self) -> str:
        """A transactionID: 40 hexadecimal digits, the form that most clients use, or the persona's form."""
        octets = self.entropy.octets(20)
        if self.persona.identifier == "base64":
            return base64.b64encode(octets).decode()
        return str(int.from_bytes(octets, "big")) if self.persona.identifier == "decimal" else octets.hex().upper()

    _UNSET: Any = object()

    def await_instant(self, instant: datetime, what: str) -> None:
        """Wait until an instant, if --slow allows it.

        Raises:
            NotApplicable: it does not; the text says what must be allowed.
        """
        span = instant - self.clock.now()
        if span > self.policy.patience:
            allowed = self.policy.patience or "no wait"
            raise NotApplicable(f"{what}, which takes until {instant}: {allowed} is allowed (--slow)")
        if span > timedelta(0):
            self.pause(span)

    def order(
        self,
        *,
        key: PrivateKey | None = None,
        subject: bytes | None = None,
        challenge: Any = _UNSET,
        sans: Sequence[str] = (),
        request: bytes | None = None,
        by: Identity | None = None,
        oddities: Oddities = CORRECT,
        message_type: int = MessageType.PKCS_REQ,
        **changes: Any,
    ) -> Order:
        """A right PKCSReq except for the given changes: new key, new name, new transaction, a valid challenge.

        Args:
            key: the key pair to certify.
            subject: the name in the CSR.
            challenge: the challengePassword; None for no attribute.
            sans: requested DNS names and addresses.
            request: an encoded CSR instead.
            by: the signer to use instead of a self-signed certificate.
            oddities: what the writers do wrong.
            message_type: of the request.
            changes: fields of `Order`.
        """
        key = key or self.key()
        subject = self.subject() if subject is None else subject
        if challenge is self._UNSET:
            challenge = self.draw() if request is None else None
        if challenge:
            self.redactor.add(challenge)  # a wrong one may be almost right
        data = request or csr.build(key, subject=subject, challenge=challenge, sans=sans)
        persona, given = self.persona, changes.pop("signer", None)
        own = self.key() if persona.throwaway and not (by or given) else key
        signer = by.certificate if by else given or self.self_signed(own, self._signer_name(subject))
        fields: dict[str, Any] = {
            "message_type": message_type,
            "key": key,
            "subject": subject,
            "data": data,
            "signer_key": by.key if by else own,
            "signer": signer,
            "transaction_id": self.transaction_id(),
            "nonce": self.entropy.octets(16),
            "recipient": self.recipient,
            "digest": persona.digest or "sha256",
            "cipher": persona.cipher or "aes-128-cbc",
            "method": self.method,
            "oddities": persona.oddities if oddities is CORRECT else oddities,
            "challenge": challenge,
        }
        return Order(**{**fields, **self.usual, **changes})

    def draw(self) -> str | None:
        """A right challenge, which reports mask from now on; None if the server requires none."""
        secret = self.challenges.next()
        if secret:
            self.redactor.add(secret)
            self.drawn.add(secret)
        return secret

    @property
    def method(self) -> str:
        """The persona's method, or POST if it is advertised, otherwise GET."""
        return "POST" if self.capabilities.post and self.persona.method == "advertised" else "GET"

    def _signer_name(self, subject: bytes) -> bytes:
        return x509.name(("CN", self.persona.signer)) if self.persona.signer else subject

    def pass_time(self, since: Answer) -> None:
        """Send requests in `_OTHERS` other transactions and let `_LATER` pass, as far as --slow allows.

        A cache of the server has expired then.
        """
        for _ in range(_OTHERS - len(self.exchanges) + since.exchange.number):
            self.ask(self.poll())
        if waited := min(self.policy.patience, _LATER):
            self.pause(waited)

    def poll(self, about: Order | None = None, **changes: Any) -> Order:
        """A CertPoll, for an order or for an unknown transaction. It requests no new certificate."""
        if about is None:
            about = self.order(challenge=None)
        data = messages.issuer_and_subject(self.issuer.subject, about.subject)
        fields = {"message_type": MessageType.CERT_POLL, "data": data, "nonce": self.entropy.octets(16), **changes}
        return replace(about, **fields)

    def encode(self, order: Order) -> bytes:
        """The pkiMessage of an order."""
        request = messages.RequestContent(
            message_type=order.message_type,
            transaction_id=order.transaction_id,
            sender_nonce=order.nonce,
            message_data=order.data,
            recipient=order.recipient,
            digest=order.digest,
            cipher=order.cipher,
            signing_time=order.signing_time,
            chain=order.chain,
            oddities=order.oddities,
        )
        return messages.encode_request(
            request,
            signer_key=order.signer_key,
            signer_certificate=order.signer,
            octets=self.entropy.octets,
        )

    def ask(
        self,
        order: Order,
        *,
        expect_refusal: bool = False,
        unwanted: Callable[[Certificate], bool] | None = None,
        octets: bytes | None = None,
        once: bool = False,
    ) -> Answer:
        """Send an order (or `octets` instead) and read the reply.

        With ``expect_refusal``, any issued certificate is recorded as one that should not exist; with ``unwanted``,
        any for which the function returns true. A lost reply is not requested again if ``once`` is true.

        Raises:
            Inconclusive: the budget is spent, only reading is allowed, or the run no longer requests certificates.
        """
        self._allow(order)
        request = self.request_of(order, self.encode(order) if octets is None else octets)
        known = self.spent
        try:
            exchange = self.http(request, order.label, once=True) if once else self.http(request, order.label)
            return self.take(order, exchange, expect_refusal=expect_refusal, unwanted=unwanted)
        except BaseException as error:
            if order.asks and self.spent == known and not isinstance(error, Inconclusive):
                why = f"the run was interrupted before the reply was read: {type(error).__name__}"
                self.doubt(Untold(x509.name_text(order.subject), self.check, why, expected=not expect_refusal))
            raise

    def request_of(self, order: Order, octets: bytes) -> HttpRequest:
        """The HTTP request that carries a message, by the order's method."""
        method: Literal["GET", "POST"] = "GET" if order.method == "GET" else "POST"
        request = scep_request(self.target.path, Operation.PKI_OPERATION, octets, method=method)
        if method == "GET" and self.persona.escaped is not None:
            written = self.persona.escaped(base64.b64encode(octets).decode("ascii"))
            request = replace(request, target=f"{request.target.partition('&message=')[0]}&message={written}")
        return request

    def _allow(self, order: Order) -> None:
        if order.asks and self.policy.read_only:
            raise Inconclusive("only reading is allowed (--read-only)")
        if order.asks and self.barred is not None:
            raise Inconclusive(self.barred)
        if order.asks and self.policy.budget is not None and self.spent >= self.policy.budget:
            raise Inconclusive(f"the budget of {self.policy.budget} certificates is spent")

    def take(
        self,
        order: Order,
        exchange: Exchange,
        *,
        expect_refusal: bool = False,
        unwanted: Callable[[Certificate], bool] | None = None,
    ) -> Answer:
        """Read an exchange as the reply to an order, and record its certificates, certain or possible; see `ask`.

        Raises:
            Inconclusive: the first reply to a right request was lost, and it was refused when it was sent again.
        """
        answer = Answer(order, exchange, self.trusted)
        self.answers.append(answer)
        minted: tuple[Certificate, ...] = ()
        if answer.handed_out and order.message_type not in (MessageType.GET_CERT, MessageType.GET_CRL):
            minted = answer.leaves or ((answer.issued,) if answer.issued else ())
        for certificate in minted:
            wrong = expect_refusal or (unwanted is not None and unwanted(certificate))
            self.record(certificate, expected=not wrong)
        if order.asks:
            expected = not expect_refusal and unwanted is None
            self._untold(answer, claimed=answer.granted and not minted, expected=expected)
        right = order.asks and not (order.wrong or expect_refusal)
        if exchange.repeats is not None and right and answer.refused:
            raise Inconclusive(f"the reply was lost, and the repeated request was refused: {answer.text}")
        return answer

    def doubt(self, entry: Untold) -> None:
        """Record a request for which it is unknown whether a certificate was made."""
        self.untold.append(entry)
        self.on_certificate(entry)

    def _untold(self, answer: Answer, *, claimed: bool, expected: bool) -> None:
        """Record a request that may have made a certificate which is not listed."""
        subject, repeats = x509.name_text(answer.order.subject), answer.exchange.repeats
        lost = self.exchanges[repeats - 1] if repeats is not None else None
        if lost is not None and lost.error is not None and lost.error.sent:
            self.doubt(Untold(subject, self.check, f"its reply was lost: {lost.text}", expected))
        if claimed:
            why = f"the server says SUCCESS, but its reply contains no readable certificate: {answer.text}"
            self.doubt(Untold(subject, self.check, why, expected, claimed=True))
            return
        error = answer.exchange.error
        if answer.unclear is not None and (error is None or (error.sent and lost is None)):
            self.doubt(Untold(subject, self.check, answer.unclear, expected))

    def record(self, certificate: Certificate, *, expected: bool) -> None:
        """Add a certificate to the list of certificates made, once."""
        fingerprint = certificate.fingerprint()
        if any(entry.fingerprint == fingerprint for entry in self.minted):
            return
        entry = Minted(
            certificate.serial,
            certificate.subject_text,
            certificate.issuer_text,
            certificate.not_after.isoformat(),
            fingerprint,
            self.check,
            expected,
        )
        self.minted.append(entry)
        self.on_certificate(entry)

    @property
    def spent(self) -> int:
        """The number of certificates that were or may have been made."""
        return len(self.minted) + len(self.untold)

    @property
    def unexpected(self) -> tuple[str, ...]:
        """In words, each certificate that should not have been issued, seen or reported by the server."""
        seen = [f"serial {entry.serial:x}" for entry in self.minted if not entry.expected]
        said = [f"for {entry.subject}, unseen" for entry in self.untold if entry.claimed and not entry.expected]
        return (*seen, *said)

    # --- samples ------------------------------------------------------------------------------------------

    def granted(self) -> Answer:
        """The positive control: a right request that the server granted, sent once.

        Raises:
            Inconclusive: it was not granted; the text describes the reply.
        """
        if self._granted is None:
            self._granted = self.enrol_by_ladder()
            self.issued = self._granted.issued
        if not self._granted.taken:
            raise Inconclusive(f"a right request was not granted: {self._granted.text}")
        return self._granted

    def enrol_by_ladder(self) -> Answer:
        """A right request as the RFC specifies; if it is refused, in the forms that older servers support."""
        first: Answer | None = None
        weak = {"digest": "sha1", "cipher": "des-ede3-cbc"}
        ladder: tuple[dict[str, Any], ...] = (
            {},
            {"method": "GET"},
            weak,
            {**weak, "method": "GET"},
            {"signing_time": self.clock.now().replace(microsecond=0)},
        )
        for usual in ladder:
            self.usual = usual
            attempt = self.ask(self.order())
            if attempt.taken:
                if attempt.parked and Act.APPROVE in self.policy.acts:
                    return self._await_approval(attempt)
                return attempt
            first = first or attempt
            if attempt.reply is None:
                break
        self.usual = {}
        assert first is not None
        return first

    def _await_approval(self, parked: Answer) -> Answer:
        """Ask the operator to decide, then poll."""
        self._waited = True
        approved = self.policy.acts[Act.APPROVE](_waiting(parked.order))
        return self.ask(self.poll(parked.order)) if approved else parked

    def decide(self, act: Act, parked: Answer) -> None:
        """Have the operator approve or reject a request that waits.

        Raises:
            Inconclusive: there is no operator, or the operator did not do it.
            UsageError: the operator's command failed.
        """
        self._act(act, _waiting(parked.order))

    def revoke(self, certificate: Certificate) -> None:
        """Have the operator revoke a certificate; errors as for `decide`."""
        self._act(Act.REVOKE, OperatorCase(serial=f"{certificate.serial:x}", subject=certificate.subject_text))

    def _act(self, act: Act, case: OperatorCase) -> None:
        if act not in self.policy.acts:
            more = " or --interactive-approval" if act is Act.APPROVE else ""
            raise Inconclusive(f"no operator to {act.value} it (--{act.value}-command{more})")
        if not self.policy.acts[act](case):
            raise Inconclusive(f"the operator did not {act.value} it")

    @property
    def parked(self) -> bool:
        """Whether the server parked the positive control: right requests wait for approval."""
        return self._granted is not None and (self._granted.parked or self._waited)

    def enrolled(self) -> Identity:
        """The certificate that the server issued to the positive control, and its key.

        Raises:
            Inconclusive: there is none.
        """
        return self.identity(self.granted())

    def identity(self, answer: Answer) -> Identity:
        """The certificate of a reply.

        Raises:
            Inconclusive: it contains none for our key.
        """
        if answer.issued is None:
            raise Inconclusive(f"the reply has no certificate: {answer.payload.problem or answer.text}")
        return Identity(answer.issued, answer.order.key)

    def enrol(self, **changes: Any) -> Answer:
        """A further right request; Inconclusive unless granted."""
        answer = self.ask(self.order(**changes))
        if answer.parked:
            raise Inconclusive("the server parks requests for approval, but this check needs a certificate at once")
        if not answer.granted:
            raise Inconclusive(f"a right request was not granted: {answer.text}")
        return answer

    def sample(self, name: str, make: Callable[[], Answer]) -> Answer:
        """A reply that several checks share; its request is sent once."""
        if name not in self._samples:
            self._samples[name] = make()
        return self._samples[name]

    def unknown_poll(self) -> Answer:
        """The reply to a CertPoll for an unknown transaction: a FAILURE, without any certificate."""
        return self.sample("unknown poll", lambda: self.ask(self.poll()))

    def harmless(self, **changes: Any) -> Order:
        """A request without effect that still gets a CertRep from this server.

        It is a CertPoll for an unknown transaction or, if the server does not support CertPoll, a PKCSReq with a wrong
        challenge.

        Raises:
            Inconclusive: neither gets a CertRep, or a wrong challenge gets a certificate.
        """
        if self._harmless is None:
            self._harmless = self.unknown_poll().status is not None
        if self._harmless:
            return self.poll(**changes)
        if self.refusal().status is None or self.open_to_strangers:
            raise Inconclusive("no request without effect gets a CertRep from this server")
        return self.order(challenge=self.wrong_challenge(), **changes)

    def wrong_challenge(self) -> str:
        """The challenge with another first letter.

        Raises:
            Inconclusive: the server requires none.
        """
        secret = self.draw()
        if secret is None:
            raise Inconclusive("no challenge password is configured, so a request cannot have a wrong one")
        return ("x" if secret[:1] != "x" else "y") + secret[1:]

    def refusal(self) -> Answer:
        """A FAILURE to a PKCSReq: one with a wrong challenge.

        Raises:
            Inconclusive: the server requires no challenge, or only reading is allowed.
        """
        return self.sample(
            "wrong challenge", lambda: self.ask(self.order(challenge=self.wrong_challenge()), expect_refusal=True)
        )

    @property
    def open_to_strangers(self) -> bool:
        """Whether the request with a wrong challenge was granted."""
        found = self._samples.get("wrong challenge")
        return found is not None and found.handed_out

    def look(self) -> None:
        """Get samples to judge: a grant, a refusal and an unknown poll, as far as allowed."""
        for make in (self.granted, self.refusal, self.unknown_poll):
            try:
                make()
            except (Inconclusive, MfpSimError):
                continue

    @property
    def replies(self) -> list[Answer]:
        """The replies to right requests that look like CMS, readable or not."""
        return [answer for answer in self.answers if answer.is_cms and not answer.order.wrong]

    @property
    def cert_reps(self) -> list[Answer]:
        """The replies whose SignedData is readable."""
        return [answer for answer in self.replies if answer.signed is not None]


def _waiting(order: Order) -> OperatorCase:
    return OperatorCase(transaction=order.transaction_id, subject=x509.name_text(order.subject))
