"""Defects of HTTP, of GetCACaps, GetCACert and GetNextCACert, and of the transport of messages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import unquote

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT, NEXT_CA_CERT, PKI_MESSAGE, Delivery, HttpReply
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mock_scep_server.faults.defects.answers import CRASHED, HUNG_UP, DefectRow, Instead, instead, text
from mock_scep_server.faults.defects.seen import Seen

__all__ = ["ROWS"]


def _question(seen: Seen) -> bool:
    return seen.operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT)


def _at(operation: Operation, make: Callable[[Seen], HttpReply]) -> Instead:
    """Give this reply to one operation."""
    return lambda seen: make(seen) if seen.operation == operation else None


def _without_root(seen: Seen) -> HttpReply:
    ca = seen.authority.issuer
    above = x509.issue(
        serial=99, issuer=x509.name(("CN", "A root that is not returned")), subject=ca.certificate.subject,
        spki=ca.certificate.spki, not_before=ca.certificate.not_before, not_after=ca.certificate.not_after,
        extensions=[x509.basic_constraints_extension(True)], signing_key=ca.key,
    )  # fmt: skip
    return HttpReply(200, headers=(("Content-Type", CA_CERT),), body=above.der)


def _chain_with_content(seen: Seen) -> HttpReply:
    certificates = [certificate.der for certificate in seen.authority.certificates]
    body = messages.certs_only(certificates, oddities=Oddities(bag_content=b"content"))
    return HttpReply(200, headers=(("Content-Type", CA_RA_CERT),), body=body)


def _present(seen: Seen) -> HttpReply:
    return HttpReply(200, headers=(("Content-Type", CA_CERT),), body=seen.authority.issuer.certificate.der)


def _next_with_attributes(seen: Seen) -> HttpReply:
    ca = seen.authority
    body = messages.encode_next_ca(
        [ca.issuer.certificate.der],
        signer_key=ca.issuer.key,
        signer_certificate=ca.issuer.certificate,
        oddities=Oddities(extra_signed=(("transactionID", (der.printable_string("1"),)),)),
    )
    return HttpReply(200, headers=(("Content-Type", NEXT_CA_CERT),), body=body)


def _operation_of(seen: Seen) -> str:
    return next((part[10:] for part in seen.raw_query.split("&") if part.startswith("operation=")), "")


_WELCOME = HttpReply(200, headers=(("Content-Type", "text/html"),), body=b"<html>Welcome</html>")


def _got(seen: Seen) -> bool:
    """Whether a message arrives by GET."""
    return seen.http.method == "GET" and "operation=PKIOperation" in seen.raw_query


def _loose_base64(seen: Seen) -> bool:
    """Whether a message by GET has a raw `+` or a line break, or lacks padding."""
    message = seen.raw_query.partition("message=")[2]
    odd = any(mark in message for mark in ("+", "%0A", "%0D", "%20")) or len(unquote(message)) % 4 != 0
    return odd and _got(seen)


def _plain_base64(seen: Seen) -> bool:
    """Whether a message by GET is not base64url."""
    return _got(seen) and ("%2B" in seen.raw_query or "%2F" in seen.raw_query)


def _garbage(seen: Seen) -> bool:
    unread = seen.message is None or seen.message.closed is not None
    return seen.operation == Operation.PKI_OPERATION and unread


def _dead(seen: Seen) -> bool:
    """The first body that is not a message ends the server."""
    seen.gate.dead |= seen.operation == Operation.PKI_OPERATION and seen.message is None
    return seen.gate.dead


def _header(name: str, value: str | None, applies: Callable[[Seen], bool]) -> Instead:
    """Return the reply of the CA with one header field changed or dropped."""

    def answer(seen: Seen) -> HttpReply | None:
        if not applies(seen):
            return None
        octets = seen.service.handle(seen.http, "gate").octets
        head, _, body = octets.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        kept = tuple(
            (k, w) for k, w in fields if k.lower() not in (name.lower(), "content-length", "connection", "date")
        )
        added = ((name, value),) if value is not None else ()
        return HttpReply(int(lines[0].split()[1]), headers=(*kept, *added), body=body)

    return answer


def _in_base64(seen: Seen) -> HttpReply | None:
    """Return the CA's own reply to a message, with its body in base64."""
    if seen.operation != Operation.PKI_OPERATION or seen.kind != MessageType.CERT_POLL:
        return None
    octets = seen.service.handle(seen.http, "gate").octets
    body = base64.b64encode(octets.partition(b"\r\n\r\n")[2])
    return HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=body)


def _wire(seen: Seen, word: str) -> bool:
    return any(word in f"{name}: {value}".lower() for name, value in seen.http.headers)


ROWS: tuple[DefectRow, ...] = (
    ("refuses-message-parameter", "GetCACaps and GetCACert with a message parameter are answered with 404.",
     ("SCEP-3.5.1-02",),
     instead(lambda s: _question(s) and "message=" in s.raw_query, text(404, "no such CA"))),
    ("caps-flip-flop", "Every second GetCACaps reply comes from a back end of another version.",
     ("SCEP-3.5.2-01",),
     instead(lambda s: s.operation == Operation.GET_CA_CAPS and s.count % 2 == 1,
             text(200, "AES\nSHA-256\nPOSTPKIOperation\n"))),
    ("ca-without-root", "GetCACert returns only an intermediate certificate.", ("SCEP-2.2-03",),
     _at(Operation.GET_CA_CERT, _without_root)),
    ("chain-with-content", "The SignedData of the GetCACert chain has content.", ("SCEP-3.4-01",),
     _at(Operation.GET_CA_CERT, _chain_with_content)),
    ("answers-any-operation", "An unknown operation is answered with 200 and an HTML page.",
     ("SCEP-4.1-03",), instead(lambda s: s.operation not in set(Operation), _WELCOME)),
    ("answers-next-with-present", "GetNextCACert returns the current CA certificate.", ("SCEP-4.7-04",),
     _at(Operation.GET_NEXT_CA_CERT, _present)),
    ("next-with-attributes", "The GetNextCACert reply contains a transactionID.", ("SCEP-4.7.1-05",),
     _at(Operation.GET_NEXT_CA_CERT, _next_with_attributes)),
    ("caps-as-html", "The Content-Type of GetCACaps is text/html.", ("SCEP-3.5.2-23",),
     _header("Content-Type", "text/html", lambda s: s.operation == Operation.GET_CA_CAPS)),
    ("replies-in-base64", "Replies to polls are encoded in base64.", ("SCEP-6.4-01",), _in_base64),
    ("strict-base64", "A GET message that is not fully escaped base64 is answered with HTTP 500.", ("SCEP-4.1-11",),
     instead(_loose_base64, text(500, "illegal base64 data"))),
    ("base64url-only", "A GET message is understood only in base64url.", ("SCEP-4.1-09",),
     instead(_plain_base64, text(400, "illegal base64 data"))),
    ("crashes-on-garbage", "A body that is not a SCEP message is answered with HTTP 500.", ("SCEP-4.1-19",),
     instead(_garbage, text(500, "panic: asn1: structure error"))),
    ("dies-on-garbage", "A body that is not a SCEP message ends the server.",
     ("SCEP-4.1-19",), instead(_dead, HUNG_UP)),
    ("get-cacheable", "Replies to GET may be cached for an hour.", ("SCEP-4.1-13",),
     _header("Cache-Control", "max-age=3600", lambda s: s.http.method == "GET")),
    ("wants-operation-on-post", "A POST without operation is answered with HTTP 500.",
     ("SCEP-4.3-03",), instead(lambda s: s.http.method == "POST" and not _operation_of(s), text(500, "no operation"))),
    ("crashes-on-posted-questions", "GetCACaps and GetCACert by POST are answered with HTTP 500.", ("SCEP-4.1-07",),
     instead(lambda s: _question(s) and s.http.method == "POST", CRASHED)),
    ("refuses-chunked", "A chunked body is answered with 411.", ("SCEP-4.1-16",),
     instead(lambda s: _wire(s, "transfer-encoding: chunked"), text(411, "length required"))),
    ("refuses-expect", "Expect: 100-continue is answered with 417.", ("SCEP-4.1-16",),
     instead(lambda s: _wire(s, "expect:"), text(417, "expectation failed"))),
    ("refuses-http10", "HTTP/1.0 is answered with 505.", ("SCEP-4.1-17",),
     instead(lambda s: s.http.version == "HTTP/1.0", text(505, "version not supported"))),
    ("one-operation-a-connection", "Only the first request on a kept connection is answered.", ("SCEP-4.1-16",),
     lambda s: Delivery(s.service.handle(s.http, "gate").acts, keep_alive=False)),
)  # fmt: skip
