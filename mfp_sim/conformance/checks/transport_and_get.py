"""HTTP: POST, GET and its encodings, framing, media types, paths. RFC 8894, 2.9 and 4.1 to 4.3.

A request that must only be read has no effect: a server that read it sends a CertRep.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from mfp_sim.conformance.answers import Answer, Exchange, Order
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed, told
from mfp_sim.conformance.model import CheckVerdict, Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.conformance.watching import over, watch
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, HttpRequest, render_request, scep_request
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import Operation

watch_here = partial(watch, __name__)


def _read(answer: Answer) -> bool:
    """The server read the message: it sent a CertRep of any status."""
    return answer.status is not None


def _target(session: Client, message: str) -> str:
    base = session.target.path
    return f"{base}{'&' if '?' in base else '?'}operation=PKIOperation&message={message}"


def _get(session: Client, order: Order, message: str, label: str) -> Answer:
    return session.take(order, session.http(HttpRequest("GET", _target(session, message)), label))


def _needs_get(session: Client) -> None:
    """Whether the server supports GET."""
    probe = session.sample("poll by GET", lambda: session.ask(session.harmless(method="GET")))
    if not _read(told(probe)):
        raise NotApplicable(f"the server does not support PKIOperation by GET: {probe.text}")


# --- POST -------------------------------------------------------------------------------------------------


@check(
    "post-binary",
    "PKIOperation by POST is processed",
    "SCEP-2.9-04",
    "SCEP-4.1-14",
    why="POST is mandatory, and long messages do not fit into a GET.",
    field_failures=("F-T19", "F-N07"),
    cost=1,
    proofs=(Proof("not-processed", "post-405"),),
)
def post(session: Client) -> Iterator[Fact]:
    yield processed(
        session.ask(session.order(method="POST")),
        "a PKCSReq by POST",
        mistake="the server expects the message in a form field, or a proxy allows only GET",
    )


@check(
    "post-content-types",
    "A POST is read with any Content-Type, and without one",
    "SCEP-4.1-15",
    why="strongSwan and sscep send no Content-Type, micromdm and jscep octet-stream, curl that of a form.",
    field_failures=("F-X04", "F-T19"),
    reads=True,
    tags=("clients",),
    proofs=(Proof("not-read", "post-ct-strict"),),
)
def content_types(session: Client) -> Iterator[Fact]:
    for media in (PKI_MESSAGE, "application/octet-stream", "application/x-www-form-urlencoded", None):
        order = session.harmless()
        request = scep_request(session.target.path, Operation.PKI_OPERATION, session.encode(order), method="POST")
        headers = (("Content-Type", media),) if media else ()
        request = HttpRequest("POST", request.target, headers, request.body)
        answer = session.take(order, session.http(request, f"CertPoll as {media or 'no Content-Type'}"))
        yield answered("not-read", _read(answer), f"a POST with {media or 'no Content-Type'} is read", answer)


@check(
    "post-without-operation",
    "A POST without operation is read or refused with HTTP 4xx",
    "SCEP-4.3-03",
    why="Some clients omit it, since PKIOperation is the only operation by POST.",
    reads=True,
    negative=True,
    proofs=(Proof("crash", defects=("wants-operation-on-post",)),),
)
def without_operation(session: Client) -> Iterator[Fact]:
    order = session.harmless(wrong=True)
    for query in ("", "operation=pkioperation"):
        base = session.target.path
        target = base + (("&" if "?" in base else "?") + query if query else "")
        request = HttpRequest("POST", target, (("Content-Type", PKI_MESSAGE),), session.encode(order))
        answer = session.take(order, session.http(request, f"POST ?{query}"))
        clean = _read(answer) or _client_error(answer.exchange)
        yield answered("crash", clean, "a CertRep, or HTTP 4xx", answer, what="a POST without operation=PKIOperation")


def _client_error(exchange: Exchange) -> bool:
    return exchange.client_error or (exchange.reply is not None and exchange.reply.status == 501)


# --- GET --------------------------------------------------------------------------------------------------


@check(
    "get-pkioperation",
    "PKIOperation by GET is supported",
    "SCEP-2.9-07",
    why="certmonger uses only GET, and devices that follow the drafts support nothing else.",
    field_failures=("F-T01", "F-T02", "F-T05"),
    reads=True,
    tags=("clients",),
    proofs=(Proof("not-served", answer="{http: 405}", when="{operation: PKIOperation, method: GET}"),),
)
def get(session: Client) -> Iterator[Fact]:
    answer = session.ask(session.harmless(method="GET"))
    yield answered("not-served", _read(answer), "the message is read", answer)


@check(
    "get-standard-base64",
    "A GET in escaped standard base64 is read",
    "SCEP-4.1-09",
    why="Clients use the alphabet of RFC 4648, section 4, with + and / escaped as %2B and %2F.",
    field_failures=("F-T03", "F-T06", "F-T07"),
    reads=True,
    proofs=(Proof("not-read", defects=("base64url-only",)),),
)
def standard_base64(session: Client) -> Iterator[Fact]:
    for _ in range(8):
        order = session.harmless()
        text = base64.b64encode(session.encode(order)).decode()
        if "+" in text and "/" in text:
            break
    answer = _get(session, order, quote(text, safe=""), "CertPoll by GET, escaped")
    if not _read(told(answer)) and not _reads_otherwise(session):
        # GET is a MAY: only a server that reads the message in another alphabet shows that the alphabet is the reason.
        raise NotApplicable(f"the server does not support PKIOperation by GET: {answer.text}")
    yield answered(
        "not-read",
        _read(answer),
        "a message with %2B and %2F is read",
        answer,
        mistake="the server decodes the parameter as base64url, or unescapes it twice",
    )


def _reads_otherwise(session: Client) -> bool:
    """Whether a GET in base64url, or escaped twice, is read."""
    order = session.harmless(wrong=True)
    octets = session.encode(order)
    twice = quote(base64.b64encode(octets).decode(), safe="")
    for what, text in (("base64url", base64.urlsafe_b64encode(octets).decode()), ("escaped twice", twice)):
        if _read(_get(session, order, quote(text, safe=""), f"CertPoll by GET, {what}")):
            return True
    return False


def _wrapped(text: str, line: str) -> str:
    return line.join(quote(text[i : i + 64], safe="") for i in range(0, len(text), 64))


ENCODINGS = (
    ("+, / and = unescaped", lambda text: text),
    ("+ unescaped", lambda text: quote(text, safe="+")),
    ("a line break (%0A) every 64 characters", lambda text: _wrapped(text, "%0A")),
    ("line breaks as %0D%0A", lambda text: _wrapped(text, "%0D%0A")),
    ("%20 instead of +", lambda text: quote(text.replace("+", " "), safe="")),
    ("no padding", lambda text: quote(text.rstrip("="), safe="")),
)


@check(
    "get-encodings",
    "A GET is read in every base64 form that real clients write",
    "SCEP-4.1-11",
    why="Cisco and sscep wrap lines, MikroTik does not escape, and proxies turn + into a space.",
    field_failures=("F-T01", "F-T03", "F-T06", "F-T07"),
    reads=True,
    negative=True,
    tags=("clients",),
    proofs=(Proof("not-read", defects=("strict-base64",)),),
)
def encodings(session: Client) -> Iterator[Fact]:
    _needs_get(session)
    for what, write in ENCODINGS:
        order = session.harmless()
        text = base64.b64encode(session.encode(order)).decode()
        answer = _get(session, order, write(text), f"CertPoll by GET, {what}")
        yield answered("not-read", _read(answer), f"a message with {what} is read", answer)


@check(
    "get-long",
    "A GET of the sizes that clients send is read",
    "SCEP-4.1-12",
    why="A PKCSReq has 3 kB, or 8 kB with a 4096-bit key and a chain; by default, IIS allows only 2 kB.",
    field_failures=("F-T01", "F-T04", "F-T08"),
    reads=True,
    negative=True,
    tags=("clients",),
    proofs=(Proof("too-long", "get-414"),),
)
def long_get(session: Client) -> Iterator[Fact]:
    for size in (0, 1500, 4500):
        filler = (("1.3.6.1.4.1.32473.1", (der.octet_string(bytes(size)),)),)
        order = session.harmless(oddities=Oddities(extra_signed=filler))
        text = quote(base64.b64encode(session.encode(order)).decode(), safe="")
        answer = _get(session, order, text, f"CertPoll by GET, {len(text)} characters")
        if size == 0 and not _read(answer) and (answer.reply is None or answer.reply.status != 414):
            raise NotApplicable(f"the server does not support PKIOperation by GET: {answer.text}")
        yield answered(
            "too-long",
            _read(answer),
            f"a query of {len(text)} characters is read",
            answer,
            mistake="the front end limits the request line or the query",
        )


@check(
    "get-not-cached",
    "Replies to PKIOperation by GET are not cached",
    "SCEP-4.1-13",
    why="A cached reply may be another client's certificate, or yesterday's PENDING.",
    field_failures=("F-P01",),
    reads=True,
    proofs=(Proof("cacheable", defects=("get-cacheable",)),),
)
def not_cached(session: Client) -> Iterator[Fact]:
    _needs_get(session)
    answer = session.ask(session.harmless(method="GET"))
    control = (answer.reply.header("Cache-Control") or "") if answer.reply else ""
    fields = ("ETag", "Last-Modified", "Expires")
    validators = [name for name in fields if answer.reply is not None and answer.reply.header(name)]
    fresh = "max-age" in control and "max-age=0" not in control
    safe = any(word in control for word in ("no-store", "no-cache", "private")) or not (validators or fresh)
    got = f"Cache-Control {control or 'absent'}" + (f", {', '.join(validators)}" if validators else "")
    yield fact("cacheable", safe, "no-store, or no header that allows caching", got, answer)


@check(
    "unknown-operation",
    "An unknown operation is refused with an HTTP error",
    "SCEP-4.1-03",
    why="Clients parse a page with status 200 as a certificate.",
    field_failures=("F-T11", "F-T18"),
    reads=True,
    negative=True,
    proofs=(Proof("not-refused", defects=("answers-any-operation",)),),
)
def unknown(session: Client) -> Iterator[Fact]:
    for query in ("operation=GetEverything", "message=x"):
        exchange = session.get(query)
        yield answered("not-refused", _client_error(exchange), "HTTP 4xx", exchange, what=f"GET ?{query}")


@check(
    "questions-by-post",
    "GetCACaps and GetCACert by POST get a reply as to GET, or HTTP 4xx",
    "SCEP-4.1-07",
    why="Both use only GET, but some clients send everything by POST if it is advertised.",
    reads=True,
    negative=True,
    proofs=(Proof("crash", defects=("crashes-on-posted-questions",)),),
)
def by_post(session: Client) -> Iterator[Fact]:
    for operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT):
        target = scep_request(session.target.path, operation).target
        exchange = session.http(HttpRequest("POST", target, (), b""), f"{operation.value} by POST")
        calm = (exchange.reply is not None and exchange.reply.status < 500) or _client_error(exchange)
        yield answered("crash", calm, "a reply as to GET, or HTTP 4xx", exchange, what=f"{operation.value} by POST")


@check(
    "path-ignored",
    "The server does not depend on the path",
    "SCEP-4.1-05",
    why="Printers and routers have the path /cgi-bin/pkiclient.exe built in.",
    field_failures=("F-T08", "F-T09"),
    reads=True,
    tags=("clients",),
    at_most=CheckVerdict.FINDING,
    mild="the RFC allows a CA to depend on the path, for example if the path selects one CA of many",
    proofs=(Proof("path-matters", "path-strict", setup={"path": "/cgi-bin/pkiclient.exe"}),),
)
def path(session: Client) -> Iterator[Fact]:
    base = session.target.path.partition("?")[0]
    for other in ("/cgi-bin/pkiclient.exe", base.rstrip("/") + "/pkiclient.exe", base.rstrip("/") + "/"):
        exchange = session.http(scep_request(other, Operation.GET_CA_CERT), f"GetCACert at {other}")
        yield answered(
            "path-matters", exchange.ok, f"{other} gets the CA certificate", exchange, at_most=CheckVerdict.FINDING
        )


# --- framing ----------------------------------------------------------------------------------------------


def _octets(session: Client, request: HttpRequest) -> bytes:
    whole = replace(request, scheme=session.target.scheme)
    return render_request(whole, session.target.host, session.target.port)


def _posted(session: Client, *headers: tuple[str, str]) -> tuple[Order, HttpRequest]:
    order = session.harmless()
    request = scep_request(session.target.path, Operation.PKI_OPERATION, session.encode(order), method="POST")
    return order, HttpRequest("POST", request.target, (*request.headers, *headers), request.body)


@check(
    "http-chunked",
    "A chunked request body is read",
    "SCEP-4.1-16",
    why="Chunked bodies are part of HTTP/1.1; clients that stream do not know the length.",
    field_failures=("F-T19",),
    reads=True,
    negative=True,
    tags=("wire",),
    proofs=(Proof("not-read", defects=("refuses-chunked",), setup={"sockets": True}),),
)
def chunked(session: Client) -> Iterator[Fact]:
    order, request = _posted(session, ("Transfer-Encoding", "chunked"))
    half = len(request.body) // 2
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (request.body[:half], request.body[half:]))
    head = _octets(session, HttpRequest("POST", request.target, request.headers))
    octets = head.replace(b"Content-Length: 0\r\n", b"") + pieces + b"0\r\n\r\n"
    answer = session.take(order, session.raw([octets], request, "CertPoll, chunked"))
    yield answered("not-read", _read(answer), "the server reads the chunked message", answer)


@check(
    "http-expect-continue",
    "A request with Expect: 100-continue is processed",
    "SCEP-4.1-16",
    why="curl and .NET send this header with larger bodies, and wait.",
    reads=True,
    negative=True,
    tags=("wire",),
    proofs=(Proof("not-read", defects=("refuses-expect",), setup={"sockets": True}),),
)
def expect(session: Client) -> Iterator[Fact]:
    order, request = _posted(session, ("Expect", "100-continue"))
    answer = session.take(order, session.raw([_octets(session, request)], request, "CertPoll, Expect"))
    yield answered("not-read", _read(answer), "the message is read", answer)


@check(
    "http-keep-alive",
    "One connection serves two operations",
    "SCEP-4.1-16",
    why="This is the default in HTTP/1.1; cryptlib keeps its connection open for the whole enrolment.",
    reads=True,
    negative=True,
    tags=("wire",),
    proofs=(Proof("closed", defects=("one-operation-a-connection",), setup={"sockets": True}),),
)
def keep_alive(session: Client) -> Iterator[Fact]:
    first = scep_request(session.target.path, Operation.GET_CA_CAPS)
    octets = _octets(session, HttpRequest("GET", first.target, (("Connection", "keep-alive"),)))
    exchange = session.raw([octets, octets], first, "GetCACaps twice on one connection")
    yield answered("closed", exchange.ok, "a second reply on the same connection", exchange)


@check(
    "http-1.0",
    "A request in HTTP/1.0 without Host is processed",
    "SCEP-4.1-17",
    "SCEP-A-01",
    why="Devices that follow the drafts use HTTP/1.0; strongSwan sends no Host even in HTTP/1.1.",
    field_failures=("F-T09", "F-T24"),
    reads=True,
    negative=True,
    tags=("wire", "clients"),
    proofs=(Proof("not-served", defects=("refuses-http10",), setup={"sockets": True}),),
)
def http10(session: Client) -> Iterator[Fact]:
    request = scep_request(session.target.path, Operation.GET_CA_CERT)
    octets = f"GET {request.target} HTTP/1.0\r\n\r\n".encode()
    exchange = session.raw([octets], request, "GetCACert in HTTP/1.0")
    yield answered("not-served", exchange.ok, "HTTP 200", exchange)


watch_here(
    "certrep-http-status-200",
    "Every CertRep has HTTP status 200",
    "SCEP-4.1-18",
    judge=over("other-status", "HTTP 200",
               lambda _, a: f"HTTP {a.reply.status}" if a.reply and a.reply.status != 200 else None),
    why="Clients stop reading at HTTP 4xx, so the reason for a refusal is lost.",
    field_failures=("F-T23",),
    proofs=(Proof("other-status", "{certrep-http-status: 400}", when="operation: PKIOperation"),),
)  # fmt: skip


def _in_base64(exchange: Exchange) -> bool:
    """Whether the body is base64 that decodes to the start of a CMS message."""
    body = b"" if exchange.reply is None else b"".join(exchange.reply.body.split())
    try:
        return base64.b64decode(body, validate=True)[:1] == b"\x30"
    except ValueError:
        return False


@check(
    "replies-binary",
    "Replies are binary, not base64",
    "SCEP-4.3.1-05",
    "SCEP-6.4-01",
    why="Only a request by GET is in base64; clients do not decode a reply.",
    reads=True,
    proofs=(Proof("base64", defects=("replies-in-base64",)),),
)
def binary(session: Client) -> Iterator[Fact]:
    for exchange in (session.ca_exchange, session.unknown_poll().exchange):
        if exchange.ok:
            coded = _in_base64(exchange)
            got = "base64 of a CMS message" if coded else "bytes"
            yield fact("base64", not coded, "the binary message or certificate", got, exchange)


def _other_media_type(_: Client, answer: Answer) -> str | None:
    media = answer.reply.media_type if answer.reply else None
    return None if media == PKI_MESSAGE else media or "no Content-Type"


def _parameters(_: Client, answer: Answer) -> str | None:
    value = (answer.reply.header("Content-Type") if answer.reply else None) or ""
    return value if ";" in value else None


_MEDIA_TYPES = (
    over("other-type", PKI_MESSAGE, _other_media_type),
    over("parameters", f"{PKI_MESSAGE} without parameters", _parameters,
         mistake="a web framework adds a charset to every reply"),
)  # fmt: skip

watch_here(
    "certrep-media-type",
    "A CertRep has Content-Type application/x-pki-message",
    "SCEP-4.3.1-05",
    "SCEP-6.4-01",
    judge=lambda session: (found for judge in _MEDIA_TYPES for found in judge(session)),
    why="certmonger refuses every other type.",
    field_failures=("F-E17",),
    proofs=(
        Proof("other-type", "certrep-ct", when="operation: PKIOperation"),
        Proof("parameters", "{certrep-ct: with-parameter}", when="operation: PKIOperation"),
    ),
)  # fmt: skip


@check(
    "replies-plainly-framed",
    "Replies are not compressed",
    "SCEP-4.1-16",
    why="The client did not ask for gzip, and embedded clients cannot decompress it.",
    reads=True,
    proofs=(Proof("compressed", "resp-gzip"),),
)
def framed(session: Client) -> Iterator[Fact]:
    for exchange in (session.caps_exchange, session.ca_exchange, session.unknown_poll().exchange):
        if exchange.reply is None:
            raise Inconclusive(f"no reply: {exchange.text}")
        coding = exchange.reply.header("Content-Encoding")
        yield fact("compressed", coding in (None, "identity"), "no Content-Encoding", coding or "none", exchange)
