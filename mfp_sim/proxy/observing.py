"""One exchange as a proxy sees it, and the observer that remembers what it needs to judge the next one.

The mock's judge judges the client's request, and the checks of ``conform`` that send nothing judge the server's reply.
Neither changes what the proxy passes on. The proxy keeps little of each exchange, and drops the oldest.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mfp_sim.conformance.answers import Exchange
from mfp_sim.conformance.target import Target
from mfp_sim.proxy.server_side import SeenAnswer, ServerFinding, ServerSide, judge_server, order_of
from mfp_sim.shared.errors import (
    AlgorithmRefused,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    EnvelopeUnreadable,
    TransportError,
)
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import (
    Capabilities,
    HttpReply,
    HttpRequest,
    ScepQuery,
    read_capabilities,
    read_scep_query,
)
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mfp_sim.shared.simtime import PassingClock
from mock_scep_server.judgement import ClientJudge, Finding

__all__ = ["Observer", "SeenExchange", "SeenRequest", "Sight", "WhatCame", "algorithms_of", "seen"]

_NONCES, _LARGEST = 1000, 32 * 1024
"""The number of replies that are remembered by their senderNonce, and their largest size in bytes."""


@dataclass(frozen=True)
class SeenRequest:
    """A request, as far as it is readable. ``problem`` says why it is not."""

    request: HttpRequest
    query: ScepQuery | None = None
    message: PkiMessage | None = None
    problem: DecodeError | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> SeenRequest:
        """Read a request; no request makes it raise."""
        query: ScepQuery | None = None
        try:
            query = read_scep_query(request)
            if query.operation != Operation.PKI_OPERATION:
                return cls(request, query)
            return cls(request, query, messages.decode(query.message or b""))
        except DecodeError as error:
            return cls(request, query, problem=error)

    @property
    def operation(self) -> str | None:
        """The operation of the query; PKIOperation even if its message is not base64."""
        if self.query is None:
            return Operation.PKI_OPERATION
        return self.query.operation

    @property
    def name(self) -> str:
        """The message type, or the operation."""
        return self.message.label if self.message is not None else self.operation or "(no operation)"


@dataclass(frozen=True)
class WhatCame:
    """The result of a request: a reply, or an error of the wire."""

    reply: HttpReply | None = None
    error: TransportError | None = None
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """In a few words."""
        if self.reply is None:
            return next((word for kind, word in _LOST if isinstance(self.error, kind)), "no HTTP")
        return f"HTTP {self.reply.status}"


_LOST: tuple[tuple[type[TransportError], str], ...] = (
    (ConnectFailed, "unreachable"),
    (DeadlineExceeded, "no reply in time"),
    (ConnectionLost, "connection lost"),
)


@dataclass(frozen=True)
class Sight:
    """Everything that is known about the current exchange; the explanations use it."""

    asked: SeenRequest
    came: WhatCame
    answer: SeenAnswer | None
    csr: Csr | None
    capabilities: Capabilities | None
    trusted: tuple[Certificate, ...]
    now: datetime
    path: str
    client_findings: tuple[Finding, ...]
    server_findings: tuple[ServerFinding, ...]
    judged: int
    changes: tuple[str, ...]
    granted: frozenset[tuple[str, str]] = frozenset()
    """Digests and ciphers of earlier granted requests."""


@dataclass(frozen=True)
class SeenExchange:
    """The record of an exchange. ``why`` explains in a sentence what went wrong; None if there is no known problem."""

    number: int
    time: datetime
    client: str
    method: str
    name: str
    operation: str | None
    came: str
    seconds: float
    transaction: str | None = None
    status: int | None = None
    pki_status: int | None = None
    fail_info: int | None = None
    fail_info_text: str | None = None
    lost: str | None = None
    why: str | None = None
    keywords: tuple[str, ...] | None = None
    recipients: int = 0
    client_findings: tuple[Finding, ...] = ()
    server_findings: tuple[ServerFinding, ...] = ()
    judged: int = 0
    changes: tuple[str, ...] = ()
    cut: bool = field(default=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able object."""
        found: dict[str, Any] = {
            "number": self.number, "time": self.time.isoformat(), "client": self.client, "method": self.method,
            "name": self.name, "came": self.came, "seconds": round(self.seconds, 3), "transaction": self.transaction,
            "why": self.why, "faults": list(self.changes),
            "judgement": {"client": [f.to_json() for f in self.client_findings],
                          "server": [f.to_json() for f in self.server_findings], "checks": self.judged},
        }  # fmt: skip
        return {key: value for key, value in found.items() if value not in (None, [])}


class Observer:
    """Judges exchanges in the order in which they end, and remembers what it needs for this; thread-safe.

    Args:
        target: the server, as the checks name it.
        clock: decides what is valid.
        keys: private keys that open envelopes.
    """

    def __init__(self, target: Target, clock: PassingClock, keys: EnvelopeKeys) -> None:
        self._target, self._clock, self._keys = target, clock, keys
        self._judge = ClientJudge(None)
        self._lock = threading.Lock()
        self._caps: Exchange | None = None
        self._ca: Exchange | None = None
        self._granted: frozenset[tuple[str, str]] = frozenset()
        self._nonces: OrderedDict[bytes, SeenAnswer] = OrderedDict()

    def look(self, number: int, asked: SeenRequest, came: WhatCame, changes: Sequence[str]) -> Sight:
        """The findings of an exchange about client and server."""
        with self._lock:
            return self._look(number, asked, came, tuple(changes))

    def _look(self, number: int, asked: SeenRequest, came: WhatCame, changes: tuple[str, ...]) -> Sight:
        now, csr = self._clock.now(), self._csr(asked)
        trusted, capabilities = self._trusted, self._capabilities
        about_client = self._about_client(asked, csr, now, trusted, capabilities)
        exchange = Exchange(number, "", asked.name, asked.request, came.reply, came.error, now, came.seconds)
        answer = self._answer(exchange, asked, csr, trusted)
        if answer is not None and answer.granted and asked.message is not None:
            self._granted |= {algorithms_of(asked.message)}
        about_server, judged = self._about_server(exchange, asked, answer)
        return Sight(
            asked, came, answer, csr, self._capabilities, self._trusted, now, self._target.path,
            about_client, about_server, judged, changes, self._granted,
        )  # fmt: skip

    # --- the client ---------------------------------------------------------------------------------------

    def _csr(self, asked: SeenRequest) -> Csr | None:
        message = asked.message
        if not self._keys or message is None or message.envelope is None:
            return None
        if message.message_type not in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
            return None
        try:
            return Csr.from_der(self._keys.open(message.envelope))
        except (DecodeError, EnvelopeUnreadable, AlgorithmRefused):
            return None

    def _about_client(
        self,
        asked: SeenRequest,
        csr: Csr | None,
        now: datetime,
        trusted: tuple[Certificate, ...],
        capabilities: Capabilities | None,
    ) -> tuple[Finding, ...]:
        notes = asked.query.notes if asked.query is not None else ()
        if asked.problem is not None:
            return self._judge.broken(notes, asked.problem, base64=asked.query is None)
        message = asked.message
        if message is None:
            assert asked.query is not None
            advertised = capabilities is None or capabilities.next_ca
            said = self._judge.operation(asked.request, asked.query, next_advertised=advertised)
            return (*self._judge.noted(notes), *said)
        signer = message.signer()
        renews = signer is not None and any(signer.was_issued_by(ca) and signer.der != ca.der for ca in trusted)
        noted = (*notes, *(str(note) for note in (*message.notes, *(csr.notes if csr else ()))))
        return self._judge.message(asked.request, message, now=now, signer=signer, csr=csr, renews=renews, noted=noted)

    # --- the server ---------------------------------------------------------------------------------------

    @property
    def _capabilities(self) -> Capabilities | None:
        reply = self._caps.reply if self._caps is not None else None
        return None if reply is None else read_capabilities(reply.body if reply.status == 200 else b"")

    @property
    def _trusted(self) -> tuple[Certificate, ...]:
        reply = self._ca.reply if self._ca is not None else None
        if reply is None or reply.status != 200:
            return ()
        try:
            return messages.read_ca_certificates(reply.body, reply.media_type)[0]
        except DecodeError:
            return ()

    def _answer(
        self, exchange: Exchange, asked: SeenRequest, csr: Csr | None, trusted: tuple[Certificate, ...]
    ) -> SeenAnswer | None:
        message = asked.message
        signer = message.signer() if message is not None else None
        if message is None or signer is None:
            return None
        order = order_of(message, asked.request, signer, csr)
        return SeenAnswer(order, exchange, trusted, keys=self._keys, csr=csr)

    def _about_server(
        self, exchange: Exchange, asked: SeenRequest, answer: SeenAnswer | None
    ) -> tuple[tuple[ServerFinding, ...], int]:
        """The findings of a reply about the server, and the number of checks that judged it."""
        if exchange.reply is None:
            return (), 0
        if asked.operation == Operation.GET_CA_CAPS:
            self._caps = exchange
            self._judge.learn(read_capabilities(exchange.reply.body if exchange.ok else b"").keywords)
        elif asked.operation == Operation.GET_CA_CERT:
            self._ca = exchange
            self._judge.know(self._trusted)
        answers = [] if answer is None else [*self._earlier(answer), answer]
        side = ServerSide(self._target, self._clock, caps=self._caps, ca=self._ca, answers=answers)
        return judge_server(side, exchange.number)

    def _earlier(self, answer: SeenAnswer) -> list[SeenAnswer]:
        """An earlier reply with the same senderNonce, if there is one; remembers this one."""
        nonce = None if answer.message is None else answer.message.sender_nonce
        if nonce is None:
            return []
        before = self._nonces.pop(nonce, None)
        if answer.reply is not None and len(answer.reply.body) <= _LARGEST:
            self._nonces[nonce] = answer
        if len(self._nonces) > _NONCES:
            self._nonces.popitem(last=False)
        return [] if before is None else [before]


def algorithms_of(message: PkiMessage) -> tuple[str, str]:
    """Digest and cipher of a request, if known."""
    return message.digest, message.envelope.cipher if message.envelope is not None else ""


def seen(number: int, client: str, sight: Sight, why: str | None) -> SeenExchange:
    """The record of an exchange."""
    asked, came, message = sight.asked, sight.came, sight.asked.message
    answer, reply = sight.answer, came.reply
    text = came.text
    if answer is not None and answer.status is not None:
        text = answer.text if reply is None or reply.status != 200 else f"HTTP 200 {answer.text}"
    found = SeenExchange(
        number, sight.now, client, asked.request.method, asked.name, asked.operation, text, came.seconds,
        transaction=message.transaction_id if message is not None else None,
        status=reply.status if reply is not None else None,
        lost=type(came.error).__name__ if came.error is not None else None,
        why=why, client_findings=sight.client_findings, server_findings=sight.server_findings,
        judged=sight.judged, changes=sight.changes,
    )  # fmt: skip
    if asked.operation == Operation.GET_CA_CAPS and sight.capabilities is not None and found.status == 200:
        found = replace(found, keywords=sight.capabilities.keywords)
    if asked.operation == Operation.GET_CA_CERT and found.status == 200:
        found = replace(found, recipients=len(sight.trusted))
    if answer is not None:
        found = replace(
            found, pki_status=answer.status, fail_info=answer.fail_info, fail_info_text=answer.fail_info_text
        )
    return found
