"""The wire, with two carriers: in process on the injected clock, and real sockets.

Owns the one reader of HTTP replies (``http.client.HTTPResponse``) and the one deadline of an exchange. Both carriers
differ only in a :class:`_Source` of octets, so that a delivery has the same outcome on both. May not know SCEP.
Redirects are not followed; there are no proxies and no TLS. Serves MFP-COM-* and the TOP ERROR details.
"""

from __future__ import annotations

import errno
import http.client
import io
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

from mfp_sim.errors import ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp, TransportError
from mfp_sim.scep.http import (
    IDLE_SECONDS,
    MESSAGE_CAP,
    Act,
    Close,
    Delivery,
    HttpReply,
    HttpRequest,
    Reset,
    Send,
    Stall,
    Wait,
    outgoing,
    render_outgoing,
    render_request,
)
from mfp_sim.simtime import Clock
from mfp_sim.trace import Attachment, Recorder

__all__ = ["InProcess", "Network", "NetworkState", "Overheard", "Sockets", "Spell", "Transport"]

NetworkState: TypeAlias = Literal["up", "refused", "unreachable", "no-such-host", "silent"]


@dataclass
class Spell:
    """A time during which the network has one state; ``exchanges`` counts those that met it."""

    state: NetworkState
    exchanges: int = 0


class Network:
    """The state of the simulated wire in process; scenario steps change it.

    ``refused``: nobody listens; ``unreachable``: no route; ``no-such-host``: the name does not resolve; ``silent``:
    what is sent vanishes, so that connecting runs into the deadline.
    """

    def __init__(self, state: NetworkState = "up") -> None:
        self.spell = Spell(state)

    @property
    def state(self) -> NetworkState:
        """The present state; setting it begins another :class:`Spell`."""
        return self.spell.state

    @state.setter
    def state(self, state: NetworkState) -> None:
        self.spell = Spell(state)


class Transport(Protocol):
    """One HTTP exchange: a request goes out, a reply or a :class:`TransportError` comes back."""

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """Send ``request`` to ``host:port``; ``timeout`` (seconds) is one deadline over connect, send and receive.

        Raises:
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see :mod:`mfp_sim.errors`.
        """
        ...


class _Deadline:
    """One instant after which the exchange has failed, whatever it was doing."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.instant: datetime = clock.now() + timedelta(seconds=seconds)

    def left(self) -> float:
        """The seconds left.

        Raises:
            TimeoutError: none are.
        """
        left = (self.instant - self.clock.now()).total_seconds()
        if left <= 0:
            raise TimeoutError
        return left


class _Source(Protocol):
    """Where the reply's octets come from: a socket, or a delivery that is played."""

    def receive(self, count: int, deadline: _Deadline) -> bytes:
        """At most ``count`` octets, b"" at the end of the stream; OSError like a socket's."""
        ...


class _SocketSource:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self, count: int, deadline: _Deadline) -> bytes:
        self._connection.settimeout(deadline.left())
        return self._connection.recv(count)


class _PlayedSource:
    """Plays a delivery on the clock instead of sleeping; a wait never goes beyond the deadline."""

    def __init__(self, acts: tuple[Act, ...]) -> None:
        self._acts: Iterator[Act] = iter(acts)
        self._sent = b""

    def receive(self, count: int, deadline: _Deadline) -> bytes:
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

    @staticmethod
    def _wait(seconds: float, deadline: _Deadline) -> None:
        until = deadline.clock.now() + timedelta(seconds=seconds)
        deadline.clock.wait_until(min(until, deadline.instant))
        deadline.left()


class _Incoming(io.RawIOBase):
    """A source as a raw stream; it remembers whether the end was reached and how much came before."""

    def __init__(self, source: _Source, deadline: _Deadline) -> None:
        super().__init__()
        self._source, self._deadline = source, deadline
        self.ended, self.count = False, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        octets = self._source.receive(len(view), self._deadline)
        view[: len(octets)] = octets
        self.ended = not octets
        self.count += len(octets)
        return len(octets)


class _Lines(io.BufferedReader):
    """A buffered reader for which a line cut off by the end of the stream is an error, not a shorter line.

    ``http.client`` would take a head that was cut off for a whole one.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        first = self.raw.count == 0 if isinstance(self.raw, _Incoming) else False
        line = super().readline(-1 if size is None else size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            if first and line and not (line.startswith(b"HTTP/") or b"HTTP/".startswith(line)):
                raise http.client.BadStatusLine(repr(line[:40]))
            raise ConnectionResetError
        return line


class _SocketLike:
    """All that ``HTTPResponse`` wants of a socket."""

    def __init__(self, incoming: _Incoming) -> None:
        self._incoming = incoming

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return _Lines(self._incoming)


def _read_reply(source: _Source, deadline: _Deadline, method: str, where: str) -> HttpReply:
    """The one reader: a reply, whole and within the cap, or a TransportError that says the request was sent."""
    incoming = _Incoming(source, deadline)
    response = http.client.HTTPResponse(cast("socket.socket", _SocketLike(incoming)), method=method)
    with _translated(where, deadline, incoming), closing(response):
        response.begin()
        if len(set(response.headers.get_all("Content-Length") or ())) > 1:
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
        headers = tuple((name, " ".join(str(value).split())) for name, value in response.getheaders())
        return HttpReply(response.status, response.reason, headers, b"".join(pieces))


def _too_large(where: str) -> MalformedHttp:
    return MalformedHttp(f"the reply of {where} is larger than {MESSAGE_CAP} octets", sent=True)


@contextmanager
def _translated(where: str, deadline: _Deadline, incoming: _Incoming) -> Iterator[None]:
    """Turn whatever reading raises into the error tree."""
    try:
        yield
    except TimeoutError:
        raise _deadline_exceeded(where, deadline, sent=True) from None
    except (OSError, http.client.IncompleteRead) as error:
        if isinstance(error, http.client.IncompleteRead) and not incoming.ended:
            raise MalformedHttp(f"{where} sent a broken chunked body", sent=True) from None
        how = "closed" if incoming.ended else "reset"
        when = f"after {incoming.count} octets of a reply that was not whole" if incoming.count else "without a reply"
        raise ConnectionLost(f"{where} {how} the connection {when}", sent=True) from None
    except (http.client.HTTPException, ValueError) as error:
        raise MalformedHttp(f"{where} did not reply in HTTP: {type(error).__name__}", sent=True) from None


def _deadline_exceeded(where: str, deadline: _Deadline, *, sent: bool) -> DeadlineExceeded:
    what = "did not reply" if sent else "did not answer the connection"
    return DeadlineExceeded(f"{where} {what} within {deadline.seconds:g} s", sent=sent)


_CONNECT_FAILURES: Final = {
    "refused": "refused the connection",
    "unreachable": "cannot be reached: there is no route to it",
    "no-such-host": "cannot be found: the name does not resolve",
    "failed": "could not be connected to",
}


def _connect_failed(where: str, why: str) -> ConnectFailed:
    return ConnectFailed(f"{where} {_CONNECT_FAILURES[why]}")


def _where(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class InProcess:
    """Carries exchanges to ``serve`` in the same process; waiting moves the clock, exactly to the deadline at most.

    ``client`` is the address that the server sees, or gives it at each exchange; ``latency`` is in seconds each way.
    """

    def __init__(
        self,
        clock: Clock,
        serve: Callable[[HttpRequest, str], Delivery],
        *,
        network: Network | None = None,
        client: str | Callable[[], str] = "192.0.2.10",
        latency: float = 0.0,
    ) -> None:
        self._clock, self._serve = clock, serve
        self.network = network or Network()
        self._client = client if callable(client) else lambda: client
        self._latency = latency

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """See :meth:`Transport.exchange`."""
        where = _where(host, port)
        received = outgoing(request, host, port)
        render_outgoing(received)  # what sockets could not send is refused here too
        deadline = _Deadline(self._clock, timeout)
        self.network.spell.exchanges += 1
        match self.network.state:
            case "up":
                pass
            case "silent":
                self._clock.wait_until(deadline.instant)
                raise _deadline_exceeded(where, deadline, sent=False)
            case state:
                raise _connect_failed(where, state)
        self._clock.wait_until(min(self._clock.now() + timedelta(seconds=self._latency), deadline.instant))
        delivery = self._serve(received, self._client())
        acts = (Wait(self._latency), *delivery.acts) if self._latency else delivery.acts
        if delivery.keep_alive and received.keep_alive:
            acts = (*acts, Wait(IDLE_SECONDS), Close())
        return _read_reply(_PlayedSource(acts), deadline, request.method, where)


class Sockets:
    """Carries exchanges over TCP, a connection each. The resolver's own time is not under the deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """See :meth:`Transport.exchange`."""
        where = _where(host, port)
        octets = render_request(request, host, port)
        deadline = _Deadline(self._clock, timeout)
        with self._connected(host, port, deadline, where) as connection:
            self._send(connection, octets, deadline, where)
            return _read_reply(_SocketSource(connection), deadline, request.method, where)

    def converse(self, host: str, port: int, messages: Sequence[bytes], timeout: float) -> list[HttpReply]:
        """Send octets as they are on one connection, each when the reply to the one before is there; the replies.

        For requests that no :class:`HttpRequest` stands for: HTTP/1.0 without Host, chunked bodies, two in a row.

        Raises:
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see :mod:`mfp_sim.errors`.
        """
        where = _where(host, port)
        deadline = _Deadline(self._clock, timeout)
        replies = []
        with self._connected(host, port, deadline, where) as connection:
            for octets in messages:
                self._send(connection, octets, deadline, where)
                replies.append(
                    _read_reply(
                        _SocketSource(connection), deadline, octets.partition(b" ")[0].decode("ascii", "replace"), where
                    )
                )
        return replies

    def _connected(self, host: str, port: int, deadline: _Deadline, where: str) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise _connect_failed(where, "no-such-host") from None
        failure: TransportError = _connect_failed(where, "failed")
        for family, kind, protocol, _, address in addresses:
            try:
                connection = socket.socket(family, kind, protocol)
            except OSError:
                continue
            try:
                connection.settimeout(deadline.left())
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                failure = _why_not_connected(error, deadline, where)
            else:
                return connection
        raise failure

    @staticmethod
    def _send(connection: socket.socket, octets: bytes, deadline: _Deadline, where: str) -> None:
        try:
            connection.settimeout(deadline.left())
            connection.sendall(octets)
        except TimeoutError:
            raise _deadline_exceeded(where, deadline, sent=False) from None
        except OSError:
            raise ConnectionLost(f"{where} broke the connection off during the request") from None


def _why_not_connected(error: OSError, deadline: _Deadline, where: str) -> TransportError:
    if isinstance(error, TimeoutError) and error.errno is None:
        return _deadline_exceeded(where, deadline, sent=False)
    if isinstance(error, ConnectionRefusedError):
        return _connect_failed(where, "refused")
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}:
        return _connect_failed(where, "unreachable")
    return _connect_failed(where, "failed")


class Overheard:
    """Another transport, whose exchanges are kept as attachments of a recorder: what a report shows as messages."""

    def __init__(self, transport: Transport, clock: Clock, recorder: Recorder) -> None:
        self._transport, self._clock, self._recorder = transport, clock, recorder

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """See :meth:`Transport.exchange`."""
        event, begun = len(self._recorder.events) - 1, self._clock.now()
        sent = outgoing(request, host, port)
        try:
            reply = self._transport.exchange(host, port, request, timeout)
        except TransportError as error:
            self._recorder.attach(Attachment(event, begun, self._clock.now(), sent, None, str(error), error.sent))
            raise
        self._recorder.attach(Attachment(event, begun, self._clock.now(), sent, reply))
        return reply
