"""``mfp-sim run``: the selected scenarios, in this process or in several, with progress, reports and an exit code."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import active_children, get_context
from pathlib import Path

from mfp_sim.cli.target import probe
from mfp_sim.errors import UsageError
from mfp_sim.report.console import Console
from mfp_sim.report.github import as_annotations
from mfp_sim.report.json_report import as_json, catalogue_of, here
from mfp_sim.report.markdown import as_markdown
from mfp_sim.report.model import CaIdentity, FailureReport, RunReport, ScenarioReport
from mfp_sim.report.writing import ready, write_reports
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import run as run_scenario
from mfp_sim.simtime import Entropy, SystemClock

__all__ = ["run"]


@dataclass(frozen=True)
class _Conditions:
    """What holds for every scenario of a run; goes to worker processes as it is."""

    seed: int | None
    flips: tuple[str, ...]
    ca_url: str | None
    profile: str | None = None
    state_dir: Path | None = None
    challenge: str | None = field(repr=False, default=None)
    keep_messages: bool = False


def run(options: argparse.Namespace) -> int:
    """The verb; returns the exit code.

    Raises:
        UsageError, DocumentError, TargetError: see :mod:`mfp_sim.errors`.
    """
    console = Console(sys.stderr if options.json else sys.stdout)
    conditions = _Conditions(
        options.seed,
        tuple(options.flip),
        options.ca,
        options.profile,
        options.state_dir,
        _challenge(options),
        options.report is not None or options.json,
    )
    if options.state_dir is not None and options.repeat > 1:
        raise UsageError("--repeat starts with new machines each time, and --state-dir keeps them", remedy="drop one")
    scenarios = select(options.selection, options.tag)
    if not scenarios:
        console.line("nothing was selected; mfp-sim list shows what there is")
        return 5
    _check_flips(scenarios[0], conditions)
    if options.report is not None:
        ready(options.report)
    ca: CaIdentity | None = None
    if conditions.ca_url is not None:
        ca = probe(conditions.ca_url)
        console.line(f"target: {conditions.ca_url}, {ca.subject}, SHA-256 {ca.fingerprint}")
    clock = SystemClock()
    begun = clock.now()
    todo = [scenario for scenario in scenarios for _ in range(options.repeat)]
    if options.shuffle:
        todo = _shuffled(todo, options.seed)
    reports: dict[str, ScenarioReport] = {}
    for done, report in _carried_out(todo, conditions, options.jobs, console):
        first = reports.get(report.name)
        whole = report if first is None else _compared(first, report)
        reports[report.name] = whole
        news = first is None or (whole.outcome == "failed" and first.outcome != "failed")
        if news and (not options.quiet or whole.outcome == "failed"):
            console.scenario(whole)
        if options.exitfirst and whole.outcome == "failed":
            console.line(f"stopped at the first failure, {len(todo) - done} runs left out")
            break
    ordered = tuple(reports[scenario.name] for scenario in scenarios if scenario.name in reports)
    seconds = (clock.now() - begun).total_seconds()
    whole_run = RunReport(
        ordered,
        conditions.ca_url or "in process",
        conditions.flips,
        replace(
            here(),
            begun=begun.isoformat(),
            seconds=seconds,
            seed=options.seed,
            ca=ca,
            command=_command(options, conditions),
        ),
        stopped=None if len(ordered) == len(scenarios) else "it was to stop at the first failure",
    )
    console.summary(whole_run, seconds)
    if _reports(options):
        whole_run = replace(whole_run, catalogue=catalogue_of(whole_run))
    if options.report is not None:
        write_reports(whole_run, options.report, lambda text: print(text, file=sys.stderr), options.lang)
        console.line(f"reports in {options.report}")
    _tell_github(whole_run, options, console)
    if options.json:
        print(json.dumps(as_json(whole_run), ensure_ascii=False))
    return _exit_code(whole_run, console)


def _exit_code(report: RunReport, console: Console) -> int:
    if report.counts["failed"]:
        return 1
    if not report.counts["passed"]:
        console.line("every scenario was skipped, so nothing was shown")
        return 5
    return 0


def _challenge(options: argparse.Namespace) -> str | None:
    given = options.challenge_file or options.challenge_env or options.challenge
    if given is not None and options.ca is None:
        raise UsageError("a challenge password is for a real server", remedy="give --ca URL too")
    if options.challenge_file is not None:
        try:
            lines = options.challenge_file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the challenge file {options.challenge_file}: {error}") from None
        if not lines or not lines[0]:
            raise UsageError(f"the challenge file {options.challenge_file} is empty")
        return str(lines[0])
    if options.challenge_env is not None:
        if not os.environ.get(options.challenge_env):
            raise UsageError(f"the environment variable {options.challenge_env} is not set")
        return os.environ[options.challenge_env]
    return options.challenge  # type: ignore[no-any-return]


def _check_flips(scenario: Scenario, conditions: _Conditions) -> None:
    """A model or a flip that does not exist is told once, before anything runs."""
    from mfp_sim.device.profile import find_profile, with_reading

    model = find_profile(conditions.profile or scenario.printer.profile)
    for flip in conditions.flips:
        assumption, _, reading = flip.partition("=")
        with_reading(model, assumption, reading or None)


def _shuffled(todo: list[Scenario], seed: int | None) -> list[Scenario]:
    chance = Entropy(0 if seed is None else seed).fork("shuffle")
    left, drawn = list(todo), []
    while left:
        drawn.append(left.pop(chance.integer(0, len(left) - 1)))
    return drawn


# --- carrying out -----------------------------------------------------------------------------------------


def _carried_out(
    todo: Sequence[Scenario], conditions: _Conditions, jobs: int, console: Console
) -> Iterator[tuple[int, ScenarioReport]]:
    """Each report with the count of those done, in the order of ``todo`` whatever the number of processes."""
    if jobs == 1:
        for number, scenario in enumerate(todo, 1):
            console.progress(number, len(todo), scenario.name)
            yield number, _one(scenario, conditions)
        return
    # Spawned, not forked: a fork would copy threads' locks and a frozen clock.
    with ProcessPoolExecutor(min(jobs, len(todo)), mp_context=get_context("spawn")) as pool:
        # Ctrl-C at a terminal goes to all of them: this process alone hears it, and ends the workers.
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            futures: list[Future[ScenarioReport]] = [
                pool.submit(_in_worker, scenario.file, scenario.name, conditions) for scenario in todo
            ]
        finally:
            signal.signal(signal.SIGINT, heard)
        try:
            for number, (scenario, future) in enumerate(zip(todo, futures, strict=True), 1):
                console.progress(number, len(todo), scenario.name)
                yield number, future.result()
        except KeyboardInterrupt:
            for worker in active_children():
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _one(scenario: Scenario, conditions: _Conditions) -> ScenarioReport:
    if conditions.profile is not None:
        scenario = replace(scenario, printer=replace(scenario.printer, profile=conditions.profile))
    result = run_scenario(
        scenario,
        seed=conditions.seed,
        flips=conditions.flips,
        ca_url=conditions.ca_url,
        challenge=conditions.challenge,
        keep_messages=conditions.keep_messages,
        # A loaded name has small letters, digits, hyphens and brackets only.
        state_dir=conditions.state_dir / scenario.name if conditions.state_dir else None,
    )
    report = report_of(result, ca_url=conditions.ca_url)
    return replace(report, command=shlex.join([*shlex.split(report.command), *_machine(conditions)]))


def _machine(conditions: _Conditions) -> list[str]:
    """The options that say which machine it is."""
    model = [] if conditions.profile is None else ["--profile", conditions.profile]
    return model if conditions.state_dir is None else [*model, "--state-dir", str(conditions.state_dir)]


def _in_worker(file: str, name: str, conditions: _Conditions) -> ScenarioReport:
    (scenario,) = [scenario for scenario in load_file(Path(file)) if scenario.name == name]
    return _one(scenario, conditions)


def _compared(first: ScenarioReport, again: ScenarioReport) -> ScenarioReport:
    """The first run, with a failure added when a later one failed or took another course."""
    if again.failures and not first.failures:
        return again
    if first.trace == again.trace or first.failures:
        return first
    index = next(
        (n for n, (a, b) in enumerate(zip(first.trace, again.trace, strict=False)) if a != b),
        min(len(first.trace), len(again.trace)),
    )
    told: Callable[[ScenarioReport], str] = lambda report: (  # noqa: E731
        json.dumps(report.trace[index], ensure_ascii=False) if index < len(report.trace) else "the end"
    )
    failure = FailureReport(0, first.file, f"trace[{index}]", told(first), told(again))
    return replace(first, failures=(failure,))


# --- reports ----------------------------------------------------------------------------------------------


def _reports(options: argparse.Namespace) -> bool:
    """Whether the messages are wanted."""
    return bool(options.report is not None or options.json)


def _command(options: argparse.Namespace, conditions: _Conditions) -> str:
    """The command as it was given, as far as it decides what ran; a challenge is no part of it."""
    words = ["mfp-sim", "run", *options.selection]
    for tag in options.tag:
        words += ["--tag", tag]
    for flip in options.flip:
        words += ["--flip", flip]
    if options.seed is not None:
        words += ["--seed", str(options.seed)]
    if options.ca is not None:
        words += ["--ca", options.ca]
    return shlex.join([*words, *_machine(conditions)])


def _tell_github(report: RunReport, options: argparse.Namespace, console: Console) -> None:
    """Annotations where GitHub Actions runs us or when asked to; the summary only when asked to. Stops nothing."""
    if not options.github and os.environ.get("GITHUB_ACTIONS") != "true":
        return
    try:
        for line in as_annotations(report).splitlines():
            console.line(line)
        page = os.environ.get("GITHUB_STEP_SUMMARY")
        if options.github and page:
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(as_markdown(report, options.lang))
    except Exception as error:  # noqa: BLE001 - as for every reporter: the run stands
        print(f"mfp-sim: GitHub was not told: {type(error).__name__}: {error}", file=sys.stderr)
