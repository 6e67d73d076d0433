"""Rules about two runs of a case: the same again, with time in two parts, with screens opened, kept in files, and with
its exchanges over sockets too.

Each runs a case in another way, or another document of it. Every rule has to hold in the other run too, and in most the
trace must be the same apart from the steps themselves.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from mfp_sim.events import StepBegun
from mfp_sim.exploration.drawing import scenario_of
from mfp_sim.exploration.draws import Document, Draw
from mfp_sim.exploration.kept import PREFIX, KeptRun, kept
from mfp_sim.exploration.over_sockets import OverSockets
from mfp_sim.exploration.running import CaseOutcome, carried_out
from mfp_sim.run_trace import TraceEvent, compare
from mfp_sim.scenario.always.watching import Violation
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.documents import duration
from mfp_sim.shared.simtime import Entropy

__all__ = ["COMPARISONS", "Comparison", "compared"]


def _same(events: Iterable[TraceEvent], others: Iterable[TraceEvent]) -> list[str]:
    return compare(_without_steps(events), _without_steps(others))


@dataclass(frozen=True)
class Comparison:
    """A rule in one sentence, the other document, the other run, in which every rule has to hold too, and the
    differences of its trace that violate the rule.

    It is checked for one case in ``every``: the other run of a costly one takes several times as long.
    """

    sentence: str
    other: Callable[[Document], Document] = lambda document: document
    run: Callable[[Scenario], CaseOutcome] = carried_out
    differences: Callable[[Iterable[TraceEvent], Iterable[TraceEvent]], list[str]] = _same
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


def _cut_while_storing(document: Document) -> Document:
    """The power fails while a state is written; often it does not return."""
    draw = Draw(Entropy(0).fork(json.dumps(document, sort_keys=True)))
    cut: Document = {"at": draw.one_of(("state-written", "state-renamed")), "nth": draw.number(1, 6)}
    if draw.chance(50):
        cut["off"] = "1m"
    steps = list(document["steps"])
    steps.insert(draw.number(0, len(steps) - 1), {"power_cut": cut, "optional": True})
    return {**document, "steps": steps}


def _on_disk(scenario: Scenario, *, damaging: bool = False) -> CaseOutcome:
    try:
        with kept(damaging=damaging) as files:
            return carried_out(scenario, way=files)
    except Exception as error:  # noqa: BLE001 - a bug in the product is what is searched for
        text = f"{type(error).__name__}: {error}"
        return CaseOutcome((Violation(KeptRun.rule, text, len(scenario.steps)),), frozenset(), frozenset(), (), 0, {})


def _over_sockets(scenario: Scenario) -> CaseOutcome:
    return carried_out(scenario, way=OverSockets())


def _no_difference(*_: Iterable[TraceEvent]) -> list[str]:
    return []


_PLACE = re.compile(rf"\S*{PREFIX}\w+")
"""The directory of a run, which has another name each time: a failure is known by its text."""
COMPARISONS: Mapping[str, Comparison] = {
    "repeatable": Comparison("The same case gives the same trace again."),
    "time-is-continuous": Comparison("Time that passes in two parts gives the same trace.", _divided),
    "looking-changes-nothing": Comparison("Opening a screen between steps changes nothing.", _looked_at),
    KeptRun.rule: Comparison(
        "With everything kept in files, the trace is the same, and what is read back is what was stored.",
        run=_on_disk,
        every=48,
    ),
    OverSockets.rule: Comparison(
        "Over sockets, the CA reads the same requests, and the printer the same replies, as in process.",
        run=_over_sockets,
        every=24,
    ),
    "power-fails-while-storing": Comparison(
        "If the power fails while a state is written, every rule holds, and the old state or the new one is read back.",
        _cut_while_storing,
        _on_disk,
        _no_difference,
        every=96,
    ),
    "damage-is-refused": Comparison(
        "What is kept in files is refused if one value has another type, and the error names the place.",
        run=partial(_on_disk, damaging=True),
        differences=_no_difference,
        every=192,
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
        differences += comparison.differences(outcome.events, other.events)
        if differences:
            found.append(Violation(name, differences[0][:500], len(document["steps"])))
    return found


def _without_steps(events: Iterable[TraceEvent]) -> list[TraceEvent]:
    return [event for event in events if not event.kind.startswith(StepBegun.kind)]
