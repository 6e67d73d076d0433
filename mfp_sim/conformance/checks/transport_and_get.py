"""HTTP: POST, GET and its encodings, framing, media types, paths. RFC 8894, 2.9 and 4.1 to 4.3.

What only has to be read is tried with a request that makes nothing: a server that read it says so in a CertRep.
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
    """The server read the message: a CertRep of any status came."""
    return answer.status is not None


def _target(session: Client, message: str) -> str:
    base = session.target.path
    return f"{base}{'&' if '?' in base else '?'}operation=PKIOperation&message={message}"


def _get(session: Client, order: Order, message: str, label: str) -> Answer:
    return session.take(order, session.http(HttpRequest("GET", _target(session, message)), label))


def _needs_get(session: Client) -> None:
    """Is GET served at all?"""
    probe = session.sample("poll by GET", lambda: session.ask(session.harmless(method="GET")))
    if not _read(told(probe)):
        raise NotApplicable(f"PKIOperation by GET is not served: {probe.text}")


# --- POST -------------------------------------------------------------------------------------------------


@check(
    "post-binary",
    "PKIOperation by POST with the bytes as body is served",
    "SCEP-2.9-04",
    "SCEP-4.1-14",
    why="POST is mandatory; GET does not hold long messages.",
    field_failures=("F-T19", "F-N07"),
    cost=1,
    proofs=(Proof("not-processed", "post-405"),),
)
def post(session: Client) -> Iterator[Fact]:
    yield processed(
        session.ask(session.order(method="POST")),
        "a PKCSReq by POST",
        mistake="the body is looked for in a form field, or a proxy allows GET only",
    )


@check(
    "post-content-types",
    "POST works with any Content-Type, and without one",
    "SCEP-4.1-15",
    why="strongSwan and sscep send none, micromdm and jscep octet-stream, curl a form's.",
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
    why="Some clients leave it out, since only PKIOperation can be posted.",
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
    "PKIOperation by GET is served, as it was for twenty years",
    "SCEP-2.9-07",
    why="certmonger uses GET only, and devices of the drafts know nothing else.",
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
    "GET takes the standard base64 alphabet, escaped",
    "SCEP-4.1-09",
    why="RFC 4648, section 4: + and /, written %2B and %2F.",
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
        # GET is a MAY: only who reads the message in another alphabet shows that it is the alphabet.
        raise NotApplicable(f"PKIOperation by GET is not served: {answer.text}")
    yield answered(
        "not-read",
        _read(answer),
        "a message with %2B and %2F is read",
        answer,
        mistake="the parameter is decoded as base64url, or unescaped twice",
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
    ("+, / and = as they are", lambda text: text),
    ("+ as it is", lambda text: quote(text, safe="+")),
    ("a line break (%0A) every 64 letters", lambda text: _wrapped(text, "%0A")),
    ("line breaks as %0D%0A", lambda text: _wrapped(text, "%0D%0A")),
    ("%20 for +", lambda text: quote(text.replace("+", " "), safe="")),
    ("no padding", lambda text: quote(text.rstrip("="), safe="")),
)


@check(
    "get-encodings",
    "GET takes base64 as real clients write it",
    "SCEP-4.1-11",
    why="Cisco and sscep wrap lines, MikroTik does not escape, proxies turn + into a blank.",
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
        yield answered("not-read", _read(answer), f"{what}: the message is read", answer)


@check(
    "get-long",
    "GET takes messages of the sizes that occur",
    "SCEP-4.1-12",
    why="A PKCSReq is 3 kB, with a 4096-bit key and a chain 8 kB; IIS stops at 2 kB unless told otherwise.",
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
            raise NotApplicable(f"PKIOperation by GET is not served: {answer.text}")
        yield answered(
            "too-long",
            _read(answer),
            f"a target of {len(text)} characters is read",
            answer,
            mistake="the front end's limit of the request line or the query",
        )


@check(
    "get-not-cached",
    "Replies to PKIOperation by GET are not cached",
    "SCEP-4.1-13",
    why="A cached reply is somebody else's certificate, or yesterday's PENDING.",
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
    yield fact("cacheable", safe, "no-store, or nothing to cache by", got, answer)


@check(
    "unknown-operation",
    "An unknown operation is refused with an HTTP error",
    "SCEP-4.1-03",
    why="A page under 200 is parsed as a certificate by clients.",
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
    "GetCACaps and GetCACert by POST do not crash the server",
    "SCEP-4.1-07",
    why="They are GET only; some clients post everything once POST is advertised.",
    reads=True,
    negative=True,
    proofs=(Proof("crash", defects=("crashes-on-posted-questions",)),),
)
def by_post(session: Client) -> Iterator[Fact]:
    for operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT):
        target = scep_request(session.target.path, operation).target
        exchange = session.http(HttpRequest("POST", target, (), b""), f"{operation.value} by POST")
        calm = (exchange.reply is not None and exchange.reply.status < 500) or _client_error(exchange)
        yield answered("crash", calm, "an answer as to GET, or HTTP 4xx", exchange, what=f"{operation.value} by POST")


@check(
    "path-ignored",
    "The server does not depend on the path",
    "SCEP-4.1-05",
    why="Printers and routers have /cgi-bin/pkiclient.exe built in.",
    field_failures=("F-T08", "F-T09"),
    reads=True,
    tags=("clients",),
    at_most=CheckVerdict.FINDING,
    mild="the RFC excepts a CA whose operation needs the path, as where it names one CA of many",
    proofs=(Proof("path-matters", "path-strict", setup={"path": "/cgi-bin/pkiclient.exe"}),),
)
def path(session: Client) -> Iterator[Fact]:
    base = session.target.path.partition("?")[0]
    for other in ("/cgi-bin/pkiclient.exe", base.rstrip("/") + "/pkiclient.exe", base.rstrip("/") + "/"):
        exchange = session.http(scep_request(other, Operation.GET_CA_CERT), f"GetCACert at {other}")
        yield answered("path-matters", exchange.ok, f"{other} is served", exchange, at_most=CheckVerdict.FINDING)


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
    why="It is HTTP/1.1; clients that stream know no length.",
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
    yield answered("not-read", _read(answer), "the chunked message is read", answer)


@check(
    "http-expect-continue",
    "Expect: 100-continue is answered",
    "SCEP-4.1-16",
    why="curl and .NET send it with larger bodies, and wait.",
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
    "Two operations go over one connection",
    "SCEP-4.1-16",
    why="It is HTTP/1.1's default; cryptlib keeps its connection open for the whole enrolment.",
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
    "HTTP/1.0 without Host is served",
    "SCEP-4.1-17",
    "SCEP-A-01",
    why="Devices of the drafts speak it; strongSwan sends no Host even in HTTP/1.1.",
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
    "A CertRep of any status travels in an HTTP 200",
    "SCEP-4.1-18",
    judge=over("other-status", "HTTP 200",
               lambda _, a: f"HTTP {a.reply.status}" if a.reply and a.reply.status != 200 else None),
    why="Clients read no further than a status of 4xx, so the reason of a refusal is lost.",
    field_failures=("F-T23",),
    proofs=(Proof("other-status", "{certrep-http-status: 400}", when="operation: PKIOperation"),),
)  # fmt: skip


def _in_base64(exchange: Exchange) -> bool:
    """The body is base64 of what begins like a CMS message."""
    body = b"" if exchange.reply is None else b"".join(exchange.reply.body.split())
    try:
        return base64.b64decode(body, validate=True)[:1] == b"\x30"
    except ValueError:
        return False


@check(
    "replies-binary",
    "Replies are bytes, and not base64",
    "SCEP-4.3.1-05",
    "SCEP-6.4-01",
    why="A request by GET is in base64, and its reply is not: no client undoes it.",
    reads=True,
    proofs=(Proof("base64", defects=("replies-in-base64",)),),
)
def binary(session: Client) -> Iterator[Fact]:
    for exchange in (session.ca_exchange, session.unknown_poll().exchange):
        if exchange.ok:
            coded = _in_base64(exchange)
            got = "base64 of what begins like a CMS message" if coded else "bytes"
            yield fact("base64", not coded, "the bytes of the message or certificate", got, exchange)


def _other_media_type(_: Client, answer: Answer) -> str | None:
    media = answer.reply.media_type if answer.reply else None
    return None if media == PKI_MESSAGE else media or "no Content-Type"


def _parameters(_: Client, answer: Answer) -> str | None:
    value = (answer.reply.header("Content-Type") if answer.reply else None) or ""
    return value if ";" in value else None


_MEDIA_TYPES = (
    over("other-type", PKI_MESSAGE, _other_media_type),
    over("parameters", f"{PKI_MESSAGE} without parameters", _parameters,
         mistake="a web framework adds its charset to every reply"),
)  # fmt: skip

watch_here(
    "certrep-media-type",
    "A CertRep is application/x-pki-message",
    "SCEP-4.3.1-05",
    "SCEP-6.4-01",
    judge=lambda session: (found for judge in _MEDIA_TYPES for found in judge(session)),
    why="certmonger refuses any other type.",
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
    why="Nobody asked for gzip, and embedded clients cannot undo it.",
    reads=True,
    proofs=(Proof("compressed", "resp-gzip"),),
)
def framed(session: Client) -> Iterator[Fact]:
    for exchange in (session.caps_exchange, session.ca_exchange, session.unknown_poll().exchange):
        if exchange.reply is None:
            raise Inconclusive(f"no reply: {exchange.text}")
        coding = exchange.reply.header("Content-Encoding")
        yield fact("compressed", coding in (None, "identity"), "no Content-Encoding", coding or "none", exchange)
