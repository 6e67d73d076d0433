"""Faults of the http layer: another status, other header fields, another body, for a request that was decided."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace

from mfp_sim.shared.scep.http_messages import HttpReply
from mock_scep_server.faults.base import Context, Fault

__all__ = ["Compressed", "HeaderField", "PageInstead", "Status"]


def _with(headers: tuple[tuple[str, str], ...], name: str, value: str | None) -> tuple[tuple[str, str], ...]:
    kept = tuple(pair for pair in headers if pair[0].lower() != name.lower())
    return kept if value is None else ((name, value), *kept)


@dataclass(frozen=True)
class Status(Fault):
    """The same reply with another status, and an additional header field if wanted."""

    status: int
    header: tuple[str, str] | None = None

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        headers = reply.headers if self.header is None else _with(reply.headers, *self.header)
        return replace(reply, status=self.status, reason="", headers=headers)


@dataclass(frozen=True)
class HeaderField(Fault):
    """A header field with another value; None omits it."""

    name: str
    value: str | None

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        return replace(reply, headers=_with(reply.headers, self.name, self.value))


@dataclass(frozen=True)
class PageInstead(Fault):
    """A different reply: status, media type and body. `{target}` in a header is the request's target."""

    status: int
    media_type: str | None
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        headers = _with(reply.headers, "Content-Type", self.media_type)
        for name, value in self.headers:
            headers = _with(headers, name, value.replace("{target}", context.request.target))
        return replace(reply, status=self.status, reason="", headers=headers, body=self.body)


@dataclass(frozen=True)
class Compressed(Fault):
    """The body gzip-encoded although the client did not ask for it."""

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        # Stored without compression: the compressed size of random bytes varies, and so would the length of the reply.
        body = gzip.compress(reply.body, compresslevel=0, mtime=0)
        return replace(reply, headers=_with(reply.headers, "Content-Encoding", "gzip"), body=body)
