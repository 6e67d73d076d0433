"""HTTP as bytes: replies, which ``http.client`` reads as if from a socket, and captured requests.

Must not open connections. Deadlines, size limits and the translation of errors belong to `mfp_sim.transport`.
RFC 9112; RFC 8894, 4.1.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import cast

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest

__all__ = ["octets_of", "reply_of", "request_of", "response_of"]


class _StreamAsSocket:
    """The part of a socket that ``HTTPResponse`` uses."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> io.BufferedIOBase:
        assert mode == "rb"
        return self._stream


def response_of(stream: io.BufferedIOBase, method: str = "GET") -> http.client.HTTPResponse:
    """The reply to a request with ``method``, to be read from ``stream``; this call does not read yet."""
    return http.client.HTTPResponse(cast("socket.socket", _StreamAsSocket(stream)), method=method)


def reply_of(octets: bytes) -> HttpReply:
    """The reply in `octets`.

    Raises:
        http.client.HTTPException, ValueError, OSError: the reply is incomplete, or not HTTP.
    """
    response = response_of(io.BytesIO(octets))
    response.begin()
    return HttpReply(response.status, response.reason, tuple(response.getheaders()), response.read())


def request_of(octets: bytes) -> HttpRequest:
    """The request in `octets`, as sent; lines may end with only a line feed.

    Raises:
        UsageError: the first line has no target.
    """
    head, _, body = octets.partition(b"\r\n\r\n" if b"\r\n\r\n" in octets else b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    words = first.split()
    if len(words) < 2:
        raise UsageError(
            "the HTTP request line has no target", remedy="a request begins with: GET /path?query HTTP/1.1"
        )
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return HttpRequest(words[0], words[1], headers, body)


def octets_of(request: HttpRequest) -> bytes:
    """The bytes of a request as it was read, even with an invalid head: for files that people look at.

    A chunked body is written in one piece.
    """
    lines = (
        f"{request.method} {request.target} {request.version}",
        *(f"{name}: {value}" for name, value in request.headers),
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + request.body
