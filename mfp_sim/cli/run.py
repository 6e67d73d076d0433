"""``mfp-sim run``: the selected scenarios, in this process or in several, with progress, reports and an exit code."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mfp_sim.cli.common_words import warn_of_common
from mfp_sim.cli.ending import of_scenarios
from mfp_sim.cli.execution import Conditions, carried_out, machine, unreadable
from mfp_sim.cli.watching import changes_of
from mfp_sim.contact import Contact, probe
from mfp_sim.device.printer_profile import find_profile, needs_https, with_reading
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import as_json, here
from mfp_sim.report.model import FailureReport, RunReport, ScenarioReport
from mfp_sim.report.writing import FORMATS, ready, write_reports
from mfp_sim.scenario.collection import nothing_selected, select
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.reporting import explained
from mfp_sim.shared.errors import DocumentError, MfpSimError, Problem, UsageError
from mfp_sim.shared.reaching import asked_for, reach_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.secret_options import secret_of, secret_words
from mfp_sim.shared.simtime import Entropy, SystemClock
from mfp_sim.shared.visible import visible

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """The verb; returns the exit code. With ``--watch`` that is the code of the last run before Ctrl-C.

    Raises:
        UsageError: ``--watch`` without what it needs.
    """
    if not options.watch:
        return _run(options)
    changes = changes_of(options.selection)
    while True:
        try:
            code = _run(options)
        except MfpSimError as error:  # a mistake in a file, which the next change may fix
            print(f"mfp-sim: {visible(str(error))}", file=sys.stderr)
            code = error.exit_code
        try:
            print("waiting for a change; Ctrl-C ends", file=sys.stderr, flush=True)
            print("changed: " + ", ".join(next(changes)), file=sys.stderr)
        except (KeyboardInterrupt, StopIteration):
            return code


def _run(options: argparse.Namespace) -> int:
    """One run.

    Raises:
        UsageError, DocumentError, TargetError: see `mfp_sim.shared.errors`.
    """
    console = Console(sys.stderr if options.json else sys.stdout)
    conditions = _conditions(options)
    mistakes: list[Problem] = []
    scenarios = select(options.selection, options.tag, mistakes, conditions.changes)
    if not scenarios:
        if mistakes:
            raise DocumentError(mistakes)
        console.line(nothing_selected(options.selection))
        return 5
    if "scenarios" in options.selection and not Path("scenarios").exists():
        console.line("there is no directory 'scenarios' here: these are the scenarios of the package")
    _check_flips(scenarios[0], conditions)
    if asked_for(options) and options.ca is None and not any(scenario.ca.url for scenario in scenarios):
        remedy = "give --ca URL too"
        raise UsageError(f"--{asked_for(options)} applies only to a real server", remedy=remedy)
    if options.report is not None:
        ready(options.report)
    contact = None if conditions.ca_url is None else _target(scenarios, conditions, console)
    whole_run = _carried_out(scenarios, tuple(unreadable(mistakes)), conditions, options, console)
    provenance = replace(whole_run.provenance, seed=options.seed, command=_command(options, conditions, scenarios))
    if contact is not None:
        provenance = replace(provenance, ca=contact.ca, options=contact.reached)
    _publish(replace(whole_run, provenance=provenance), options, console)
    code = _exit_code(whole_run, console)
    if not (options.quiet or options.json) and (last := of_scenarios(whole_run, code, options.report)):
        console.line(last)
    return code


def _conditions(options: argparse.Namespace) -> Conditions:
    if options.state_dir is not None and options.repeat > 1:
        raise UsageError(
            "--repeat starts with new printers each time, but --state-dir keeps them", remedy="give only one of the two"
        )
    challenge, reach = _challenge(options), reach_of(options)
    warn_of_common([challenge, *reach.secrets], options)
    return Conditions(
        options.seed,
        tuple(options.flip),
        options.ca,
        options.profile,
        options.state_dir,
        challenge,
        secret_words(options, "challenge"),
        keep_messages=_reports(options),
        reach=reach,
        changes=tuple(options.set),
    )


def _target(scenarios: Sequence[Scenario], conditions: Conditions, console: Console) -> Contact:
    """The server at the URL; asked once, before anything runs.

    Raises:
        UsageError: it is https, but a printer speaks only http.
    """
    url = conditions.ca_url or ""
    for name in dict.fromkeys(conditions.profile or scenario.printer.profile for scenario in scenarios):
        model = find_profile(name)
        for flip in conditions.flips:
            assumption, _, reading = flip.partition("=")
            model = with_reading(model, assumption, reading or None)
        needs_https(url, model, "give --flip A-01=https=true, or a model file with https: true")
    contact = probe(url, conditions.reach)
    console.line(f"target: {url}, {contact.ca.subject}, SHA-256 {contact.ca.fingerprint}")
    for name, words in contact.reached.items():
        console.line(f"{name}: {words}")
    return contact


def _carried_out(
    scenarios: Sequence[Scenario],
    broken: tuple[ScenarioReport, ...],
    conditions: Conditions,
    options: argparse.Namespace,
    console: Console,
) -> RunReport:
    """Run the scenarios; returns the report of the run, with its start and duration."""
    clock = SystemClock()
    begun = clock.now()
    todo = [scenario for scenario in scenarios for _ in range(options.repeat)]
    if options.shuffle:
        todo = _shuffled(todo, options.seed)
    reports = _told(todo, broken, conditions, options, console)
    ran = tuple(reports[scenario.name] for scenario in scenarios if scenario.name in reports)
    seconds = (clock.now() - begun).total_seconds()
    return RunReport(
        (*broken, *ran),
        conditions.ca_url or "in process",
        conditions.flips,
        replace(here(), begun=begun.isoformat(), seconds=seconds),
        stopped=None if len(ran) == len(scenarios) else "stopped at the first failure",
    )


def _told(
    todo: Sequence[Scenario],
    broken: Sequence[ScenarioReport],
    conditions: Conditions,
    options: argparse.Namespace,
    console: Console,
) -> dict[str, ScenarioReport]:
    """Run the scenarios and print each result; returns the reports by name."""
    for report in broken:
        console.scenario(report)
    reports: dict[str, ScenarioReport] = {}
    if options.exitfirst and broken:
        console.line(f"stopped at the first failure; {len(todo)} runs were left out")
        return reports

    def begins(number: int, name: str) -> None:
        console.progress(number, len(todo), name)

    for done, report in enumerate(carried_out(todo, conditions, options.jobs, begins), 1):
        first = reports.get(report.name)
        whole = report if first is None else _compared(first, report)
        reports[report.name] = whole
        news = first is None or (whole.failures and not first.failures)
        if news and (not options.quiet or whole.failures):
            console.scenario(whole)
        if options.exitfirst and whole.failures:
            console.line(f"stopped at the first failure; {len(todo) - done} runs were left out")
            break
    return reports


def _exit_code(report: RunReport, console: Console) -> int:
    if report.not_as_expected:
        return 1
    if not report.counts["passed"]:
        console.line("every scenario was skipped, so nothing was proved")
        return 5
    return 0


def _challenge(options: argparse.Namespace) -> str | None:
    found = secret_of(options, "challenge")
    if found is not None and options.ca is None:
        raise UsageError("a challenge password is for a real server", remedy="give --ca URL too")
    return found


def _check_flips(scenario: Scenario, conditions: Conditions) -> None:
    """Report a model or a flip that does not exist once, before anything runs."""
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


def _compared(first: ScenarioReport, again: ScenarioReport) -> ScenarioReport:
    """The first run, with a failure added if a later run failed or had a different trace."""
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
    """Whether the run has to keep the messages."""
    return options.report is not None or bool(options.json)


def _publish(report: RunReport, options: argparse.Namespace, console: Console) -> None:
    """Print the summary, and write the report in every format that the options name."""
    console.summary(report, report.provenance.seconds)
    if _reports(options):
        report = explained(report)
    if options.report is not None:
        write_reports(report, options.report, lambda text: print(text, file=sys.stderr), options.lang)
        console.line(f"reports in {options.report}")
    _tell_github(report, options, console)
    if options.json:
        print(json.dumps(as_json(report), ensure_ascii=False))


def _command(options: argparse.Namespace, conditions: Conditions, scenarios: Sequence[Scenario]) -> str:
    """The command with the options that decide what ran, without a challenge password."""
    secrets = {secret for scenario in scenarios for secret in (scenario.ca.challenge, *scenario.ca.policy.secrets)}
    words = ["mfp-sim", "run", *options.selection]
    for tag in options.tag:
        words += ["--tag", tag]
    for flip in options.flip:
        words += ["--flip", flip]
    if options.seed is not None:
        words += ["--seed", str(options.seed)]
    if options.ca is not None:
        words += ["--ca", options.ca]
    return shlex.join([*words, *machine(conditions, Redactor([secret for secret in secrets if secret]))])


def _tell_github(report: RunReport, options: argparse.Namespace, console: Console) -> None:
    """Print annotations in GitHub Actions or with --github; write the summary only with --github. Raises nothing."""
    if not options.github and os.environ.get("GITHUB_ACTIONS") != "true":
        return
    try:
        for line in FORMATS["github"].make(report, options.lang).splitlines():
            console.line(line)
        page = os.environ.get("GITHUB_STEP_SUMMARY")
        if options.github and page:
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(FORMATS["markdown"].make(report, options.lang))
    except Exception as error:  # noqa: BLE001 - as for every reporter: the run stands
        print(f"mfp-sim: cannot write the GitHub summary: {type(error).__name__}: {error}", file=sys.stderr)
