"""The verbs that change nothing: ``list``, ``show``, ``check``, ``schema``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from mfp_sim.cli.assumptions import check_assumptions
from mfp_sim.fleet.plan import fleet_schema, load_plan, plans_of
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import as_json, here
from mfp_sim.report.model import RunReport
from mfp_sim.scenario.collection import (
    PLAN_SUFFIX,
    SUFFIX,
    bundled_directory,
    exists,
    files_of,
    load_all,
    nothing_selected,
    path_of,
    select,
)
from mfp_sim.scenario.loader import scenario_schema
from mfp_sim.scenario.reporting import explained, report_of
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError, Problem, UsageError
from mfp_sim.shared.visible import visible

__all__ = ["check", "list_scenarios", "schema", "show"]


def list_scenarios(options: argparse.Namespace) -> int:
    """One line per scenario: name, tags, why."""
    scenarios = select(options.selection, options.tag)
    if options.json:
        keys = ("name", "why", "file", "covers", "assumes", "tags")
        print(json.dumps([{key: getattr(scenario, key) for key in keys} for scenario in scenarios], ensure_ascii=False))
    else:
        console = Console(sys.stdout)
        width = max((len(scenario.name) for scenario in scenarios), default=0)
        for scenario in scenarios:
            tags = f"  [{', '.join(scenario.tags)}]" if scenario.tags else ""
            console.line(f"{scenario.name:{width}}  {scenario.why}{tags}")
    if not scenarios:
        print(f"mfp-sim: {visible(nothing_selected(options.selection))}", file=sys.stderr)
    return 0 if scenarios else 5


def show(options: argparse.Namespace) -> int:
    """Run one scenario and print its story."""
    scenarios = select(options.selection)
    reports = [
        report_of(run(scenario, seed=options.seed, flips=options.flip, keep_messages=options.json))
        for scenario in scenarios
    ]
    whole = RunReport(tuple(reports), "in process", tuple(options.flip), here())
    if options.json:
        print(json.dumps(as_json(explained(whole)), ensure_ascii=False))
    else:
        console = Console(sys.stdout)
        for number, report in enumerate(reports):
            if number:
                console.line()
            console.story(report)
    if not reports:
        print(f"mfp-sim: {visible(nothing_selected(options.selection))}", file=sys.stderr)
    return 1 if whole.not_as_expected else 0 if whole.counts["passed"] else 5


def check(options: argparse.Namespace) -> int:
    """Read files and report all their mistakes."""
    if not options.assumptions and (options.write or options.jobs > 1):
        raise UsageError("--write and --jobs apply only to --assumptions", remedy="give --assumptions too")
    paths = [path_of(word) for word in options.selection] or [bundled_directory()]
    plans = plans_of(path for path in paths if exists(path))
    files_by_path = {path: files_of(path) for path in paths if path not in plans}
    files = [file for each in files_by_path.values() for file in each]
    empty = [str(path) for path, each in files_by_path.items() if not each and not plans_of([path])]
    if empty and (files or plans):
        text = f"no file in {', '.join(empty)} is called *{SUFFIX} or *{PLAN_SUFFIX}"
        raise UsageError(text, remedy="check the name of the directory, or leave it out")
    try:
        if files and options.assumptions:
            directories = [path if path.is_dir() else path.parent for path in paths]
            return check_assumptions(
                options,
                [(file, at) for path, at in zip(paths, directories, strict=True) for file in files_of(path)],
            )
        count = _checked(files, plans)
    except DocumentError as error:
        if not options.json:
            raise
        keys = ("file", "line", "column", "message", "hint")
        print(json.dumps([{key: getattr(problem, key) for key in keys} for problem in error.problems]))
        return error.exit_code
    if not files and not plans:
        where = ", ".join(str(path) for path in paths)
        print(f"mfp-sim: no file in {visible(where)} is called *{SUFFIX}, so nothing was checked", file=sys.stderr)
    if options.json:
        print("[]")
    elif files or plans:
        found = [f"{_several(count, 'scenario')} in {_several(len(files), 'file')}"] if files else []
        found += [_several(len(plans), "fleet plan")] if plans else []
        verb = "run" if files else "fleet"
        where = f"mfp-sim {verb} {shlex.join(options.selection)}".rstrip()
        last = "" if options.quiet else f". Next: {where}"
        print(f"{' and '.join(found)}, no mistakes{last}")
    return 0 if files or plans else 5


def _checked(files: Sequence[Path], plans: Sequence[Path]) -> int:
    """The number of scenarios in the files; all mistakes in files and plans are raised at once."""
    problems: list[Problem] = []
    found = load_all(files, problems)
    for plan in plans:
        try:
            load_plan(plan)
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(problems)
    return len(found)


def _several(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def schema(options: argparse.Namespace) -> int:
    """The JSON schema of scenario files, or of fleet plans."""
    print(json.dumps(scenario_schema() if options.of == "scenario" else fleet_schema(), indent=2))
    return 0
