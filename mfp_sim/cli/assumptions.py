"""``mfp-sim check --assumptions``: measures which assumptions scenarios rest on, and compares that with `assumes`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from mfp_sim.documents import load
from mfp_sim.errors import MfpSimError
from mfp_sim.report.console import Console
from mfp_sim.scenario.collection import load_all
from mfp_sim.scenario.examined import FILE, assumptions_of, nearest, read_file, write_file
from mfp_sim.scenario.examining import Mistake, examine, mistakes_of
from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.model import Scenario

__all__ = ["check_assumptions"]

_Measured = list[tuple[Scenario, tuple[str, ...] | None]]


def check_assumptions(options: argparse.Namespace, chosen: Sequence[tuple[Path, Path]]) -> int:
    """Measure the scenarios of files; 1 when one names too little or too much, or cannot be measured.

    Args:
        options: ``jobs``, ``json``, ``write``.
        chosen: each file, and the directory where a new examined.json is put for it.

    Raises:
        DocumentError: the mistakes of all files.
        UsageError: examined.json is something else, or cannot be written.
    """
    chosen = list(dict(chosen).items())
    files = [file for file, _ in chosen]
    total = len(load_all(files))  # tells all mistakes at once, before anything runs
    stores = {file: nearest(file.parent) or directory / FILE for file, directory in chosen}
    if options.write:
        for path in set(stores.values()):
            if path.exists():
                read_file(path)  # what is something else is refused before, not after, the work
    progress = Console(sys.stderr)
    mistakes: list[Mistake] = []
    measured: dict[Path, _Measured] = {}
    for file, found in zip(files, _measured(files, options.jobs), strict=True):
        measured.setdefault(stores[file], []).extend(found)
        progress.progress(sum(map(len, measured.values())), total, file.name)
        mistakes += mistakes_of(load(file), found)
    progress.clear()
    if options.write:
        for path, entries in measured.items():
            write_file(path, entries)
    _tell(mistakes, measured, options)
    return int(bool(mistakes))


def _measured(files: Sequence[Path], jobs: int) -> Iterator[_Measured]:
    """The measurements of each file, in order."""
    if jobs == 1 or len(files) < 2:
        yield from map(_of_file, files)
        return
    # Spawned, not forked: a fork would copy threads' locks and a frozen clock.
    with ProcessPoolExecutor(min(jobs, len(files)), mp_context=get_context("spawn")) as pool:
        try:
            for file, found in zip(files, pool.map(_flips_of_file, files), strict=True):
                yield list(zip(load_file(file), found, strict=True))
        except BrokenProcessPool:
            raise MfpSimError("a process that measured ended abruptly", remedy="--jobs 1 shows where") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _of_file(file: Path) -> _Measured:
    return [(scenario, examine(scenario)) for scenario in load_file(file)]


def _flips_of_file(file: Path) -> list[tuple[str, ...] | None]:
    return [flips for _, flips in _of_file(file)]


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
        f"{len(known)} of {len(flips)} scenarios measured: other readings change {resting} of them; "
        f"{len(mistakes)} mistake{'s' * (len(mistakes) != 1)} in assumes"
    )
    for path in measured if options.write else ():
        console.line(f"written to {path}")
