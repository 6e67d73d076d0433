"""``python -m mutation.planted``: planted bugs that no shipped scenario notices, as a measure of ``mfp-sim explore``.

``--draw`` takes mutants of printer, exchange, mock and storage in an order that a seed decides, and writes those to
planted.yaml that no shipped scenario notices, but some test does: a change that no test notices may not be a bug.
Without it, each planted bug is searched for, and planted.md shows which were found, when, and by which rule.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mfp_sim.conformance import selftest
from mfp_sim.conformance.model import Proof
from mfp_sim.exploration.against import main as answer
from mfp_sim.exploration.drawing import Space
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.search import Search
from mfp_sim.exploration.server.result import FailingHistory
from mfp_sim.exploration.server.search import search_server
from mfp_sim.exploration.writing import as_yaml
from mutation.graft import graft
from mutation.mutants import Mutant, mutants_of
from mutation.session import MutationSession, Verdict
from mutation.targets import ROOT, Target

PLANTED = Path(__file__).with_name("planted.yaml")
_DEVICE = ("tests/device", "tests/properties/test_printer_machine.py")
_MOCK = ("tests/mock", "--ignore=tests/mock/test_concurrency.py", "tests/scenario/test_ca_operator.py")


def _files(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.py" for name in names)


PARTS = {
    "printer": Target(
        _files(
            "mfp_sim/device", "bundle", "clock", "configuration", "current_request", "inquiry", "keyring", "keystore",
            "local_time", "machine", "plan", "polling", "printer", "purposes", "request", "settings", "status",
            "transfer",
        ),
        _DEVICE, 0,
    ),
    "exchange": Target(
        _files("mfp_sim/client", "exchange", "stages"),
        ("tests/end_to_end", "tests/scep/test_exchange.py", "tests/scep/test_recipient.py",
         "tests/device/test_hostile_replies.py"), 0,
    ),
    "mock": Target(
        _files("mock_scep_server", "admission", "challenges", "grants", "ledger", "registrar", "replies", "script",
               "transactions"),
        _MOCK, 0,
    ),
    "storage": Target(
        (*_files("mfp_sim/device", "power", "private", "state", "storage"),
         *_files("mock_scep_server", "rows", "store")),
        (*_DEVICE, "tests/end_to_end/test_state_directory.py", *_files("tests/mock", "test_state", "test_state_rows")),
        0,
    ),
}  # fmt: skip
"""By the part of the product: its modules, and the tests that may notice."""
_IN_MEMORY = "storage"
"""The part that most scenarios do not reach, because they keep everything in memory; the search also keeps files."""


def mutants(part: str) -> list[Mutant]:
    """All mutants of a part."""
    return [mutant for name, file in PARTS[part].modules.items() for mutant in mutants_of(name, file)]


def _unnoticed(part: str, names: Sequence[str], items: Sequence[str], jobs: int, reached: bool) -> list[str]:
    """The mutants of those names that none of the items notices; with ``reached``, only those that some reach."""
    missing = [item for item in items if not item.startswith("--") and not (ROOT / item).exists()]
    if missing:
        raise RuntimeError(f"there are no tests {', '.join(missing)}")
    chosen = {mutant.name: mutant for mutant in mutants(part)}
    found: list[str] = []

    def tell(verdict: Verdict) -> None:
        if verdict.caught_by is None and (verdict.reached or not reached):
            found.append(verdict.mutant.name)

    output = os.fdopen(os.dup(2), "w", buffering=1)
    for module in PARTS[part].modules:
        importlib.import_module(module)
    session = MutationSession(
        [chosen[name] for name in names], PARTS[part].modules, jobs, tell, lambda text: print(text, file=output)
    )
    pytest.main(["-q", "-s", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore", *items], plugins=[session])
    if session.broken or len(session.verdicts) != len(names):
        raise RuntimeError(session.broken or "the run was broken off")
    return [name for name in names if name in found]


def _apart(part: str, names: Sequence[str], items: Sequence[str], jobs: int, reached: bool) -> list[str]:
    """`_unnoticed` in a process of its own, because pytest runs once in a process."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_unnoticed, (part, names, items, jobs, reached))


def draw(parts: Sequence[str], seed: int, count: int, sample: int, jobs: int) -> dict[str, list[str]]:
    """``count`` planted bugs of each part, of the first ``sample`` mutants in the order of the seed."""
    found = {}
    for part in parts:
        names = [mutant.name for mutant in mutants(part)]
        random.Random(f"{seed}/{part}").shuffle(names)
        quiet = _apart(part, names[:sample], ["scenarios"], jobs, part != _IN_MEMORY)
        print(f"{part}: unnoticed by scenarios: {json.dumps(quiet)}", flush=True)
        equal = set(_apart(part, quiet, PARTS[part].items, jobs, False)) if quiet else set()
        found[part] = [name for name in quiet if name not in equal][:count]
        print(
            f"{part}: {len(quiet)} of {sample} unnoticed by scenarios, {len(equal)} of these by tests too", flush=True
        )
    return found


# --- searching for them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sought:
    """What became of the search for a planted bug; ``rule`` is empty if it was not found."""

    part: str
    name: str
    rule: str
    seconds: float
    cases: int
    lines: int


def _unchanged() -> Callable[[Document], Any]:
    """An observer of the product as it is now: a fork of this process, which a later graft does not reach."""
    to_child, to_parent = os.pipe(), os.pipe()
    if not os.fork():
        with os.fdopen(to_child[0]) as source, os.fdopen(to_parent[1], "w") as target:
            os.close(to_child[1])
            answer(source, target)
        os._exit(0)
    os.close(to_child[0])
    os.close(to_parent[1])
    asks, answers = os.fdopen(to_child[1], "w"), os.fdopen(to_parent[0])

    def observe(document: Document) -> Any:
        asks.write(json.dumps(document) + "\n")
        asks.flush()
        return json.loads(answers.readline())

    return observe


def _seek(part: str, name: str, seconds: float, seed: int, compared: bool) -> Sought:
    """Search for one planted bug, in a process that is thrown away afterwards."""
    for other in PARTS.values():
        for module in other.modules:
            importlib.import_module(module)
    mutant = next(mutant for mutant in mutants(part) if mutant.name == name)
    other = _unchanged() if compared else None
    begun = time.process_time()
    try:
        graft(sys.modules[mutant.module], mutant.tree)
        if part == _SERVER and (failure := _as_a_server(seed)) is not None:
            spent = time.process_time() - begun
            return Sought(part, name, f"{failure.rule.slug}, --ca", spent, failure.case, len(failure.history))
        search = Search(seed, Space(), other=other)
        while not search.found and time.process_time() - begun < seconds:
            for _ in search.round():
                if search.found:
                    break
    except Exception as error:  # noqa: BLE001 - whatever a wrong module raises, it was noticed
        return Sought(part, name, type(error).__name__, time.process_time() - begun, 0, 0)
    spent = time.process_time() - begun
    if not search.found:
        return Sought(part, name, "", spent, search.cases, 0)
    found = next(iter(search.found.values()))
    document, _ = search.small(found)
    lines = len(as_yaml(document).splitlines())
    return Sought(part, name, found.violation.rule, spent, found.cases, lines)


_SERVER = "mock"
"""The part that is searched like a server first, as `mfp-sim explore --ca` does it, with clients of any kind."""


def _as_a_server(seed: int) -> FailingHistory | None:
    """The first failure of the mock as a server, with a challenge password and with approval by an operator."""
    for setup in ({}, {"open": True, "approval": "manual", "approve": True}):
        with selftest.bench(Proof("", setup=setup)) as session:
            result = search_server(session, seed=seed, cases=_CASES)
        if result.failures:
            return result.failures[0]
    return None


_CASES = 150


def seek_all(seconds: float, jobs: int, seed: int, only: str, *, compared: bool) -> list[Sought]:
    """Search for each planted bug, ``jobs`` at once."""
    planted = yaml.safe_load(PLANTED.read_text("utf-8"))
    wanted = [(part, name) for part, names in planted.items() for name in names if only in name]
    results = []
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        pending = [pool.apply_async(_seek, (part, name, seconds, seed, compared)) for part, name in wanted]
        for one in pending:
            found = one.get()
            results.append(found)
            said = f"{found.rule} after {found.seconds:.0f} s, {found.cases} cases, {found.lines} lines"
            print(f"{found.part:9} {found.name}: {said if found.rule else 'NOT FOUND'}", flush=True)
    return results


def table(results: Sequence[Sought], seconds: float) -> str:
    """The results as Markdown."""
    found = [one for one in results if one.rule]
    small = [one.lines for one in found if one.lines]
    middle = statistics.median(small) if small else 0
    lines = [
        "# Planted bugs",
        "",
        f"Made by `python -m mutation.planted --against --seconds {seconds:g}`. Each row is a small wrong change of",
        "the product that no shipped scenario notices, but some test does. `mfp-sim explore` searched for it on one",
        "core; the time is CPU time. `same-as-before` is the comparison with the product as it is (`--against`); every",
        "other name is that of a rule. The changes were drawn before the search was tried on any of them.",
        "",
        f"Found: {len(found)} of {len(results)} within {seconds:g} s. Median size of the scenario: {middle:g} lines.",
        "",
        "| part | change | found by | seconds | cases | lines |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in results:
        name = one.name.replace("|", "\\|")
        cells = (one.part, f"`{name}`", one.rule or "not found", f"{one.seconds:.0f}", one.cases or "", one.lines or "")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mutation.planted", description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the planted bugs, and write planted.yaml")
    parser.add_argument("--part", action="append", choices=PARTS, help="draw only for this part, and keep the others")
    parser.add_argument("--seed", type=int, default=1, help="of the drawing or of the search (default: 1)")
    parser.add_argument("--seconds", type=float, default=600, help="CPU time for each search (default: 600)")
    parser.add_argument("--against", action="store_true", help="compare with the product as it is, too")
    parser.add_argument("--only", default="", metavar="TEXT", help="only planted bugs with this text in their name")
    parser.add_argument("--count", type=int, default=10, help="planted bugs of each part (default: 10)")
    parser.add_argument("--sample", type=int, default=100, help="mutants of each part to try (default: 100)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    options = parser.parse_args()
    if not options.draw:
        results = seek_all(options.seconds, options.jobs, options.seed, options.only, compared=options.against)
        if not options.only:
            PLANTED.with_suffix(".md").write_text(table(results, options.seconds))
        return 0
    with contextlib.chdir(ROOT):
        found = draw(options.part or list(PARTS), options.seed, options.count, options.sample, options.jobs)
    kept = yaml.safe_load(PLANTED.read_text()) if options.part else {}
    head = f"# Planted bugs, by part, in the order of seed {options.seed}; from python -m mutation.planted --draw.\n"
    PLANTED.write_text(head + yaml.safe_dump(kept | found, width=1000, allow_unicode=True))
    print(json.dumps({part: len(names) for part, names in found.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
