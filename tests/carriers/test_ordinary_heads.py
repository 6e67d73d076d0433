"""A reply with an ordinary head is read as ``http.client`` reads it, and so is one that only looks ordinary."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import datetime, timezone

import pytest

from mfp_sim.shared.errors import TransportError
from mfp_sim.shared.scep.http_messages import Close, DeliveryAct, HttpReply, Reset, Send, Stall, Wait
from mfp_sim.shared.simtime import FrozenClock
from mfp_sim.transport import reader
from mfp_sim.transport.reader import Deadline, PlayedSource, read_reply

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ORDINARY = [b"Content-Type: application/x-pki-message", b"Date: Thu, 01 Jan 2026 00:00:00 GMT", b"Connection: close",
            b"connection: Keep-Alive", b"Retry-After: 120", b"X:"]  # fmt: skip
OTHER = [b"Transfer-Encoding: chunked", b"Set-Cookie: a", b"Set-Cookie: b", b"X-Long: a\r\n b", b"content-length: 2",
         b"Name : x", b"no colon", b": no name", b"Content-Length: +5", b"Content-Length: " + b"9" * 5000]  # fmt: skip
STATUS = [b"HTTP/1.1 200 OK"] * 6 + [
    b"HTTP/1.1 503 Service Unavailable ", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 304 x", b"HTTP/1.1 200",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/2 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 099 x",
]  # fmt: skip
PIECES = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b":", b" ", b"\t", b"\0", b"\xff", b"\x85", b"9", b"HTTP/1.1 200 OK\r\n"]


def _outcome(acts: tuple[DeliveryAct, ...], method: str) -> tuple[object, ...]:
    """The reply or the error, and the time that the reader waited."""
    clock = FrozenClock(START)
    try:
        reply = read_reply(PlayedSource(acts, clock), Deadline(clock, 30), method, "ca.example:80")
    except TransportError as error:
        return type(error).__name__, str(error), error.sent, clock.now()
    return "reply", reply, reply.ends, clock.now()


def _delivery(draw: random.Random) -> tuple[DeliveryAct, ...]:
    """A reply, often ordinary, sometimes damaged, in pieces with waits, and an end."""
    body = draw.randbytes(draw.choice((0, 1, 5, 40)))
    fields = draw.sample(ORDINARY, draw.randrange(4)) + draw.sample(OTHER, draw.choice((0, 0, 0, 1)))
    fields += [b"Content-Length: %d" % max(0, len(body) + draw.choice((0, 0, 0, -1, 7)))] * draw.choice((0, 1, 1, 1, 2))
    fields += [b"A%d: x" % number for number in range(draw.choice((*[0] * 20, 96, 97, 98, 99, 100)))]
    draw.shuffle(fields)
    octets = b"\r\n".join([draw.choice(STATUS), *fields, b"", body])
    for _ in range(draw.choice((0, 0, 0, 1, 2))):
        at = draw.randrange(len(octets) + 1)
        octets = octets[:at] + draw.choice(PIECES) + octets[at + draw.randrange(3) :]
    cuts = sorted(draw.randrange(len(octets) + 1) for _ in range(draw.choice((0, 0, 0, 1, 2))))
    acts: list[DeliveryAct] = []
    for first, last in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        acts += [Send(octets[first:last])] if first < last else []
        acts += [Wait(draw.choice((0.5, 20.0, 31.0)))] if draw.random() < 0.15 else []
    return (*acts, *draw.choice(((), (Close(),), (Close(),), (Reset(),), (Stall(),))))


def test_ordinary_replies_are_read_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reading takes no head for ordinary, so ``http.client`` reads every reply."""
    draw = random.Random(1)
    deliveries = [(_delivery(draw), draw.choice(("GET", "GET", "POST", "HEAD"))) for _ in range(4000)]
    read, ordinary = [_outcome(*delivery) for delivery in deliveries], reader._ORDINARY
    found = [ordinary.match(b"".join(act.octets for act in acts if isinstance(act, Send))) for acts, _ in deliveries]
    assert sum(map(bool, found)) > 800
    assert min(Counter(outcome[0] for outcome in read).values()) > 100
    monkeypatch.setattr(reader, "_ORDINARY", re.compile(rb"(?!)"))
    for delivery, outcome in zip(deliveries, read, strict=True):
        assert _outcome(*delivery) == outcome, delivery


def test_an_ordinary_head_needs_no_http_client(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = b"HTTP/1.1 200 OK\r\nServer:  a  b \r\nContent-Length: 3\r\n\r\nabc, and more"
    monkeypatch.setattr(reader, "response_of", None)
    expected = HttpReply(200, "OK", (("Server", "a b"), ("Content-Length", "3")), b"abc")
    assert _outcome((Send(octets),), "GET") == ("reply", expected, False, START)
