"""The file of expected failures of one server: strict both ways, each with a reason and an expiry.

A failure that is not listed is a regression; a listed one that no longer happens is a line to be removed; one whose
date has passed has to be looked at again. ``id`` is a check, or ``printer:MODEL``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mfp_sim.documents import Node, Problems, load
from mfp_sim.report.model import Baseline

__all__ = ["Expected", "compared", "load_baseline"]

WORDS = ("fail", "warn", "finding", "works-with", "does-not-work")


@dataclass(frozen=True)
class Expected:
    """One line: what is expected, why, and until when."""

    id: str
    verdict: str
    reason: str
    expires: date


def load_baseline(path: Path, known: Iterable[str]) -> tuple[Expected, ...]:
    """The lines of a file; ``known`` are the ids that there are.

    Raises:
        DocumentError: it has mistakes: all of them at once.
        UsageError: it cannot be read.
    """
    problems, names = Problems(), frozenset(known)
    top = problems.map(load(path), ("format", "server", "expected"), "a baseline", required=("format", "expected"))
    if "format" in top and top["format"].value != 1:
        problems.add(top["format"], "the format is 1")
    entries = problems.list(top["expected"], "expected") if "expected" in top else ()
    found = [entry for node in entries if (entry := _entry(node, names, problems)) is not None]
    problems.raise_if_any()
    return tuple(found)


def _entry(node: Node, known: frozenset[str], problems: Problems) -> Expected | None:
    keys = ("id", "verdict", "reason", "expires")
    fields = problems.map(node, keys, "an expected failure", required=keys)
    if set(fields) != set(keys):
        return None
    texts = {key: problems.text(fields[key], key) or "" for key in keys}
    if texts["id"] not in known:
        problems.add(fields["id"], f"there is no check {texts['id']!r}", "mfp-sim conform --list shows all")
    problems.choice(fields["verdict"], WORDS, "verdict")
    if not texts["reason"]:
        problems.add(fields["reason"], "an expected failure needs a reason")
    try:
        expires = date.fromisoformat(texts["expires"])
    except ValueError:
        problems.add(fields["expires"], f"{texts['expires']!r} is no date", "write 2027-06-30")
        return None
    return Expected(texts["id"], texts["verdict"], texts["reason"], expires)


def compared(
    file: str, expected: Iterable[Expected], verdicts: Mapping[str, str], today: date, *, strict: bool
) -> Baseline:
    """How a run compares.

    Args:
        file: the baseline's name.
        expected: its lines.
        verdicts: what was judged, by id; ids that were not selected are not in it.
        today: decides what has expired.
        strict: whether a warn or finding that is not listed counts as well.
    """
    listed = {entry.id: entry for entry in expected}
    bad = {"fail", "does-not-work"} | ({"warn", "finding", "works-with"} if strict else set())
    unexpected = [name for name, verdict in verdicts.items() if verdict in bad and name not in listed]
    unexpected += [
        name for name, entry in listed.items() if verdicts.get(name, entry.verdict) != entry.verdict
        and _worse(verdicts[name], entry.verdict)
    ]  # fmt: skip
    no_longer = [
        name for name, entry in listed.items() if name in verdicts and verdicts[name] != entry.verdict
        and name not in unexpected
    ]  # fmt: skip
    expired = [name for name, entry in listed.items() if name in verdicts and entry.expires < today]
    return Baseline(file, tuple(sorted(unexpected)), tuple(sorted(no_longer)), tuple(sorted(expired)))


_ORDER = {"pass": 0, "works": 0, "finding": 1, "works-with": 2, "warn": 2, "fail": 3, "does-not-work": 3}


def _worse(got: str, wanted: str) -> bool:
    return _ORDER.get(got, 0) > _ORDER.get(wanted, 0)
