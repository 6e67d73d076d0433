"""Reads HTTP requests from a socket within size limits and an absolute deadline, or refuses them with a status.

Owns the bytes of one connection that were received but not yet read. Sends no reply. RFC 9112; SCEP-4.1-*.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from mfp_sim.shared.scep.http_messages import HEAD_CAP, IDLE_SECONDS, MESSAGE_CAP, TOKEN, HttpRequest
from mfp_sim.shared.scep.url import Scheme, Url
from mfp_sim.shared.simtime import Clock

__all__ = ["Connection", "Gone", "Unreadable", "read_request"]

_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


class Unreadable(Exception):
    """The request is refused before it reaches a service; the connection is closed after the reply."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Gone(Exception):
    """The client has disconnected or sent nothing in time: no reply can be sent."""


@dataclass
class Connection:
    """One connection: the received but unread bytes, and the deadline for reading."""

    socket: socket.socket
    clock: Clock
    buffer: bytes = b""

    def __post_init__(self) -> None:
        self.deadline = self.clock.now() + timedelta(seconds=IDLE_SECONDS)

    def fill(self) -> None:
        """Receive more.

        Raises:
            Gone: the client closed the connection, or the time is up.
        """
        left = (self.deadline - self.clock.now()).total_seconds()
        try:
            self.socket.settimeout(max(left, 0.001))
            octets = self.socket.recv(65536)
        except OSError:
            raise Gone from None
        if not octets:
            raise Gone
        self.buffer += octets

    def line(self, cap: int) -> bytes:
        """Return the next line without its end; a lone LF also ends a line (RFC 9112, 2.2)."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > cap:
                raise Unreadable(431, "The head of the request is too large.")
            self.fill()
        line, self.buffer = self.buffer[:end], self.buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        while len(self.buffer) < count:
            self.fill()
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets


def read_request(source: Connection, scheme: Scheme = "http") -> HttpRequest:
    """Read one complete request, which came with `scheme`.

    Raises:
        Unreadable: no service can answer it; the error has the status of the refusal.
        Gone: the client disconnected or was too slow.
    """
    line = source.line(HEAD_CAP)
    for _ in range(4):
        if line:
            break
        line = source.line(HEAD_CAP)  # some clients send an empty line after a body
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or not words[1]:
        raise Unreadable(400, "The request line is not METHOD SP target SP version.")
    method, target, version = words
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise Unreadable(505, "This server supports HTTP/1.0 and HTTP/1.1.")
    headers = tuple(_headers(source, HEAD_CAP - len(line)))
    head = HttpRequest(method, _origin_form(target), headers, b"", version, scheme)
    body = _body(source, head)
    return replace(head, body=body) if body else head


def _headers(source: Connection, left: int) -> Iterator[tuple[str, str]]:
    while line := source.line(left):
        left -= len(line) + 2
        if left < 0:
            raise Unreadable(431, "The head of the request is too large.")
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not TOKEN.fullmatch(name):
            raise Unreadable(400, "A header field is not name: value.")
        yield name, value.strip(" \t")


def _origin_form(target: str) -> str:
    if not target.lower().startswith(("http://", "https://")):
        return target
    try:
        return Url.parse(target).target
    except ValueError:
        raise Unreadable(400, "The target of the request is not a URL.") from None


def _body(source: Connection, request: HttpRequest) -> bytes:
    coding = request.header("Transfer-Encoding")
    lengths = {value for name, value in request.headers if name.lower() == "content-length"}
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise Unreadable(501, "This server supports only the transfer coding chunked.")
        if lengths:
            raise Unreadable(400, "A request has either a Content-Length or chunked coding, not both.")
        _continue(source, request)
        return b"".join(_chunks(source))
    if not lengths:
        return b""
    length = lengths.pop()
    if lengths or not length.isdecimal() or not length.isascii():
        raise Unreadable(400, "The Content-Length is not a single number.")
    if len(length) > 9 or int(length) > MESSAGE_CAP:
        raise Unreadable(413, f"The body is larger than {MESSAGE_CAP} bytes.")
    _continue(source, request)
    return source.take(int(length))


def _continue(source: Connection, request: HttpRequest) -> None:
    """Answer a client that asks whether it may send its body."""
    if (request.header("Expect") or "").lower() == "100-continue" and request.version == "HTTP/1.1":
        source.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _chunks(source: Connection) -> Iterator[bytes]:
    size = 0
    while True:
        head = _CHUNK_SIZE.fullmatch(source.line(4096))
        if head is None:
            raise Unreadable(400, "The chunked body is broken.")
        count = int(head[1], 16)
        size += count
        if size > MESSAGE_CAP:
            raise Unreadable(413, f"The body is larger than {MESSAGE_CAP} bytes.")
        if count == 0:
            for _ in _headers(source, HEAD_CAP):
                pass  # trailer fields are not used
            return
        yield source.take(count)
        if source.line(2) != b"":
            raise Unreadable(400, "The chunked body is broken.")
