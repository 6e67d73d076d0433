"""A result into the plain values that reports are made from."""

from __future__ import annotations

import shlex

from mfp_sim.report.model import FailureReport, ScenarioReport, StepReport
from mfp_sim.scenario.model import ScenarioResult

__all__ = ["report_of"]


def report_of(result: ScenarioResult, *, ca_url: str | None = None) -> ScenarioReport:
    """The result as a report; its ``command`` repeats just this run."""
    scenario = result.scenario
    return ScenarioReport(
        name=scenario.name,
        why=scenario.why,
        file=scenario.file,
        seed=result.seed,
        covers=scenario.covers,
        rests_on=result.rests_on,
        tags=scenario.tags,
        steps=tuple(
            StepReport(s.number, s.text, s.place, s.begun.isoformat(), s.ended.isoformat()) for s in result.steps
        ),
        failures=tuple(FailureReport(f.step, f.place, f.path, f.expected, f.got) for f in result.failures),
        trace=tuple(event.to_json() for event in result.events),
        virtual_seconds=result.virtual_seconds,
        real_seconds=result.real_seconds,
        command=_command(result, ca_url),
        skipped=result.skipped,
        unobserved=result.unobserved,
    )


def _command(result: ScenarioResult, ca_url: str | None) -> str:
    one_of_many = f"::{result.scenario.name}" if "[" in result.scenario.name else ""
    words = ["mfp-sim", "run", result.scenario.file + one_of_many, "--seed", str(result.seed)]
    for flip in result.flips:
        words += ["--flip", flip]
    if ca_url:
        words += ["--ca", ca_url]
    return shlex.join(words)
