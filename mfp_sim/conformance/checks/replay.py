"""Repeated requests: by accident, on purpose, at the same time. RFC 8894, 3.2.1.5 and 5.2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, refused, told
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep.vocabulary import FailInfo

TWICE = Proof("second-certificate", defects=("reissues",))


def _serials(*answers: Answer) -> list[int]:
    return sorted({a.issued.serial for a in answers if a.issued is not None})


def _judge(slug: str, expected: str, first: Answer, second: Answer, mistake: str) -> Iterator[Fact]:
    serials = _serials(first, second)
    got = f"{second.text}; serials {', '.join(f'{serial:x}' for serial in serials)}"
    if second.granted and second.issued is None:
        raise Inconclusive(f"the second SUCCESS contains no readable certificate: {second.payload.problem}")
    yield fact(slug, len(serials) < 2, expected, got, first, second, mistake=mistake)


def _taken(answer: Answer) -> Answer:
    """The reply to a right request; Inconclusive unless it was granted or parked, as there is nothing to repeat."""
    if not (told(answer).granted or answer.parked):
        raise Inconclusive(f"a right request was not granted: {answer.text}")
    if answer.granted and answer.issued is None:
        raise Inconclusive(f"a SUCCESS contains no readable certificate: {answer.payload.problem}")
    return answer


@check(
    "replay-same-octets",
    "A repeated PKCSReq does not get a second certificate",
    "SCEP-3.2.1.5-08",
    "SCEP-5.2-04",
    why="Otherwise anyone who recorded a request could have it granted again; a client that lost the reply sends "
    "it again.",
    field_failures=("F-X07", "F-K03"),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(TWICE,),
)
def same_octets(session: Client) -> Iterator[Fact]:
    order = session.order()
    octets = session.encode(order)
    first = _taken(session.ask(order, octets=octets))
    second = session.ask(order, octets=octets, expect_refusal=True)
    yield from _judge(
        "second-certificate",
        "the same certificate, or a refusal",
        first,
        second,
        "the server does not remember requests, so it grants each one as new",
    )


@check(
    "replay-new-nonce",
    "A repeated request with a new nonce does not get a second certificate",
    "SCEP-5.2-04",
    why="certmonger and many printers poll in this way: they send the PKCSReq again, in the same transaction.",
    field_failures=("F-X07", "F-P06", "F-P08"),
    cost=1,
    negative=True,
    tags=("clients",),
    gain=Gain.NOTHING,
    proofs=(TWICE,),
)
def new_nonce(session: Client) -> Iterator[Fact]:
    order = session.order()
    first = _taken(session.ask(order))
    second = session.ask(replace(order, nonce=session.entropy.octets(16)), expect_refusal=True)
    yield from _judge(
        "second-certificate",
        "the same certificate, or a refusal",
        first,
        second,
        "the server does not look up the transactionID",
    )


@check(
    "transaction-other-csr",
    "A known transactionID with another CSR is refused",
    "SCEP-5.2-05",
    "SCEP-3.2.1.1-06",
    "SCEP-4.4-06",
    why="Otherwise anyone who guesses a transactionID could replace another client's request.",
    field_failures=("F-X08",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(Proof("granted", defects=("reissues",)),),
)
def other_csr(session: Client) -> Iterator[Fact]:
    first = session.order()
    _taken(session.ask(first))
    yield from refused(
        session,
        "a second CSR under the same transactionID",
        FailInfo.BAD_REQUEST,
        transaction_id=first.transaction_id,
        parking=True,
        granted_at_most=CheckVerdict.FINDING,
        mistake="the server returns the transactionID but never looks it up",
    )


@check(
    "transaction-lost-reply",
    "After a lost reply, a poll or the same request returns the certificate",
    "SCEP-5.2-02",
    "SCEP-7.4-01",
    why="Printers lose power and networks lose packets after the certificate has been issued.",
    field_failures=("F-K07", "F-T22"),
    cost=1,
    proofs=(Proof("not-asked", defects=("forgets-and-refuses",)),),
)
def lost_reply(session: Client) -> Iterator[Fact]:
    order = session.order()
    first = session.ask(order)
    # As after a lost reply: the poll, and the request again. One of the two must help.
    poll = session.ask(session.poll(order))
    again = session.ask(replace(order, nonce=session.entropy.octets(16)))
    helped = [a for a in (poll, again) if a.taken]
    got = f"CertPoll: {poll.text}; PKCSReq again: {again.text}"
    yield fact("not-asked", bool(helped), "the certificate, by poll or by the same request", got, first, poll, again)


@check(
    "duplicate-subject",
    "A request for a known name with another key gets a certificate, PENDING or FAILURE",
    "SCEP-A-03",
    why="A device that was reset enrols again under its old name; if it is refused, it stays unusable until someone "
    "revokes.",
    field_failures=("F-W09", "F-S14", "F-S05"),
    cost=2,
    tags=("clients",),
    proofs=(Proof("refused", setup={"duplicates": timedelta(0)}),),
)
def duplicate(session: Client) -> Iterator[Fact]:
    subject = session.subject()
    session.enrol(subject=subject)
    answer = session.ask(session.order(subject=subject))
    yield answered(
        "refused",
        answer.taken,
        "a second certificate for the name, or PENDING",
        answer,
        at_most=CheckVerdict.FINDING,
        of_grant=True,
    )
