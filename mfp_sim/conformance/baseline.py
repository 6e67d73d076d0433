"""The file of expected failures of one server, or of one client: strict both ways, each with a reason and an expiry.

A failure that is not listed is a regression. Remove the line of a listed failure that no longer happens, and review a
line whose date has passed. A listed check that was selected but not judged is not as expected either. ``id`` is a
check, or ``printer:MODEL``. Only a line with ``security-fail`` expects a security failure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from mfp_sim.conformance.printers import MODELS
from mfp_sim.conformance.registry import all_checks
from mfp_sim.report.model import Baseline
from mfp_sim.shared.documents import Node, Problems, describe, did_you_mean, load
from mfp_sim.shared.documents.kinds import Leaf, Scalar, Schema, Text
from mfp_sim.shared.documents.records import Constraint, Given, document, read

__all__ = ["BAD", "BAD_IF_STRICT", "SECURITY_FAIL", "BaselineLine", "compared", "load_baseline", "waived"]


SECURITY_FAIL = "security-fail"
"""The verdict, in a baseline, of a check that saw a security failure."""
BAD = frozenset({SECURITY_FAIL, "fail", "does-not-work"})
BAD_IF_STRICT = frozenset({"warn", "finding", "works-with"})
"""Verdicts that are wrong without a baseline."""


class _Reading(Problems):
    """The problems of a baseline, and the ids that it may list; ``remedy`` names the command that lists them."""

    def __init__(self, known: Collection[str], remedy: str) -> None:
        super().__init__()
        self.known, self.remedy = known, remedy


class _Judged(Leaf):
    """The id of a check or printer model."""

    shape: ClassVar[Schema] = {"type": "string"}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        assert isinstance(problems, _Reading)
        if text is not None and text not in problems.known:
            hint = did_you_mean(text, problems.known) or f"{problems.remedy} shows all ids"
            problems.add(node, f"there is no check {text!r}", hint)
            return None
        return text


class _Day(Leaf):
    """A date, ``YYYY-MM-DD``."""

    shape: ClassVar[Schema] = {"type": "string", "format": "date"}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        try:
            return None if text is None else date.fromisoformat(text)
        except ValueError:
            problems.add(node, f"{what} must be a date, not {describe(node)}", "write 2027-06-30")
            return None


@document("an expected failure")
@dataclass(frozen=True)
class BaselineLine:
    """One line: what is expected, why, and until when. ``by_chance``: a run may or may not show it, like a race; then a
    better verdict is as expected too."""

    id: Annotated[str, _Judged()]
    verdict: Literal["security-fail", "fail", "warn", "finding", "works-with", "does-not-work"]
    reason: Annotated[str, Text("an expected failure needs a reason")]
    expires: Annotated[date, _Day()]
    by_chance: bool = False

    def met_by(self, verdict: str) -> bool:
        """Whether a verdict is as expected."""
        return verdict == self.verdict or (self.by_chance and not _worse(verdict, self.verdict))


def _listed_once(given: Given, problems: Problems) -> None:
    """Report ids that are listed twice."""
    listed: set[object] = set()
    for line in given.keys["expected"] if "expected" in given.values else ():
        name = line.get("id")
        if name is not None and name.value in listed:
            problems.add(name, f"{name.value} is listed twice", "keep one of the two lines")
        listed.add(name and name.value)


@document("a baseline", Constraint({}, _listed_once))
@dataclass(frozen=True)
class _File:
    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    expected: tuple[BaselineLine, ...]
    server: str = ""


def load_baseline(
    path: Path, known: Collection[str] | None = None, remedy: str = "mfp-sim conform --list"
) -> tuple[BaselineLine, ...]:
    """The lines of a file. ``known`` are the ids that it may list, which the command ``remedy`` lists; by default the
    checks of servers, and ``printer:MODEL``.

    Raises:
        DocumentError: it has mistakes; the error lists all of them.
        UsageError: it cannot be read.
    """
    if known is None:
        known = {*all_checks(), *(f"printer:{model}" for model in MODELS)}
    problems = _Reading(known, remedy)
    found = read(_File, load(path), problems)
    problems.raise_if_any()
    assert found is not None
    return found.expected


def compared(
    file: str,
    expected: Iterable[BaselineLine],
    verdicts: Mapping[str, str],
    today: date,
    *,
    selected: Collection[str],
    strict: bool,
) -> Baseline:
    """How a run compares with a baseline.

    Args:
        file: the baseline's name.
        expected: its lines.
        verdicts: by id; only ids that were judged.
        today: decides which lines have expired.
        selected: the ids that the run should have judged.
        strict: whether an unlisted warn or finding counts too.
    """
    listed = {entry.id: entry for entry in expected}
    bad = BAD | (BAD_IF_STRICT if strict else set())
    unexpected = [name for name, verdict in verdicts.items() if verdict in bad and name not in listed]
    unexpected += [
        name for name, entry in listed.items() if verdicts.get(name, entry.verdict) != entry.verdict
        and _worse(verdicts[name], entry.verdict)
    ]  # fmt: skip
    no_longer = [
        name for name, entry in listed.items() if name in verdicts and not entry.met_by(verdicts[name])
        and name not in unexpected
    ]  # fmt: skip
    expired = [name for name, entry in listed.items() if name in verdicts and entry.expires < today]
    not_judged = [name for name in listed if name in selected and name not in verdicts]
    return Baseline(file, *(tuple(sorted(names)) for names in (unexpected, no_longer, expired, not_judged)))


def waived(expected: Iterable[BaselineLine], verdicts: Mapping[str, str]) -> dict[str, str]:
    """The reasons of the lines that are met, by id. A verdict that is worse or better than its line is not expected."""
    return {line.id: line.reason for line in expected if line.id in verdicts and line.met_by(verdicts[line.id])}


_ORDER = {"works-with": 1, "warn": 1, "fail": 2, "does-not-work": 2, SECURITY_FAIL: 3}
"""Verdicts from better to worse; the others are 0."""


def _worse(got: str, wanted: str) -> bool:
    return _ORDER.get(got, 0) > _ORDER.get(wanted, 0)
