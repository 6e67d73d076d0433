"""The verbs that change nothing: ``list``, ``show``, ``explain``, ``check``, ``schema``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mfp_sim.cli.assumptions import check_assumptions
from mfp_sim.fleet.plan import fleet_schema, load_plan, plans_of
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import as_json, here
from mfp_sim.report.model import RunReport
from mfp_sim.scenario.collection import SUFFIX, bundled_directory, files_of, load_all, select
from mfp_sim.scenario.expectations import EXPECTATIONS
from mfp_sim.scenario.loader import scenario_schema
from mfp_sim.scenario.reporting import explained, report_of
from mfp_sim.scenario.runner import run
from mfp_sim.scenario.steps import STEPS
from mfp_sim.shared.catalogue.registry import explain as explain_catalogued
from mfp_sim.shared.catalogue.registry import known_ids
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import DocumentError, Problem, UsageError
from mfp_sim.shared.visible import visible
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.listing import in_full

__all__ = ["check", "explain", "list_scenarios", "schema", "show"]


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
        print("mfp-sim: nothing was selected", file=sys.stderr)
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
    return 5 if not reports else int(whole.not_as_expected > 0)


def check(options: argparse.Namespace) -> int:
    """Read files and report all their mistakes."""
    if not options.assumptions and (options.write or options.jobs > 1):
        raise UsageError("--write and --jobs apply only to --assumptions", remedy="give --assumptions too")
    paths = [Path(word) for word in options.selection] or [bundled_directory()]
    plans = plans_of(paths)
    files = [file for path in paths if path not in plans for file in files_of(path)]
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
        print(f"{' and '.join(found)}, no mistakes")
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


# --- explain ----------------------------------------------------------------------------------------------


def _fault(word: str) -> str | None:
    return in_full(FAULTS[word]) if word in FAULTS else None


def _step(word: str) -> str | None:
    entry = STEPS.get(word)
    return None if entry is None else f"{word}  a step of scenarios\n  {entry.sentence}\n  - {entry.example_of(word)}"


def _expectation(word: str) -> str | None:
    entry = EXPECTATIONS.get(word)
    if entry is None:
        return None
    return f"{word}  a field of expect\n  {entry.sentence}\n  - expect: {{{word}: {entry.example}}}"


def _scenario(word: str) -> str | None:
    found = [scenario for scenario in select(()) if word in (scenario.name, scenario.name.partition("[")[0])]
    if not found:
        return None
    first = found[0]
    lines = [f"{word}  a scenario, {first.file}", f"  {first.why}", f"  covers: {', '.join(first.covers)}"]
    return "\n".join([*lines, f"  assumes: {', '.join(first.assumes)}"] if first.assumes else lines)


_EXPLAINERS: tuple[Callable[[str], str | None], ...] = (explain_catalogued, _fault, _step, _expectation, _scenario)


_WHERE_IDS_ARE = "mfp-sim list, mfp-sim coverage --json and mock-scep-server faults list the known words"


def explain(options: argparse.Namespace) -> int:
    """Explain each id; a word may have several meanings."""
    told = {}
    for word in options.ids:
        found = [text for text in (explainer(word) for explainer in _EXPLAINERS) if text is not None]
        if not found:
            known = [*known_ids(), *FAULTS, *STEPS, *EXPECTATIONS, *(scenario.name for scenario in select(()))]
            raise UsageError(f"unknown id or name {word!r}", remedy=did_you_mean(word, known) or _WHERE_IDS_ARE)
        told[word] = found
    if options.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n\n".join(text for found in told.values() for text in found))
    return 0
