"""Exchanges over TCP on the real clock: a thread waits for each, and posts its end to the scheduler.

An https request uses TLS, and a proxy if `Reach` has one. This module adds secrets directly to the bytes that are
sent, so stored requests never contain them.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Self

from mfp_sim.shared.errors import ConnectionLost, DeadlineExceeded, TransportError
from mfp_sim.shared.reaching import DIRECTLY, Reach, basic
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, render_request
from mfp_sim.shared.scep.url import Scheme
from mfp_sim.shared.simtime import Clock, PassingClock, Scheduler
from mfp_sim.transport.connecting import (
    TlsSession,
    TlsSource,
    connect,
    handshake,
    proxy_refusal,
    through_proxy,
    tls_context,
    tls_refusal,
)
from mfp_sim.transport.reader import Deadline, SocketSource, connect_failed, deadline_exceeded, place_of, read_reply
from mfp_sim.transport.wire import Done, Result, Sequential, UnderWay

__all__ = ["SocketClient", "Sockets"]


class Sockets:
    """Carries exchanges over TCP, on the real clock.

    Each exchange has its own connection and thread. The thread posts the result to the scheduler, and changes nothing
    else. ``on_tls`` is called with what each TLS server presents.
    """

    def __init__(
        self, scheduler: Scheduler, reach: Reach = DIRECTLY, on_tls: Callable[[TlsSession], None] = lambda _: None
    ) -> None:
        self._scheduler, self._reach, self._on_tls = scheduler, reach, on_tls

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See `Wire.begin`."""
        octets = render_request(request, host, port)
        connection = _Connection(self._scheduler.clock, request.scheme, host, port, timeout, self._reach)

        def ended(result: Result) -> None:
            if connection.tls is not None:
                self._on_tls(connection.tls)
            done(result)

        return _OverSockets(self._scheduler, connection, octets, request.method, ended)


class _OverSockets(UnderWay):
    """One exchange over sockets. Its booking is the deadline, which alone can limit the time of name resolution."""

    def __init__(self, scheduler: Scheduler, connection: _Connection, octets: bytes, method: str, done: Done) -> None:
        super().__init__()
        self._connection, self._done = connection, done
        self._post = scheduler.expect("reply")
        self.booking = scheduler.at(connection.deadline.instant, self._look_up_late, "deadline")
        name = f"to {connection.host}"
        work = threading.Thread(target=self._work, args=(octets, method), name=name, daemon=True)
        try:
            work.start()
        except RuntimeError as error:  # the computer has no thread left
            self._tell(error)

    def cancel(self) -> None:
        """See `UnderWay.cancel`."""
        super().cancel()
        self._done = lambda _: None
        self._connection.break_off()

    def _work(self, octets: bytes, method: str) -> None:
        try:
            with self._connection as connection:
                self._tell(connection.converse(octets, method))
        except Exception as error:  # noqa: BLE001 - every exception is the result of the exchange
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
    """A `Transport` over TCP. ``tls`` is what the last TLS server presented, if there was one."""

    def __init__(self, clock: PassingClock, reach: Reach = DIRECTLY) -> None:
        """An error in the files of ``reach`` is raised now, before anything is sent.

        Raises:
            UsageError: see `tls_context`.
        """
        if reach.ca is not None or reach.certificate is not None:
            tls_context(reach)
        super().__init__(clock, lambda scheduler: Sockets(scheduler, reach, self._saw))
        self._reach = reach
        self.tls: TlsSession | None = None
        self._conversing: set[_Connection] = set()
        self._lock = threading.Lock()

    def _saw(self, session: TlsSession) -> None:
        self.tls = session

    def forwarded(self, scheme: Scheme, host: str, port: int) -> bool:
        """Whether a proxy reads the requests to that server and writes them again."""
        return scheme == "http" and self._reach.proxy_for(scheme, host, port) is not None

    def converse(
        self, host: str, port: int, messages: Sequence[bytes], timeout: float, scheme: Scheme = "http"
    ) -> list[HttpReply]:
        """Send raw requests on one connection, each after the reply to the previous one. Return the replies.

        For requests that `HttpRequest` cannot express: HTTP/1.0 without Host, chunked bodies, two in a row.

        Raises:
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see `mfp_sim.shared.errors`.
        """
        replies: list[HttpReply] = []
        made = _Connection(self._clock, scheme, host, port, timeout, self._reach)
        with self._lock:
            self._conversing.add(made)
        try:
            with made as connection:
                for octets in messages:
                    if replies and replies[-1].ends:  # no further reply can come
                        raise ConnectionLost(
                            f"{place_of(host, port)} announced the end of the connection with its reply"
                        )
                    replies.append(connection.converse(octets, octets.partition(b" ")[0].decode("ascii", "replace")))
        finally:
            with self._lock:
                self._conversing.discard(made)
        return replies

    def break_off(self) -> None:
        """Make every `converse` in progress in another thread fail now."""
        with self._lock:
            under_way = tuple(self._conversing)
        for connection in under_way:
            connection.break_off()


class _Connection:
    """A connection to ``host:port``, made on entering. One deadline covers everything on it."""

    def __init__(self, clock: Clock, scheme: Scheme, host: str, port: int, timeout: float, reach: Reach) -> None:
        self.host, self._port, self._scheme, self._reach = host, port, scheme, reach
        self._where, self._proxy = place_of(host, port), reach.proxy_for(scheme, host, port)
        self.deadline = Deadline(clock, timeout)
        self.tls: TlsSession | None = None
        self.looking_up = True
        self._broken_off = False
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        proxy = self._proxy
        if proxy is None:
            self._open(self.host, self._port, self._where)
        else:
            self._open(proxy.host, proxy.port, f"the proxy {place_of(proxy.host, proxy.port)}")
        assert self._socket is not None
        if self._scheme == "https":
            try:
                if proxy is not None:
                    through_proxy(self._socket, proxy, self.host, self._port, self.deadline)
                self._socket, self.tls = handshake(self._socket, self._reach, self.host, self.deadline, self._where)
            except BaseException:
                self._socket.close()
                raise
        return self

    def _open(self, host: str, port: int, where: str) -> None:
        """Open a TCP connection to the first address that accepts one."""
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise connect_failed(where, "no-such-host") from None
        finally:
            self.looking_up = False
        failure: TransportError = connect_failed(where, "failed")
        for family, kind, protocol, _, address in addresses:
            if self._broken_off:
                break
            try:
                self._socket = socket.socket(family, kind, protocol)
            except OSError:
                continue
            try:
                connect(self._socket, address, self.deadline, where)
            except TransportError as error:
                failure = error
            else:
                return
        raise failure

    def __exit__(self, *_: object) -> None:
        assert self._socket is not None
        self._socket.close()

    def converse(self, octets: bytes, method: str) -> HttpReply:
        """Send a request's bytes and read the reply.

        Raises:
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see `mfp_sim.shared.errors`.
        """
        assert self._socket is not None
        source = TlsSource(self._socket, self._where, self.host) if self.tls else SocketSource(self._socket)
        try:
            if self._broken_off:  # broken off while connecting: send nothing
                raise ConnectionAbortedError
            self._send(self._socket, self._addressed(octets))
        except TimeoutError:
            raise self.late(sent=False) from None
        except ssl.SSLError as error:
            raise tls_refusal(error, self._where, self.host) from None
        except OSError:
            if self.tls and not self._broken_off:
                with suppress(OSError):
                    source.receive(1, self.deadline)  # an alert may say why
            raise ConnectionLost(f"{self._where} broke off the connection during the request") from None
        reply = read_reply(source, self.deadline, method, self._where)
        if self._forwarded and reply.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._proxy is not None:
            place = place_of(self._proxy.host, self._proxy.port)
            raise proxy_refusal(f"the proxy {place}", reply.status, "forward the request")
        return reply

    def _send(self, connection: socket.socket, octets: bytes) -> None:
        """Send all bytes. Over TLS, ``sendall`` would restart the timeout for each piece."""
        left = memoryview(octets)
        while left:
            connection.settimeout(self.deadline.left())
            left = left[connection.send(left) :]

    @property
    def _forwarded(self) -> bool:
        """Whether a proxy reads and forwards the requests; it cannot read those over TLS."""
        return self._proxy is not None and self._scheme == "http"

    def _addressed(self, octets: bytes) -> bytes:
        """The request with additional fields for the server and the proxy; a forwarding proxy gets the full URL.

        Bytes without a request line are unchanged.
        """
        line, _, rest = octets.partition(b"\r\n")
        words = line.split(b" ")
        added = list(self._added(rest.partition(b"\r\n\r\n")[0]))
        if len(words) != 3 or not words[1].startswith(b"/"):
            return octets
        if self._forwarded:
            words[1] = f"http://{self._where}".encode() + words[1]
        return b"\r\n".join([b" ".join(words), *added, rest])

    def _added(self, head: bytes) -> Iterator[bytes]:
        present = {line.partition(b":")[0].strip().lower() for line in head.split(b"\r\n")}
        for name, value in self._reach.request_fields:
            if name.lower().encode() not in present:
                yield f"{name}: {value}".encode()
        if self._forwarded and self._proxy is not None and self._proxy.login:
            yield f"Proxy-Authorization: {basic(self._proxy.login)}".encode()

    def late(self, *, sent: bool) -> DeadlineExceeded:
        """The error of an exchange that exceeds the deadline."""
        return deadline_exceeded(self._where, self.deadline, sent=sent)

    def break_off(self) -> None:
        """Make every wait on the connection fail now. Any thread may call this."""
        self._broken_off = True
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # SSLSocket.shutdown would drop TLS first
