"""GetCACaps: the form of the list, and whether the list is true. RFC 8894, 2.9, 3.5.1, 3.5.2 and 6."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed
from mfp_sim.conformance.model import CheckVerdict, Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check, row
from mfp_sim.conformance.renewals import WAYS, asked_to_renew, too_early
from mfp_sim.shared.scep.http_messages import KEYWORDS, read_capabilities
from mfp_sim.shared.scep.vocabulary import MessageType, Operation

LEGACY = ("Update", "SHA-224", "SHA-384", "SHAng", "SubjectAltName")
_KEYWORD = re.compile(rb"[A-Za-z0-9.-]+")
_PRIVATE = re.compile(r"[A-Za-z0-9.]+\.[A-Za-z]+-.+")


def _body(session: Client) -> bytes:
    reply = session.caps_exchange.reply
    if reply is None or reply.status != 200:
        raise Inconclusive(f"GetCACaps returned no list: {session.caps_exchange.text}")
    return reply.body


@check(
    "caps-supported",
    "GetCACaps is answered",
    "SCEP-2.9-01",
    "SCEP-3.5-01",
    "SCEP-3.5.2-21",
    why="Without the list, clients fall back to 3DES and SHA-1 or, like macOS and iOS, do not enrol.",
    field_failures=("F-T20", "F-N01", "F-N06"),
    reads=True,
    mild="only a CA that supports no listed capability may return an error; mfp-sim cannot judge such a CA",
    proofs=(Proof("no-answer", "caps-close"), Proof("http-error", "caps-404")),
)
def caps_supported(session: Client) -> Iterator[Fact]:
    exchange = session.caps_exchange
    yield answered(
        "no-answer",
        exchange.reply is not None,
        "a reply to GetCACaps",
        exchange,
        mistake="the server closes the connection when it gets an unknown operation",
    )
    if exchange.reply is not None:
        status = exchange.reply.status
        yield fact(
            "http-error", status == 200, "HTTP 200 with a list", f"HTTP {status}", exchange, at_most=CheckVerdict.WARN
        )


@check(
    "caps-keywords-plain",
    "GetCACaps returns a plain list of keywords",
    "SCEP-3.5.2-01",
    why="Clients compare whole lines: quotation marks, a byte order mark or HTML hide a capability.",
    field_failures=("F-T10", "F-N06"),
    reads=True,
    proofs=(Proof("not-a-keyword", "caps-quoted"), Proof("not-a-keyword", "caps-bom")),
)
def caps_plain(session: Client) -> Iterator[Fact]:
    lines = [line.rstrip(b"\r") for line in _body(session).split(b"\n")]
    odd = [line for line in lines if line and not _KEYWORD.fullmatch(line)]
    got = f"the line {odd[0][:60]!r}" if odd else "keywords only"
    yield fact("not-a-keyword", not odd, "lines of letters, digits, dots and hyphens", got, session.caps_exchange)


@check(
    "caps-keyword-case",
    "Keywords are spelled as in the RFC",
    "SCEP-3.5.2-13",
    why="Clients may compare case-sensitively; they ignore a keyword in another case.",
    field_failures=("F-N02",),
    reads=True,
    proofs=(Proof("other-case", ca={"capabilities": ("aes", "POSTPKIOPERATION", "SHA-256", "SCEPStandard")}),),
)
def caps_case(session: Client) -> Iterator[Fact]:
    _body(session)
    known = {word.lower(): word for word in KEYWORDS}
    wrong = [w for w in session.capabilities.keywords if w.lower() in known and w != known[w.lower()]]
    got = f"{wrong[0]} instead of {known[wrong[0].lower()]}" if wrong else "as specified"
    yield fact("other-case", not wrong, "the RFC's letter case", got, session.caps_exchange)


@check(
    "caps-registered",
    "Keywords are registered or have a domain prefix",
    "SCEP-6-01",
    "SCEP-3.5.2-11",
    why="A private keyword without a prefix may later be registered with another meaning.",
    reads=True,
    proofs=(Proof("not-registered", ca={"capabilities": ("AES", "SHA-256", "POSTPKIOperation", "Turbo")}),),
)
def caps_registered(session: Client) -> Iterator[Fact]:
    _body(session)
    known = {word.lower() for word in (*KEYWORDS, *LEGACY)}
    wrong = [w for w in session.capabilities.keywords if w.lower() not in known and not _PRIVATE.fullmatch(w)]
    expected = "registered keywords, or Example.com-Name"
    yield fact("not-registered", not wrong, expected, ", ".join(wrong) or "registered ones", session.caps_exchange)


@check(
    "caps-content-type",
    "GetCACaps has Content-Type text/plain",
    "SCEP-3.5.2-23",
    why="Proxies and clients process HTML and byte streams differently.",
    field_failures=("F-T10",),
    reads=True,
    proofs=(Proof("media-type", defects=("caps-as-html",)),),
)
def caps_content_type(session: Client) -> Iterator[Fact]:
    _body(session)
    reply = session.caps_exchange.reply
    media = reply.media_type if reply else None
    yield fact("media-type", media == "text/plain", "text/plain", media or "no Content-Type", session.caps_exchange)


@check(
    "caps-message-parameter",
    "GetCACaps and GetCACert accept a message parameter",
    "SCEP-3.5.1-02",
    "SCEP-4.2-02",
    why="Older clients always send a CA name there; certmonger sends message=0.",
    field_failures=("F-T13", "F-T14"),
    reads=True,
    proofs=(Proof("parameter-refused", defects=("refuses-message-parameter",)),),
)
def message_parameter(session: Client) -> Iterator[Fact]:
    for operation, first in (
        (Operation.GET_CA_CAPS, session.caps_exchange),
        (Operation.GET_CA_CERT, session.ca_exchange),
    ):
        if not first.ok:
            continue
        for message in ("", "0", "CAIdentifier", "*"):
            again = session.get(operation, message)
            expected = f"{operation.value}&message={message} gets the same reply as without message"
            mistake = "the server looks for a CA of that name"
            yield answered("parameter-refused", again.ok, expected, again, mistake=mistake)


# --- is it true? ------------------------------------------------------------------------------------------


def _truth(session: Client, keyword: str, changes: dict[str, Any]) -> Iterator[Fact]:
    session.need(keyword)
    yield processed(
        session.ask(session.order(**changes)),
        f"a request that uses the advertised {keyword}",
        slug="advertised-not-served",
        mistake="the capability list is a constant that does not match the code or its crypto policy",
    )


for _keyword, _requirement, _changes, _proof in (
    ("AES", "SCEP-3.5.2-02", {"cipher": "aes-128-cbc"}, Proof("advertised-not-served", "caps-lie-aes")),
    ("DES3", "SCEP-3.5.2-03", {"cipher": "des-ede3-cbc"}, Proof("advertised-not-served", "caps-lie-des3")),
    ("SHA-1", "SCEP-3.5.2-07", {"digest": "sha1"}, Proof("advertised-not-served", "caps-lie-sha-1")),
    ("SHA-256", "SCEP-3.5.2-08", {"digest": "sha256"}, Proof("advertised-not-served", "caps-lie-sha-256")),
    ("SHA-512", "SCEP-3.5.2-09", {"digest": "sha512"}, Proof("advertised-not-served", "caps-lie-sha-512")),
    ("POSTPKIOperation", "SCEP-3.5.2-05", {"method": "POST"},
     Proof("advertised-not-served", "caps-lie-postpkioperation")),
):  # fmt: skip
    row(
        __name__,
        f"caps-true-{_keyword.lower()}",
        f"{_keyword} is advertised only if it works",
        _requirement,
        run=partial(_truth, keyword=_keyword, changes=_changes),
        why="Clients choose an algorithm from the list and do not retry with another.",
        field_failures=("F-N08",),
        cost=1,
        proofs=(_proof,),
    )


@check(
    "caps-true-renewal",
    "Renewal is advertised only if RenewalReq works",
    "SCEP-3.5.2-06",
    why="A device stops renewing after the first failed RenewalReq, and the certificate expires unnoticed.",
    field_failures=("F-N03", "F-W01"),
    cost=1,
    proofs=(Proof("advertised-not-served", "caps-lie-renewal"),),
)
def caps_renewal(session: Client) -> Iterator[Fact]:
    session.need("Renewal")
    for way in WAYS:
        if way.message_type is not MessageType.RENEWAL_REQ or (way.challenged and session.challenges.next() is None):
            continue
        _, answer = asked_to_renew(session, way)
        if answer.taken:
            break
        if too_early(answer):
            raise Inconclusive(f"not tried: the server renews only closer to the certificate's expiry: {answer.text}")
    yield processed(answer, "an advertised RenewalReq", slug="advertised-not-served")


@check(
    "caps-true-getnextcacert",
    "GetNextCACert is advertised only if it works",
    "SCEP-3.5.2-04",
    "SCEP-2.2-09",
    why="Clients that see the keyword send GetNextCACert and take a 404 for a wrong URL.",
    field_failures=("F-N04", "F-N05"),
    reads=True,
    proofs=(Proof("advertised-not-served", "caps-lie-getnextcacert"), Proof("advertised-not-served", "next-404")),
)
def caps_next(session: Client) -> Iterator[Fact]:
    session.need("GetNextCACert")
    exchange = session.get(Operation.GET_NEXT_CA_CERT)
    good = exchange.reply is not None and exchange.reply.status == 200 and bool(exchange.reply.body)
    yield answered("advertised-not-served", good, "the next CA's certificate", exchange)


@check(
    "caps-scepstandard",
    "SCEPStandard means that all mandatory features work",
    "SCEP-3.5.2-10",
    why="A client that sees the keyword uses POST, AES-128 and SHA-256 without further checks.",
    field_failures=("F-N08",),
    cost=1,
    proofs=(Proof("standard-not-served", "caps-lie-aes"),),
)
def caps_standard(session: Client) -> Iterator[Fact]:
    session.need("SCEPStandard")
    answer = session.ask(session.order(method="POST", cipher="aes-128-cbc", digest="sha256"))
    yield processed(answer, "a request by POST with AES-128 and SHA-256", slug="standard-not-served")


@check(
    "caps-modern",
    "A server that supports POST, AES and SHA-256 advertises them",
    "SCEP-3.5.2-02",
    "SCEP-3.5.2-08",
    why="Clients do not use what is not advertised: they use 3DES and SHA-1 although the server supports better.",
    field_failures=("F-N06", "F-N07"),
    cost=1,
    proofs=(Proof("not-advertised", ca={"capabilities": ("DES3", "SHA-1")}),),
)
def caps_modern(session: Client) -> Iterator[Fact]:
    caps = session.capabilities
    if session.caps_exchange.reply is None:
        raise Inconclusive(f"GetCACaps got no reply: {session.caps_exchange.text}")
    told = caps.post and caps.cipher == "aes-128-cbc" and caps.digest == "sha256"
    if not told:
        answer = session.ask(session.order(method="POST", cipher="aes-128-cbc", digest="sha256"))
        if not answer.taken:
            raise NotApplicable("the server supports nothing better than it advertises")
        got = ", ".join(caps.keywords) or "nothing"
        yield fact("not-advertised", False, "AES, SHA-256 and POSTPKIOperation, or SCEPStandard", got, answer)
    else:
        yield fact(
            "not-advertised",
            True,
            "AES, SHA-256 and POSTPKIOperation, or SCEPStandard",
            "they are advertised",
            session.caps_exchange,
        )


@check(
    "caps-stable",
    "GetCACaps returns the same list each time",
    "SCEP-3.5.2-01",
    why="If back ends of two versions share a load balancer, clients behave differently by chance.",
    reads=True,
    proofs=(Proof("list-changes", defects=("caps-flip-flop",)),),
)
def caps_stable(session: Client) -> Iterator[Fact]:
    first = frozenset(read_capabilities(_body(session)).keywords)
    for _ in range(4):
        again = session.get(Operation.GET_CA_CAPS)
        if again.reply is None or again.reply.status != 200:
            raise Inconclusive(f"the second GetCACaps returned no list: {again.text}")
        body = again.reply.body
        words = frozenset(read_capabilities(body).keywords)
        got = " ".join(sorted(words ^ first))
        yield fact("list-changes", words == first, "the same keywords", f"a difference in: {got}", again)
