"""A Remote UI on a socket: threads, no log of its own, a clean stop. Loopback unless told otherwise."""

from __future__ import annotations

import io
import socket
import threading
from datetime import timedelta
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from mfp_sim.shared.listening import listen
from mfp_sim.shared.simtime import Clock, SystemClock

__all__ = ["UiHost"]

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


class UiHost:
    """Serves one application from the time of its making; :attr:`url` tells where.

    Raises:
        UsageError: see :func:`~mfp_sim.shared.listening.listen`.
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
