"""The mock on real sockets: plays the bytes, waits, closes and resets of each delivery exactly.

Owns connections and their threads; `receiving.py` reads the requests. Decides nothing: `ScepService` makes the replies.
It does not use werkzeug's server, because clients need keep-alive and TCP_NODELAY, and faults need a real RST
(SCEP-4.1-*, SCEP-2.5.1-03). With an `ssl` context it uses TLS (SCEP-4.1-21): the same deliveries are played inside TLS,
and a reset is still a TCP reset.
"""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final, Protocol

from mfp_sim.shared.listening import listen, reason_of
from mfp_sim.shared.scep.http_messages import (
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
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.shared.visible import one_line, visible
from mock_scep_server.receiving import Connection, Gone, Unreadable, read_request
from mock_scep_server.tls import NO_ROOM, Handshake, say_goodbye, shake_hands, shut_down

__all__ = ["ServerHost", "Service"]

_log = logging.getLogger("mock_scep_server")
_RST: Final = struct.pack("ii", 1, 0)
_LINGER_SECONDS: Final = 1.0
MOST_CONNECTIONS: Final = 400
"""The number of simultaneous connections: well below the 1,024 descriptors that a process may have."""
_PAUSE_SECONDS: Final = 0.2
"""The pause in accepting when the computer has no thread or descriptor left."""


class Service(Protocol):
    """The service behind a host."""

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        ...


class ServerHost:
    """A threaded host for one service.

    Args:
        service: answers the requests.
        host: the address to bind to; default: loopback.
        port: the TCP port, 0 for any free one; the attribute `port` has the actual number.
        tls: the server context of `mock_scep_server.tls.make_endpoint`; None for plain HTTP.
        on_handshake: called with the result of each TLS handshake, in the thread of its connection.
        on_refusal: called with client, status and text of each request that is refused before it reaches the service.
        most: the largest number of simultaneous connections; further ones are refused with a text or a TLS alert, and
            the log counts them.
        port_option: the option that sets the port, for messages.

    Raises:
        UsageError: see `mfp_sim.shared.listening.listen`.
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
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._serving: set[threading.Thread] = set()
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
        """Accept connections in a separate thread.

        Raises:
            RuntimeError: the computer has no thread left.
        """
        self._accepting.start()

    def stop(self) -> None:
        """Break off all connections and wait until all threads have ended."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()
        if self._accepting.ident is not None:
            self._accepting.join()  # after this no connection or thread is added
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            shut_down(connection, socket.SHUT_RDWR)  # wakes recv()
        for thread in self._serving:
            thread.join()
        if self._turned_away:
            _log.warning("connections refused: %d", self._turned_away)

    def _accept(self) -> None:
        """Accept connections until stopped; after a lack of resources, try again a moment later."""
        while not self._stopping.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError as error:  # no descriptor is left, or the client has disconnected
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
            thread = threading.Thread(target=self._serve, args=(connection, client), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                with self._lock:
                    self._open.discard(connection)
                self._turn_away(connection, client, "The server has no thread left; try again later.")
                self._pause(f"no thread can be started: {error}")
            else:
                self._serving = {other for other in self._serving if other.is_alive()} | {thread}

    def _pause(self, why: str) -> None:
        _log.warning("%s", why)
        self._stopping.wait(_PAUSE_SECONDS)

    def _turn_away(self, connection: socket.socket, client: str, text: str) -> None:
        """Refuse a connection that cannot be served, without waiting for the client: with a text, or with an alert for
        TLS.

        The log has the first, the tenth, the hundredth refusal and so on; `stop` logs their number.
        """
        self._turned_away += 1
        if str(self._turned_away).rstrip("0") == "1":
            _log.warning("%s is refused: %s (number %d)", client, text, self._turned_away)
        self._on_refusal(client, 503, text)
        octets = self._in_words(503, text, ("Retry-After", "1")) if self._tls is None else NO_ROOM
        with suppress(OSError):
            connection.setblocking(False)
            connection.send(octets)
            with suppress(BlockingIOError):  # unread bytes would turn the FIN into an RST
                connection.recv(HEAD_CAP)
            connection.shutdown(socket.SHUT_WR)
        connection.close()

    def _serve(self, connection: socket.socket, client: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # detects a client that has vanished
            if self._tls is not None:
                connection = self._wrap(connection, self._tls)
                self._shake_hands(connection, client)
            source = Connection(connection, self._clock)
            while not self._stopping.is_set() and self._answer(source, client):
                source.deadline = self._clock.now() + timedelta(seconds=IDLE_SECONDS)
        except (Gone, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _wrap(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """Wrap the connection for TLS before the handshake. The new object replaces the old one, which is then
        detached."""
        wrapped = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.discard(connection)
            self._open.add(wrapped)
        return wrapped

    def _shake_hands(self, connection: ssl.SSLSocket, client: str) -> None:
        """Start TLS.

        Raises:
            Gone: the client has disconnected.
        """
        if self._stopping.is_set():  # stop() may have seen the previous socket object
            raise Gone
        handshake = shake_hands(connection, client)
        if self._on_handshake is not None and not self._stopping.is_set():
            self._on_handshake(handshake)
        if handshake.spoke_http:
            octets = self._in_words(400, "This port uses TLS: the URL starts with https://.")
            socket.socket.sendall(connection, octets)  # outside TLS, which never started
            _close_in_order(connection)
        if handshake.said:  # the client may have sent its request by now: without this the alert would be lost
            _close_in_order(connection)
        if handshake.failure is not None:
            raise Gone

    def _answer(self, source: Connection, client: str) -> bool:
        """Handle one request and its delivery; return whether the connection stays open."""
        try:
            request = read_request(source, "http" if self._tls is None else "https")
        except Unreadable as refusal:
            self._on_refusal(client, refusal.status, refusal.text)
            return self._refuse(source.socket, refusal.status, refusal.text)
        try:
            delivery = self._service.handle(request, client)
        except Exception as error:  # noqa: BLE001 - a bug must be visible, but must not stop the host
            told = visible("".join(traceback.format_exception(error)))
            _log.error("the mock failed on %s %s\n%s", request.method, one_line(request.target, 200), told)
            return self._refuse(source.socket, 500, "The mock failed; see its log.")
        # The reply to a HEAD has a body, which a client would read as the next reply.
        keep = delivery.keep_alive and request.keep_alive and request.method != "HEAD"
        return self._play(delivery, source.socket, keep=keep)

    def _refuse(self, connection: socket.socket, status: int, text: str) -> bool:
        """Send a status and a sentence, and close the connection."""
        connection.sendall(self._in_words(status, text))
        _close(connection)
        return False

    def _in_words(self, status: int, text: str, *more: tuple[str, str]) -> bytes:
        reply = HttpReply(status, headers=(("Content-Type", TEXT), *more), body=text.encode() + b"\n")
        return render_reply(reply, keep_alive=False, date=self._clock.now())

    def _play(self, delivery: Delivery, connection: socket.socket, *, keep: bool) -> bool:
        """Play a delivery and report its fate; return whether the connection stays open."""
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
                        raise Gone
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
    """End the TLS session, if any, then the connection."""
    if isinstance(connection, ssl.SSLSocket):
        say_goodbye(connection)
    _close_in_order(connection)


def _close_in_order(connection: socket.socket) -> None:
    """Close in order: unread bytes would turn the FIN into an RST, so the remaining bytes are read first."""
    shut_down(connection, socket.SHUT_WR)
    connection.settimeout(_LINGER_SECONDS)
    left = 4 * MESSAGE_CAP
    while left > 0 and (octets := socket.socket.recv(connection, 65536)):
        left -= len(octets)
