"""The mock on real sockets: plays each delivery's octets, waits, closes and resets as they are.

Owns connections, their threads and the reading of HTTP requests within caps. Decides nothing: what a request gets is
:class:`ScepService`'s matter. A host of our own and not werkzeug's, because clients need keep-alive and TCP_NODELAY,
and faults need a real RST (SCEP-4.1-*, SCEP-2.5.1-03). With a context of ``ssl`` it speaks TLS (SCEP-4.1-21); the same
deliveries are played, inside of TLS, and a reset stays one of TCP.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from urllib.parse import urlsplit

from mfp_sim.listening import listen, reason_of
from mfp_sim.scep.http import (
    HEAD_CAP,
    IDLE_SECONDS,
    MESSAGE_CAP,
    TEXT,
    Close,
    Delivery,
    Fate,
    HttpReply,
    HttpRequest,
    Reset,
    Send,
    Stall,
    Wait,
    render_reply,
)
from mfp_sim.simtime import Clock, SystemClock
from mfp_sim.visible import one_line, visible
from mock_scep_server.tls import NO_ROOM, Handshake, say_goodbye, shake_hands, shut_down

__all__ = ["ServerHost", "Service"]

_log = logging.getLogger("mock_scep_server")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_RST: Final = struct.pack("ii", 1, 0)
_LINGER_SECONDS: Final = 1.0
MOST_CONNECTIONS: Final = 400
"""How many connections are open at once: well below the 1,024 descriptors that a process may have."""
_PAUSE_SECONDS: Final = 0.2
"""How long nothing is accepted when the machine has no thread or no descriptor left."""


class Service(Protocol):
    """What stands behind a host."""

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        ...


class _Unreadable(Exception):
    """The request is refused before anybody could answer it; the connection is closed after the reply."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Gone(Exception):
    """The client went, or nothing came in time: there is nobody to answer."""


@dataclass
class _Connection:
    """One connection: what was received and not yet read, and until when reading may take."""

    socket: socket.socket
    clock: Clock
    buffer: bytes = b""

    def __post_init__(self) -> None:
        self.deadline = self.clock.now() + timedelta(seconds=IDLE_SECONDS)

    def fill(self) -> None:
        """Receive more.

        Raises:
            _Gone: the client closed, or the time is up.
        """
        left = (self.deadline - self.clock.now()).total_seconds()
        try:
            self.socket.settimeout(max(left, 0.001))
            octets = self.socket.recv(65536)
        except OSError:
            raise _Gone from None
        if not octets:
            raise _Gone
        self.buffer += octets

    def line(self, cap: int) -> bytes:
        """The next line without its end; a lone LF ends a line too (RFC 9112, 2.2)."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > cap:
                raise _Unreadable(431, "The head of the request is too large.")
            self.fill()
        line, self.buffer = self.buffer[:end], self.buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def take(self, count: int) -> bytes:
        """Exactly ``count`` octets."""
        while len(self.buffer) < count:
            self.fill()
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets


class ServerHost:
    """A threaded host for one service.

    Args:
        service: answers the requests.
        host: the address to bind to; loopback unless told otherwise.
        port: the TCP port, 0 for any free one; :attr:`port` tells which it is.
        tls: the server's side of TLS, as :func:`mock_scep_server.tls.make_endpoint` has it; None for plain HTTP.
        on_handshake: called with the end of each TLS handshake, from the thread of its connection.
        on_refusal: called with client, status and text of each request that is refused before the service sees it.
        most: how many connections may be open at once; one more is refused, in words or with an alert of TLS, and the
            log counts them.
        port_option: the option that names the port, for people.

    Raises:
        UsageError: see :func:`~mfp_sim.listening.listen`.
    """

    def __init__(
        self,
        service: Service,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        on_handshake: Callable[[Handshake], None] | None = None,
        on_refusal: Callable[[str, int, str], None] | None = None,
        most: int = MOST_CONNECTIONS,
        port_option: str = "--port",
    ) -> None:
        self._service, self._clock = service, SystemClock()
        self._tls, self._on_handshake, self._most = tls, on_handshake, most
        self._on_refusal = on_refusal or (lambda *_: None)
        self._turned_away = 0
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener = listen(host, port, port_option=port_option)
        self.host, self.port = host, int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def __enter__(self) -> ServerHost:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Accept connections, in a thread of its own."""
        self._spawn(self._accept)

    def stop(self) -> None:
        """Break off what goes on and wait until all threads have ended."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        with self._lock:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            shut_down(connection, socket.SHUT_RDWR)  # wakes recv()
        for thread in threads:
            thread.join()
        if self._turned_away:
            _log.warning("connections turned away: %d", self._turned_away)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        """Run something in a thread of its own.

        Raises:
            RuntimeError: the machine has no thread left.
        """
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        with self._lock:
            self._threads = {other for other in self._threads if other.is_alive() or other.ident is None}
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
            raise

    def _accept(self) -> None:
        """Accept until told to stop; what the machine cannot do now it may be able to do a moment later."""
        while not self._stopping.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError as error:  # no descriptor, or a client that went again
                if not self._stopping.is_set():
                    self._pause(f"no connection can be accepted: {reason_of(error)}")
                continue
            client = str(address[0])
            with self._lock:
                full = len(self._open) >= self._most
                if not full:
                    self._open.add(connection)
            if full:
                self._turn_away(connection, client, f"The server has {self._most} connections open; try again later.")
                continue
            try:
                self._spawn(self._serve, connection, client)
            except RuntimeError as error:
                with self._lock:
                    self._open.discard(connection)
                self._turn_away(connection, client, "The server has no thread left; try again later.")
                self._pause(f"no thread can be started: {error}")

    def _pause(self, why: str) -> None:
        _log.warning("%s", why)
        self._stopping.wait(_PAUSE_SECONDS)

    def _turn_away(self, connection: socket.socket, client: str, text: str) -> None:
        """Refuse what cannot be served, without waiting for the client: in words, or with an alert where it wants TLS.

        The log has the first one, the tenth, the hundredth and so on, and :meth:`stop` logs how many they were.
        """
        self._turned_away += 1
        if str(self._turned_away).rstrip("0") == "1":
            _log.warning("%s is turned away: %s (number %d)", client, text, self._turned_away)
        self._on_refusal(client, 503, text)
        headers = (("Content-Type", TEXT), ("Retry-After", "1"))
        reply = HttpReply(503, headers=headers, body=text.encode() + b"\n")
        octets = render_reply(reply, keep_alive=False, date=self._clock.now()) if self._tls is None else NO_ROOM
        with suppress(OSError):
            connection.setblocking(False)
            connection.send(octets)
            with suppress(BlockingIOError):  # octets that nobody read would turn the FIN into a RST
                connection.recv(HEAD_CAP)
            connection.shutdown(socket.SHUT_WR)
        connection.close()

    def _serve(self, connection: socket.socket, client: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a client that vanished is found out
            if self._tls is not None:
                connection = self._wrap(connection, self._tls)
                self._shake_hands(connection, client)
            source = _Connection(connection, self._clock)
            while not self._stopping.is_set() and self._answer(source, client):
                source.deadline = self._clock.now() + timedelta(seconds=IDLE_SECONDS)
        except (_Gone, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _wrap(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """The connection as one of TLS, nothing said yet. It takes the place of the other, which is empty then."""
        wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.discard(connection)
            self._open.add(wrapped)
        return wrapped

    def _shake_hands(self, connection: ssl.SSLSocket, client: str) -> None:
        """Begin TLS.

        Raises:
            _Gone: nobody is there to whom TLS could be spoken.
        """
        if self._stopping.is_set():  # stop() may have seen the socket that was there before
            raise _Gone
        handshake = shake_hands(connection, client)
        if self._on_handshake is not None and not self._stopping.is_set():
            self._on_handshake(handshake)
        if handshake.spoke_http:
            told = b"This port speaks TLS: the URL begins with https://.\n"
            refusal = HttpReply(400, headers=(("Content-Type", TEXT),), body=told)
            octets = render_reply(refusal, keep_alive=False, date=self._clock.now())
            socket.socket.sendall(connection, octets)  # beside TLS, which never began
            _close_in_order(connection)
        if handshake.failure is not None:
            raise _Gone

    def _answer(self, source: _Connection, client: str) -> bool:
        """One request and its delivery; whether the connection stays."""
        try:
            request = read_request(source)
        except _Unreadable as refusal:
            self._on_refusal(client, refusal.status, refusal.text)
            reply = HttpReply(refusal.status, headers=(("Content-Type", TEXT),), body=refusal.text.encode() + b"\n")
            source.socket.sendall(render_reply(reply, keep_alive=False, date=self._clock.now()))
            _close(source.socket)
            return False
        try:
            delivery = self._service.handle(request, client)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must be seen, and must not take the host down
            told = visible("".join(traceback.format_exception(error)))
            _log.error("the mock failed on %s %s\n%s", request.method, one_line(request.target, 200), told)
            body = HttpReply(500, headers=(("Content-Type", TEXT),), body=b"The mock failed; its log says why.\n")
            source.socket.sendall(render_reply(body, keep_alive=False, date=self._clock.now()))
            _close(source.socket)
            return False
        # The reply to a HEAD has its body all the same, which a client would take for the next reply.
        keep = delivery.keep_alive and request.keep_alive and request.method != "HEAD"
        return self._play(delivery, source.socket, keep=keep)

    def _play(self, delivery: Delivery, connection: socket.socket, *, keep: bool) -> bool:
        """Do what a delivery says, and tell what became of it; whether the connection stays."""
        fate: Fate = "cut"
        try:
            stays = self._act(delivery, connection, keep=keep)
            fate = "ended"
        finally:
            delivery.tell(fate)
        return stays

    def _act(self, delivery: Delivery, connection: socket.socket, *, keep: bool) -> bool:
        connection.settimeout(IDLE_SECONDS)
        for act in delivery.acts:
            match act:
                case Send(octets):
                    connection.sendall(octets)
                case Wait(seconds):
                    if self._stopping.wait(seconds):
                        raise _Gone
                case Stall():
                    connection.settimeout(None)
                    while connection.recv(65536):
                        pass
                    return False
                case Reset():
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                    return False  # closing without shutdown sends the RST
                case Close():
                    _close(connection)
                    return False
        if not keep:
            _close(connection)
        return keep


def _close(connection: socket.socket) -> None:
    """End what is spoken, then the connection."""
    if isinstance(connection, ssl.SSLSocket):
        say_goodbye(connection)
    _close_in_order(connection)


def _close_in_order(connection: socket.socket) -> None:
    """Close in good order: unread octets would turn the FIN into an RST, so what still comes is read first."""
    shut_down(connection, socket.SHUT_WR)
    connection.settimeout(_LINGER_SECONDS)
    left = 4 * MESSAGE_CAP
    while left > 0 and (octets := socket.socket.recv(connection, 65536)):
        left -= len(octets)


# --- reading a request ------------------------------------------------------------------------------------


def read_request(source: _Connection) -> HttpRequest:
    """Read one request, whole.

    Raises:
        _Unreadable: it cannot be answered by a service; it says the status to refuse it with.
        _Gone: the client went or was too slow.
    """
    line = source.line(HEAD_CAP)
    for _ in range(4):
        if line:
            break
        line = source.line(HEAD_CAP)  # some clients send an empty line after a body
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not words[1]:
        raise _Unreadable(400, "The request line is not METHOD SP target SP version.")
    method, target, version = words
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise _Unreadable(505, "This server speaks HTTP/1.0 and HTTP/1.1.")
    headers = tuple(_headers(source, HEAD_CAP - len(line)))
    request = HttpRequest(method, _origin_form(target), headers, b"", version)
    return HttpRequest(method, request.target, headers, _body(source, request), version)


def _headers(source: _Connection, left: int) -> Iterator[tuple[str, str]]:
    while line := source.line(left):
        left -= len(line) + 2
        if left < 0:
            raise _Unreadable(431, "The head of the request is too large.")
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise _Unreadable(400, "A header field is not name: value.")
        yield name, value.strip(" \t")


def _origin_form(target: str) -> str:
    if not target.lower().startswith(("http://", "https://")):
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise _Unreadable(400, "The target of the request is not a URL.") from None
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _body(source: _Connection, request: HttpRequest) -> bytes:
    coding = request.header("Transfer-Encoding")
    lengths = {value for name, value in request.headers if name.lower() == "content-length"}
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise _Unreadable(501, "This server knows no transfer coding but chunked.")
        if lengths:
            raise _Unreadable(400, "A request has a length or is chunked, not both.")
        _continue(source, request)
        return b"".join(_chunks(source))
    if not lengths:
        return b""
    length = lengths.pop()
    if lengths or not length.isdecimal() or not length.isascii():
        raise _Unreadable(400, "The Content-Length is not one number.")
    if len(length) > 9 or int(length) > MESSAGE_CAP:
        raise _Unreadable(413, f"The body is larger than {MESSAGE_CAP} octets.")
    _continue(source, request)
    return source.take(int(length))


def _continue(source: _Connection, request: HttpRequest) -> None:
    """A client that asks first whether it may send its body is told so."""
    if (request.header("Expect") or "").lower() == "100-continue" and request.version == "HTTP/1.1":
        source.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _chunks(source: _Connection) -> Iterator[bytes]:
    size = 0
    while True:
        head = _CHUNK_SIZE.fullmatch(source.line(4096))
        if head is None:
            raise _Unreadable(400, "The chunked body is broken.")
        count = int(head[1], 16)
        size += count
        if size > MESSAGE_CAP:
            raise _Unreadable(413, f"The body is larger than {MESSAGE_CAP} octets.")
        if count == 0:
            for _ in _headers(source, HEAD_CAP):
                pass  # trailer fields say nothing that we want
            return
        yield source.take(count)
        if source.line(2) != b"":
            raise _Unreadable(400, "The chunked body is broken.")
