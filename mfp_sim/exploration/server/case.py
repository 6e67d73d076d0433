"""One case at a server: the acts are sent round by round, and the history keeps each message with its reply.

Uses the client of the checks, so certificates are counted, named and masked as in `conform`. `acts` writes the
messages. Judges nothing. RFC 8894, 2.5 and 3.2.1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from threading import Barrier
from typing import Any

from mfp_sim.conformance.answers import Answer, Exchange, Order
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.operators import Act
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.exploration.server.acts import KINDS, Abilities
from mfp_sim.exploration.server.history import HistoryEntry, ServerAct
from mfp_sim.exploration.server.rules import OTHER_NAME, REVOKED, RULES
from mfp_sim.shared.errors import ConnectionLost, TransportError
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.transport import Transport

__all__ = ["CaseRun", "losing"]

BRIEF = 0.05
"""The least seconds after which a client that loses its reply closes the connection."""
PROBES, PAUSE = 3, timedelta(seconds=1)
"""How often, and after which pause, a server that did not reply is asked whether it still runs."""


class LosingTransport:
    """A transport that can lose the reply to the next request after the request was sent.

    ``lost_after`` is the number of seconds after which the client closes the connection; None keeps the reply.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.lost_after: float | None = None

    @property
    def real(self) -> bool:
        """Whether requests travel over sockets, so that several can be on their way at the same time."""
        return hasattr(self._inner, "converse")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """See `Transport.exchange`.

        Raises:
            TransportError: there was no reply, or it was lost on purpose.
        """
        brief, self.lost_after = self.lost_after, None
        if brief is None:
            return self._inner.exchange(host, port, request, timeout)
        try:
            self._inner.exchange(host, port, request, min(brief, timeout) if self.real else timeout)
        except TransportError as error:
            if not error.sent:
                raise
        raise ConnectionLost("the client closed the connection before the reply", sent=True)


@dataclass
class CaseRun:
    """One run of a case, with new keys, names and transactions: what was sent so far, and the history. It is the
    `Sender` of its acts. ``revoked`` are the acts whose certificate was revoked, ``barred`` the rules that forbid
    certificates for requests."""

    session: Client
    abilities: Abilities
    wire: LosingTransport
    acts: tuple[ServerAct, ...]
    history: list[HistoryEntry] = field(default_factory=list)
    sent: dict[int, tuple[Order, bytes]] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)
    barred: dict[int, str] = field(default_factory=dict)
    silent: Exchange | None = None
    """The exchange after which the server no longer replied."""

    def order_of(self, number: int) -> Order | None:
        """See `Sender`."""
        return self.sent[number][0] if number in self.sent else None

    def octets_of(self, number: int) -> bytes | None:
        """See `Sender`."""
        return self.sent[number][1] if number in self.sent else None

    def identity_of(self, number: int) -> Identity | None:
        """See `Sender`."""
        for entry in self.history:
            if entry.root.number == number and entry.own and entry.certificate is not None and entry.answer is not None:
                return Identity(entry.certificate, entry.answer.order.key)
        return None

    def run(self) -> tuple[HistoryEntry, ...]:
        """Carry out the acts, round by round.

        Raises:
            Inconclusive: the budget is spent.
        """
        for _, group in groupby(self.acts, key=lambda act: act.round):
            made = [(act, order, octets) for act in group if (built := self._built(act)) for order, octets in [built]]
            for (act, order, _octets), answer in zip(made, self._answers(made), strict=True):
                self._note(act, order.transaction_id, answer)
            if self.silent is not None:
                break
        return tuple(self.history)

    def _built(self, act: ServerAct) -> tuple[Order, bytes] | None:
        """The message of an act; None if there is nothing to send."""
        kind = KINDS[act.kind]
        if kind.operator is not None:
            self._decide(act, kind.operator)
            return None
        built = kind.build(self, act)
        if built is None:
            return None
        order, octets = built
        if act.by_get:
            order = replace(order, method="GET")
        message = self.session.encode(order) if octets is None else octets
        if kind.opens:
            self.sent[act.number] = order, message
            revoked = self.abilities.renews_by_certificate and kind.about == "certificate" and act.about in self.revoked
            self.barred[act.number] = kind.barred or (REVOKED if revoked else "")
        return order, message

    def _decide(self, act: ServerAct, decision: Act) -> None:
        """The operator's act about a request that waits, or about a certificate; nothing if there is no such thing."""
        about = next((entry.answer for entry in self.history if entry.act.number == act.about), None)
        with suppress(Inconclusive):
            if about is None or act.about is None:
                return
            if decision is Act.REVOKE:
                if (own := self.identity_of(act.about)) is None:
                    return
                self.session.revoke(own.certificate)
                self.revoked.add(act.about)
            elif about.parked:
                self.session.decide(decision, about)
            else:
                return
            self._note(act, about.order.transaction_id, None)

    def _answers(self, made: Sequence[tuple[ServerAct, Order, bytes]]) -> Iterator[Answer]:
        if len(made) > 1 and self.wire.real:
            yield from self._all_at_once(made)
            return
        for act, order, octets in made:
            self.wire.lost_after = self._brief() if act.lost else None
            yield self.session.ask(order, octets=octets, once=True, **self._unwanted(act, order))

    def _brief(self) -> float:
        """As long as the fastest exchange so far, in which a request was sent in any case."""
        return max(BRIEF, min((one.seconds for one in self.session.exchanges if one.reply is not None), default=BRIEF))

    def _all_at_once(self, made: Sequence[tuple[ServerAct, Order, bytes]]) -> list[Answer]:
        session, ready = self.session, Barrier(len(made))

        def send(one: tuple[ServerAct, Order, bytes]) -> Exchange:
            _, order, octets = one
            ready.wait()
            return session.http(session.request_of(order, octets), order.label, once=True)

        with ThreadPoolExecutor(len(made)) as pool:
            exchanges = list(pool.map(send, made))
        return [
            session.take(order, exchange, **self._unwanted(act, order))
            for (act, order, _), exchange in zip(made, exchanges, strict=True)
        ]

    def _unwanted(self, act: ServerAct, order: Order) -> dict[str, Any]:
        """Which certificates for this message should not exist, as arguments of `Client.ask`."""
        barred = self._barred(act)
        if barred == OTHER_NAME:
            return {"unwanted": lambda certificate: certificate.subject != order.signer.subject}
        return {"expect_refusal": bool(barred) and RULES[barred].breach}

    def _root(self, act: ServerAct) -> ServerAct:
        """The act that made the request which a message belongs to."""
        if KINDS[act.kind].opens or act.about is None:
            return act
        return next(one for one in self.acts if one.number == act.about)

    def _barred(self, act: ServerAct) -> str:
        """The rule that forbids a certificate for this message, or an empty text."""
        return KINDS[act.kind].barred or self.barred.get(self._root(act).number, "")

    def _note(self, act: ServerAct, transaction: str, answer: Answer | None) -> None:
        kind, name = KINDS[act.kind], self.transactions.setdefault(transaction, f"t{len(self.transactions) + 1}")
        self.history.append(
            HistoryEntry(
                len(self.history) + 1, act, self._root(act), name, self._barred(act), kind.opens or kind.own, answer
            )
        )
        if answer is not None and answer.reply is None and not act.lost and not self._runs():
            self.silent = answer.exchange

    def _runs(self) -> bool:
        """Whether the server still replies. It is asked a few times, since a server may restart."""
        for attempt in range(PROBES):
            if attempt:
                self.session.pause(PAUSE)
            if self.session.alive().reply is not None:
                return True
        return False


def losing(session: Client) -> LosingTransport:
    """The session's transport, which can lose a reply from now on."""
    if not isinstance(session.transport, LosingTransport):
        session.transport = LosingTransport(session.transport)
    return session.transport
