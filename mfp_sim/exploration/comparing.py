"""Rules about two runs of a case: the same again, with time in two parts, with screens opened, and kept in files.

Each runs a case in another way, or another document of it. The trace must be the same apart from the steps themselves.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mfp_sim.events import StepBegun
from mfp_sim.exploration.drawing import scenario_of
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.kept import PREFIX, kept
from mfp_sim.exploration.running import ON_DISK, CaseOutcome, carried_out
from mfp_sim.run_trace import TraceEvent, compare
from mfp_sim.scenario.always.watching import Violation
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.documents import duration

__all__ = ["COMPARISONS", "Comparison", "compared"]


@dataclass(frozen=True)
class Comparison:
    """A rule in one sentence, the other document, and the other run, in which every rule has to hold too.

    It is checked for one case in ``every``: the other run of a costly one takes several times as long.
    """

    sentence: str
    other: Callable[[Document], Document] = lambda document: document
    run: Callable[[Scenario], CaseOutcome] = carried_out
    every: int = 12


def _divided(document: Document) -> Document:
    """Each span of time in two parts, a third and the rest."""
    other = copy.deepcopy(document)
    steps: list[Document] = []
    for step in document["steps"]:
        if "advance" not in step:
            steps.append(step)
            continue
        seconds = duration(step["advance"])
        assert seconds is not None
        first = int(seconds * 1000) // 3
        steps += [{"advance": f"{first}ms"}, {"advance": f"{int(seconds * 1000) - first}ms"}] if first else [step]
    other["steps"] = steps
    return other


def _looked_at(document: Document) -> Document:
    """Someone opens a screen before each step."""
    other = copy.deepcopy(document)
    look = {"open_screen": "Key and Certificate List"}
    other["steps"] = [entry for step in document["steps"] for entry in (look, step)]
    return other


def _on_disk(scenario: Scenario) -> CaseOutcome:
    try:
        with kept() as files:
            return carried_out(scenario, kept=files)
    except Exception as error:  # noqa: BLE001 - a bug in the product is what is searched for
        text = f"{type(error).__name__}: {error}"
        return CaseOutcome((Violation(ON_DISK, text, len(scenario.steps)),), frozenset(), frozenset(), (), 0, {})


_PLACE = re.compile(rf"\S*{PREFIX}\w+")
"""The directory of a run, which has another name each time: a failure is known by its text."""
COMPARISONS: Mapping[str, Comparison] = {
    "repeatable": Comparison("The same case gives the same trace again."),
    "time-is-continuous": Comparison("Time that passes in two parts gives the same trace.", _divided),
    "looking-changes-nothing": Comparison("Opening a screen between steps changes nothing.", _looked_at),
    ON_DISK: Comparison(
        "With everything kept in files, the trace is the same, and what is read back is what was stored.",
        run=_on_disk,
        every=48,
    ),
}


def compared(document: Document, outcome: CaseOutcome, names: Iterable[str]) -> list[Violation]:
    """The comparisons of those names that do not hold for a case with that outcome."""
    found = []
    for name in names:
        comparison = COMPARISONS[name]
        scenario = scenario_of(comparison.other(document))
        assert scenario is not None, f"the loader refuses the other document of {name}"
        other = comparison.run(scenario)
        differences = [_PLACE.sub("a directory", violation.text) for violation in other.violations]
        differences += compare(_without_steps(outcome.events), _without_steps(other.events))
        if differences:
            found.append(Violation(name, differences[0][:500], len(document["steps"])))
    return found


def _without_steps(events: Iterable[TraceEvent]) -> list[TraceEvent]:
    return [event for event in events if not event.kind.startswith(StepBegun.kind)]
