"""``mfp-sim explore``: searches for a combination in which a rule does not hold, and shrinks it to a scenario.

Owns options, console, files and exit codes; the search is in `mfp_sim.exploration`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

from mfp_sim.device.printer_profile import PROFILES
from mfp_sim.exploration.comparing import COMPARISONS
from mfp_sim.exploration.drawing import Space, scenario_of
from mfp_sim.exploration.result import ExploreResult, FoundFailure, merged, sentence_of
from mfp_sim.exploration.running import carried_out
from mfp_sim.exploration.search import Found, Search, document_of, forget_other
from mfp_sim.exploration.shrinking import reason_of
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.exploration.writing import as_yaml
from mfp_sim.report.console import Console
from mfp_sim.report.writing import ready, write
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.collection import SUFFIX
from mfp_sim.scenario.runner import one_freeze
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.shared.visible import one_line

__all__ = ["explore"]

_MOST_FAILURES = 10


def explore(options: argparse.Namespace) -> int:
    """The verb; returns the exit code: 1 if a rule did not hold.

    Raises:
        UsageError, DocumentError: see `mfp_sim.shared.errors`.
    """
    if options.url is not None:
        from mfp_sim.cli.explore_server import explore_server  # noqa: PLC0415 - the other search needs no server

        return explore_server(options)
    console = Console(sys.stderr if options.json else sys.stdout)
    if options.list:
        return _list(options.json)
    for model in options.profile or ():
        if model not in PROFILES:
            raise UsageError(f"there is no printer model {model!r}", remedy=did_you_mean(model, PROFILES))
    space = Space(options.printers, tuple(options.profile or ()))
    if options.replay is not None:
        return _replay(options.replay, space, console)
    if options.merge:
        result = merged([_read(file) for file in options.merge])
    else:
        result = _searched(options, space, Console(sys.stderr))
    if options.out is not None:
        ready(options.out)
        write(options.out / "explore.json", json.dumps(record_of(ExploreResult).write(result), indent=1) + "\n")
        for number, failed in enumerate(result.failures, 1):
            write(options.out / f"{number}-{failed.rule}{SUFFIX}", failed.scenario)
    _summary(console, result, options.out)
    if options.json:
        print(json.dumps(record_of(ExploreResult).write(result)))
    return 1 if result.failures else 0


def _read(file: Path) -> ExploreResult:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}", remedy="give explore.json of a search") from None
    return read_json(ExploreResult, value, str(file))


# --- searching --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _pool(jobs: int) -> Iterator[Executor | None]:
    """Processes for the cases, or None for this process."""
    if jobs == 1:
        yield None
        return
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - one process needs no pool
    from multiprocessing import get_context  # noqa: PLC0415 - one process needs no pool

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C at a terminal reaches all processes: only the parent reacts, and ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _searched(options: argparse.Namespace, space: Space, progress: Console) -> ExploreResult:
    """Search until the cases or the time are used up, or Ctrl-C ends the search."""
    seed, shard = options.seed, options.shard
    clock, most = SystemClock(), options.seeds
    if most is None and options.time is None:
        most = 2000
    begun = clock.now()
    stopped = False

    def elapsed() -> float:
        return (clock.now() - begun).total_seconds()

    # A shard is a search of its own, with a seed that no other shard has.
    search: Search
    with _pool(options.jobs) as pool:
        search = Search(seed * 1000 + shard[0] - 1 if shard else seed, space, pool, python=options.against)
        try:
            while len(search.found) < _MOST_FAILURES:
                left = None if most is None else most - search.cases
                if (left is not None and left <= 0) or (options.time is not None and elapsed() >= options.time):
                    break
                for _ in search.round(left) if left is not None else search.round():
                    rate = f"{search.cases / max(elapsed(), 0.001):.0f} a second"
                    said = (
                        f"cases, {rate}, {sum(1 for n in SOMETIMES if search.reached[n])} of {len(SOMETIMES)} sometimes"
                    )
                    progress.progress(search.cases, most or search.cases, f"{said}, {len(search.found)} failures")
                if options.first and search.found:
                    break
        except KeyboardInterrupt:
            stopped = True
    progress.clear()
    if stopped:
        progress.line("interrupted: the result has the cases so far")
    try:
        failures = [_failed(found, search, progress) for found in search.found.values()]
    finally:
        forget_other()
    return ExploreResult(
        format=1,
        seed=str(search.seed),
        cases=search.cases,
        seconds=elapsed(),
        features=len(search.features),
        failures=tuple(failures),
        reached={name: search.reached[name] for name in sorted(search.reached)},
    )


def _failed(found: Found, search: Search, progress: Console) -> FoundFailure:
    progress.progress(0, 1, f"shrinking {found.violation.rule}")
    rule = found.violation.rule
    document, violation = search.small(found)
    progress.clear()
    comments = [f"Found by mfp-sim explore: {one_line(violation.text, 200)}"]
    if rule in COMPARISONS:
        comments.append("No expectation can say this; it needs two runs.")
    scenario = as_yaml({**document, "name": f"explored-{rule}", "why": sentence_of(rule)}, tuple(comments))
    times = search.times[reason_of(found.violation)]
    return FoundFailure(rule, violation.text, found.token, found.cases, times, scenario)


def _replay(case: str, space: Space, console: Console) -> int:
    document = document_of(case, space)
    scenario = scenario_of(document)
    assert scenario is not None
    with one_freeze():
        violations = carried_out(scenario).violations
    console.line(as_yaml(document, (f"Case {case} of mfp-sim explore",)).rstrip())
    for violation in violations:
        console.line(f"\nstep {violation.step}: {violation.rule}: {violation.text}")
    console.line("" if violations else "\nevery rule held")
    return 1 if violations else 0


# --- output -----------------------------------------------------------------------------------------------


def _list(as_json: bool) -> int:
    always = {name: rule.sentence for name, rule in ALWAYS.items()}
    sometimes = {name: one.sentence for name, one in SOMETIMES.items()}
    if as_json:
        print(json.dumps({"always": always, "sometimes": sometimes}))
        return 0
    for title, table in (("Rules that always hold", always), ("Properties that hold sometimes", sometimes)):
        print(f"{title}:")
        width = max(map(len, table))
        for name, sentence in table.items():
            print(f"  {name:{width}}  {sentence}")
    return 0


def _summary(console: Console, result: ExploreResult, out: Path | None) -> None:
    for number, failed in enumerate(result.failures, 1):
        console.line(f"\nFAIL  {failed.rule}: {sentence_of(failed.rule)}")
        console.line(f"      {failed.text}")
        console.line(
            f"      case {failed.case}, after {failed.cases} cases; {failed.times} cases failed for this reason"
        )
        if out is not None:
            console.line(f"      {out / f'{number}-{failed.rule}{SUFFIX}'}")
        else:
            for line in failed.scenario.splitlines():
                console.line(f"        {line}")
    rate = result.cases / result.seconds if result.seconds else 0.0
    reached = len(SOMETIMES) - len(result.missed)
    if result.missed:
        shown = ", ".join(result.missed[:8])
        more = f" and {len(result.missed) - 8} more" if len(result.missed) > 8 else ""
        console.line(f"\nnever reached: {shown}{more}")
    outcome = "every rule held" if not result.failures else f"{len(result.failures)} rules did not hold"
    console.line(
        f"\n{outcome} in {result.cases} cases ({result.seconds:.0f} s, {rate:.0f} a second); "
        f"{reached} of {len(SOMETIMES)} sometimes properties came true; seed {result.seed}"
    )
