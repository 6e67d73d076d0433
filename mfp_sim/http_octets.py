"""Replies of HTTP in octets, read by ``http.client``: it wants a socket, and this is the one place that feigns one.

Owns no deadline, no cap and no translation of errors: the transport has those. Opens nothing.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import cast

from mfp_sim.scep.http import HttpReply

__all__ = ["reply_of", "response_of"]


class _Feigned:
    """All that ``HTTPResponse`` wants of a socket."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> io.BufferedIOBase:
        assert mode == "rb"
        return self._stream


def response_of(stream: io.BufferedIOBase, method: str = "GET") -> http.client.HTTPResponse:
    """The reply to a request of ``method`` that is to be read from ``stream``; nothing is read yet."""
    return http.client.HTTPResponse(cast("socket.socket", _Feigned(stream)), method=method)


def reply_of(octets: bytes) -> HttpReply:
    """The reply that stands in ``octets``.

    Raises:
        http.client.HTTPException, ValueError, OSError: it is not whole, or not HTTP.
    """
    response = response_of(io.BytesIO(octets))
    response.begin()
    return HttpReply(response.status, response.reason, tuple(response.getheaders()), response.read())
