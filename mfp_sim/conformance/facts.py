"""How checks say what they saw: a fact for an observation, and the facts of a refusal.

A refusal counts only for the right reason: a CertRep FAILURE that the server signed, with a failInfo that fits what was
wrong. An HTTP error says that something was refused, and not what; a lost connection says nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mfp_sim.conformance.answers import Answer, Exchange
from mfp_sim.conformance.model import Fact, Verdict
from mfp_sim.scep.vocabulary import FailInfo

__all__ = ["fact", "kept_apart", "processed", "refusal"]

ANY = tuple(FailInfo)


def fact(
    slug: str,
    holds: bool,
    expected: str,
    got: str,
    *evidence: Answer | Exchange,
    requirement: str | None = None,
    at_most: Verdict = Verdict.FAIL,
    element: str | None = None,
    mistake: str | None = None,
) -> Fact:
    """An observation with the exchanges that show it."""
    numbers = tuple(e.exchange.number if isinstance(e, Answer) else e.number for e in evidence)
    return Fact(slug, holds, expected, got, numbers, requirement, at_most, element, mistake)


def refusal(
    answer: Answer,
    what: str,
    *fitting: FailInfo,
    requirement: str | None = None,
    granted_at_most: Verdict = Verdict.FAIL,
    parking: bool = False,
    mistake: str | None = None,
    slug: str = "granted",
) -> Iterator[Fact]:
    """The facts of a request that has to be refused.

    Args:
        answer: the reply.
        what: what was wrong with the request, as in "a wrong signature".
        fitting: the failInfo values that fit it; any without.
        requirement: the one that a grant breaks, where not the check's first.
        granted_at_most: caps that verdict.
        parking: PENDING is as good as a refusal.
        mistake: the likely cause of a grant.
        slug: of the fact that it was granted.
    """
    wanted = fitting or ANY
    names = " or ".join(info.label for info in fitting) or "a failInfo"
    expected = f"{what} is refused: CertRep FAILURE, {names}"
    yield fact(
        slug,
        not answer.granted and (parking or not answer.parked),
        expected,
        answer.text,
        answer,
        requirement=requirement,
        at_most=granted_at_most,
        mistake=mistake,
    )
    if answer.granted or answer.parked:
        return
    yield fact(
        "refused-without-certrep",
        answer.refused,
        expected,
        answer.text,
        answer,
        requirement="SCEP-3.3.2.2-04",
        mistake="the request is turned down before a CertRep is made, so a client sees a transport error and retries",
    )
    if not answer.refused:
        return
    if answer.distrust is not None:
        text = f"{answer.text}, but {answer.distrust}"
        yield fact(
            "refusal-not-signed", False, "the FAILURE is signed by the server", text, answer, requirement="SCEP-3.2-05"
        )
    fits = answer.fail_info in wanted
    yield fact(
        "refused-for-another-reason",
        fits,
        expected,
        answer.text,
        answer,
        requirement="SCEP-3.3.2.2-01" if answer.fail_info is None else _USAGE[wanted[0]],
        at_most=Verdict.FAIL if answer.fail_info is None else Verdict.FINDING,
        element="signerInfos[0].signedAttrs.failInfo",
        mistake="the server maps several causes to one failInfo, so clients cannot tell them apart",
    )


_USAGE = {
    FailInfo.BAD_ALG: "SCEP-3.2.1.4-02",
    FailInfo.BAD_MESSAGE_CHECK: "SCEP-3.2.1.4-03",
    FailInfo.BAD_REQUEST: "SCEP-3.2.1.4-04",
    FailInfo.BAD_TIME: "SCEP-3.2.1.4-05",
    FailInfo.BAD_CERT_ID: "SCEP-3.2.1.4-07",
}


def processed(answer: Answer, what: str, *, slug: str = "not-processed", **more: object) -> Fact:
    """The fact that a right, if unusual, request was granted or parked like any other."""
    done = answer.granted or answer.parked
    found = fact(slug, done, f"{what} is processed", answer.text, answer, **more)  # type: ignore[arg-type]
    return replace(found, of_grant=True)


def kept_apart(slug: str, holds: bool, expected: str, values: Iterable[str], *evidence: Answer | Exchange) -> Fact:
    """A fact over several values that are shown one after the other."""
    return fact(slug, holds, expected, "; ".join(values), *evidence)
