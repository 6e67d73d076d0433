"""The one reader of HTTP replies, and the one deadline of an exchange.

A source supplies the bytes, from a socket or from a played delivery; the outcome is the same.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp
from mfp_sim.shared.http_octets import response_of
from mfp_sim.shared.scep.http_messages import MESSAGE_CAP, Close, DeliveryAct, HttpReply, Reset, Send, Stall, Wait
from mfp_sim.shared.simtime import Clock, FrozenClock

__all__ = ["Deadline", "PlayedSource", "SocketSource", "connect_failed", "deadline_exceeded", "place_of", "read_reply"]


class Deadline:
    """The instant after which the exchange has failed, given as a number of seconds from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self.seconds = clock, seconds
        self.instant: datetime = clock.now() + timedelta(seconds=seconds)

    def left(self) -> float:
        """The seconds left.

        Raises:
            TimeoutError: the deadline has passed.
        """
        left = (self.instant - self._clock.now()).total_seconds()
        if left <= 0:
            raise TimeoutError
        return left


class _Source(Protocol):
    """The source of the reply's bytes: a socket, or a played delivery."""

    def receive(self, count: int, deadline: Deadline) -> bytes:
        """At most ``count`` bytes, or b"" at the end of the stream. It raises OSError as a socket does."""
        ...


class SocketSource:
    """The bytes of a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self, count: int, deadline: Deadline) -> bytes:
        self._connection.settimeout(deadline.left())
        return self._connection.recv(count)


class PlayedSource:
    """Plays a delivery on a clock that it moves instead of sleeping; a wait never goes beyond the deadline."""

    def __init__(self, acts: tuple[DeliveryAct, ...], clock: FrozenClock) -> None:
        self._acts: Iterator[DeliveryAct] = iter(acts)
        self._clock, self._sent = clock, b""

    def receive(self, count: int, deadline: Deadline) -> bytes:
        while not self._sent:
            match next(self._acts, None):
                case Send(octets):
                    self._sent = octets
                case Wait(seconds):
                    self._wait(seconds, deadline)
                case Reset():
                    raise ConnectionResetError
                case Stall():
                    self._wait(deadline.seconds, deadline)
                case Close() | None:
                    self._acts = iter(())
                    return b""
        piece, self._sent = self._sent[:count], self._sent[count:]
        return piece

    def _wait(self, seconds: float, deadline: Deadline) -> None:
        until = self._clock.now() + timedelta(seconds=seconds)
        self._clock.move_to(min(until, deadline.instant))
        deadline.left()


class _Incoming(io.RawIOBase):
    """A source as a raw stream. It records whether the end was reached and how many bytes came before it.

    ``ahead`` are bytes that the stream has still to give. ``fresh``: nothing has been read from it.
    """

    def __init__(self, source: _Source, deadline: Deadline) -> None:
        super().__init__()
        self._source, self._deadline = source, deadline
        self.ended, self.count, self.first = False, 0, b""
        self.ahead, self.fresh = b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        octets = self.ahead[: len(view)] or self.receive(len(view))
        self.ahead, self.fresh = self.ahead[len(octets) :], False
        view[: len(octets)] = octets
        return len(octets)

    def receive(self, count: int = 65536) -> bytes:
        """At most ``count`` further bytes of the source."""
        octets = self._source.receive(count, self._deadline)
        self.ended = not octets
        self.count += len(octets)
        self.first = self.first or octets[:2]
        return octets


class _Lines(io.BufferedReader):
    """A buffered reader for which a line cut off by the end of the stream is an error, not a shorter line.

    ``http.client`` would accept a truncated head as complete.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        first = self.raw.fresh if isinstance(self.raw, _Incoming) else False
        line = super().readline(-1 if size is None else size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            if first and line and not (line.startswith(b"HTTP/") or b"HTTP/".startswith(line)):
                raise http.client.BadStatusLine(repr(line[:40]))
            raise ConnectionResetError
        return line


def read_reply(source: _Source, deadline: Deadline, method: str, where: str) -> HttpReply:
    """Read a reply: complete and within the cap, or a TransportError that says the request was sent."""
    incoming = _Incoming(source, deadline)
    with _translated(where, deadline, incoming):
        incoming.ahead = incoming.receive()
        return _ordinary(incoming, method, where) or _any(incoming, method, where)


_ORDINARY: Final = re.compile(
    rb"HTTP/1\.1 (?!204|304)([2-5][0-9]{2}) ([!-~][ -~]*)\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*\r\n){1,99})\r\n"
)
"""A head without anything that readers may understand in two ways."""


def _ordinary(incoming: _Incoming, method: str, where: str) -> HttpReply | None:
    """The reply if its head came in one piece and is ordinary, with one Content-Length, else None.

    ``http.client`` reads every other reply; for an ordinary one it would take four times as long.
    """
    head = _ORDINARY.match(incoming.ahead)
    if head is None or method == "HEAD":
        return None
    pairs = [line.partition(":") for line in head[3].decode("ascii").splitlines()]
    headers = tuple((name, " ".join(value.split())) for name, _, value in pairs)
    known = {name.lower(): value for name, value in headers}
    length = known.get("content-length", "")
    if not re.fullmatch("[0-9]{1,9}", length) or len(known) < len(headers) or "transfer-encoding" in known:
        return None
    left = int(length)
    if left > MESSAGE_CAP:
        raise _too_large(where)
    pieces = [incoming.ahead[head.end() : head.end() + left]]
    while left := left - len(pieces[-1]):
        pieces.append(incoming.receive(left))
        if incoming.ended:
            raise http.client.IncompleteRead(b"", left)
    ends = "close" in known.get("connection", "").lower()
    return HttpReply(int(head[1]), head[2].decode("ascii").strip(), headers, b"".join(pieces), ends)


def _any(incoming: _Incoming, method: str, where: str) -> HttpReply:
    """The reply, as ``http.client`` reads it."""
    with closing(response_of(_Lines(incoming), method)) as response:
        response.begin()
        headers = tuple((name, " ".join(value.split())) for name, value in response.headers.raw_items())
        if len({value for name, value in headers if name.lower() == "content-length"}) > 1:
            raise MalformedHttp(f"{where} sent two lengths that disagree", sent=True)
        if response.length is not None and response.length > MESSAGE_CAP:
            raise _too_large(where)
        pieces: list[bytes] = []
        size = 0
        while piece := response.read(65536):
            pieces.append(piece)
            size += len(piece)
            if size > MESSAGE_CAP:
                raise _too_large(where)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return HttpReply(response.status, response.reason, headers, b"".join(pieces), response.will_close)


_ALERT_OF_TLS: Final = b"\x15\x03"
"""The first bytes of a TLS alert record, with which a TLS server replies to plain HTTP (RFC 8446, 5.1)."""


def _too_large(where: str) -> MalformedHttp:
    return MalformedHttp(f"the reply of {where} is larger than {MESSAGE_CAP} bytes", sent=True)


@contextmanager
def _translated(where: str, deadline: Deadline, incoming: _Incoming) -> Iterator[None]:
    """Convert every exception from reading into a `TransportError`."""
    try:
        yield
    except TimeoutError:
        raise deadline_exceeded(where, deadline, sent=True) from None
    except (OSError, http.client.IncompleteRead) as error:
        if isinstance(error, http.client.IncompleteRead) and not incoming.ended:
            raise MalformedHttp(f"{where} sent a broken chunked body", sent=True) from None
        how = "closed" if incoming.ended else "reset"
        when = f"after {incoming.count} bytes of an incomplete reply" if incoming.count else "without a reply"
        raise ConnectionLost(f"{where} {how} the connection {when}", sent=True) from None
    except (http.client.HTTPException, ValueError) as error:
        if incoming.first == _ALERT_OF_TLS:
            text = f"{where} did not reply in HTTP: it speaks TLS on this port"
            raise MalformedHttp(text, sent=True, remedy="write https://") from None
        raise MalformedHttp(f"{where} did not reply in HTTP: {type(error).__name__}", sent=True) from None


def deadline_exceeded(where: str, deadline: Deadline, *, sent: bool) -> DeadlineExceeded:
    """The error of an exchange that exceeds its deadline; ``sent``: the request had left completely."""
    what = "did not reply" if sent else "did not answer the connection"
    return DeadlineExceeded(f"{where} {what} within {deadline.seconds:g} s", sent=sent)


_CONNECT_FAILURES: Final = {
    "refused": "refused the connection",
    "unreachable": "cannot be reached: there is no route to it",
    "no-such-host": "cannot be found: the name does not resolve",
    "failed": "could not be connected to",
}


def connect_failed(where: str, why: str) -> ConnectFailed:
    """The error of an exchange that cannot connect: refused, unreachable, no-such-host or failed."""
    return ConnectFailed(f"{where} {_CONNECT_FAILURES[why]}")


def place_of(host: str, port: int) -> str:
    """The server, as named in error messages."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
