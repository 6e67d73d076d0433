"""Exchanges in a report: request line or status line, header fields and bytes, with the bytes decoded on demand.

It decodes everything that the other side sent, and trusts none of it; bytes that cannot be decoded are shown as bytes.
It masks nothing: its input has passed a `Redactor`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from mfp_sim.report.model import ExchangeReport, HttpMessage
from mfp_sim.run_trace import Attachment
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.http_messages import (
    HttpReply,
    HttpRequest,
    ScepQuery,
    read_capabilities,
    read_scep_query,
)
from mfp_sim.shared.scep.vocabulary import Operation

__all__ = ["KEPT", "Content", "DecodedElement", "answered", "asked", "exchange_report", "kept"]

KEPT = 40
"""How many exchanges of a scenario or check a report holds: half of them are the first, half the last."""
_BODY_CAP = 256 * 1024
"""The size of the largest body that a report holds, in bytes."""
_ELEMENTS = 120
_VALUE = 240


def kept(exchanges: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The exchanges that a report holds: all, or the first and the last ones if there are too many."""
    if len(exchanges) <= KEPT:
        return tuple(exchanges)
    return (*exchanges[: KEPT // 2], *exchanges[-(KEPT - KEPT // 2) :])


def exchange_report(attachment: Attachment, operation: str | None = None) -> ExchangeReport:
    """One exchange; `operation` is its name if the caller knows a better one (`CertPoll`, or a check's own)."""
    request, reply = attachment.request, attachment.reply
    return ExchangeReport(
        operation=operation or _label(request),
        begun=attachment.begun.isoformat(),
        ended=attachment.ended.isoformat(),
        seconds=(attachment.ended - attachment.begun).total_seconds(),
        event=attachment.event if attachment.event >= 0 else None,
        request=_message(f"{request.method} {request.target} {request.version}", request),
        reply=None if reply is None else _message(f"HTTP/1.1 {reply.status} {reply.reason}".rstrip(), reply),
        error=attachment.error,
        sent=attachment.sent,
    )


def _message(line: str, message: HttpRequest | HttpReply) -> HttpMessage:
    body = message.body
    return HttpMessage(line, message.headers, body if len(body) <= _BODY_CAP else b"", len(body))


def _label(request: HttpRequest) -> str:
    """The SCEP operation, or the message type of a PKIOperation."""
    query = _query(request)
    if query is None or query.operation != Operation.PKI_OPERATION:
        return query.operation or "?" if query else "?"
    try:
        return messages.decode(query.message or b"").label
    except DecodeError:
        return query.operation


def _query(request: HttpRequest) -> ScepQuery | None:
    try:
        return read_scep_query(request)
    except DecodeError:
        return None


# --- decoded ----------------------------------------------------------------------------------------------


class DecodedElement(NamedTuple):
    """One decoded value of a message: its place, and its meaning in words."""

    path: str
    value: str


class Content(NamedTuple):
    """The content of a message. A `reply` may be text; the reply to GetCACaps is a list of `capabilities`."""

    octets: bytes
    form: Literal["request", "reply", "capabilities"]

    def elements(self) -> tuple[DecodedElement, ...]:
        """The decoded elements; empty without content."""
        if self.form == "capabilities":
            return tuple(DecodedElement("capability", word) for word in read_capabilities(self.octets).keywords)
        if self.form == "reply" and self.octets and self.octets[:1] != b"0":
            return (DecodedElement("text", self.octets[:_VALUE].decode("utf-8", "replace")),)
        return tuple(_decoded(self.octets))

    def facts(self) -> dict[str, str]:
        """The facts of a pkiMessage in words, of the last one if there are several; empty for other content."""
        return {element.path: element.value for element in _described(self.octets)}


def asked(exchange: ExchangeReport) -> Content:
    """The content of the request, from its body or from its target."""
    query = _query(_request(exchange))
    return Content(query.message or b"" if query else b"", "request")


def answered(exchange: ExchangeReport) -> Content:
    """The content of the reply."""
    reply = exchange.reply or HttpMessage("")
    query = _query(_request(exchange))
    listed = query is not None and query.operation == Operation.GET_CA_CAPS and reply.line.split(" ")[1:2] == ["200"]
    return Content(reply.body, "capabilities" if listed else "reply")


def _request(exchange: ExchangeReport) -> HttpRequest:
    method, _, rest = exchange.request.line.partition(" ")
    return HttpRequest(method, rest.rpartition(" ")[0], exchange.request.headers, exchange.request.body)


def _described(octets: bytes) -> Iterator[DecodedElement]:
    try:
        for name, value in messages.decode(octets).describe().items():
            for entry in value if isinstance(value, list) else (value,):
                yield DecodedElement(name, str(entry))
    except DecodeError:
        pass


def _decoded(octets: bytes) -> Iterator[DecodedElement]:
    """The facts of a pkiMessage in words, and then every element."""
    if not octets:
        return
    yield from _described(octets)
    try:
        for number, leaf in enumerate(leaves(octets)):
            if number == _ELEMENTS:
                yield DecodedElement("…", "further elements are left out")
                break
            yield DecodedElement(leaf.path, leaf.text[:_VALUE])
    except DecodeError as error:
        yield DecodedElement("unreadable", str(error)[:_VALUE])
