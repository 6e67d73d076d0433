"""Wrong HTTP. RFC 8894, 4.1; RFC 9112."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, Send
from mfp_sim.testing import Bench
from mock_scep_server.service import ScepService
from wrong_servers.base import INTEROPERABILITY, ROBUSTNESS, around, replies, rewritten, wrong

POST = "RFC 8894, 4.1: binary data is sent in the body of a POST"
GET = "RFC 8894, 4.1: base64 in a GET MUST be escaped, and is unescaped once"
MESSAGE = "RFC 8894, 4.3.1: the reply has type application/x-pki-message"


def is_message(request: Any) -> bool:
    return "operation=PKIOperation" in request.target


def reaching(ca: ScepService, change: Any) -> None:
    """Change each request on its way in."""
    around(ca, "handle", lambda original, request, client: original(change(request), client))


def leaving(ca: ScepService, change: Any) -> None:
    """Change each reply: ``change(request, reply)``."""

    def handle(original: Any, request: Any, client: str) -> Any:
        return rewritten(original(request, client), lambda reply: change(request, reply))

    around(ca, "handle", handle)


@wrong(INTEROPERABILITY, POST, replies(lambda a: not a.granted))
def post_body_not_read(ca: ScepService) -> None:
    """Does not read the body of a POST."""
    reaching(ca, lambda request: replace(request, body=b"") if request.method == "POST" else request)


@wrong(INTEROPERABILITY, POST, replies(lambda a: not a.granted))
def post_body_cut_at_1024(ca: ScepService) -> None:
    """Reads only the first 1,024 bytes of a body."""
    reaching(ca, lambda request: replace(request, body=request.body[:1024]))


@wrong(INTEROPERABILITY, GET, replies(lambda a: not a.granted, method="GET"))
def get_cut_at_2048(ca: ScepService) -> None:
    """Cuts the query of a GET at 2,048 characters."""
    reaching(ca, lambda request: replace(request, target=request.target[:2048]))


@wrong(INTEROPERABILITY, GET, replies(lambda a: not a.granted, method="GET"))
def get_loses_plus(ca: ScepService) -> None:
    """Unescapes a query twice and drops the resulting spaces, and with them every + of the base64."""

    def change(request: HttpRequest) -> HttpRequest:
        return replace(request, target=request.target.replace("%2B", "").replace("%2b", ""))

    reaching(ca, change)


@wrong(INTEROPERABILITY, GET, replies(lambda a: not a.granted, method="GET"))
def get_of_messages_not_served(ca: ScepService) -> None:
    """Supports PKIOperation only by POST, and replies to GET with 405."""

    def change(request: Any, reply: HttpReply) -> HttpReply:
        if request.method == "GET" and is_message(request):
            return replace(reply, status=405, reason=None, body=b"POST only\n")
        return reply

    leaving(ca, change)


def _type(bench: Bench) -> str | None:
    client = bench.client()
    reply = client.ask(client.order()).reply
    return reply.media_type if reply else None


@wrong(INTEROPERABILITY, MESSAGE, lambda bench: _type(bench) == "text/html")
def replies_as_html(ca: ScepService) -> None:
    """Sends its CertReps as text/html."""

    def change(request: Any, reply: HttpReply) -> HttpReply:
        return replace(reply, headers=(("Content-Type", "text/html"),)) if is_message(request) else reply

    leaving(ca, change)


@wrong(INTEROPERABILITY, MESSAGE, replies(lambda a: a.message is None), serves=False)
def replies_in_base64(ca: ScepService) -> None:
    """Sends its CertReps in base64."""

    def change(request: Any, reply: HttpReply) -> HttpReply:
        return replace(reply, body=base64.b64encode(reply.body)) if is_message(request) else reply

    leaving(ca, change)


GARBAGE = HttpRequest(
    "POST", "/scep?operation=PKIOperation", (("Content-Type", "application/x-pki-message"),), b"\x30\x82\x7f\xff no CMS"
)


def _status(bench: Bench, request: HttpRequest) -> int:
    reply = bench.client().http(request).reply
    return reply.status if reply else 0


@wrong(ROBUSTNESS, "RFC 9110, 15.5: an error of the client gets 4xx", lambda b: _status(b, GARBAGE) == 500)
def garbage_is_http_500(ca: ScepService) -> None:
    """Replies to a message that it cannot read with 500."""
    leaving(ca, lambda request, reply: replace(reply, status=500, reason=None) if reply.status == 400 else reply)


@wrong(ROBUSTNESS, "RFC 9110, 15.3.1: 200 says that the request has succeeded", lambda b: _status(b, GARBAGE) == 200)
def garbage_is_http_200(ca: ScepService) -> None:
    """Replies to a message that it cannot read with 200 and a sentence."""
    leaving(ca, lambda request, reply: replace(reply, status=200, reason=None) if reply.status == 400 else reply)


def _dies(bench: Bench) -> bool:
    client = bench.client()
    client.http(GARBAGE)
    return not client.ask(client.order()).granted


@wrong(ROBUSTNESS, "RFC 8894, 7: no client's message may put the CA out of service", _dies)
def garbage_kills_it(ca: ScepService) -> None:
    """Replies only with 503 after a message that it could not read."""
    dead: list[bool] = []

    def change(request: Any, reply: HttpReply) -> HttpReply:
        if dead:
            return replace(reply, status=503, reason=None, body=b"out of service\n")
        if reply.status == 400:
            dead.append(True)
        return reply

    leaving(ca, change)


def _unknown(bench: Bench) -> bool:
    reply = bench.client().get("GetCoffee").reply
    return reply is not None and reply.status == 200


@wrong(INTEROPERABILITY, "RFC 8894, 4.1: OPERATION is one of the defined operations", _unknown)
def unknown_operation_gives_the_ca(ca: ScepService) -> None:
    """Replies to an unknown operation with the CA certificate."""

    def change(request: HttpRequest) -> HttpRequest:
        known = ("GetCACaps", "GetCACert", "GetNextCACert", "PKIOperation")
        if any(f"operation={name}" in request.target for name in known):
            return request
        return replace(request, target="/scep?operation=GetCACert")

    reaching(ca, change)


def _ends(bench: Bench) -> bool:
    exchange = bench.client().get("GetCACert")
    return exchange.reply is None or not exchange.reply.ends


@wrong(INTEROPERABILITY, "RFC 9112, 6.3: a body that is shorter than Content-Length is incomplete", _ends, serves=False)
def content_length_too_long(ca: ScepService) -> None:
    """Sends a Content-Length that is eight bytes too long, and closes the connection."""

    def handle(original: Any, request: Any, client: str) -> Any:
        delivery = original(request, client)
        head, _, body = delivery.octets.partition(b"\r\n\r\n")
        wrong_head = head.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % (len(body) + 8))
        return Delivery((Send(wrong_head + b"\r\n\r\n" + body),), keep_alive=False, tell=delivery.tell)

    around(ca, "handle", handle)
