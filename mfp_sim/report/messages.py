"""Exchanges as they go into a report: request and reply line, header fields, bytes; and the bytes decoded on demand.

Decodes whatever the other side sent and believes none of it; what cannot be decoded is shown as bytes. Masks nothing:
what comes in here has passed a Redactor.
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
"""How many exchanges of one scenario or check a report holds: half of them the first, half the last."""
_BODY_CAP = 256 * 1024
"""The largest body in bytes that a report holds."""
_ELEMENTS = 120
_VALUE = 240


def kept(exchanges: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The exchanges that a report holds, of any number: the first and the last ones."""
    if len(exchanges) <= KEPT:
        return tuple(exchanges)
    return (*exchanges[: KEPT // 2], *exchanges[-(KEPT - KEPT // 2) :])


def exchange_report(attachment: Attachment, operation: str | None = None) -> ExchangeReport:
    """One exchange; ``operation`` is its name where the caller knows it better (``CertPoll``, a check's word)."""
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
    """One decoded value of a message: where it stands in it, and what it is in words."""

    path: str
    value: str


class Content(NamedTuple):
    """What a message carries. A ``reply`` may be text; that to GetCACaps is a list of ``capabilities``."""

    octets: bytes
    form: Literal["request", "reply", "capabilities"]

    def elements(self) -> tuple[DecodedElement, ...]:
        """Decoded; nothing of nothing."""
        if self.form == "capabilities":
            return tuple(DecodedElement("capability", word) for word in read_capabilities(self.octets).keywords)
        if self.form == "reply" and self.octets and self.octets[:1] != b"0":
            return (DecodedElement("text", self.octets[:_VALUE].decode("utf-8", "replace")),)
        return tuple(_decoded(self.octets))

    def facts(self) -> dict[str, str]:
        """What a pkiMessage says in words, the last of several; nothing where it is none."""
        return {element.path: element.value for element in _described(self.octets)}


def asked(exchange: ExchangeReport) -> Content:
    """What the request carries, in its body or in its target."""
    query = _query(_request(exchange))
    return Content(query.message or b"" if query else b"", "request")


def answered(exchange: ExchangeReport) -> Content:
    """What the reply carries."""
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
    """What a pkiMessage says in words, then every element."""
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
