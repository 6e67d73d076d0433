"""The report of a fleet: the plan and its runs as one JSON document, which can be merged, and CSV for other programs.

The report also has what follows from the runs (figures, advice, unmet expectations). Reading a report computes that
again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from mfp_sim import __version__
from mfp_sim.fleet.plan import FleetPlan
from mfp_sim.fleet.queueing import BIN
from mfp_sim.fleet.result import DAY, FleetRun
from mfp_sim.fleet.words import Advice, advice_on, unmet
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.kinds import Scalar, Schema
from mfp_sim.shared.documents.nodes import Problems
from mfp_sim.shared.documents.records import Doc, document, record_of, schema_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import json_of

__all__ = ["FleetReport", "as_csv", "as_json", "figures_of", "fleet_report_schema", "merged", "read_report"]

_CAP = 256 * 1024 * 1024
"""The largest report that is read, in bytes."""


@document("a fleet report", exchanged=True, later=True)
@dataclass(frozen=True)
class FleetReport:
    """A plan and its runs, with and without variations."""

    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    plan: FleetPlan
    runs: tuple[FleetRun, ...]
    real: Annotated[bool, Doc("whether printers and messages were real")] = False
    version: Annotated[str, Doc("of mfp-sim")] = __version__
    search: Annotated[tuple[FleetRun, ...], Doc("the runs of the search for the smallest CA")] = ()
    found: Annotated[int | None, Doc("the smallest number of workers with which no request fails")] = None
    hopeless: Annotated[str, Doc("why the search has no result: more workers do not help")] = ""

    def of(self, label: str) -> tuple[FleetRun, ...]:
        """The runs of a variation, or of the plan without variations."""
        return tuple(run for run in self.runs if run.label == label)

    @property
    def labels(self) -> tuple[str, ...]:
        """The variations that were run; the plan without variations is first."""
        return tuple(dict.fromkeys(run.label for run in self.runs))

    @property
    def advice(self) -> tuple[Advice, ...]:
        """The advice for the engineer."""
        return advice_on(self.plan, self.of(""))

    @property
    def unmet(self) -> tuple[str, ...]:
        """The expectations that a run of the plan did not meet, each once."""
        return tuple(dict.fromkeys(text for run in self.of("") for text in unmet(self.plan, run)))


def figures_of(run: FleetRun) -> dict[str, float | int | None]:
    """The figures of a run, times in seconds. A figure without a value (no exchange, no certificate) is None."""
    return {
        "requests": run.requests,
        "failed": run.failed,
        "unended": run.unended,
        "lost": run.lost,
        "lacking": run.lacking,
        "without_days": round(run.without / DAY, 3),
        "exchanges": run.exchanges,
        "minted": run.minted,
        "waiting_p50": _rounded(run.waiting(0.5), 3),
        "waiting_p95": _rounded(run.waiting(0.95), 3),
        "waiting_p99": _rounded(run.waiting(0.99), 3),
        "duration_p50": _rounded(run.duration(0.5), 3),
        "duration_p99": _rounded(run.duration(0.99), 3),
        "longest_queue": run.longest,
        "peak_rate": max((wave.peak for wave in run.waves), default=0.0),
        "longest_wave": max((wave.ends - wave.begins for wave in run.waves), default=0.0),
        "utilisation": _rounded(run.utilisation, 6),
        "wasted_share": _rounded(run.wasted_share, 4),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def as_json(report: FleetReport) -> dict[str, Any]:
    """The report as a JSON-able value."""
    whole: Any = record_of(FleetReport).write(report)
    for run, value in zip(report.runs, whole["runs"], strict=True):
        value["figures"] = figures_of(run)
    whole["advice"] = [{"weight": one.weight, "text": one.text, "remedy": one.remedy} for one in report.advice]
    whole["unmet"] = list(report.unmet)
    return {"kind": "fleet", **whole}


def fleet_report_schema() -> Schema:
    """The JSON schema of reports."""
    return schema_of(record_of(FleetReport), "mfp-sim fleet report")


def read_report(path: Path) -> FleetReport:
    """A report from a file.

    Raises:
        UsageError: it cannot be read, is not JSON, or has only variations.
        DocumentError: it is not a fleet report.
    """
    report = read_json(FleetReport, json_of(path, _CAP, "give what mfp-sim fleet --json or --report wrote"), str(path))
    if not report.of(""):
        raise UsageError(f"{path} has no run of the plan itself", remedy="a run whose label is empty has to be in it")
    return report


def merged(reports: Sequence[tuple[str, FleetReport]]) -> FleetReport:
    """Merge the runs of several reports of one plan; each report has the name of its file. One may have a search.

    Raises:
        UsageError: their plans differ, or two of them have the same run, or a search each.
    """
    first_name, first = reports[0]
    seen: dict[tuple[str, int], str] = {}
    for name, report in reports:
        if report.plan != first.plan or report.real != first.real:
            raise UsageError(f"{name} is from another plan than {first_name}", remedy="merge runs of one plan")
        for run in report.runs:
            if (run.label, run.seed) in seen:
                text = f"{name} and {seen[run.label, run.seed]} both have a run with seed {run.seed}"
                raise UsageError(text, remedy="give each computer different seeds: --seeds 0..24, --seeds 25..49")
            seen[run.label, run.seed] = name
    searches = [(name, report) for name, report in reports if report.search]
    if len(searches) > 1:
        text = f"{searches[0][0]} and {searches[1][0]} both have a search for the smallest CA"
        raise UsageError(text, remedy="use --find on one computer only")
    sought = searches[0][1] if searches else first
    runs = tuple(run for _, report in reports for run in report.runs)
    return replace(first, runs=runs, search=sought.search, found=sought.found, hopeless=sought.hopeless)


def as_csv(report: FleetReport) -> str:
    """The counts over time: one line for each run and each bin that is not empty."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("variation", "seed", "time", "requests", "unserved", "queue", "certificates"))
    for run in report.runs:
        holders = 0
        for number in sorted({*run.asked, *run.holders}):
            holders += run.holders.get(number, 0)
            time = (report.plan.begins + timedelta(seconds=number * BIN)).isoformat()
            counted = (run.asked, run.unserved, run.queue)
            lines.writerow((run.label, run.seed, time, *(one.get(number, 0) for one in counted), holders))
    return text.getvalue()
