"""Measures the assumptions that a scenario depends on, by running it with their other readings and values.

A flip whose value the plain run never reads cannot change it and is not run. Other values, mostly limits that every
run checks, are first tried together, and separately only if that changes the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mfp_sim.device.printer_profile import READINGS, find_profile
from mfp_sim.device.readings import Flip, flips_of
from mfp_sim.scenario.examined import assumptions_of, named
from mfp_sim.scenario.machine_steps import AnotherPrinter
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import Node
from mfp_sim.shared.errors import Problem

__all__ = ["Mistake", "examine", "mistakes_of", "tried"]


@dataclass(frozen=True)
class Mistake:
    """A mistake in ``assumes``; ``kind`` is ``too little``, ``too much``, or ``not measured`` without an assumption."""

    kind: str
    assumption: str | None
    problem: Problem


def tried(scenario: Scenario) -> tuple[Flip, ...]:
    """The other readings and values that the scenario's printers can have."""
    setups = (scenario.printer, *scenario.others)
    later = [step.act.profile for step in scenario.steps if isinstance(step.act, AnotherPrinter)]
    models = [find_profile(name) for name in dict.fromkeys([*(setup.profile for setup in setups), *later])]
    settled = set.intersection(*(set(setup.settings) for setup in setups))  # a value that each printer sets for itself
    return flips_of(models, settled)


def examine(scenario: Scenario) -> tuple[str, ...] | None:
    """The flips with which it does not pass; None: it does not pass, or does not run, without a flip."""
    read: set[str] = set()
    if not run(scenario, read=read).passed:
        return None
    flips = [flip for flip in tried(scenario) if flip.value in read]
    values = [flip for flip in flips if not flip.reading]
    alone = {flip.text for flip in flips if flip.reading}
    for together in _together(values):
        if not _passes(scenario, [flip.text for flip in together]):
            alone |= {flip.text for flip in together}
    return tuple(flip.text for flip in flips if flip.text in alone and not _passes(scenario, [flip.text]))


def _together(flips: Sequence[Flip]) -> Iterator[list[Flip]]:
    """All flips in as few groups as possible, with at most one flip per value in each."""
    left = list(flips)
    while left:
        group = list({flip.value: flip for flip in reversed(left)}.values())
        left = [flip for flip in left if flip not in group]
        yield group


def _passes(scenario: Scenario, flips: Sequence[str]) -> bool:
    return run(scenario, flips=flips).passed


def mistakes_of(root: Node, measured: Sequence[tuple[Scenario, tuple[str, ...] | None]]) -> Iterator[Mistake]:
    """The assumptions that the scenarios of one file lack or name needlessly; ``root`` is the file."""
    place = root.get("assumes") or root
    file, line, column = place.file, place.line, place.column

    def mistake(kind: str, assumption: str | None, message: str, hint: str | None) -> Mistake:
        return Mistake(kind, assumption, Problem(file, line, column, message, hint))

    for scenario, flips in measured:
        if flips is None:
            text = f"{scenario.name} does not pass, so its assumptions cannot be measured"
            yield mistake("not measured", None, text, f"mfp-sim run {file}")
        missing = set(assumptions_of(flips or ())) - named(scenario)
        for assumption in sorted(missing):
            by = ", ".join(f"--flip {flip!r}" for flip in flips or () if flip.startswith(assumption))
            text = f"{scenario.name} does not name {assumption}, but fails with {by}"
            yield mistake("too little", assumption, text, f"add {assumption} to assumes")
    if any(flips is None for _, flips in measured):
        return
    showing = {assumption for _, flips in measured for assumption in assumptions_of(flips or ())}
    for assumption in sorted({a for scenario, _ in measured for a in scenario.assumes} & READINGS.keys() - showing):
        text = f"it names {assumption}, but no other reading or value of that changes its outcome"
        yield mistake("too much", assumption, text, f"remove {assumption} from assumes")
