"""``python -m mutation``: changes the product's code in small ways, and counts what notices it.

Exit code 0 when the goal of each target is reached and every survivor has its reason in survivors.yaml; 1 otherwise.
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

from mutation.mutants import Mutant, mutants_of
from mutation.session import MutationSession, Verdict
from mutation.targets import ROOT, TARGETS, Target

SURVIVORS = Path(__file__).with_name("survivors.yaml")


def main() -> int:
    """The command; returns the exit code."""
    names = {name.rpartition(".")[2]: name for target in TARGETS.values() for name in target.modules}
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    known = f"a target ({', '.join(TARGETS)}) or a module of one (default: all)"
    parser.add_argument("parts", nargs="*", metavar="PART", help=known)
    parser.add_argument("--only", metavar="TEXT", help="only mutants whose name has this text in it")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="only each N-th mutant (default: all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--goal", type=float, metavar="PERCENT", help="instead of the target's own")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - TARGETS.keys() - names.keys()):
        parser.error(f"there is no target or module {unknown[0]!r}")
    chosen = {
        name: mutants
        for name, target in TARGETS.items()
        if (mutants := _chosen(target, None if name in options.parts else options.parts, options.only, options.sample))
    }
    if not chosen:
        parser.error("no mutant was selected")
    if options.list:
        print("\n".join(mutant.name for mutants in chosen.values() for mutant in mutants))
        return 0
    codes = [_apart(TARGETS[name], mutants, options.jobs, options.goal) for name, mutants in chosen.items()]
    return max(codes)


def _chosen(target: Target, parts: Sequence[str] | None, only: str | None, sample: int) -> list[Mutant]:
    """The mutants of a target, of its modules that are named (of all without any name)."""
    files = {n: f for n, f in target.modules.items() if not parts or n.rpartition(".")[2] in parts}
    found = [mutant for name, file in files.items() for mutant in mutants_of(name, file)]
    return [mutant for mutant in found if only is None or only in mutant.name][::sample]


def _apart(target: Target, mutants: Sequence[Mutant], jobs: int, goal: float | None) -> int:
    """Run one target in a process of its own, since pytest runs once in a process; the exit code."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = _run(target, mutants, jobs, target.goal if goal is None else goal)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _run(target: Target, mutants: Sequence[Mutant], jobs: int, goal: float) -> int:
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
    for module in target.modules:
        importlib.import_module(module)
    session = MutationSession(mutants, target.modules, jobs, tell, say)
    arguments = ["-q", "-s", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore", *target.items]
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
