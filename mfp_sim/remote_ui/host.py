"""A Remote UI on a socket: threads, no log of its own, a clean stop. Loopback unless told otherwise."""

from __future__ import annotations

import errno
import io
import socket
import threading
from datetime import timedelta
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from mfp_sim.errors import UsageError
from mfp_sim.simtime import Clock, SystemClock

__all__ = ["UiHost", "listen"]

_SECONDS = 30
"""How long a request may take to come in, all of it, and how long each piece of an answer may take to leave."""
_POLL = 0.05


class _Received(io.RawIOBase):
    """What a browser sends, to be read whole within one deadline: a letter now and then does not move it."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._deadline = self._clock.now() + timedelta(seconds=_SECONDS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = (self._deadline - self._clock.now()).total_seconds()
        if left <= 0:
            raise TimeoutError("the request was not sent in time")
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(_SECONDS)


class _Handler(WSGIRequestHandler):
    """Says nothing of each request, nor what it is made with; drops who has not sent a request in time."""

    timeout = _SECONDS

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Received(self.connection, SystemClock()))

    server_version = "mfp-sim"
    sys_version = ""

    def version_string(self) -> str:
        return "mfp-sim"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Nothing."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: the port is in use, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        remedy = f"{host!r} is neither an address nor a name that resolves: choose another --host"
        raise UsageError(f"cannot listen on {host}, port {port}: {reason}", remedy=remedy) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        remedy = "another program listens there; stop it, or choose another --port, or 0 for any free one"
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            remedy = f"{host} is not an address of this machine: choose another --host, or leave it out for loopback"
        elif isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
            remedy = "ports below 1024 need rights; choose another --port, or 0 for any free one"
        raise UsageError(f"cannot listen on {host}, port {port}: {reason}", remedy=remedy) from None
    return listener


class UiHost:
    """Serves one application from the time of its making; :attr:`url` tells where.

    Raises:
        UsageError: see :func:`listen`.
    """

    def __init__(self, app: Flask, host: str = "127.0.0.1", port: int = 0) -> None:
        listener = listen(host, port)
        self.port = int(listener.getsockname()[1])
        self._server: BaseWSGIServer = make_server(
            host, self.port, app, threaded=True, request_handler=_Handler, fd=listener.fileno()
        )
        listener.close()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self._thread.start()
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}/"

    def __enter__(self) -> UiHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more requests, and wait until the thread has ended."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
