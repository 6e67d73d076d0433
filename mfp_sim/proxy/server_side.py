"""What the replies of a watched server show about it: the conformance checks, on exchanges of other clients.

Runs the checks that request no certificate and judge replies. A check that would have to send something itself, or open
an envelope without a key, says nothing here and counts as not seen. RFC 8894, 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from mfp_sim.conformance.answers import Answer, Exchange, Order
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import Check, CheckVerdict, Fact
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.target import Permissions, Target
from mfp_sim.conformance.wire import ServerWire
from mfp_sim.shared.errors import AlgorithmRefused, EnvelopeUnreadable, MfpSimError
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.simtime import PassingClock

__all__ = ["SeenAnswer", "ServerFinding", "ServerSide", "judge_server", "order_of"]


@dataclass(frozen=True)
class ServerFinding:
    """A finding about a server: the check that found it, its verdict, and a sentence.

    ``faults`` makes the mock deviate in the same way, in the form of a script; empty if a script cannot.
    """

    check: str
    requirement: str
    verdict: CheckVerdict
    text: str
    faults: str = ""

    def __str__(self) -> str:
        return f"{self.verdict.word} {self.requirement} {self.text}"

    def to_json(self) -> dict[str, str]:
        """As a JSON-able object."""
        return {
            "check": self.check, "requirement": self.requirement, "verdict": self.verdict.word, "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True)
class SeenAnswer(Answer):
    """A reply to another client's request: only `EnvelopeKeys` can open its envelope."""

    keys: EnvelopeKeys = field(default_factory=EnvelopeKeys)
    csr: Csr | None = None

    def _open(self) -> tuple[bytes | None, str | None]:
        """The content.

        Raises:
            Inconclusive: it is encrypted, and no key opens it.
        """
        if self.envelope is None:
            return super()._open()
        try:
            return self.keys.open(self.envelope), None
        except (EnvelopeUnreadable, AlgorithmRefused):
            raise Inconclusive("the envelope cannot be opened: there is no key for it") from None

    @cached_property
    def signer(self) -> Certificate | None:
        """See `Answer.signer`.

        Raises:
            Inconclusive: the proxy saw no GetCACert, so the server's certificates are unknown.
        """
        if not self.trusted:
            raise Inconclusive("the proxy saw no GetCACert, so the server's certificates are unknown")
        signed = self.signed
        return next((c for c in self.trusted if signed.names_signer(c)), None) if signed is not None else None

    @cached_property
    def issued(self) -> Certificate | None:
        """The certificate for the key of the request."""
        wanted = self.csr.spki if self.csr is not None else self.order.signer.spki
        return next((c for c in self.payload.certificates if c.spki == wanted), None)


def order_of(message: PkiMessage, request: HttpRequest, signer: Certificate, csr: Csr | None) -> Order:
    """A request that was seen, in the form for checks; it does not contain the client's keys."""
    nobody = cast("PrivateKey", None)
    return Order(
        message_type=message.message_type,
        key=nobody,
        subject=csr.subject if csr is not None else signer.subject,
        data=b"",
        signer_key=nobody,
        signer=signer,
        transaction_id=message.transaction_id,
        nonce=message.sender_nonce or b"",
        recipient=None,
        digest=message.digest,
        cipher=message.envelope.cipher if message.envelope else "",
        method=request.method,
        challenge=csr.challenge if csr is not None else None,
    )


class _NobodyAsks:
    """A wire that sends nothing."""

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:  # noqa: ARG002
        """Never returns.

        Raises:
            Inconclusive: always.
        """
        raise Inconclusive("this check must send its own request")


class ServerSide(ServerWire):
    """A server as far as some exchanges show it, used instead of the client that a check expects."""

    def __init__(
        self,
        target: Target,
        clock: PassingClock,
        *,
        caps: Exchange | None,
        ca: Exchange | None,
        answers: Sequence[Answer] = (),
    ) -> None:
        super().__init__(target, _NobodyAsks(), clock, Permissions())
        if caps is not None:
            self.caps_exchange = caps
        if ca is not None:
            self.ca_exchange = ca
        self.answers = list(answers)
        self.drawn: set[str] = set()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Inconclusive(f"this check needs its own client ({name})")

    def look(self) -> None:
        """Send nothing: everything to judge is already known."""

    @property
    def replies(self) -> list[Answer]:
        """The replies that look like CMS, readable or not."""
        return [answer for answer in self.answers if answer.is_cms]

    @property
    def cert_reps(self) -> list[Answer]:
        """The replies whose SignedData is readable."""
        return [answer for answer in self.replies if answer.signed is not None]


def judge_server(side: ServerSide, number: int) -> tuple[tuple[ServerFinding, ...], int]:
    """The findings of exchange ``number`` about the server, the worst first, and how many checks judged it."""
    found: list[ServerFinding] = []
    judged = 0
    for check in all_checks().values():
        if not (check.watches or check.reads) or check.experimental:
            continue
        facts = [fact for fact in _facts(check, side) if number in fact.evidence]
        judged += bool(facts)
        found += [_finding(check, fact) for fact in facts if fact.deviates]
    return tuple(sorted(found, key=lambda finding: -finding.verdict)), judged


def _facts(check: Check, side: ServerSide) -> Iterator[Fact]:
    """The facts of a check, until it needs more than was seen."""
    try:
        yield from check.run(cast("Client", side))
    except (Inconclusive, NotApplicable, MfpSimError):
        return


def _finding(check: Check, fact: Fact) -> ServerFinding:
    requirement = fact.requirement or check.requirements[0]
    text = f"{check.title}: expected {fact.expected}, got {fact.got}"
    proofs = (p for p in check.proofs if p.fact == fact.slug and p.faults and not (p.defects or p.ca or p.setup))
    return ServerFinding(check.id, requirement, fact.verdict(check), text, next((proof.faults for proof in proofs), ""))
