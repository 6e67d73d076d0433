"""Makes a failing case small: removes and simplifies parts as long as it fails for the same reason.

It works on the document, so every smaller case is a scenario too.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mfp_sim.exploration.drawing import scenario_of
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.running import CaseOutcome, carried_out
from mfp_sim.scenario.always.watching import Violation

__all__ = ["FailureReason", "expecting", "reason_of", "shrunk"]

FailureReason = tuple[str, str]
Path = tuple[str | int, ...]
_MOST_RUNS = 1500
_ENDLESS_RUNS = 150
"""As many runs as this counts one that does not end, since it takes a minute."""
_NEEDED = {("format",), ("name",), ("why",), ("clock",), ("steps",)}
_SIMPLER: Mapping[object, Sequence[object]] = {
    "clock": ("2026-03-02T08:00:00+01:00",),
    "advance": ("1s", "1m", "10m", "1h", "1d"),
    "start_in": ("1s", "1m"),
    "off": ("1s",),
    "name": ("tls",),
    "common_name": ("192.0.2.10",),
    "use": ("None", "TLS"),
    "times": (1,),
    "nth": (1,),
    "count": (1,),
    "interval": ("1m", "10m"),
    "every": ("1d",),
    "communication": ({"url": "http://ca.example/scep"},),
}
"""Simpler values to try, by the key that they belong to."""


def reason_of(violation: Violation) -> FailureReason:
    """What two failures for the same reason share: the rule, and the text without numbers and names."""
    text = re.sub(r"'[^']*'|\b[A-Z]{3}\d{2,}\b|[0-9A-F]{16,}|[0-9a-f]{6,}|\d[\d:.,-]*", "*", violation.text)
    return violation.rule, text[:120]


def shrunk(
    document: Document, reason: FailureReason, run: Callable[[Document], CaseOutcome | None] | None = None
) -> tuple[Document, Violation] | None:
    """The smallest case found that fails for ``reason``, and how it fails. ``run`` runs a document.

    None if the document itself does not fail for it when it is run once more.
    """
    shrinker = _Shrinker(reason, run or _run)
    return shrinker.smallest(document)


def expecting(document: Document, expected: Document) -> Document:
    """The case with another expectation at its end."""
    steps = [step for step in document["steps"] if "expect" not in step]
    return {**document, "steps": [*steps, {"expect": expected}]}


def _run(document: Document) -> CaseOutcome | None:
    scenario = scenario_of(document)
    return None if scenario is None else carried_out(scenario)


class _Shrinker:
    def __init__(self, reason: FailureReason, run: Callable[[Document], CaseOutcome | None]) -> None:
        self._reason, self._run_case = reason, run
        self._left = _MOST_RUNS
        self._missing = 0

    def smallest(self, document: Document) -> tuple[Document, Violation] | None:
        best = self._failing(copy.deepcopy(document))
        if best is None:
            return None
        document, violation = best
        passes = (self._one_printer, self._fewer_steps, self._fewer_parts, self._simpler_values)
        changed = True
        while changed and self._left > 0:
            before = document
            for smaller in passes:
                document, violation = smaller(document, violation)
            changed = document != before
        document, violation = self._without_optional(document, violation)
        return document, violation

    def _failing(self, document: Document) -> tuple[Document, Violation] | None:
        """The document and its failure; None if it does not fail for the reason, or if no run is left."""
        if self._left <= 0:
            return None
        self._left -= 1
        outcome = self._run_case(document)
        if outcome is None:
            return None
        if outcome.endless:
            self._left -= _ENDLESS_RUNS
        for violation in outcome.violations:
            if reason_of(violation) == self._reason:
                self._missing = outcome.missing
                return document, violation
        return None

    def _fewer_steps(self, document: Document, violation: Violation) -> tuple[Document, Violation]:
        size = max(1, len(document["steps"]) // 2)
        while size:
            place = 0
            while place < len(document["steps"]) - 1:
                steps = document["steps"]
                shorter = [*steps[:place], *steps[min(place + size, len(steps) - 1) :]]
                found = self._failing({**document, "steps": shorter}) if len(shorter) > 1 else None
                if found is None:
                    place += size
                else:
                    document, violation = found
            size //= 2
        return document, violation

    def _one_printer(self, document: Document, violation: Violation) -> tuple[Document, Violation]:
        """All steps are about the first printer, if one is enough."""
        if "printers" not in document:
            return document, violation
        steps = [{key: value for key, value in step.items() if key != "printer"} for step in document["steps"]]
        alone = {key: value for key, value in document.items() if key != "printers"}
        return self._failing({**alone, "steps": steps}) or (document, violation)

    def _fewer_parts(self, document: Document, violation: Violation) -> tuple[Document, Violation]:
        for path in sorted(_paths(document), key=lambda path: (len(path), path[0] == "steps")):
            if path[-1] == "optional":
                continue
            smaller = _without(document, path)
            if smaller is not None and (found := self._failing(smaller)) is not None:
                document, violation = found
        return document, violation

    def _simpler_values(self, document: Document, violation: Violation) -> tuple[Document, Violation]:
        for path in list(_paths(document)):
            for value in _SIMPLER.get(path[-1], ()) if path != ("name",) else ():
                now = _at(document, path)
                if now is None or now == value or isinstance(now, dict | list) != isinstance(value, dict | list):
                    break
                if (found := self._failing(_with(document, path, value))) is not None:
                    document, violation = found
                    break
        return document, violation

    def _without_optional(self, document: Document, violation: Violation) -> tuple[Document, Violation]:
        """``optional`` goes where its premise comes true anyway."""
        for path in [path for path in _paths(document) if path[-1] == "optional"]:
            smaller = _without(document, path)
            if smaller is not None and (found := self._failing(smaller)) is not None and not self._missing:
                document, violation = found
        return document, violation


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """The paths of all entries of maps and lists, the outer ones first."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in list(entries):
        yield (*above, key)
        yield from _paths(entry, (*above, key))


def _at(document: Document, path: Path) -> Any:
    value: Any = document
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _without(document: Document, path: Path) -> Document | None:
    """The document without an entry; None if it is needed or no longer there."""
    if path in _NEEDED or path[0] in ("format", "name", "why") or _at(document, path) is None:
        return None
    if path[0] == "steps" and (len(path) < 3 or (len(path) == 3 and path[2] not in ("as", "printer", "optional"))):
        return None  # steps have a pass of their own
    return _removed(document, path)


def _removed(document: Document, path: Path) -> Document:
    smaller = copy.deepcopy(document)
    owner = _at(smaller, path[:-1])
    del owner[path[-1]]
    return smaller


def _with(document: Document, path: Path, value: object) -> Document:
    other = copy.deepcopy(document)
    _at(other, path[:-1])[path[-1]] = value
    return other
