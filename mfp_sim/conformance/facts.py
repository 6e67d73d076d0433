"""How checks report what they saw: a fact for an observation, and the facts of a refusal.

A refusal counts only for the right reason: a CertRep FAILURE that the server signed, with a failInfo that matches the
error. An HTTP error shows that something was refused, but not what. A lost connection or an unreadable reply shows
nothing: no fact holds because of it. A request that loses its reply every time is a fact of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mfp_sim.conformance.answers import Answer, Exchange
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckFunction, CheckVerdict, Fact
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.shared.scep.vocabulary import FailInfo

__all__ = ["answered", "fact", "processed", "processes", "refusal", "refused", "seen_through", "told"]

ANY = tuple(FailInfo)


def fact(
    slug: str,
    holds: bool,
    expected: str,
    got: str,
    *evidence: Answer | Exchange,
    requirement: str | None = None,
    at_most: CheckVerdict = CheckVerdict.FAIL,
    element: str | None = None,
    mistake: str | None = None,
    of_grant: bool = False,
    what: str | None = None,
) -> Fact:
    """An observation with the exchanges that show it; the last of them gives the kind of reply."""
    numbers = tuple(e.exchange.number if isinstance(e, Answer) else e.number for e in evidence)
    came = evidence[-1].came if evidence else None
    return Fact(
        slug, holds, expected, got, numbers, requirement, at_most, element, mistake, of_grant, came=came, what=what
    )


def answered(slug: str, holds: bool, expected: str, reply: Answer | Exchange, **more: Any) -> Fact:
    """A fact about one reply, which is its evidence and gives its ``got``; ``more`` are keywords of `fact`."""
    return fact(slug, holds, expected, reply.text, reply, **more)


def refusal(
    answer: Answer,
    what: str,
    *fitting: FailInfo,
    requirement: str | None = None,
    granted_at_most: CheckVerdict = CheckVerdict.FAIL,
    parking: bool = False,
    mistake: str | None = None,
    slug: str = "granted",
) -> Iterator[Fact]:
    """The facts of a request that must be refused.

    Args:
        answer: the reply.
        what: what was wrong with the request, as in "a wrong signature".
        fitting: the failInfo values that fit it; empty for any.
        requirement: the one that a grant breaks, if not the check's first.
        granted_at_most: caps that verdict.
        parking: whether PENDING counts as a refusal.
        mistake: the likely cause of a grant.
        slug: of the fact about a grant.
    """
    wanted = fitting or ANY
    names = " or ".join(info.label for info in fitting) or "a failInfo"
    expected = f"{what} is refused: CertRep FAILURE, {names}"
    yield answered(
        slug,
        not answer.handed_out and (parking or not answer.parked),
        expected,
        answer,
        requirement=requirement,
        at_most=granted_at_most,
        mistake=mistake,
        what=what,
    )
    unreadable = answer.reply is None or (answer.is_cms and answer.unclear is not None)
    if answer.handed_out or answer.parked or unreadable:
        return
    yield answered(
        "refused-without-certrep",
        answer.refused,
        expected,
        answer,
        requirement="SCEP-3.3.2.2-04",
        mistake="the server refuses the request without a CertRep, so a client sees a transport error and retries",
        what=what,
    )
    if not answer.refused:
        return
    if answer.distrust is not None:
        text, expected_word = f"{answer.text}, but {answer.distrust}", "the FAILURE is signed by the server"
        word = fact("refusal-not-signed", False, expected_word, text, answer, requirement="SCEP-3.2-05", what=what)
        yield replace(word, unclear=answer.unverifiable)
    fits = answer.fail_info in wanted
    yield answered(
        "refused-for-another-reason",
        fits,
        expected,
        answer,
        requirement="SCEP-3.3.2.2-01" if answer.fail_info is None else _USAGE[wanted[0]],
        at_most=CheckVerdict.FAIL if answer.fail_info is None else CheckVerdict.FINDING,
        element="signerInfos[0].signedAttrs.failInfo",
        mistake="the server uses one failInfo for several causes, so clients cannot distinguish them",
        what=what,
    )


_USAGE = {
    FailInfo.BAD_ALG: "SCEP-3.2.1.4-02",
    FailInfo.BAD_MESSAGE_CHECK: "SCEP-3.2.1.4-03",
    FailInfo.BAD_REQUEST: "SCEP-3.2.1.4-04",
    FailInfo.BAD_TIME: "SCEP-3.2.1.4-05",
    FailInfo.BAD_CERT_ID: "SCEP-3.2.1.4-07",
}


def processed(answer: Answer, what: str, *, slug: str = "not-processed", **more: Any) -> Fact:
    """The fact that a right but unusual request was granted or parked like any other."""
    return answered(slug, answer.taken, f"{what} is processed", answer, of_grant=True, what=what, **more)


def refused(
    session: Client,
    what: str,
    *fitting: FailInfo,
    parking: bool = False,
    granted_at_most: CheckVerdict = CheckVerdict.FAIL,
    mistake: str | None = None,
    slug: str = "granted",
    **order: Any,
) -> Iterator[Fact]:
    """Send a request that ``order`` (`Client.order`) makes wrong; gives the facts of its `refusal`."""
    answer = session.ask(session.order(wrong=True, **order), expect_refusal=True)
    more: Any = {"parking": parking, "granted_at_most": granted_at_most, "mistake": mistake, "slug": slug}
    yield from refusal(answer, what, *fitting, **more)


def processes(what: str, **order: Any) -> CheckFunction:
    """A check that sends one correct request, which ``order`` makes unusual."""

    def run(session: Client) -> Iterator[Fact]:
        yield processed(session.ask(session.order(**order)), what)

    return run


def told(answer: Answer) -> Answer:
    """The reply, if it shows anything.

    Raises:
        Inconclusive: it was lost or cannot be read, so nothing follows from it.
    """
    if answer.unclear is not None and (answer.reply is None or answer.is_cms):
        raise Inconclusive(answer.unclear)
    return answer


LOST = "connection-lost"
"""Slug of the fact that a request loses its reply every time while the server runs."""


def seen_through(
    facts: Iterable[Fact], exchanges: Sequence[Exchange], answers: Iterable[Answer], first: int
) -> list[Fact]:
    """The facts of a check, without those that have no evidence.

    A fact does not hold because of a reply that was lost or cannot be read, and does not deviate because of it either:
    the network may have lost the reply, and an unreadable reply may be anything. Requests that lose their reply every
    time are a fact of their own, unless another fact says so.

    Args:
        facts: from the check.
        exchanges: of the run.
        answers: of the run.
        first: the number of exchanges before this check.
    """
    by_number = {answer.exchange.number: answer for answer in answers}
    found = []
    for one in facts:
        why = next(filter(None, (_groundless(one, exchanges[n - 1], by_number.get(n)) for n in one.evidence)), None)
        found.append(one if why is None else replace(one, holds=False, unclear=True, got=why))
    lost = [exchange for exchange in exchanges[first:] if exchange.confirmed]
    told = {number for one in found if one.deviates for number in one.evidence}
    unsaid = [exchange for exchange in lost if exchange.number not in told]
    if unsaid:
        mistake = "the request crashes its handler every time, or a proxy in front of the server drops it"
        expected = "a reply to each request"
        got = unsaid[0].text
        found.append(fact(LOST, False, expected, got, *unsaid, requirement="SCEP-4.1-19", mistake=mistake))
    return found


def _groundless(one: Fact, exchange: Exchange, answer: Answer | None) -> str | None:
    """Why an exchange cannot be evidence for the fact; None if it can."""
    if exchange.reply is None and (one.holds or not exchange.confirmed):
        return f"there was no reply: {exchange.text}"
    if exchange.reply is None or answer is None or answer.unclear is None:
        return None
    return answer.unclear if one.holds or answer.is_cms else None
