"""GetNextCACert: signed by the current CA, nested, and a CA that can follow. RFC 8894, 4.7 and 5.1."""

from __future__ import annotations

from collections.abc import Iterator

from mfp_sim.conformance.answers import Exchange
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact
from mfp_sim.conformance.model import Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.contents import NextCaReply, read_next_ca
from mfp_sim.shared.scep.http_messages import NEXT_CA_CERT, HttpReply
from mfp_sim.shared.scep.messages import read_ca_certificates
from mfp_sim.shared.scep.vocabulary import Operation

NEXT = {"next_ca": True}


def _exchange(session: Client) -> Exchange:
    if "next" not in session.questions:
        session.questions["next"] = session.get(Operation.GET_NEXT_CA_CERT)
    return session.questions["next"]


def _given(session: Client) -> tuple[Exchange, HttpReply]:
    session.need("GetNextCACert")
    exchange = _exchange(session)
    if exchange.reply is None or exchange.reply.status != 200:
        raise NotApplicable(f"the server returned no next CA: {exchange.text}")
    return exchange, exchange.reply


def _next(session: Client) -> tuple[Exchange, NextCaReply]:
    exchange, reply = _given(session)
    return exchange, read_next_ca(reply.body, reply.media_type)


@check(
    "next-not-available",
    "A CA without a successor refuses GetNextCACert with an HTTP error",
    "SCEP-4.7-04",
    "SCEP-4.7-02",
    why="Clients treat an empty 200, or the current certificate, as the next CA.",
    field_failures=("F-N04", "F-N05", "F-T27"),
    reads=True,
    proofs=(Proof("answered", defects=("answers-next-with-present",)),),
)
def not_available(session: Client) -> Iterator[Fact]:
    if session.caps_exchange.reply is None:
        raise Inconclusive(f"GetCACaps got no reply: {session.caps_exchange.text}")
    if session.capabilities.next_ca:
        raise NotApplicable("GetNextCACert is advertised")
    exchange = _exchange(session)
    if exchange.reply is None:
        raise Inconclusive(f"GetNextCACert got no reply: {exchange.text}")
    status = exchange.reply.status
    refused = 400 <= status < 500 or status == 501
    yield answered(
        "answered",
        refused,
        "HTTP 4xx or 501",
        exchange,
        mistake="the server handles an unknown operation as another one",
        what="GetNextCACert",
    )


@check(
    "next-signed-by-current",
    "The reply to GetNextCACert is signed by the current CA",
    "SCEP-4.7.1-01",
    "SCEP-6.3-01",
    why="Otherwise anyone on the network can introduce a CA to every device.",
    field_failures=("F-R13",),
    reads=True,
    tags=("security",),
    breaches=("not-signed-by-current",),
    proofs=(Proof("not-signed-by-current", "next-signed-by-next", setup=NEXT),
            Proof("not-signed-by-current", "next-signed-by-stranger", setup=NEXT)),
)  # fmt: skip
def signed(session: Client) -> Iterator[Fact]:
    exchange, reply = _given(session)
    expected = "a signature by a certificate of GetCACert that verifies"
    try:
        found = read_next_ca(reply.body, reply.media_type)
    except DecodeError as error:
        if not _bare(reply.body):
            raise Inconclusive(f"the reply cannot be read: {error}") from None
        yield fact("not-signed-by-current", False, expected, "unsigned certificates", exchange)
        return
    try:
        signer = found.signer(session.ca_certificates)
        if signer is not None:
            found.verify(signer)
        got = "its signature verifies" if signer is not None else "its signer is not a certificate of GetCACert"
    except MfpSimError as error:
        signer, got = None, error.message
    yield fact("not-signed-by-current", signer is not None, expected, got, exchange)


def _bare(body: bytes) -> bool:
    """Certificates in the form of GetCACert."""
    try:
        return bool(read_ca_certificates(body, None)[0])
    except DecodeError:
        return False


@check(
    "next-media-type",
    "The reply to GetNextCACert has Content-Type application/x-x509-next-ca-cert",
    "SCEP-4.7.1-03",
    why="Clients distinguish it from a reply to GetCACert by the type.",
    reads=True,
    proofs=(Proof("other-type", "next-ct", setup=NEXT),),
)
def media(session: Client) -> Iterator[Fact]:
    exchange, _ = _next(session)
    got = exchange.reply.media_type if exchange.reply else None
    yield fact("other-type", got == NEXT_CA_CERT, NEXT_CA_CERT, got or "none", exchange)


@check(
    "next-nested",
    "The signed content of GetNextCACert is a certificates-only SignedData",
    "SCEP-4.7.1-04",
    why="The signature does not cover certificates in the outer certificates field.",
    field_failures=("F-R13",),
    reads=True,
    proofs=(Proof("flat", "next-flat", setup=NEXT),),
)
def nested(session: Client) -> Iterator[Fact]:
    exchange, found = _next(session)
    inside = found.signed_data.content is not None
    yield fact("flat", inside, "a SignedData as content", "no content" if not inside else "nested", exchange)


@check(
    "next-no-scep-attributes",
    "The reply to GetNextCACert has no SCEP attributes",
    "SCEP-4.7.1-05",
    why="The reply is not a pkiMessage and belongs to no transaction.",
    reads=True,
    proofs=(Proof("scep-attributes", defects=("next-with-attributes",), setup=NEXT),),
)
def attributes(session: Client) -> Iterator[Fact]:
    exchange, found = _next(session)
    names = [name for name, oid in v.SCEP_ATTRIBUTES.items() if oid in found.signed_data.attributes]
    yield fact("scep-attributes", not names, "none", ", ".join(names) or "none", exchange)


@check(
    "next-plausible",
    "The next CA certificate can follow the current one",
    "SCEP-4.7.1-06",
    why="With the same certificate, a gap in time, or a certificate that is not a CA's, a rollover fails.",
    reads=True,
    proofs=tuple(
        Proof("implausible", fault, setup=NEXT) for fault in ("next-same-cert", "next-expired", "next-not-ca")
    ),
)
def plausible(session: Client) -> Iterator[Fact]:
    exchange, found = _next(session)
    present, new = session.issuer, found.certificates[0]
    wrong = []
    if new.der == present.der:
        wrong.append("it is the current certificate")
    if not new.is_ca:
        wrong.append("it is not a CA certificate")
    if new.not_after <= present.not_after and new.der != present.der:
        wrong.append("it expires no later than the current one")
    if new.not_before > present.not_after:
        wrong.append("it begins after the current one has expired")
    got = f"{new.subject_text}, {new.not_before:%Y-%m-%d} to {new.not_after:%Y-%m-%d}"
    yield fact(
        "implausible",
        not wrong,
        "a new CA certificate whose validity continues that of the current one",
        f"{got}: {', '.join(wrong)}" if wrong else got,
        exchange,
    )
