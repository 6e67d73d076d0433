"""Checks that send nothing of their own: they judge every CertRep of the run, and make sure that there are some.

Each is a row: what the reader notes about a message, or a rule over replies, and its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import fact
from mfp_sim.conformance.model import CheckVerdict, Fact
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import row
from mfp_sim.shared.errors import DecodeError

__all__ = ["SHOWN", "noted", "over", "watch"]

WatchRule = Callable[[Client], Iterator[Fact]]
SHOWN = 5
"""The most exchanges that one observation lists."""


def watch(
    module: str, identifier: str, title: str, *requirements: str, judge: WatchRule, why: str, **fields: Any
) -> None:
    """Register a check that watches; ``module`` is the ``__name__`` of its chapter."""

    def run(session: Client) -> Iterator[Fact]:
        session.look()
        if not session.replies:
            raise Inconclusive("the whole run got no CertRep")
        found = list(judge(session))
        if not found:
            raise Inconclusive("the run has no such message")
        yield from collapsed(found)

    row(module, identifier, title, *requirements, run=run, why=why, watches=True, reads=True, **fields)


def collapsed(facts: Iterable[Fact]) -> list[Fact]:
    """Equal observations merged, with the first exchanges that show them."""
    found: dict[tuple[object, ...], Fact] = {}
    for one in facts:
        key = (one.slug, one.holds, one.expected, one.got if not one.holds else "", one.requirement)
        known = found.get(key)
        if known is None:
            found[key] = one
        elif len(known.evidence) < SHOWN:
            found[key] = replace(known, evidence=(*known.evidence, *one.evidence)[:SHOWN])
    return list(found.values())


def noted(
    slug: str,
    expected: str,
    *ids: str,
    broken: Callable[[DecodeError], bool] | None = None,
    requirement: str | None = None,
    at_most: CheckVerdict = CheckVerdict.FAIL,
    mistake: str | None = None,
) -> WatchRule:
    """Judge by what the reader notes under ``ids``, or by ``broken``: why it stopped reading."""

    def judge(session: Client) -> Iterator[Fact]:
        common: dict[str, Any] = {"requirement": requirement, "at_most": at_most, "mistake": mistake}
        for answer in session.replies:
            problem = answer.problem
            if problem is not None and broken is not None and broken(problem):
                yield fact(slug, False, expected, str(problem), answer, element=problem.path, **common)
                continue
            if answer.signed is None:
                continue
            notes = answer.message.notes if answer.message else answer.signed.notes
            wrong = [note for note in notes if note.requirement in ids]
            for note in wrong:
                yield fact(slug, False, expected, note.text, answer, element=note.path, **common)
            if not wrong and (problem is None or answer.message is not None):
                yield fact(slug, True, expected, "as expected", answer)

    return judge


def over(
    slug: str,
    expected: str,
    rule: Callable[[Client, Answer], str | None],
    *,
    only: Callable[[Answer], bool] = lambda _: True,
    **more: Any,
) -> WatchRule:
    """Judge by a rule over each CertRep: it returns the problem in words, or None."""

    def judge(session: Client) -> Iterator[Fact]:
        for answer in session.cert_reps:
            if only(answer):
                wrong = rule(session, answer)
                yield fact(slug, wrong is None, expected, wrong or "as expected", answer, **(more if wrong else {}))

    return judge
