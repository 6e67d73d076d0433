"""``mfp-sim check --assumptions``: measures the assumptions that scenarios depend on, and compares with `assumes`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from mfp_sim.cli.workers import in_processes, scenario_of
from mfp_sim.report.console import Console
from mfp_sim.scenario.collection import load_all
from mfp_sim.scenario.examined import FILE, assumptions_of, nearest, read_file, write_file
from mfp_sim.scenario.examining import Mistake, examine, mistakes_of
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.documents import load
from mfp_sim.shared.errors import MfpSimError

__all__ = ["check_assumptions"]

_FEW = 20
"""The number of scenarios from which on their number is printed first: on a terminal or not, they take a while."""
_Measured = list[tuple[Scenario, tuple[str, ...] | None]]


def check_assumptions(options: argparse.Namespace, chosen: Sequence[tuple[Path, Path]]) -> int:
    """Measure the scenarios of files; 1 when one names too little or too much, or cannot be measured.

    Args:
        options: ``jobs``, ``json``, ``write``.
        chosen: each file, and the directory for its new examined.json.

    Raises:
        DocumentError: the mistakes of all files.
        UsageError: examined.json is something else, or cannot be written.
    """
    directories = dict(chosen)
    scenarios = load_all(directories)  # reports all mistakes at once, before anything runs
    stores = {file: nearest(file.parent) or directory / FILE for file, directory in directories.items()}
    for path in set(stores.values()) if options.write else ():
        if path.exists():
            read_file(path)  # refuse a wrong file before the work, not after it
    progress = Console(sys.stderr)
    if len(scenarios) > _FEW:
        text = "a file measures only its own, --jobs N uses several processes"
        progress.line(f"measuring {len(scenarios)} scenarios; {text}")
    by_file: dict[Path, _Measured] = {}
    for number, (scenario, flips) in enumerate(zip(scenarios, _flips(scenarios, options.jobs), strict=True), 1):
        progress.progress(number, len(scenarios), scenario.name)
        by_file.setdefault(Path(scenario.file), []).append((scenario, flips))
    progress.clear()
    mistakes = [mistake for file, measured in by_file.items() for mistake in mistakes_of(load(file), measured)]
    by_store: dict[Path, _Measured] = {}
    for file, measured in by_file.items():
        by_store.setdefault(stores[file], []).extend(measured)
    for path, measured in by_store.items() if options.write else ():
        write_file(path, measured)
    _tell(mistakes, by_store, options)
    return int(bool(mistakes))


def _flips(scenarios: Sequence[Scenario], jobs: int) -> Iterator[tuple[str, ...] | None]:
    """The flips that change each scenario, in order."""
    if jobs == 1 or len(scenarios) < 2:
        yield from map(examine, scenarios)
        return
    try:
        with in_processes(jobs, _in_worker, [(s.file, s.name) for s in scenarios]) as futures:
            yield from (future.result() for future in futures)
    except BrokenProcessPool:
        raise MfpSimError("a worker process ended abruptly", remedy="--jobs 1 shows where") from None


def _in_worker(file: str, name: str) -> tuple[str, ...] | None:
    return examine(scenario_of(file, name))


def _tell(mistakes: Sequence[Mistake], measured: dict[Path, _Measured], options: argparse.Namespace) -> None:
    if options.json:
        keys = ("file", "line", "column", "message", "hint")
        rows = [
            {"kind": mistake.kind, "assumption": mistake.assumption}
            | {key: getattr(mistake.problem, key) for key in keys}
            for mistake in mistakes
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return
    console = Console(sys.stdout)
    for mistake in mistakes:
        console.line(str(mistake.problem))
    flips = [found for entries in measured.values() for _, found in entries]
    known = [found for found in flips if found is not None]
    resting = sum(bool(assumptions_of(found)) for found in known)
    console.line(
        f"{len(known)} of {len(flips)} scenarios measured. Other readings change {resting} of them; "
        f"{len(mistakes)} mistake{'s' * (len(mistakes) != 1)} in assumes"
    )
    for path in measured if options.write else ():
        console.line(f"written to {path}")
