"""The wire, with two carriers: in process as events on the injected clock, and real sockets.

An exchange begins, and its end is an event: no time passes within either. Clients that do one thing after the other
(conformance, tests of the carriers) have :class:`Sequential`, which lets time pass until the end.

Owns the one reader of HTTP replies (``http.client.HTTPResponse``) and the one deadline of an exchange. Both carriers
differ only in a :class:`_Source` of octets, so that a delivery has the same outcome on both. May not know SCEP.
Redirects are not followed; there are no proxies and no TLS. Serves MFP-COM-* and the TOP ERROR details.
"""

from __future__ import annotations

import errno
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, Self, TypeAlias, cast

from mfp_sim.errors import ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp, TransportError
from mfp_sim.scep.http import (
    IDLE_SECONDS,
    MESSAGE_CAP,
    Act,
    Close,
    Delivery,
    Fate,
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
from mfp_sim.simtime import Booking, Clock, FrozenClock, PassingClock, Scheduler
from mfp_sim.trace import Attachment, Recorder

__all__ = [
    "EXCHANGE_LABELS",
    "Done",
    "InProcess",
    "Network",
    "NetworkState",
    "Overheard",
    "Result",
    "Sequential",
    "SocketClient",
    "Sockets",
    "Spell",
    "Transport",
    "UnderWay",
    "Wire",
]

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


EXCHANGE_LABELS: Final = ("request", "reply", "deadline")
"""What the events of an exchange are called on the scheduler."""

Result: TypeAlias = "HttpReply | Exception"
"""What comes of an exchange: a reply, a :class:`TransportError`, or an exception that nobody foresaw."""

Done: TypeAlias = Callable[[Result], None]
"""Takes the result of an exchange, within the event that ends it."""


class UnderWay:
    """An exchange that has begun and not ended: what happens to it next is booked."""

    def __init__(self, booking: Booking | None = None) -> None:
        self.booking = booking

    def cancel(self) -> None:
        """Break it off: nothing of it happens any more."""
        if self.booking is not None:
            self.booking.cancel()


class Wire(Protocol):
    """Where exchanges begin."""

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """Send ``request`` to ``host:port``; ``timeout`` (seconds) is one deadline over connect, send and receive.

        Returns at once. ``done`` is called later, as an event, unless the exchange is cancelled before.

        Raises:
            UsageError: HTTP has no octets for such a request.
        """
        ...


class Sequential:
    """A :class:`Transport` on wires, for clients that do nothing else meanwhile: each exchange has a scheduler of its
    own, on which time passes until the reply is there."""

    def __init__(self, clock: PassingClock, make: Callable[[Scheduler], Wire]) -> None:
        self._clock, self._make = clock, make

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """See :meth:`Transport.exchange`."""
        scheduler, ended = Scheduler(self._clock), list[Result]()
        under_way = self._make(scheduler).begin(host, port, request, timeout, ended.append)
        try:
            while not ended:
                if not scheduler.run_next():
                    raise RuntimeError("an exchange has begun, and nothing is booked that could end it")
        finally:
            under_way.cancel()
        if isinstance(ended[0], Exception):
            raise ended[0]
        return ended[0]


class _Deadline:
    """One instant after which the exchange has failed, whatever it was doing: so many seconds from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self.seconds = clock, seconds
        self.instant: datetime = clock.now() + timedelta(seconds=seconds)

    def left(self) -> float:
        """The seconds left.

        Raises:
            TimeoutError: none are.
        """
        left = (self.instant - self._clock.now()).total_seconds()
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
    """Plays a delivery on a clock that it moves instead of sleeping; a wait never goes beyond the deadline."""

    def __init__(self, acts: tuple[Act, ...], clock: FrozenClock) -> None:
        self._acts: Iterator[Act] = iter(acts)
        self._clock, self._sent = clock, b""

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

    def _wait(self, seconds: float, deadline: _Deadline) -> None:
        until = self._clock.now() + timedelta(seconds=seconds)
        self._clock.move_to(min(until, deadline.instant))
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
    """Carries exchanges to ``serve`` in the same process, as events: the request arrives, and the exchange ends, at the
    deadline at the latest.

    ``client`` is the address that the server sees, or gives it at each exchange; ``latency`` is in seconds each way.
    What the server sends is read when it is sent, on a clock of its own that goes ahead: the same reader, and the same
    instants, as over sockets. A network that falls silent meanwhile swallows what is on its way.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        serve: Callable[[HttpRequest, str], Delivery],
        *,
        network: Network | None = None,
        client: str | Callable[[], str] = "192.0.2.10",
        latency: float = 0.0,
    ) -> None:
        self._scheduler, self._serve = scheduler, serve
        self.network = network or Network()
        self._client = client if callable(client) else lambda: client
        self._latency = latency

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See :meth:`Wire.begin`."""
        received = outgoing(request, host, port)
        render_outgoing(received)  # what sockets could not send is refused here too
        return _Simulated(self, received, _where(host, port), timeout, done)

    def answer(self, request: HttpRequest) -> Delivery:
        """What the server does with a request that has arrived."""
        return self._serve(request, self._client())

    @property
    def scheduler(self) -> Scheduler:
        """Where the events are booked."""
        return self._scheduler

    @property
    def latency(self) -> float:
        """Seconds each way."""
        return self._latency


class _Simulated(UnderWay):
    """One exchange in process, event by event."""

    def __init__(self, wire: InProcess, request: HttpRequest, where: str, timeout: float, done: Done) -> None:
        super().__init__()
        self._wire, self._request, self._where, self._done = wire, request, where, done
        now = wire.scheduler.clock.now()
        self._tell: Callable[[Fate], None] = lambda _: None
        self._ahead = FrozenClock(now)  # the reader's own time
        self._deadline = _Deadline(self._ahead, timeout)
        self._met: Spell | None = None
        match self._meet():
            case "up":
                self._book(min(now + timedelta(seconds=wire.latency), self._deadline.instant), self._arrive, "request")
            case "silent":
                self._end(self._deadline.instant, _deadline_exceeded(where, self._deadline, sent=False))
            case state:
                self._end(now, _connect_failed(where, state))

    def _book(self, instant: datetime, action: Callable[[], None], label: str) -> None:
        self.booking = self._wire.scheduler.at(instant, action, label)

    def _end(self, instant: datetime, result: Result) -> None:
        self._book(instant, lambda: self._done(result), "reply")

    def _arrive(self) -> None:
        if self._swallowed():
            return
        wire = self._wire
        try:
            delivery = wire.answer(self._request)
        except Exception as error:  # noqa: BLE001 - a mistake of the server's ends this exchange, and nothing else
            self._end(wire.scheduler.clock.now(), error)
            return
        acts = (Wait(wire.latency), *delivery.acts) if wire.latency else delivery.acts
        if delivery.keep_alive and self._request.keep_alive:
            acts = (*acts, Wait(IDLE_SECONDS), Close())
        self._tell = delivery.tell
        self._ahead.move_to(wire.scheduler.clock.now())
        result: Result
        try:
            result = _read_reply(_PlayedSource(acts, self._ahead), self._deadline, self._request.method, self._where)
        except TransportError as error:
            result = error

        def end() -> None:
            if not self._swallowed():
                self._became("late" if isinstance(result, DeadlineExceeded) else "ended")
                self._done(result)

        self._book(self._ahead.now(), end, "reply")

    def _meet(self) -> NetworkState:
        """The state of the network, which matters to the exchange now."""
        spell = self._wire.network.spell
        if spell is not self._met:
            self._met = spell
            spell.exchanges += 1
        return spell.state

    def _swallowed(self) -> bool:
        """Whether a network that has fallen silent since has swallowed what was on its way.

        Who refuses connections, or has another name, does not touch one that stands.
        """
        if self._wire.network.state in ("refused", "no-such-host") or self._meet() == "up":
            return False
        self._became("lost")
        self._end(self._deadline.instant, _deadline_exceeded(self._where, self._deadline, sent=True))
        return True

    def cancel(self) -> None:
        """See :meth:`UnderWay.cancel`."""
        super().cancel()
        self._became("cut")

    def _became(self, fate: Fate) -> None:
        """Tell the server, once, what became of its reply."""
        tell, self._tell = self._tell, lambda _: None
        tell(fate)


class Sockets:
    """Carries exchanges over TCP, each on a connection and in a thread of its own, which tells the scheduler what came
    of it and touches nothing else. The real clock's carrier."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See :meth:`Wire.begin`."""
        return _OverSockets(self._scheduler, host, port, request, timeout, done)


class _OverSockets(UnderWay):
    """One exchange over sockets. Its booking is the deadline of the resolver, whose time nothing else can limit."""

    def __init__(
        self, scheduler: Scheduler, host: str, port: int, request: HttpRequest, timeout: float, done: Done
    ) -> None:
        super().__init__()
        octets = render_request(request, host, port)
        self._connection, self._done = _Connection(scheduler.clock, host, port, timeout), done
        self._post = scheduler.expect("reply")
        self.booking = scheduler.at(self._connection.deadline.instant, self._look_up_late, "deadline")
        work = threading.Thread(target=self._work, args=(octets, request.method), name=f"to {host}", daemon=True)
        try:
            work.start()
        except RuntimeError as error:  # the machine has no thread left
            self._tell(error)

    def cancel(self) -> None:
        """See :meth:`UnderWay.cancel`."""
        super().cancel()
        self._done = lambda _: None
        self._connection.break_off()

    def _work(self, octets: bytes, method: str) -> None:
        try:
            with self._connection as connection:
                self._tell(connection.converse(octets, method))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the exchange
            self._tell(error)

    def _tell(self, result: Result) -> None:
        self._post(lambda: self._end(result))

    def _end(self, result: Result) -> None:
        done = self._done
        self.cancel()
        done(result)

    def _look_up_late(self) -> None:
        if self._connection.looking_up:
            self._end(self._connection.late(sent=False))


class SocketClient(Sequential):
    """A :class:`Transport` over TCP."""

    def __init__(self, clock: PassingClock) -> None:
        super().__init__(clock, Sockets)

    def converse(self, host: str, port: int, messages: Sequence[bytes], timeout: float) -> list[HttpReply]:
        """Send octets as they are on one connection, each when the reply to the one before is there; the replies.

        For requests that no :class:`HttpRequest` stands for: HTTP/1.0 without Host, chunked bodies, two in a row.

        Raises:
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see :mod:`mfp_sim.errors`.
        """
        with _Connection(self._clock, host, port, timeout) as connection:
            return [
                connection.converse(octets, octets.partition(b" ")[0].decode("ascii", "replace")) for octets in messages
            ]


class _Connection:
    """A connection to ``host:port``, made on entering; everything on it is under one deadline."""

    def __init__(self, clock: Clock, host: str, port: int, timeout: float) -> None:
        self._host, self._port, self._where = host, port, _where(host, port)
        self.deadline = _Deadline(clock, timeout)
        self.looking_up = True
        self._broken_off = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise _connect_failed(self._where, "no-such-host") from None
        finally:
            self.looking_up = False
        failure: TransportError = _connect_failed(self._where, "failed")
        for family, kind, protocol, _, address in addresses:
            if self._broken_off:
                break
            try:
                connection = socket.socket(family, kind, protocol)
            except OSError:
                continue
            self._socket = connection
            try:
                connection.settimeout(self.deadline.left())
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                failure = _why_not_connected(error, self.deadline, self._where)
            else:
                return self
        raise failure

    def __exit__(self, *_: object) -> None:
        assert self._socket is not None
        self._socket.close()

    def converse(self, octets: bytes, method: str) -> HttpReply:
        """Send a request's octets and read the reply.

        Raises:
            ConnectionLost, DeadlineExceeded, MalformedHttp: see :mod:`mfp_sim.errors`.
        """
        connection = self._socket
        assert connection is not None
        try:
            if self._broken_off:  # while it was being made: nothing is sent
                raise ConnectionAbortedError
            connection.settimeout(self.deadline.left())
            connection.sendall(octets)
        except TimeoutError:
            raise self.late(sent=False) from None
        except OSError:
            raise ConnectionLost(f"{self._where} broke the connection off during the request") from None
        return _read_reply(_SocketSource(connection), self.deadline, method, self._where)

    def late(self, *, sent: bool) -> DeadlineExceeded:
        """What an exchange ends with that is not over at the deadline."""
        return _deadline_exceeded(self._where, self.deadline, sent=sent)

    def break_off(self) -> None:
        """Let what waits on the connection fail now; from any thread."""
        self._broken_off = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _why_not_connected(error: OSError, deadline: _Deadline, where: str) -> TransportError:
    if isinstance(error, TimeoutError) and error.errno is None:
        return _deadline_exceeded(where, deadline, sent=False)
    if isinstance(error, ConnectionRefusedError):
        return _connect_failed(where, "refused")
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}:
        return _connect_failed(where, "unreachable")
    return _connect_failed(where, "failed")


class Overheard:
    """Another wire, whose exchanges are kept as attachments of a recorder: what a report shows as messages."""

    def __init__(self, wire: Wire, clock: Clock, recorder: Recorder) -> None:
        self._wire, self._clock, self._recorder = wire, clock, recorder

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See :meth:`Wire.begin`."""
        event, begun = len(self._recorder.events) - 1, self._clock.now()
        sent = outgoing(request, host, port)

        def keep(result: Result) -> None:
            now = self._clock.now()
            if isinstance(result, HttpReply):
                self._recorder.attach(Attachment(event, begun, now, sent, result))
            else:
                left = isinstance(result, TransportError) and result.sent
                self._recorder.attach(Attachment(event, begun, now, sent, None, str(result), left))

        def overhear(result: Result) -> None:
            keep(result)
            done(result)

        under_way = self._wire.begin(host, port, request, timeout, overhear)
        return _OverheardUnderWay(under_way, lambda: keep(ConnectionLost("the machine broke the exchange off")))


class _OverheardUnderWay(UnderWay):
    def __init__(self, under_way: UnderWay, keep: Callable[[], None]) -> None:
        super().__init__()
        self._under_way, self._keep = under_way, keep

    def cancel(self) -> None:
        """See :meth:`UnderWay.cancel`."""
        self._under_way.cancel()
        self._keep()
