"""The client of the checks: sends any message, right or deliberately wrong, and remembers what came of it.

Owns the keys it makes, the samples that several checks look at, the list of everything minted, and the budget. Decides
nothing about the server: checks do. Time, chance, keys and wire come from outside. RFC 8894, 2 to 4.
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
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.oddities import CORRECT, Oddities
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mfp_sim.shared.simtime import Entropy, KeySource, PassingClock
from mfp_sim.transport import Transport

__all__ = ["Client"]

_OTHERS, _LATER = 25, timedelta(hours=1)


class Client(ServerWire):
    """One run's dealings with one server."""

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
        """Told of each certificate as soon as anything is known of it, so that a run that breaks off has listed it."""
        self._count = 0
        self._run = entropy.octets(3).hex()
        self._samples: dict[str, Answer] = {}
        self.questions: dict[str, Exchange] = {}
        self._granted: Answer | None = None
        self._waited = False
        self.barred: str | None = None
        """Why no more certificates are asked for; None while they are."""
        self.usual: dict[str, Any] = {}
        """What the positive control had to do otherwise than the RFC has it; every right request does so too."""
        self._harmless: bool | None = None
        self.drawn: set[str] = set()
        """The right challenges so far."""

    # --- requests -----------------------------------------------------------------------------------------

    def subject(self) -> bytes:
        """A marked name that no other request of any run has."""
        self._count += 1
        return x509.name(("CN", f"{self.policy.subject_prefix}-{self._run}-{self._count}.example"))

    def key(self, bits: int = 2048) -> PrivateKey:
        """A new key pair."""
        return self.keys.rsa(bits)

    def self_signed(self, key: PrivateKey, subject: bytes, **changes: Any) -> Certificate:
        """A certificate as a client makes it for its first request: valid from a day ago for a year."""
        now = self.clock.now().replace(microsecond=0)
        fields: dict[str, Any] = {
            "serial": int.from_bytes(self.entropy.octets(8), "big") | 1 << 60,
            "not_before": now - timedelta(days=1),
            "not_after": now + timedelta(days=365),
        }
        return x509.self_signed(key, subject=subject, **{**fields, **changes})

    def transaction_id(self) -> str:
        """40 hexadecimal digits, the form that most clients use, or the persona's."""
        octets = self.entropy.octets(20)
        if self.persona.identifier == "base64":
            return base64.b64encode(octets).decode()
        return str(int.from_bytes(octets, "big")) if self.persona.identifier == "decimal" else octets.hex().upper()

    _UNSET: Any = object()

    def await_instant(self, instant: datetime, what: str) -> None:
        """Wait for something, if that is allowed to take so long.

        Raises:
            NotApplicable: it is not; the text says what has to be allowed.
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
        """A right PKCSReq, less what is asked for otherwise: new key, new name, new transaction, a valid challenge.

        Args:
            key: the pair to be certified.
            subject: the name in the CSR.
            challenge: the challengePassword; None for no attribute.
            sans: requested DNS names and addresses.
            request: an encoded CSR instead.
            by: who signs instead of a self-signed certificate.
            oddities: what the writers do wrong.
            message_type: of the request.
            changes: fields of :class:`Order`.
        """
        key = key or self.key()
        subject = self.subject() if subject is None else subject
        if challenge is self._UNSET:
            challenge = self.draw() if request is None else None
        if challenge:
            self.redactor.add(challenge)  # a wrong one may be nearly right
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
        """A right challenge, which no report shows from now on; None where the server wants none."""
        secret = self.challenges.next()
        if secret:
            self.redactor.add(secret)
            self.drawn.add(secret)
        return secret

    @property
    def method(self) -> str:
        """POST where it is advertised, else GET; what the persona uses."""
        return "POST" if self.capabilities.post and self.persona.method == "advertised" else "GET"

    def _signer_name(self, subject: bytes) -> bytes:
        return x509.name(("CN", self.persona.signer)) if self.persona.signer else subject

    def pass_time(self, since: Answer) -> None:
        """Ask about other transactions until there were :data:`_OTHERS` since then, and let :data:`_LATER` pass, as far
        as --slow allows: what a server keeps in a cache is gone then."""
        for _ in range(_OTHERS - len(self.exchanges) + since.exchange.number):
            self.ask(self.poll())
        if waited := min(self.policy.patience, _LATER):
            self.pause(waited)

    def poll(self, about: Order | None = None, **changes: Any) -> Order:
        """A CertPoll, about an order or about a transaction that never was. It asks for no new certificate."""
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
    ) -> Answer:
        """Send an order (or ``octets`` in its place) and read what comes.

        With ``expect_refusal`` a certificate that comes all the same is recorded as one that should not exist; with
        ``unwanted``, one of which that is true.

        Raises:
            Inconclusive: the budget is spent, only reading is allowed, or no more certificates are asked for.
        """
        self._allow(order)
        message = self.encode(order) if octets is None else octets
        method: Literal["GET", "POST"] = "GET" if order.method == "GET" else "POST"
        request = scep_request(self.target.path, Operation.PKI_OPERATION, message, method=method)
        if method == "GET" and self.persona.escaped is not None:
            written = self.persona.escaped(base64.b64encode(message).decode("ascii"))
            request = replace(request, target=f"{request.target.partition('&message=')[0]}&message={written}")
        known = self.spent
        try:
            exchange = self.http(request, order.label)
            return self.take(order, exchange, expect_refusal=expect_refusal, unwanted=unwanted)
        except BaseException as error:
            if order.asks and self.spent == known and not isinstance(error, Inconclusive):
                why = f"the run broke off before its reply was read: {type(error).__name__}"
                self.doubt(Untold(x509.name_text(order.subject), self.check, why, expected=not expect_refusal))
            raise

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
        """Read an exchange as the reply to an order, and record what was minted, or may have been; see :meth:`ask`.

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
            raise Inconclusive(f"the reply was lost, and the same request again was refused: {answer.text}")
        return answer

    def doubt(self, entry: Untold) -> None:
        """Note a request of which it cannot be told whether a certificate was made."""
        self.untold.append(entry)
        self.on_certificate(entry)

    def _untold(self, answer: Answer, *, claimed: bool, expected: bool) -> None:
        """Note a request that may have made a certificate which is on no list."""
        subject, repeats = x509.name_text(answer.order.subject), answer.exchange.repeats
        lost = self.exchanges[repeats - 1] if repeats is not None else None
        if lost is not None and lost.error is not None and lost.error.sent:
            self.doubt(Untold(subject, self.check, f"its reply was lost: {lost.text}", expected))
        if claimed:
            why = f"the server says SUCCESS, and what it sent holds no certificate that can be read: {answer.text}"
            self.doubt(Untold(subject, self.check, why, expected, claimed=True))
            return
        error = answer.exchange.error
        if answer.unclear is not None and (error is None or (error.sent and lost is None)):
            self.doubt(Untold(subject, self.check, answer.unclear, expected))

    def record(self, certificate: Certificate, *, expected: bool) -> None:
        """Put a certificate on the list of everything minted, once."""
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
        """How many certificates were made, or may have been."""
        return len(self.minted) + len(self.untold)

    @property
    def unexpected(self) -> tuple[str, ...]:
        """In words, each certificate that should not have been issued, seen or said by the server."""
        seen = [f"serial {entry.serial:x}" for entry in self.minted if not entry.expected]
        said = [f"for {entry.subject}, unseen" for entry in self.untold if entry.claimed and not entry.expected]
        return (*seen, *said)

    # --- samples ------------------------------------------------------------------------------------------

    def granted(self) -> Answer:
        """The positive control: a right request that the server granted, made once.

        Raises:
            Inconclusive: nothing was granted; the text says what came.
        """
        if self._granted is None:
            self._granted = self.enrol_by_ladder()
            self.issued = self._granted.issued
        if not self._granted.taken:
            raise Inconclusive(f"a right request was not granted: {self._granted.text}")
        return self._granted

    def enrol_by_ladder(self) -> Answer:
        """A right request, as the RFC has it; where that is refused, in the ways that older servers know."""
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
            Inconclusive: nobody is there who does, or it was not done.
            UsageError: the command failed that does it.
        """
        self._act(act, _waiting(parked.order))

    def revoke(self, certificate: Certificate) -> None:
        """Have the operator revoke a certificate; errors as of :meth:`decide`."""
        self._act(Act.REVOKE, OperatorCase(serial=f"{certificate.serial:x}", subject=certificate.subject_text))

    def _act(self, act: Act, case: OperatorCase) -> None:
        if act not in self.policy.acts:
            more = " or --interactive-approval" if act is Act.APPROVE else ""
            raise Inconclusive(f"nobody is there to {act.value} (--{act.value}-command{more})")
        if not self.policy.acts[act](case):
            raise Inconclusive(f"the operator did not {act.value} it")

    @property
    def parked(self) -> bool:
        """Whether the server parked the positive control: right requests wait there for somebody who approves."""
        return self._granted is not None and (self._granted.parked or self._waited)

    def enrolled(self) -> Identity:
        """A certificate that the server issued to us and the key it belongs to: the control's.

        Raises:
            Inconclusive: there is none.
        """
        return self.identity(self.granted())

    def identity(self, answer: Answer) -> Identity:
        """The certificate of a reply.

        Raises:
            Inconclusive: it holds none for our key.
        """
        if answer.issued is None:
            raise Inconclusive(f"no certificate came: {answer.payload.problem or answer.text}")
        return Identity(answer.issued, answer.order.key)

    def enrol(self, **changes: Any) -> Answer:
        """A right request of its own; Inconclusive unless granted."""
        answer = self.ask(self.order(**changes))
        if answer.parked:
            raise Inconclusive("the server parks requests for approval, and this needs a certificate at once")
        if not answer.granted:
            raise Inconclusive(f"a right request was not granted: {answer.text}")
        return answer

    def sample(self, name: str, make: Callable[[], Answer]) -> Answer:
        """An answer that several checks look at, made once."""
        if name not in self._samples:
            self._samples[name] = make()
        return self._samples[name]

    def unknown_poll(self) -> Answer:
        """The answer to a CertPoll about a transaction that never was: a FAILURE, without any certificate."""
        return self.sample("unknown poll", lambda: self.ask(self.poll()))

    def harmless(self, **changes: Any) -> Order:
        """A request that makes nothing and still gets a CertRep from this server: a CertPoll about nothing, or, where
        CertPoll is not served, a PKCSReq with a wrong challenge.

        Raises:
            Inconclusive: neither gets a CertRep, or a wrong challenge gets a certificate.
        """
        if self._harmless is None:
            self._harmless = self.unknown_poll().status is not None
        if self._harmless:
            return self.poll(**changes)
        if self.refusal().status is None or self.open_to_strangers:
            raise Inconclusive("no request without consequences gets a CertRep from this server")
        return self.order(challenge=self.wrong_challenge(), **changes)

    def wrong_challenge(self) -> str:
        """The challenge with another first letter.

        Raises:
            Inconclusive: the server wants none.
        """
        secret = self.draw()
        if secret is None:
            raise Inconclusive("no challenge is configured, so none can be wrong")
        return ("x" if secret[:1] != "x" else "y") + secret[1:]

    def refusal(self) -> Answer:
        """A FAILURE to a PKCSReq: one with a wrong challenge.

        Raises:
            Inconclusive: the server wants no challenge, or only reading is allowed.
        """
        return self.sample(
            "wrong challenge", lambda: self.ask(self.order(challenge=self.wrong_challenge()), expect_refusal=True)
        )

    @property
    def open_to_strangers(self) -> bool:
        """Whether that one was granted."""
        found = self._samples.get("wrong challenge")
        return found is not None and found.handed_out

    def look(self) -> None:
        """See that there are samples to judge: a grant, a refusal and an unknown poll, as far as allowed."""
        for make in (self.granted, self.refusal, self.unknown_poll):
            try:
                make()
            except (Inconclusive, MfpSimError):
                continue

    @property
    def replies(self) -> list[Answer]:
        """The answers to right requests that came as CMS, readable or not."""
        return [answer for answer in self.answers if answer.is_cms and not answer.order.wrong]

    @property
    def cert_reps(self) -> list[Answer]:
        """Those of them whose SignedData is readable."""
        return [answer for answer in self.replies if answer.signed is not None]


def _waiting(order: Order) -> OperatorCase:
    return OperatorCase(transaction=order.transaction_id, subject=x509.name_text(order.subject))
