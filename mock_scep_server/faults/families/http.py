"""Faults of HTTP: statuses, redirects, media types, lengths, codings, pages instead of replies. RFC 8894, 4.1."""

from __future__ import annotations

from mfp_sim.shared.documents.kinds import Within
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE
from mock_scep_server.faults.base import Fault
from mock_scep_server.faults.bytes import AlteredBody
from mock_scep_server.faults.combined import InTurn, at
from mock_scep_server.faults.decide import http
from mock_scep_server.faults.delivery import Reframed, chunked, close_delimited, without
from mock_scep_server.faults.families.capabilities import HTML
from mock_scep_server.faults.http_reply import Compressed, HeaderField, PageInstead, Status
from mock_scep_server.faults.registry import Spec, among, argument, choice, one_of

__all__ = ["LOCATIONS"]

PKI = "PKIOperation"
ERROR_PAGE = b"<html><body><h1>Server Error</h1><p>The page cannot be displayed.</p></body></html>\n"
JSON_ERROR = b'{"error": "internal", "message": "the request could not be processed"}\n'

CONTENT_TYPES = {
    "text/html": "text/html; charset=utf-8",
    "octet-stream": "application/octet-stream",
    "missing": None,
    "with-parameter": f"{PKI_MESSAGE}; charset=utf-8",
    "upper-case": PKI_MESSAGE.upper(),
}
GARBAGE: dict[str, Fault] = {
    "random": at(PKI, AlteredBody(lambda octets, context: bytes(octet ^ 0xA5 for octet in octets))),
    "empty": at(PKI, AlteredBody(lambda octets, context: b"")),
    "truncated": at(PKI, AlteredBody(lambda octets, context: octets[: len(octets) // 2])),
    "wrong-length": at(PKI, Reframed(lambda head, body: _length(head, body, 100))),
}
ERRORS: dict[str, tuple[int, str, bytes]] = {
    "400": (400, "text/html", ERROR_PAGE),
    "403": (403, "text/html", ERROR_PAGE),
    "500": (500, "text/html", ERROR_PAGE),
}
LOCATIONS = {
    "same-host": "/another/path?from={target}",
    "other-host": "http://other.example/scep",
    "https": "https://ca.example/scep",
    "loop": "{target}",
    "login": "/login",
    "none": None,
    # No client can follow these: each fails at another point.
    "unreadable": "http://[::1/scep",
    "wrong-port": "http://ca.example:99999/scep",
    "no-host": "http://:80/scep",
    "blank": "/log in",
}
REDIRECTS = ("302", "301", "303", "307", "308")
STATUSES = ("503", "400", "401", "403", "404", "405", "408", "410", "411", "413", "429", "500", "501", "502", "504")


def _length(head: bytes, body: bytes, more: int) -> bytes:
    """A Content-Length that is wrong by `more`."""
    return without(head, b"Content-Length:") + b"Content-Length: %d\r\n\r\n" % max(len(body) + more, 0) + body


def _two_lengths(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body


def _folded(head: bytes, body: bytes) -> bytes:
    """A header field folded over three lines, as HTTP once allowed."""
    first, rest = head.split(b"\r\n", 1)
    return first + b"\r\nX-Folded: one\r\n two\r\n\tthree\r\n" + rest + b"\r\n" + body


def _version(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.0" + head[len(b"HTTP/1.0") :] + b"\r\n" + body


STATUS_LINES = {
    "no-http": b"SCEP/1.0 200 OK",
    "no-status": b"HTTP/1.1",
    "no-number": b"HTTP/1.1 OK",
    "no-reason": b"HTTP/1.1 200",
}


def _status_line(head: bytes, body: bytes, line: bytes) -> bytes:
    return line + b"\r\n" + head.split(b"\r\n", 1)[1] + b"\r\n" + body


def _redirect(to: str, status: str) -> Fault:
    location = LOCATIONS[to]
    headers = (("Location", location),) if location else ()
    return PageInstead(int(status), "text/html", ERROR_PAGE, headers)


def _status(status: str, retry_after: int) -> Fault:
    headers = (("Retry-After", str(retry_after)),) if retry_after else ()
    return PageInstead(int(status), "text/plain; charset=utf-8", b"not now\n", headers)


BODIES = {"text": ("text/plain", b"the request could not be processed\n"), "json": ("application/json", JSON_ERROR),
          "html": ("text/html", ERROR_PAGE), "empty": (None, b"")}  # fmt: skip
CHUNKED: dict[str, Fault] = {
    "broken-chunk": Reframed(lambda head, body: chunked(head, body).replace(b";first=1\r\n", b";first=1\r\nxx", 1)),
    "no-last-chunk": Reframed(lambda head, body: chunked(head, body).removesuffix(b"0\r\n\r\n"), close=True),
}


TABLE: dict[str, Spec] = {
    "certrep-ct": one_of("http", "form", CONTENT_TYPES, lambda form: at(PKI, HeaderField("Content-Type", form))),
    "certrep-http-status": Spec(
        "http",
        lambda status: at(PKI, Status(int(status))),
        (choice("status", ("400", "202", "204", "403", "500", "503")),),
    ),
    "garbage-body": among("bytes", "form", GARBAGE),
    "http-5xx": Spec("decide", lambda status: at(PKI, http(int(status))), (choice("status", ("503", "500", "502")),)),
    "http-error-instead": one_of("http", "status", ERRORS, lambda status: at(PKI, PageInstead(*status))),
    "http-redirect": Spec(
        "http",
        lambda to, status: at(PKI, _redirect(to, status)),
        (choice("to", tuple(LOCATIONS)), choice("status", REDIRECTS)),
    ),
    "http-retry-after": Spec(
        "http", lambda seconds: at(PKI, _status("503", seconds)), (argument("seconds", Within(0, 86400), 120),)
    ),
    "resp-chunked": Spec("delivery", lambda: at(PKI, Reframed(chunked))),
    "resp-close-delimited": Spec("delivery", lambda: at(PKI, Reframed(close_delimited, close=True))),
    "resp-gzip": Spec("http", lambda: at(PKI, Compressed())),
    # Not in the RFC's catalogue: what servers, proxies and portals send in the field.
    "http-status": Spec(
        "http",
        _status,
        (choice("status", STATUSES), argument("retry_after", Within(0, 86400), 0, "seconds; 0 omits the field")),
    ),
    "http-error-body": one_of("http", "form", BODIES, lambda form: at(PKI, PageInstead(500, *form))),
    "http-redirect-everything": Spec("http", lambda to: _redirect(to, "302"), (choice("to", tuple(LOCATIONS)),)),
    "html-login-page": Spec("http", lambda: at("GetCACert PKIOperation", PageInstead(200, "text/html", HTML))),
    "html-error-page": Spec("http", lambda: at(PKI, PageInstead(200, "text/html", ERROR_PAGE))),
    "empty-200": Spec("http", lambda: at(PKI, PageInstead(200, PKI_MESSAGE, b""))),
    "length-too-long": Spec("delivery", lambda: at(PKI, Reframed(lambda h, b: _length(h, b, 100), close=True))),
    "length-too-short": Spec("delivery", lambda: at(PKI, Reframed(lambda h, b: _length(h, b, -100), close=True))),
    "length-twice": Spec("delivery", lambda: at(PKI, Reframed(_two_lengths, close=True))),
    "length-absurd": Spec("delivery", lambda: at(PKI, Reframed(lambda h, b: _length(h, b, 1 << 40), close=True))),
    "chunks-broken": one_of("delivery", "form", CHUNKED, lambda form: at(PKI, form)),
    "folded-header": Spec("delivery", lambda: at(PKI, Reframed(_folded))),
    "http-1-0": Spec("delivery", lambda: Reframed(_version, close=True)),
    "status-line-malformed": one_of(
        "delivery", "form", STATUS_LINES, lambda form: at(PKI, Reframed(lambda h, b: _status_line(h, b, form)))
    ),
    "gateway-timeout-then-recover": Spec("decide", lambda: at(PKI, InTurn((http(504),)))),
    "issue-then-http-error": Spec(
        "http",
        lambda status: at("PKCSReq RenewalReq", InTurn((PageInstead(int(status), "text/html", ERROR_PAGE),))),
        (choice("status", ("500", "502", "503", "504")),),
    ),
}
