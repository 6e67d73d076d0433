"""Runs scenarios, in this process or in several. An exception, a process that dies or a file with mistakes is an error
in the report of that scenario, and does not stop the others."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from mfp_sim.cli.workers import in_processes, scenarios_of
from mfp_sim.report.model import FailureReport, ScenarioReport
from mfp_sim.scenario.excerpt import excerpt, shown_change
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import one_freeze
from mfp_sim.scenario.runner import run as run_scenario
from mfp_sim.shared.errors import MfpSimError, Problem
from mfp_sim.shared.reaching import DIRECTLY, Reach
from mfp_sim.shared.redaction import Redactor

__all__ = ["Conditions", "carried_out", "machine", "unreadable"]


@dataclass(frozen=True)
class Conditions:
    """The options of every scenario of a run; passed to worker processes as they are."""

    seed: int | None
    flips: tuple[str, ...]
    ca_url: str | None
    profile: str | None = None
    state_dir: Path | None = None
    challenge: str | None = field(repr=False, default=None)
    challenge_words: tuple[str, ...] = ()
    keep_messages: bool = False
    reach: Reach = DIRECTLY
    changes: tuple[str, ...] = ()


def carried_out(
    todo: Sequence[Scenario], conditions: Conditions, jobs: int, begins: Callable[[int, str], None]
) -> Iterator[ScenarioReport]:
    """Each report, in the order of ``todo`` for any number of processes; ``begins`` gets number and name."""
    real = conditions.ca_url is not None or any(scenario.ca.url is not None for scenario in todo)
    with contextlib.nullcontext() if real or jobs > 1 else one_freeze():
        found = (
            (_settled(scenario, lambda scenario=scenario: _one(scenario, conditions)) for scenario in todo)  # type: ignore[misc]
            if jobs == 1
            else _in_processes(todo, conditions, jobs, frozen=not real)
        )
        for number, scenario in enumerate(todo, 1):
            begins(number, scenario.name)
            yield next(found)


def _in_processes(
    todo: Sequence[Scenario], conditions: Conditions, jobs: int, *, frozen: bool
) -> Iterator[ScenarioReport]:
    """The reports in order. A process that dies breaks its pool. To find the scenario that it ran, the first unfinished
    one then runs alone; the others continue in a new pool."""
    done = 0
    while done < len(todo):
        with contextlib.suppress(BrokenExecutor):
            for report in _in_pool(todo[done:], conditions, jobs, frozen=frozen):
                done += 1
                yield report
            return
        first = todo[done]
        yield _settled(first, lambda first=first: next(_in_pool([first], conditions, 1, frozen=frozen)))  # type: ignore[misc]
        done += 1


def _in_pool(todo: Sequence[Scenario], conditions: Conditions, jobs: int, *, frozen: bool) -> Iterator[ScenarioReport]:
    """The reports in order.

    Raises:
        BrokenExecutor: a process died.
    """
    arguments = [(scenario.file, scenario.name, conditions, frozen) for scenario in todo]
    with in_processes(jobs, _in_worker, arguments) as futures:
        for scenario, future in zip(todo, futures, strict=True):
            yield _settled(scenario, future.result, BrokenExecutor if len(todo) > 1 else ())


def _settled(
    scenario: Scenario,
    run: Callable[[], ScenarioReport],
    unless: type[Exception] | tuple[()] = (),
) -> ScenarioReport:
    """The result of ``run``; any exception is an error of that scenario, except ``unless``, which is raised again."""
    try:
        return run()
    except unless:
        raise
    except Exception as error:
        if os.environ.get("MFP_SIM_DEBUG"):
            raise
        told = f"internal error: {type(error).__name__}: {error}"
        if isinstance(error, MfpSimError):
            told = str(error)
        elif isinstance(error, BrokenExecutor):
            told = "the worker process ended abruptly"
        failure = FailureReport(0, f"{scenario.file}:1:1", "run", "the scenario runs", told, error=True)
        return _not_run(scenario.name, scenario.file, f"mfp-sim run {shlex.quote(scenario.file)}", (failure,))


def _not_run(name: str, file: str, command: str, failures: tuple[FailureReport, ...]) -> ScenarioReport:
    """A report of a scenario that could not begin."""
    return ScenarioReport(
        name=name,
        why="",
        file=file,
        seed=0,
        covers=(),
        rests_on=(),
        tags=(),
        steps=(),
        failures=failures,
        trace=(),
        virtual_seconds=0.0,
        real_seconds=0.0,
        command=command,
        chapter=Path(file).parent.name,
    )


def unreadable(mistakes: Sequence[Problem]) -> Iterator[ScenarioReport]:
    """A report for each file with mistakes; scenario names have no dot, so the path of a file cannot be one."""
    ordered = sorted(mistakes, key=lambda problem: (problem.file, problem.line, problem.column))
    for file, problems in groupby(ordered, key=lambda problem: problem.file):
        failures, files = [], {file: None}
        for problem in problems:
            files |= {problem.other: None} if problem.other else {}
            place = f"{file}:{problem.line}:{problem.column}"
            redactor = Redactor()
            source = excerpt(place, redactor)  # the redactor learns the secrets of the file
            told = redactor.text(f"{problem.message} ({problem.hint})" if problem.hint else problem.message)
            failures.append(FailureReport(0, place, "file", "a scenario", told, source, error=True))
        yield _not_run(file, file, f"mfp-sim check {shlex.join(files)}", tuple(failures))


def _one(scenario: Scenario, conditions: Conditions) -> ScenarioReport:
    if conditions.profile is not None:
        alike = scenario.printer.profile
        others = (replace(o, profile=conditions.profile) if o.profile == alike else o for o in scenario.others)
        first = replace(scenario.printer, profile=conditions.profile)
        scenario = replace(scenario, printer=first, others=tuple(others))
    result = run_scenario(
        scenario,
        seed=conditions.seed,
        flips=conditions.flips,
        ca_url=conditions.ca_url,
        challenge=conditions.challenge,
        keep_messages=conditions.keep_messages,
        reach=conditions.reach,
        # A loaded name has small letters, digits, hyphens and brackets only.
        state_dir=conditions.state_dir / scenario.name if conditions.state_dir else None,
    )
    report = report_of(result, ca_url=conditions.ca_url)
    return replace(report, command=shlex.join([*shlex.split(report.command), *machine(conditions, result.redactor)]))


def machine(conditions: Conditions, redactor: Redactor) -> list[str]:
    """The options that say what is run, on which printer, and how the server is reached, without secrets."""
    model = [word for change in conditions.changes for word in ("--set", shown_change(change, redactor))]
    model += [] if conditions.profile is None else ["--profile", conditions.profile]
    model += [] if conditions.state_dir is None else ["--state-dir", str(conditions.state_dir)]
    return [*model, *conditions.challenge_words, *conditions.reach.words]


def _in_worker(file: str, name: str, conditions: Conditions, frozen: bool) -> ScenarioReport:
    return _one(_from_file(file, frozen, conditions.changes)[name], conditions)


_STANDSTILL = contextlib.ExitStack()
"""The frozen time that the scenarios of a file share in a worker process."""
atexit.register(_STANDSTILL.close)


@lru_cache(maxsize=1)
def _from_file(file: str, frozen: bool, changes: tuple[str, ...]) -> Mapping[str, Scenario]:
    """The scenarios of the file that a worker process runs. The file is read before freezegun starts, because freezegun
    forgets which of two equal hours a time is in; then the time stands still until the next file."""
    _STANDSTILL.close()
    scenarios = scenarios_of(file, changes)
    if frozen:
        _STANDSTILL.enter_context(one_freeze())
    return scenarios
