"""An HTTP proxy for tests: forwards absolute-form requests, tunnels by CONNECT, may want a login, notes each head."""

from __future__ import annotations

import base64
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from mfp_sim.shared.listening import listen


class HttpProxy:
    """``hosts`` are the names that it knows besides addresses; ``login`` is user:password; ``silent``: it takes
    connections and says nothing."""

    def __init__(
        self, *, login: str | None = None, hosts: Mapping[str, tuple[str, int]] | None = None, silent: bool = False
    ) -> None:
        self.heads: list[str] = []
        self._login, self._hosts, self._silent = login, hosts or {}, silent
        self._listener = listen("127.0.0.1", 0)
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = [self._listener]

    def url(self, login: str = "") -> str:
        """The proxy's URL, with a login in it."""
        return f"http://{login}@{self.place}" if login else f"http://{self.place}"

    def accept(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        """Break everything off."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):  # closed meanwhile
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        octets = b""
        while b"\r\n\r\n" not in octets:
            piece = connection.recv(65536)
            if not piece:
                return
            octets += piece
        head, _, rest = octets.partition(b"\r\n\r\n")
        self.heads.append(head.decode("latin-1"))
        if self._silent:
            connection.recv(1)
            return
        lines = head.split(b"\r\n")
        wanted = f"Proxy-Authorization: Basic {base64.b64encode((self._login or '').encode()).decode()}".encode()
        if self._login is not None and wanted not in lines:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, version = lines[0].split(b" ")
        parts = urlsplit(f"//{target.decode()}" if method == b"CONNECT" else target.decode())
        place = self._hosts.get(parts.hostname or "", (parts.hostname or "", parts.port or 80))
        try:
            server = socket.create_connection(place, timeout=20)
        except OSError:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        self._open.append(server)
        with server:
            if method == b"CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}".encode()
                kept = [line for line in lines[1:] if not line.startswith(b"Proxy-Authorization:")]
                server.sendall(b"\r\n".join([b" ".join((method, path, version)), *kept, b"", rest]))
            _pump(connection, server)


def _pump(first: socket.socket, second: socket.socket) -> None:
    """Both ways, until one of them ends."""
    while True:
        ready, _, _ = select.select([first, second], [], [])
        for source in ready:
            octets = source.recv(65536)
            if not octets:
                return
            (second if source is first else first).sendall(octets)


@contextmanager
def proxy(
    *, login: str | None = None, hosts: Mapping[str, tuple[str, int]] | None = None, silent: bool = False
) -> Iterator[HttpProxy]:
    """A proxy that runs."""
    made = HttpProxy(login=login, hosts=hosts, silent=silent)
    thread = threading.Thread(target=made.accept, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join()
