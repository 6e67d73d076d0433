"""``python -m benchmarks.mutation``: changes the printer's code in small ways, and counts what notices it.

Exit code 0 when at least --goal percent are noticed and every survivor has its reason in survivors.yaml; 1 otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from benchmarks.mutation.mutants import Mutant, mutants_of
from benchmarks.mutation.session import MutationSession, Verdict

ROOT = Path(__file__).parents[2]
DEVICE = ROOT / "mfp_sim" / "device"
ITEMS = ("scenarios", "tests/device", "tests/cli/test_survey.py", "tests/properties/test_printer_machine.py")
SURVIVORS = Path(__file__).with_name("survivors.yaml")


def main() -> int:
    """The command; returns the exit code."""
    modules = sorted(path.stem for path in DEVICE.glob("*.py") if path.stem != "__init__")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(modules)} (default: all)")
    parser.add_argument("--only", metavar="TEXT", help="only mutants whose name has this text in it")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="only each N-th mutant (default: all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--goal", type=float, default=90.0, metavar="PERCENT", help="default: 90")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    options = parser.parse_args()
    if unknown := sorted(set(options.modules) - set(modules)):
        parser.error(f"there is no module {unknown[0]!r} in mfp_sim/device")
    mutants = [m for name in options.modules or modules for m in mutants_of(f"mfp_sim.device.{name}", _file(name))]
    mutants = [m for m in mutants if options.only is None or options.only in m.name][:: options.sample]
    if options.list:
        print("\n".join(mutant.name for mutant in mutants))
        return 0
    if not mutants:
        parser.error("no mutant was selected")
    return _run(mutants, {f"mfp_sim.device.{name}": _file(name) for name in modules}, options.jobs, options.goal)


def _file(module: str) -> Path:
    return DEVICE / f"{module}.py"


def _run(mutants: Sequence[Mutant], files: Mapping[str, Path], jobs: int, goal: float) -> int:
    known = read_survivors()
    output = os.fdopen(os.dup(1), "w", buffering=1)  # pytest and the mutants have the first one
    done = 0

    def say(text: str) -> None:
        print(text, file=output)

    def tell(verdict: Verdict) -> None:
        nonlocal done
        done += 1
        if verdict.caught_by is None:
            mark = "known" if verdict.mutant.name in known else "SURVIVED" if verdict.reached else "NOT REACHED"
            say(f"{done:5}/{len(mutants)}  {mark:11}  {verdict.mutant.name}")
        elif done % 100 == 0:
            say(f"{done:5}/{len(mutants)}")

    os.chdir(ROOT)
    for module in files:
        importlib.import_module(module)
    session = MutationSession(mutants, files, jobs, tell, say)
    arguments = ["-q", "-s", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore", *ITEMS]
    pytest.main(arguments, plugins=[session])
    if session.broken or len(session.verdicts) != len(mutants):
        say(session.broken or "the run was broken off")
        return 1
    return _summary(session.verdicts, known, goal, say)


def _summary(verdicts: Sequence[Verdict], known: Mapping[str, str], goal: float, say) -> int:  # type: ignore[no-untyped-def]
    total, caught = Counter[str](), Counter[str]()
    for verdict in verdicts:
        module = verdict.mutant.module.rpartition(".")[2]
        total[module] += 1
        caught[module] += verdict.caught_by is not None
    say(f"\n{'module':14} {'mutants':>8} {'noticed':>8} {'percent':>8}")
    for module in sorted(total):
        say(f"{module:14} {total[module]:8} {caught[module]:8} {100 * caught[module] / total[module]:8.1f}")
    score = 100 * caught.total() / total.total()
    say(f"{'all':14} {total.total():8} {caught.total():8} {score:8.1f}  goal {goal:g}")
    survivors = [verdict.mutant.name for verdict in verdicts if verdict.caught_by is None]
    without = [name for name in survivors if name not in known]
    stale = sorted(known.keys() & {v.mutant.name for v in verdicts if v.caught_by is not None})
    say(f"{len(survivors)} survivors, {len(without)} of them without a reason in {SURVIVORS.name}")
    for name in stale:
        say(f"in {SURVIVORS.name}, but noticed: {name}")
    return int(score < goal or bool(without))


def read_survivors() -> dict[str, str]:
    """The mutants that may survive, with the reason of each."""
    found = yaml.safe_load(SURVIVORS.read_text("utf-8")) or {}
    return {name: reason for reason, names in found.items() for name in names}


if __name__ == "__main__":
    sys.exit(main())
