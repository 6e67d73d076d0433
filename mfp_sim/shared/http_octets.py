"""HTTP replies as octets, read by ``http.client``, which expects a socket: the one place that stands in for one.

May not open connections. Deadlines, size limits and the translation of errors belong to :mod:`mfp_sim.transport`.
RFC 9112; RFC 8894, 4.1.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import cast

from mfp_sim.shared.scep.http_messages import HttpReply

__all__ = ["reply_of", "response_of"]


class _StreamAsSocket:
    """The part of a socket that ``HTTPResponse`` uses."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> io.BufferedIOBase:
        assert mode == "rb"
        return self._stream


def response_of(stream: io.BufferedIOBase, method: str = "GET") -> http.client.HTTPResponse:
    """A reply to a request of ``method`` that will be read from ``stream``; reads nothing yet."""
    return http.client.HTTPResponse(cast("socket.socket", _StreamAsSocket(stream)), method=method)


def reply_of(octets: bytes) -> HttpReply:
    """The reply in ``octets``.

    Raises:
        http.client.HTTPException, ValueError, OSError: it is incomplete, or not HTTP.
    """
    response = response_of(io.BytesIO(octets))
    response.begin()
    return HttpReply(response.status, response.reason, tuple(response.getheaders()), response.read())
