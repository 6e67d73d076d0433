"""``mfp-sim explore``: searches for a combination in which a rule does not hold, and shrinks it to a scenario.

Owns options, console, files and exit codes; the search is in `mfp_sim.exploration`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from mfp_sim.device.printer_profile import PROFILES
from mfp_sim.exploration.comparing import COMPARISONS
from mfp_sim.exploration.drawing import Space
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.result import ExploreResult, FoundFailure, merged, read_result, sentence_of
from mfp_sim.exploration.running import NO_CRASH
from mfp_sim.exploration.search import ROUND, Found, Search, forget_other, run_again
from mfp_sim.exploration.shrinking import reason_of
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.exploration.writing import as_yaml, write_result, write_text
from mfp_sim.report.console import Console
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.always.watching import Violation
from mfp_sim.scenario.collection import SUFFIX
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.processes import worker_processes
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.shared.stopping import ignore_signals
from mfp_sim.shared.visible import one_line

__all__ = ["explore"]

_INTERRUPTED = 130
"""The exit code of a search that Ctrl-C or SIGTERM ended before it found a failure."""
_NOTHING = 5
"""The exit code if no case was run."""
_MOST_FAILURES = 10


def explore(options: argparse.Namespace) -> int:
    """The verb; returns the exit code: 1 if a rule did not hold, 130 if the search was interrupted before that.

    Raises:
        UsageError, DocumentError: see `mfp_sim.shared.errors`.
    """
    _refuse_without_effect(options)
    if options.url is not None:
        from mfp_sim.cli.explore_server import explore_server  # noqa: PLC0415 - the other search needs no server

        _make(options.out)
        return explore_server(options)
    console = Console(sys.stderr if options.json else sys.stdout)
    if options.list:
        return _list(options.json)
    for model in options.profile or ():
        if model not in PROFILES:
            raise UsageError(f"there is no printer model {model!r}", remedy=did_you_mean(model, PROFILES))
    space = Space(options.printers, tuple(options.profile or ()))
    if options.replay is not None:
        return _replay(options.replay, space, console, as_json=options.json)
    interrupted = False
    if options.merge:
        result = merged([read_result(file) for file in options.merge])
        _make(options.out)
    else:
        _make(options.out)  # before the search, so that none is wasted if that fails
        result, interrupted = _searched(options, space, Console(sys.stderr))
    _summary(console, result, options.out)
    if options.json:
        print(json.dumps(record_of(ExploreResult).write(result)))
    if options.out is not None:
        _write(result, options.out)
        console.line(f"result in {options.out / 'explore.json'}")
    if result.failures:
        return 1
    if interrupted:
        return _INTERRUPTED
    return 0 if result.cases else _NOTHING


def _write(result: ExploreResult, directory: Path) -> None:
    write_result(directory / "explore.json", record_of(ExploreResult).write(result))
    for number, failed in enumerate(result.failures, 1):
        write_text(directory / _file(number, failed), failed.scenario)


def _file(number: int, failed: FoundFailure) -> str:
    return f"{number}-{failed.rule}{SUFFIX}"


_SEARCH = {"first": "--first", "jobs": "--jobs", "printers": "--printers", "profile": "--profile",
           "against": "--against", "shard": "--shard"}  # fmt: skip
_LIMITS = {"seeds": "--seeds", "time": "--time"}
_SERVER = {"budget": "--budget", "keep_going": "--keep-going", "i_may_search_this_server": "--i-may-search-this-server",
           "subject_prefix": "--subject-prefix", "rate": "--rate", "timeout": "--timeout", "challenge": "--challenge",
           "challenge_file": "--challenge-file", "challenge_env": "--challenge-env"}  # fmt: skip
_WITHOUT_EFFECT: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "list": ("--list", {**_LIMITS, **_SEARCH, **_SERVER, "seed": "--seed", "out": "--out", "url": "--ca",
                        "replay": "--replay", "merge": "--merge"}),
    "url": ("--ca", {**_SEARCH, "replay": "--replay", "merge": "--merge"}),
    "replay": ("--replay", {**_LIMITS, "first": "--first", "jobs": "--jobs", "against": "--against", "shard": "--shard",
                            "seed": "--seed", "out": "--out", "merge": "--merge", **_SERVER}),
    "merge": ("--merge", {**_LIMITS, **_SEARCH, **_SERVER, "seed": "--seed"}),
}  # fmt: skip
"""The options that have no effect together with an option, by their names in the namespace. Without the option, those
of ``_SERVER`` have none."""


def _refuse_without_effect(options: argparse.Namespace) -> None:
    """Refuse an option that would have no effect.

    Raises:
        UsageError: there is such an option, or the time is 0.
    """

    def given(name: str) -> bool:
        return bool(getattr(options, name) != options.parser.get_default(name))

    what = next((name for name in _WITHOUT_EFFECT if given(name)), None)
    having, without = _WITHOUT_EFFECT[what] if what is not None else ("", _SERVER)
    for name, option in without.items():
        if given(name):
            text = f"{option} has no effect with {having}" if having else f"{option} has no effect without --ca"
            raise UsageError(text, remedy="leave it out" if having else "give --ca URL to search a server")
    if options.time == 0:
        raise UsageError("a search of 0 seconds has no case", remedy="give a longer --time")


def _make(directory: Path | None) -> None:
    if directory is None:
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write into {directory}: {error.strerror}") from None


# --- searching --------------------------------------------------------------------------------------------


def _searched(options: argparse.Namespace, space: Space, progress: Console) -> tuple[ExploreResult, bool]:
    """Search until the cases or the time are used up, or Ctrl-C ends the search; also whether it was interrupted."""
    seed, shard = options.seed, options.shard
    clock, most = SystemClock(), options.seeds
    if most is None and options.time is None:
        most = 2000
    begun = clock.now()
    interrupted, seconds = False, 0.0

    def elapsed() -> float:
        return (clock.now() - begun).total_seconds()

    # A shard is a search with a seed that no other shard has.
    search = Search(seed * 1000 + shard[0] - 1 if shard else seed, space, python=options.against)

    def goes_on() -> bool:
        """Whether another case is wanted. Cases come in the order of their numbers, so the result does not depend on
        the number of processes."""
        return (
            len(search.found) < (1 if options.first else _MOST_FAILURES)
            and (most is None or search.cases < most)
            and (options.time is None or elapsed() < options.time)
        )

    try:
        with worker_processes(options.jobs) if options.jobs > 1 else nullcontext() as pool:
            while goes_on():
                for _ in search.round(ROUND if most is None else most - search.cases, pool):
                    seconds = elapsed()
                    rate = f"{search.cases / max(seconds, 0.001):.0f} a second"
                    reached = f"{sum(1 for n in SOMETIMES if search.reached[n])} of {len(SOMETIMES)} sometimes"
                    said = f"cases, {rate}, {reached}, {_count(len(search.found), 'failure')}"
                    progress.progress(search.cases, most or search.cases, said)
                    if not goes_on():
                        break
    except KeyboardInterrupt:
        interrupted = True
    failures: list[FoundFailure] = []
    try:  # at once: another signal may have arrived already
        progress.clear()
        if interrupted:
            progress.line("interrupted: the result has the cases so far")
        for found in search.found.values():
            failures.append(_failed(found, search, progress))
    except KeyboardInterrupt:
        ignore_signals()
        interrupted = True
        failures += [_not_shrunk(other, search) for other in list(search.found.values())[len(failures) :]]
    finally:
        forget_other()
    if interrupted:
        ignore_signals()  # the result must not be lost
    result = ExploreResult(
        format=1,
        seed=str(search.seed),
        cases=search.cases,
        seconds=seconds,
        features=len(search.features),
        failures=tuple(failures),
        reached={name: search.reached[name] for name in sorted(search.reached)},
    )
    return result, interrupted


def _failed(found: Found, search: Search, progress: Console) -> FoundFailure:
    progress.progress(0, 1, f"shrinking {found.violation.rule}")
    document, violation = search.small(found)
    progress.clear()
    return _as_failure(found, search, document, violation)


def _not_shrunk(found: Found, search: Search) -> FoundFailure:
    return _as_failure(found, search, found.document, found.violation, "Not shrunk: the search was interrupted.")


def _as_failure(found: Found, search: Search, document: Document, violation: Violation, *more: str) -> FoundFailure:
    rule = violation.rule
    comments = [f"Found by mfp-sim explore: {one_line(violation.text, 200)}", *more]
    if rule in COMPARISONS:
        comments.append("No expectation can say this; it needs two runs.")
    scenario = as_yaml({**document, "name": f"explored-{rule}", "why": sentence_of(rule)}, tuple(comments))
    times = search.times[reason_of(found.violation)]
    return FoundFailure(rule, violation.text, found.token, found.cases, times, scenario)


def _replay(case: str, space: Space, console: Console, *, as_json: bool) -> int:
    """Run one case again, also for the rules about two runs."""
    document, violations = run_again(case, space)
    scenario = as_yaml(document, (f"Case {case} of mfp-sim explore",))
    console.line(scenario.rstrip())
    for violation in violations:
        console.line(f"\nstep {violation.step}: {violation.rule}: {one_line(violation.text)}")
    if not violations:
        console.line("\nevery rule held")
    if as_json:
        broken = [{"rule": one.rule, "text": one.text, "step": one.step} for one in violations]
        print(json.dumps({"case": case, "scenario": scenario, "violations": broken}))
    return 1 if violations else 0


# --- output -----------------------------------------------------------------------------------------------


def _list(as_json: bool) -> int:
    tables = {
        "always": ("Rules that always hold", (*ALWAYS, NO_CRASH)),
        "two_runs": ("Rules about two runs", tuple(COMPARISONS)),
        "sometimes": ("Situations that a search should reach", tuple(SOMETIMES)),
    }
    if as_json:
        print(json.dumps({key: {name: sentence_of(name) for name in names} for key, (_, names) in tables.items()}))
        return 0
    for title, names in tables.values():
        print(f"{title}:")
        width = max(map(len, names))
        for name in names:
            print(f"  {name:{width}}  {sentence_of(name)}")
    return 0


def _summary(console: Console, result: ExploreResult, out: Path | None) -> None:
    for number, failed in enumerate(result.failures, 1):
        console.line(f"\nFAIL  {failed.rule}: {sentence_of(failed.rule)}")
        console.line(f"      {one_line(failed.text)}")
        first = f"case {failed.case}, after {_count(failed.cases, 'case')}"
        console.line(f"      {first}; {_count(failed.times, 'case')} failed for this reason")
        if out is not None:
            console.line(f"      {out / _file(number, failed)}")
        else:
            for line in failed.scenario.splitlines():
                console.line(f"        {line}")
    if not result.cases:
        console.line("\nno case was run")
        return
    rate = result.cases / result.seconds if result.seconds else 0.0
    reached = len(SOMETIMES) - len(result.missed)
    if result.missed:
        shown = ", ".join(result.missed[:8])
        more = f" and {len(result.missed) - 8} more" if len(result.missed) > 8 else ""
        console.line(f"\nnever reached: {shown}{more}")
    outcome = _count(len(result.failures), "failure") if result.failures else "every rule held"
    console.line(
        f"\n{outcome} in {_count(result.cases, 'case')} ({result.seconds:.0f} s, {rate:.0f} a second); "
        f"{reached} of {len(SOMETIMES)} situations were reached; seed {result.seed}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
