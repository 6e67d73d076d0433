"""What a reverse proxy passes on: requests to the server, replies to the client, without hop-by-hop fields.

Judges nothing. A reply comes from the server (`Upstream`) or from a tape (``tape.py``). A peer's text is never written
unchecked into a head: a control character in it is refused before a connection is made. RFC 9110, 7.6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, render_outgoing
from mfp_sim.shared.scep.url import DEFAULT_PORTS, Url
from mfp_sim.transport import SocketClient

__all__ = ["ReplySource", "Upstream", "back"]

HOP_BY_HOP: Final = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "expect",
})  # fmt: skip
"""Fields of one connection, in lower case; those that ``Connection`` names belong here too (RFC 9110, 7.6.1)."""
_VIA: Final = ("Via", "1.1 mfp-sim")


class ReplySource(Protocol):
    """A source of replies."""

    def ask(self, request: HttpRequest) -> HttpReply:
        """The reply to a request.

        Raises:
            TransportError: there is no reply; the kind of the error says what happened.
            UsageError: the request cannot be passed on.
        """
        ...

    def close(self) -> None:
        """End the exchanges in other threads now."""
        ...


def _end_to_end(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    named = (value for name, value in headers if name.lower() == "connection")
    dropped = HOP_BY_HOP | {word.strip().lower() for value in named for word in value.split(",")}
    return tuple((name, value) for name, value in headers if name.lower() not in dropped)


def onward(request: HttpRequest, server: Url) -> HttpRequest:
    """The request for the server: Host is the server's, the body has a length, and Via names the proxy."""
    kept = tuple(pair for pair in _end_to_end(request.headers) if pair[0].lower() not in ("host", "content-length"))
    host = f"[{server.host}]" if ":" in server.host else server.host
    named = host if server.port == DEFAULT_PORTS[server.scheme] else f"{host}:{server.port}"
    length = (("Content-Length", str(len(request.body))),) if request.body or request.method == "POST" else ()
    headers = (("Host", named), *kept, *length, _VIA, ("Connection", "close"))
    return replace(request, headers=headers, version="HTTP/1.1", scheme=server.scheme)


def back(reply: HttpReply, *, bodiless: bool = False) -> HttpReply:
    """The reply for the client: in one piece, with a new length unless it is ``bodiless`` (to HEAD)."""
    dropped = () if bodiless else ("content-length",)
    return replace(reply, headers=tuple(p for p in _end_to_end(reply.headers) if p[0].lower() not in dropped))


class Upstream:
    """The server at a URL; each request has its own connection and one deadline of ``timeout`` seconds."""

    def __init__(self, server: Url, client: SocketClient, timeout: float) -> None:
        self._server, self._client, self._timeout = server, client, timeout

    def ask(self, request: HttpRequest) -> HttpReply:
        """See `ReplySource.ask`."""
        server, octets = self._server, render_outgoing(onward(request, self._server))
        return self._client.converse(server.host, server.port, [octets], self._timeout, server.scheme)[0]

    def close(self) -> None:
        """See `ReplySource.close`."""
        self._client.break_off()
