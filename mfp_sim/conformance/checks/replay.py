"""The same request again: by accident, on purpose, at the same time. RFC 8894, 3.2.1.5 and 5.2."""

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
        raise Inconclusive(f"the second SUCCESS holds no certificate that can be read: {second.payload.problem}")
    yield fact(slug, len(serials) < 2, expected, got, first, second, mistake=mistake)


def _taken(answer: Answer) -> Answer:
    """The answer to a right request; Inconclusive unless it was granted or parked, as there is nothing to repeat."""
    if not (told(answer).granted or answer.parked):
        raise Inconclusive(f"a right request was not granted: {answer.text}")
    if answer.granted and answer.issued is None:
        raise Inconclusive(f"a SUCCESS holds no certificate that can be read: {answer.payload.problem}")
    return answer


@check(
    "replay-same-octets",
    "The same PKCSReq twice makes one certificate",
    "SCEP-3.2.1.5-08",
    "SCEP-5.2-04",
    why="Whoever records a request could otherwise have it fulfilled again; a client that lost the reply sends "
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
        "the same certificate again, or a refusal",
        first,
        second,
        "requests are not remembered, so each is a new order",
    )


@check(
    "replay-new-nonce",
    "The same request with a new nonce makes one certificate",
    "SCEP-5.2-04",
    why="It is how certmonger and many printers poll: the PKCSReq again, in the same transaction.",
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
        "the same certificate again, or a refusal",
        first,
        second,
        "the transactionID is not looked up",
    )


@check(
    "transaction-other-csr",
    "A transactionID that is used again with another CSR is an error",
    "SCEP-5.2-05",
    "SCEP-3.2.1.1-06",
    "SCEP-4.4-06",
    why="Whoever guesses an identifier could otherwise put his own request in the place of another's.",
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
        mistake="the transactionID is echoed and never looked up",
    )


@check(
    "transaction-lost-reply",
    "After a lost reply the request can be asked about",
    "SCEP-5.2-02",
    "SCEP-7.4-01",
    why="Printers lose power and networks lose packets; the certificate is issued all the same.",
    field_failures=("F-K07", "F-T22"),
    cost=1,
    proofs=(Proof("not-asked", defects=("forgets-and-refuses",)),),
)
def lost_reply(session: Client) -> Iterator[Fact]:
    order = session.order()
    first = session.ask(order)
    # As after a lost reply: the poll, and the request again. One of the two has to help.
    poll = session.ask(session.poll(order))
    again = session.ask(replace(order, nonce=session.entropy.octets(16)))
    helped = [a for a in (poll, again) if a.taken]
    got = f"CertPoll: {poll.text}; PKCSReq again: {again.text}"
    yield fact(
        "not-asked", bool(helped), "the certificate again, by poll or by the same request", got, first, poll, again
    )


@check(
    "duplicate-subject",
    "The same name with another key and transaction gets a deliberate answer",
    "SCEP-A-03",
    why="A device that was reset enrols anew under its old name; devices that are refused are bricked until somebody "
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
