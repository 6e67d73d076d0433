"""``mfp-sim fleet``: runs many printers on one CA, from a plan, in virtual time.

Owns options, console, files and exit codes; the model is in `mfp_sim.fleet`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from mfp_sim.cli.ending import of_fleet
from mfp_sim.cli.workers import in_processes
from mfp_sim.fleet.capacity import smallest
from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.page import FIGURES, as_page, label_of, said, values_of
from mfp_sim.fleet.plan import FleetPlan, Variation, idle_outages, load_plan, plans_of, varied
from mfp_sim.fleet.real import run_real
from mfp_sim.fleet.report import FleetReport, as_csv, as_json, merged, read_report
from mfp_sim.fleet.result import FleetRun
from mfp_sim.load.result import read_result, service_of
from mfp_sim.report.console import Console
from mfp_sim.report.writing import ready, write
from mfp_sim.scenario.collection import PLAN_SUFFIX, SUFFIX, bundled_directory, exists
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import UsageError

__all__ = ["fleet"]

_WITHOUT_EFFECT = ("days", "seed", "seeds", "real", "find", "jobs")
"""The options of a run. They have no effect with --merge, which runs nothing."""


def fleet(options: argparse.Namespace) -> int:
    """The verb; returns the exit code.

    Raises:
        UsageError, DocumentError: see `mfp_sim.shared.errors`.
    """
    console = Console(sys.stderr if options.json else sys.stdout)
    if options.merge:
        for name in _WITHOUT_EFFECT:
            if getattr(options, name) != options.parser.get_default(name):
                raise UsageError(f"--{name} has no effect with --merge", remedy="leave it out")
        report = merged([(str(file), read_report(file)) for file in options.plans])
    else:
        if len(options.plans) != 1:
            raise UsageError("several plans were given", remedy="give one plan; only --merge takes several files")
        report = _run(_plan(options), options, Console(sys.stderr))
    if options.report is not None:
        ready(options.report)
        for name, text in (
            ("fleet.json", json.dumps(as_json(report), separators=(",", ":")) + "\n"),
            ("fleet.html", as_page(report)),
            ("fleet.csv", as_csv(report)),
        ):
            write(options.report / name, text)
    _summary(console, report)
    agrees = _agrees(console, report, options)
    sought = bool(report.search) and report.found is None
    code = int(bool(report.unmet) or sought or not agrees)
    if options.report is not None:
        console.line(f"\nreports in {options.report}")
    if options.json:
        print(json.dumps(as_json(report)))
    else:
        remedy = any(one.remedy for one in report.advice)
        console.line(f"\n{of_fleet(options.report, unmet=bool(code), remedy=remedy)}")
    return code


def _plan(options: argparse.Namespace) -> FleetPlan:
    """The plan as the options change it."""
    file = _file(options.plans[0])
    plan = load_plan(file)
    if plan.ca.measured is not None:
        service = service_of(read_result(file.parent / plan.ca.measured))
        plan = replace(plan, ca=replace(plan.ca, service=service, measured=None))
    if options.days is not None:
        plan = replace(plan, days=options.days)
        for _, text, remedy in idle_outages(plan):
            raise UsageError(f"--days {options.days}: {text}", remedy=remedy)
    if options.real:
        plan = _scaled(plan, options.real)
    return plan


def _file(path: Path) -> Path:
    """The file of a plan, or the plan of the package with that name."""
    if path.name.endswith(SUFFIX):
        raise UsageError(f"{path} is a scenario, not a fleet plan", remedy=f"mfp-sim run {path}")
    if exists(path):
        return path
    shipped = {file.name.removesuffix(PLAN_SUFFIX): file for file in plans_of([bundled_directory()])}
    if str(path) in shipped:
        return shipped[str(path)]
    hint = did_you_mean(str(path), shipped) or f"plans of the package: {', '.join(shipped)}"
    raise UsageError(f"there is no plan {str(path)!r}", remedy=hint)


def _scaled(plan: FleetPlan, total: int) -> FleetPlan:
    """The plan scaled to ``count`` printers in total, with at least one per class."""
    counts = [max(1, one.count * total // plan.total) for one in plan.printers]
    counts[0] += max(0, total - sum(counts))
    return replace(
        plan, printers=tuple(replace(one, count=count) for one, count in zip(plan.printers, counts, strict=True))
    )


# --- running ----------------------------------------------------------------------------------------------


def _run(plan: FleetPlan, options: argparse.Namespace, progress: Console) -> FleetReport:
    seeds: Sequence[int] = options.seeds or (plan.seed if options.seed is None else options.seed,)
    if options.find and (options.real is not None or len(seeds) > 1):
        raise UsageError("--find needs one seed and modelled printers", remedy="leave out --real and --seeds")
    real = options.real is not None
    variations: tuple[Variation | None, ...] = (None, *plan.compare)
    jobs = [_Job(plan, variation, seed, real) for variation in variations for seed in seeds]
    runs = tuple(_runs(jobs, options.jobs, progress))
    report = FleetReport(format=1, plan=plan, runs=runs, real=real)
    if options.find:
        found = smallest(
            replace(plan, seed=seeds[0]),
            lambda workers, share: progress.progress(round(share * 100), 100, f"% with {workers} workers"),
        )
        report = replace(report, search=found.tried, found=found.workers, hopeless=found.hopeless)
    progress.clear()
    return report


@dataclass(frozen=True)
class _Job:
    """One run."""

    plan: FleetPlan
    variation: Variation | None
    seed: int
    real: bool

    def run(self, progress: Callable[[float], None] = lambda _: None) -> FleetRun:
        """Do the run, in this process or another."""
        plan, label = self.plan, ""
        if self.variation is not None:
            plan, label = varied(plan, self.variation), self.variation.label
        return replace((run_real if self.real else run_fleet)(plan, self.seed, progress), label=label)


def _runs(jobs: Sequence[_Job], processes: int, progress: Console) -> Iterator[FleetRun]:
    """The results, in the order of the jobs."""
    if processes > 1 and len(jobs) > 1:
        with in_processes(processes, _Job.run, [(job,) for job in jobs]) as futures:
            for done, _ in enumerate(as_completed(futures), 1):
                progress.progress(done, len(jobs), "runs")
            yield from (future.result() for future in futures)
        return
    for number, job in enumerate(jobs, 1):
        yield job.run(_told(progress, f"% of run {number} of {len(jobs)}"))


def _told(progress: Console, what: str) -> Callable[[float], None]:
    return lambda share: progress.progress(round(share * 100), 100, what)


# --- what is said -----------------------------------------------------------------------------------------

_MARKS = {"bad": "✗", "warn": "!", "good": "✓"}


def _summary(console: Console, report: FleetReport) -> None:
    plan, labels = report.plan, report.labels
    kind = "with real messages" if report.real else "modelled"
    seeds = len({run.seed for run in report.runs})
    console.line(
        f"{plan.name}: {plan.total:,} printers over {_several(plan.days, 'day')} from {plan.begins:%Y-%m-%d %H:%M} UTC,"
        f" {kind}{f', {seeds} seeds, the median of each figure' if seeds > 1 else ''}"
    )
    console.line()
    names = [label_of(report, label) for label in labels]
    widths = [max(14, len(name)) for name in names]
    wide = max(len(text) for text in FIGURES.values())
    console.line(" " * wide + "".join(f"  {name:>{width}}" for name, width in zip(names, widths, strict=True)))
    for name, text in FIGURES.items():
        values = [_middle(name, report.of(label)) for label in labels]
        console.line(f"{text:{wide}}" + "".join(f"  {v:>{width}}" for v, width in zip(values, widths, strict=True)))
    console.line()
    for label, shown in zip(labels, names, strict=True):
        counted = sum((run.by_outcome for run in report.of(label)), Counter[str]())
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in counted.most_common())
        console.line(f"{shown}{' (all seeds)' if seeds > 1 else ''}: {told or 'no request ended'}")
    console.line()
    for one in report.advice:
        console.line(f"{_MARKS[one.weight]} {one.text}")
        if one.remedy:
            console.line(f"    remedy: {one.remedy}")
    if report.search:
        _capacity(console, report)
    for text in report.unmet:
        console.line(f"\nnot as expected: {text}")


def _capacity(console: Console, report: FleetReport) -> None:
    console.line(f"\n{'workers':>8} {'in Error':>10} {'waiting p99':>14} {'wasted':>8}")
    for run in report.search:
        waits = said("waiting_p99", run.waiting(0.99))
        mark = "  <- the smallest without failed requests" if run.workers == report.found else ""
        console.line(
            f"{run.workers:>8} {run.failed:>10,} {waits:>14} {said('wasted_share', run.wasted_share):>8}{mark}"
        )
    if report.found is None:
        console.line(f"no number of workers that was tried is enough{': ' * bool(report.hopeless)}{report.hopeless}")
    if report.hopeless:
        console.line("    remedy: check days, outages, approvals and polling")


def _middle(name: str, runs: Sequence[FleetRun]) -> str:
    values = values_of(name, runs)
    return said(name, values[len(values) // 2] if values else None)


def _several(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _agrees(console: Console, report: FleetReport, options: argparse.Namespace) -> bool:
    """Whether the model has the same outcomes and exchanges as real printers; prints the differences."""
    if not report.real:
        return True
    fine = True
    if options.real:
        console.line(f"\n{report.plan.total} printers at the plan's CA: this run checks the model, not the CA")
    for run in report.runs:
        variation = next((one for one in report.plan.compare if one.label == run.label), None)
        model = _Job(report.plan, variation, run.seed, real=False).run()
        if (model.outcomes, model.exchanges) != (run.outcomes, run.exchanges):
            fine = False
            console.line(
                f"\nthe model differs ({label_of(report, run.label)}, seed {run.seed}): {dict(model.by_outcome)}, "
                f"{model.exchanges} exchanges; real: {dict(run.by_outcome)}, {run.exchanges} exchanges"
            )
    if fine:
        console.line("\nthe modelled printers have the same outcomes, with the same number of exchanges")
    return fine
