"""Exchanges as they go into a report: request and reply line, header fields, the body in base64 and decoded.

Decodes whatever the other side sent and believes none of it; what cannot be decoded is shown as octets. Masks nothing:
what comes in here has passed a Redactor.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

from mfp_sim.report.model import DecodedElement, ExchangeReport, HttpMessage
from mfp_sim.run_trace import Attachment
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, read_capabilities, read_scep_query
from mfp_sim.shared.scep.vocabulary import Operation

__all__ = ["KEPT", "exchange_report", "kept"]

KEPT = 40
"""How many exchanges of one scenario or check a report holds: half of them the first, half the last."""
_BODY_CAP = 64 * 1024
"""The largest body in octets that a report holds."""
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
    asked, message = _asked(request)
    return ExchangeReport(
        operation=operation or asked,
        begun=attachment.begun.isoformat(),
        ended=attachment.ended.isoformat(),
        seconds=(attachment.ended - attachment.begun).total_seconds(),
        event=attachment.event if attachment.event >= 0 else None,
        request=_message(f"{request.method} {request.target} {request.version}", request, tuple(_decoded(message))),
        reply=None
        if reply is None
        else _message(f"HTTP/1.1 {reply.status} {reply.reason}".rstrip(), reply, tuple(_reply_elements(reply, asked))),
        error=attachment.error,
        sent=attachment.sent,
    )


def _message(line: str, message: HttpRequest | HttpReply, elements: tuple[DecodedElement, ...]) -> HttpMessage:
    body = message.body
    return HttpMessage(
        line=line,
        headers=message.headers,
        body=base64.b64encode(body).decode() if len(body) <= _BODY_CAP else "",
        octets=len(body),
        elements=elements,
    )


def _asked(request: HttpRequest) -> tuple[str, bytes]:
    """The operation, and the message if there is one."""
    try:
        query = read_scep_query(request)
    except DecodeError:
        return "?", b""
    message = query.message or b""
    if query.operation != Operation.PKI_OPERATION:
        return query.operation or "?", message
    try:
        return messages.decode(message).label, message
    except DecodeError:
        return query.operation, message


def _reply_elements(reply: HttpReply, asked: str) -> Iterator[DecodedElement]:
    if asked == Operation.GET_CA_CAPS and reply.status == 200:
        yield from (DecodedElement("capability", word) for word in read_capabilities(reply.body).keywords)
    elif reply.body and reply.body[:1] not in (b"0",):
        yield DecodedElement("text", reply.body[:_VALUE].decode("utf-8", "replace"))
    else:
        yield from _decoded(reply.body)


def _decoded(octets: bytes) -> Iterator[DecodedElement]:
    """What a pkiMessage says in words, then every element; nothing for octets that are no BER."""
    if not octets:
        return
    try:
        for name, value in messages.decode(octets).describe().items():
            for entry in value if isinstance(value, list) else (value,):
                yield DecodedElement(name, str(entry))
    except DecodeError:
        pass
    try:
        for number, leaf in enumerate(leaves(octets)):
            if number == _ELEMENTS:
                yield DecodedElement("…", "further elements are left out")
                break
            yield DecodedElement(leaf.path, leaf.text[:_VALUE])
    except DecodeError as error:
        yield DecodedElement("unreadable", str(error)[:_VALUE])
