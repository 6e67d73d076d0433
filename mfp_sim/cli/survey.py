"""The verbs that survey: ``coverage``, ``profiles``, ``power-points``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import local_of
from mfp_sim.device.printer_profile import PROFILES, Profile, find_profile, profile_schema
from mfp_sim.report.console import Console
from mfp_sim.report.coverage import (
    SOURCES,
    CoverageRow,
    Statement,
    basis_of,
    coverage_of,
    entries_of,
    markdown_of,
    reason_of,
)
from mfp_sim.scenario.collection import nothing_selected, select
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.power import PowerInstant, PowerPoint, cut_at, power_instants
from mfp_sim.scenario.power import power_points as points_of
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import did_you_mean, duration
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.visible import visible

__all__ = ["coverage", "power_points", "profiles"]


def coverage(options: argparse.Namespace) -> int:
    """The requirements that the selected scenarios cover: stated by the manual or the RFC, or also assumed.

    With a source the scenarios are run; the exit code is 1 if one that covers an entry failed.
    """
    scenarios = select(options.selection, options.tag)
    if not scenarios:
        print(f"mfp-sim: {visible(nothing_selected(options.selection))}", file=sys.stderr)
        return 5
    if options.missing is not None and not entries_of(options.missing):
        hint = did_you_mean(options.missing, sorted({entry.id.partition("-")[0] for entry in entries_of()}))
        raise UsageError(f"no id begins with {options.missing!r}", remedy=hint or "MFP, SCEP-3.2 or F, for example")
    if options.source is not None:
        return _by_entry(options, scenarios)
    by_id = _by_requirement(scenarios)
    if options.json:
        rows = [
            {"id": entry.id, "title": entry.title, "basis": basis_of(entry), "scenarios": by_id.get(entry.id, [])}
            for entry in entries_of(options.missing or "")
            if options.missing is None or entry.id not in by_id
        ]
        print(json.dumps(rows, ensure_ascii=False))
    elif options.missing is not None:
        missing = [entry for entry in entries_of(options.missing) if entry.id not in by_id]
        for entry in missing:
            print(f"{entry.id:18} {entry.title}")
        if not missing:
            print(f"mfp-sim: scenarios cover every id that begins with {visible(options.missing)}", file=sys.stderr)
    else:
        _print_summary(by_id)
    return 0


def _by_entry(options: argparse.Namespace, scenarios: Sequence[Scenario]) -> int:
    """For each entry: its scenarios, and whether they pass now."""
    console = Console(sys.stderr)
    wanted = entries_of(SOURCES[options.source])
    names = {entry.id for entry in wanted}
    chosen = [scenario for scenario in scenarios if names & set(scenario.covers)]
    reports = []
    for number, scenario in enumerate(chosen, 1):
        console.progress(number, len(chosen), scenario.name)
        reports.append(report_of(run(scenario)))
    rows = coverage_of(wanted, reports)
    if options.json:
        print(json.dumps([row.to_json() | {"reason": reason_of(row)} for row in rows], ensure_ascii=False))
    elif options.markdown:
        print(markdown_of(rows))
    else:
        for row in rows:
            print(f"{row.id:18} {row.basis:8} {row.verdict:8} {_told(row):56} {row.title}")
        for basis in dict.fromkeys(row.basis for row in rows):
            of_basis = [row for row in rows if row.basis == basis]
            print(f"{basis}: {_shown(of_basis)} of {len(of_basis)} entries are shown by a scenario")
        print(f"{_shown(rows)} of {len(rows)} entries are shown by a scenario")
    return int(any(row.verdict == "FAIL" for row in rows))


def _shown(rows: Sequence[CoverageRow]) -> int:
    return sum(row.verdict == "pass" for row in rows)


def _told(row: CoverageRow) -> str:
    failed = [shown.name for shown in row.scenarios if shown.outcome in ("failed", "error")]
    if failed:
        return ", ".join(failed)
    if not row.scenarios:
        return reason_of(row) or "-"
    more = f" and {len(row.scenarios) - 1} more" if len(row.scenarios) > 1 else ""
    return f"{row.scenarios[0].name}{more}"


def _by_requirement(scenarios: Iterable[Scenario]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for scenario in scenarios:
        for covered in scenario.covers:
            found.setdefault(covered, []).append(scenario.name)
    return found


_TITLES = {"MFP": "the printer's manual", "SCEP": "RFC 8894", "F": "field failures"}


def _print_summary(by_id: dict[str, list[str]]) -> None:
    groups: dict[tuple[str, str], list[Statement]] = {}
    for entry in entries_of():
        source = _TITLES[entry.id.partition("-")[0]]
        groups.setdefault((source, basis_of(entry)), []).append(entry)
    for (source, basis), entries in groups.items():
        shown = sum(entry.id in by_id for entry in entries)
        rests = ", depending on assumptions" if basis == "assumed" else ""
        print(f"{source}{rests}: {shown} of {len(entries)} statements are shown by a scenario")
    print("mfp-sim coverage --missing MFP lists the others; mfp-sim conform checks the requirements on a server")


def profiles(options: argparse.Namespace) -> int:
    """The printer models, one of them value by value, or the schema of model files."""
    if options.schema:
        print(json.dumps(profile_schema(), indent=1, ensure_ascii=False))
        return 0
    if options.name is None:
        rows = [{"name": profile.name, "summary": profile.summary} for profile in PROFILES.values()]
        if options.json:
            print(json.dumps(rows, ensure_ascii=False))
        else:
            width = max(len(row["name"]) for row in rows)
            print("\n".join(f"{row['name']:{width}}  {row['summary']}" for row in rows))
        return 0
    profile = find_profile(options.name)
    values = _values(profile)
    if options.json:
        print(json.dumps({"name": profile.name, "summary": profile.summary, "values": values}, ensure_ascii=False))
        return 0
    console = Console(sys.stdout)
    console.line(f"{profile.name}: {profile.summary}")
    for name, row in values.items():
        shown = json.dumps(row["value"], ensure_ascii=False)
        console.line(f"  {name:24} {shown:40} {row['source']}".rstrip())
    return 0


def _values(profile: Profile) -> dict[str, dict[str, object]]:
    return {
        field.name: {"value": getattr(profile, field.name), "source": profile.sources.get(field.name, "")}
        for field in dataclasses.fields(profile)
        if field.name not in ("name", "summary", "sources")
    }


def power_points(options: argparse.Namespace) -> int:
    """The power points of a scenario, and with ``--cut`` the state after a failure at each."""
    scenarios = select(options.selection)
    if not scenarios:
        raise UsageError(nothing_selected(options.selection))
    if len(scenarios) != 1:
        names = ", ".join(scenario.name for scenario in scenarios)
        raise UsageError(f"{options.selection[0]} is {len(scenarios)} scenarios: {names}", remedy="name one of them")
    (scenario,) = scenarios
    points = _points(scenario, options)
    console = Console(sys.stdout)
    rows: list[dict[str, object]] = []
    for number, point in enumerate(points, 1):
        where: dict[str, object]
        where = {"nth": point.nth} if isinstance(point, PowerPoint) else {"at": point.at.isoformat()}
        row: dict[str, object] = {"number": point.number, "point": point.name, **where, "printer": point.printer}
        if options.cut:
            console.progress(number, len(points), point.name)
            row["broken"] = cut_at(scenario, point, seed=options.seed, flips=options.flip).broken
        rows.append(row)
        if not options.json:
            printer = f"{point.printer} " if scenario.others else ""
            console.line(f"{point.number:4}  {printer}{point.name} ({_place(point, scenario)}){_verdict(row)}")
    broken = sum(bool(row.get("broken")) for row in rows)
    if options.json:
        print(json.dumps(rows))
    elif options.cut and not rows:
        console.line("The scenario has no power point, so no power failure was tried")
    elif options.cut:
        after = f"is not sound after {broken}" if broken else "is sound after each"
        console.line(f"\nThe printer {after} of {len(rows)} power failures")
    return 5 if options.cut and not rows else int(broken > 0)


def _place(point: PowerPoint | PowerInstant, scenario: Scenario) -> str:
    """The number of the occurrence of a point; of an instant, the printer's local time to the millisecond."""
    if isinstance(point, PowerPoint):
        return str(point.nth)
    return local_of(point.at, ZoneInfo(scenario.printer.timezone)).isoformat(" ", "milliseconds")


def _points(scenario: Scenario, options: argparse.Namespace) -> Sequence[PowerPoint | PowerInstant]:
    if options.every is None:
        return points_of(scenario, seed=options.seed, flips=options.flip)
    every = timedelta(seconds=duration(options.every))
    instants = power_instants(scenario, every, seed=options.seed, flips=options.flip)
    if not instants:
        raise UsageError(f"no exchange of {scenario.name} takes any time", remedy="leave out --every")
    return instants


def _verdict(row: dict[str, object]) -> str:
    broken = row.get("broken")
    if broken is None:
        return ""
    assert isinstance(broken, tuple)
    return "  FAIL  " + "; ".join(broken) if broken else "  sound"
