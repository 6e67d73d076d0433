"""The run as JSON: everything the other reports are made from, with a version of its own."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from mfp_sim import __version__
from mfp_sim.report.coverage import coverage_of, entries_of
from mfp_sim.report.model import RunReport, ScenarioReport

__all__ = ["SCHEMA_VERSION", "as_json"]

SCHEMA_VERSION = 1
_DEPENDENCIES = ("cryptography", "flask", "freezegun", "PyYAML", "tzdata")


def as_json(report: RunReport) -> dict[str, Any]:
    """The report as a JSON-able value."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "mfp-sim", "version": __version__, "python": platform.python_version()},
        "dependencies": _versions(_DEPENDENCIES),
        "target": report.target,
        "flips": list(report.flips),
        "counts": report.counts,
        "coverage": [row.to_json() for row in coverage_of(entries_of(), report.scenarios) if row.scenarios],
        "scenarios": [_scenario(scenario) for scenario in report.scenarios],
    }


def _scenario(scenario: ScenarioReport) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "why": scenario.why,
        "file": scenario.file,
        "outcome": scenario.outcome,
        "skipped": scenario.skipped,
        "seed": scenario.seed,
        "covers": list(scenario.covers),
        "assumes": list(scenario.rests_on),
        "tags": list(scenario.tags),
        "virtual_seconds": scenario.virtual_seconds,
        "command": scenario.command,
        "steps": [
            {"number": s.number, "text": s.text, "place": s.place, "begun": s.begun, "ended": s.ended}
            for s in scenario.steps
        ],
        "failures": [
            {"step": f.step, "place": f.place, "path": f.path, "expected": f.expected, "got": f.got}
            for f in scenario.failures
        ],
        "unobserved": list(scenario.unobserved),
        "trace": list(scenario.trace),
    }


def _versions(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
