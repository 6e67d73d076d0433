"""A Remote UI on a socket, by default on loopback: it uses threads, writes no log, and stops cleanly."""

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
"""The time limit for receiving a whole request, and for sending each piece of a reply."""
_POLL = 0.05


class _Received(io.RawIOBase):
    """The input from a browser, with one deadline for the whole request: single bytes do not extend it."""

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
    """Logs no request and does not name its software; drops a client that has not sent a request in time."""

    timeout = _SECONDS

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Received(self.connection, SystemClock()))

    server_version = "mfp-sim"
    sys_version = ""

    def version_string(self) -> str:
        return "mfp-sim"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Log nothing."""


class UiHost:
    """Serves one application as soon as it is created; `url` is its address.

    Raises:
        UsageError: see `mfp_sim.shared.listening.listen`.
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
        """Accept no more requests, and wait until the thread has ended."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
