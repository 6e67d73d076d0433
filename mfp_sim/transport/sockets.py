"""Exchanges over TCP on the real clock: a thread waits for each, and posts its end to the scheduler."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from mfp_sim.shared.errors import ConnectionLost, DeadlineExceeded, TransportError
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, render_request
from mfp_sim.shared.simtime import Clock, PassingClock, Scheduler
from mfp_sim.transport.reader import Deadline, SocketSource, connect_failed, deadline_exceeded, place_of, read_reply
from mfp_sim.transport.wire import Done, Result, Sequential, UnderWay

__all__ = ["SocketClient", "Sockets"]


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
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see :mod:`mfp_sim.shared.errors`.
        """
        with _Connection(self._clock, host, port, timeout) as connection:
            return [
                connection.converse(octets, octets.partition(b" ")[0].decode("ascii", "replace")) for octets in messages
            ]


class _Connection:
    """A connection to ``host:port``, made on entering; everything on it is under one deadline."""

    def __init__(self, clock: Clock, host: str, port: int, timeout: float) -> None:
        self._host, self._port, self._where = host, port, place_of(host, port)
        self.deadline = Deadline(clock, timeout)
        self.looking_up = True
        self._broken_off = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise connect_failed(self._where, "no-such-host") from None
        finally:
            self.looking_up = False
        failure: TransportError = connect_failed(self._where, "failed")
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
            ConnectionLost, DeadlineExceeded, MalformedHttp: see :mod:`mfp_sim.shared.errors`.
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
        return read_reply(SocketSource(connection), self.deadline, method, self._where)

    def late(self, *, sent: bool) -> DeadlineExceeded:
        """What an exchange ends with that is not over at the deadline."""
        return deadline_exceeded(self._where, self.deadline, sent=sent)

    def break_off(self) -> None:
        """Let what waits on the connection fail now; from any thread."""
        self._broken_off = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _why_not_connected(error: OSError, deadline: Deadline, where: str) -> TransportError:
    if isinstance(error, TimeoutError) and error.errno is None:
        return deadline_exceeded(where, deadline, sent=False)
    if isinstance(error, ConnectionRefusedError):
        return connect_failed(where, "refused")
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}:
        return connect_failed(where, "unreachable")
    return connect_failed(where, "failed")
