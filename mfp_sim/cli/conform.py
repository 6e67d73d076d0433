"""``mfp-sim conform``: the checks against a server, the list of checks, the proof of the checks, and questions.

Owns options, console, files and exit codes; `mfp_sim.conformance` decides what is right. Keys are generated and chance
is the system's: no pooled key ever goes to a real server.
"""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from mfp_sim.cli.common_words import warn_of_common
from mfp_sim.cli.ending import of_checks
from mfp_sim.conformance import baseline as baselines
from mfp_sim.conformance.causes import title_of
from mfp_sim.conformance.challenges import Command, NdesPageClient, SendNoChallenge, Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import UNPROVED, ConformanceListener, ConformanceRun, run_checks
from mfp_sim.conformance.model import Check, CheckResult, CheckVerdict
from mfp_sim.conformance.operators import Act, ActByCommand, OperatorAct, OperatorCase
from mfp_sim.conformance.personas import persona_named
from mfp_sim.conformance.planned import planned, questionnaire
from mfp_sim.conformance.printers import MODELS, bugs_in, printer_verdicts
from mfp_sim.conformance.progress import MINTED, ProgressFile, Server, read_progress
from mfp_sim.conformance.quick import BUDGET, PRINTERS, quick
from mfp_sim.conformance.registry import select
from mfp_sim.conformance.reporting import report_of, selected_of, verdicts_of
from mfp_sim.conformance.sharing import hide_site
from mfp_sim.conformance.target import ChallengeSource, Permissions, target_of
from mfp_sim.contact import reached
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import as_json
from mfp_sim.report.model import UNCHECKED, Baseline, PrinterVerdict, RunReport
from mfp_sim.report.writing import ready, write_reports
from mfp_sim.shared.documents import duration
from mfp_sim.shared.errors import MfpSimError, UsageError
from mfp_sim.shared.reaching import Reach, reach_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.secret_options import command_words, environment_secret, quoted_command, secret_of, secret_words
from mfp_sim.shared.simtime import Entropy, GeneratedKeys, KeysAhead, KeySource, PassingClock, SystemClock
from mfp_sim.transport import SocketClient, Transport

__all__ = ["conform", "session_of"]


def conform(options: argparse.Namespace) -> int:
    """The verb; returns the exit code.

    Raises:
        UsageError, DocumentError, TargetError: see `mfp_sim.shared.errors`.
    """
    if options.list:
        return _list(options)
    if options.questionnaire is not None:
        _write(options.questionnaire, questionnaire(options.url or ""))
        print(f"questions in {options.questionnaire}")
        return 0
    if options.self_test:
        return _self_test(options)
    if options.url is None:
        raise UsageError("no server is given", remedy="mfp-sim conform http(s)://host/path, or --list, or --self-test")
    return _run(options)


# --- list and self-test -----------------------------------------------------------------------------------


def _chosen(options: argparse.Namespace) -> tuple[Check, ...]:
    """The checks that the options name.

    Raises:
        UsageError: a word that selects nothing, or two choices at once.
    """
    if not options.quick:
        return select(options.only, options.skip)
    if options.only:
        raise UsageError("--quick and --only both choose checks", remedy="drop one")
    return quick(select(skip=options.skip))


def _list(options: argparse.Namespace) -> int:
    checks = _chosen(options)
    rows = [_row(check) for check in checks]
    later: list[dict[str, object]] = [
        {"id": e.id, "title": e.title, "section": e.section, "level": e.level, "state": "planned"}
        for e in (planned() if not (options.only or options.quick) else ())
    ]
    if options.json:
        print(json.dumps([*rows, *later], ensure_ascii=False))
        return 0 if rows else 5
    for row in (*rows, *later):
        mark = "quick" if row.get("quick") else ""
        print(f"{row['section']!s:9} {row['level']!s:10} {row['state']!s:13} {mark:6} {row['id']!s:34} {row['title']}")
    proven = sum(row["state"] == "proved" for row in rows)
    cost = sum(check.cost for check in checks)
    print(
        f"\n{len(rows)} checks, {proven} of them proved by a fault of the mock; {len(later)} requirements are planned\n"
        f"A conforming server issues at most {cost} certificates for them; the printer models request more"
    )
    return 0 if rows else 5


def _row(check: Check) -> dict[str, object]:
    return {
        "id": check.id,
        "title": check.title,
        "section": check.section,
        "level": check.level,
        "state": "experimental" if check.experimental else "proved",
        "chapter": check.chapter,
        "requirements": list(check.requirements),
        "field_failures": list(check.field_failures),
        "cost": check.cost,
        "quick": bool(quick([check])),
        "worst": check.worst.word,
        "security": bool(check.breaches),
        "gain": None if check.gain is None else check.gain.value,
        "reads": check.reads or check.watches,
        "opt_in": check.opt_in,
        "tags": list(check.tags),
        "why": check.why,
        "proofs": [proof.text for proof in check.proofs if proof.ready],
    }


def _self_test(options: argparse.Namespace) -> int:
    from mfp_sim.conformance.selftest import as_markdown, self_test  # noqa: PLC0415 - only --self-test starts the mock

    console = Console(sys.stderr if options.json else sys.stdout)
    checks = select(options.only, options.skip)
    found = self_test(checks, jobs=options.jobs, progress=console.progress)
    if options.json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        for line in found.lines():
            console.line(line)
    if options.matrix is not None:
        _write(options.matrix, as_markdown(found))
    return 0 if found.holds else 1


# --- a run ------------------------------------------------------------------------------------------------


def session_of(
    options: argparse.Namespace, clock: PassingClock, reach: Reach, transport: Transport, keys: KeySource
) -> Client:
    """The session with the server that the options name."""
    redactor = Redactor(reach.secrets)
    persona_named(options.persona)
    acts = _acts(options)
    policy = Permissions(
        read_only=options.read_only,
        budget=min(options.budget or BUDGET, BUDGET) if options.quick else options.budget,
        subject_prefix=options.subject_prefix,
        rate=options.rate,
        patience=timedelta(seconds=duration(options.slow)),
        timeout=options.timeout,
        fingerprint=options.ca_fingerprint.replace(":", "").lower() if options.ca_fingerprint else None,
        opt_ins=frozenset({*options.allow, *(act.permission for act in acts)}),
        acts=acts,
        persona=options.persona,
    )
    return Client(
        target_of(options.url),
        transport,
        clock=clock,
        entropy=Entropy(None),
        keys=keys,
        challenges=_challenges(options, clock, redactor, reach),
        policy=policy,
        redactor=redactor,
    )


def _challenges(options: argparse.Namespace, clock: PassingClock, redactor: Redactor, reach: Reach) -> ChallengeSource:
    if options.challenge_command is not None:
        return Command(command_words("challenge", options.challenge_command))
    if options.challenge_page is not None:
        variable = options.challenge_page_login_env
        login = None if variable is None else environment_secret(variable)
        redactor.add(login or "")
        warn_of_common([login, *reach.secrets], options)
        there = SocketClient(clock, replace(reach, login=None, fields=()))  # these are for the server
        return NdesPageClient(options.challenge_page, there, login=login)
    secret = secret_of(options, "challenge")
    if secret is None:
        return SendNoChallenge()
    redactor.add(secret)
    warn_of_common([secret, *reach.secrets], options)
    return Static(secret)


def _acts(options: argparse.Namespace) -> dict[Act, OperatorAct]:
    """The acts of the CA's operator, by commands or at the terminal.

    Raises:
        UsageError: a command cannot be read.
    """
    lines = {act: getattr(options, f"{act.value}_command") for act in Act}
    acts: dict[Act, OperatorAct] = {
        act: ActByCommand(act, command_words(act.value, line)) for act, line in lines.items() if line is not None
    }
    if options.interactive_approval:
        acts[Act.APPROVE] = _ask_operator
    return acts


def _ask_operator(case: OperatorCase) -> bool:
    """Ask the person at the terminal to approve the request at the CA."""
    about = case.transaction
    print(f"\nplease approve the request {about} at the CA, then press Enter (n: it was not approved): ", end="")
    try:
        return input().strip().lower() not in ("n", "no")
    except EOFError:
        return False


_ENOUGH = 5
"""The number of checks after which the remaining time is shown."""


class _Teller(ConformanceListener):
    """Shows the running check, then its line; writes each result immediately.

    A failure that the last positive control may take back is shown after that control.
    """

    def __init__(self, console: Console, quiet: bool, journal: ProgressFile | None, session: Client) -> None:
        self._console, self._quiet, self._journal, self._session = console, quiet, journal, session
        self._held: list[str] = []
        self._begun = session.clock.now()

    def begins(self, number: int, checks: Sequence[Check]) -> None:
        self._console.progress(number, len(checks), f"{self._left(number - 1, checks)} left: {checks[number - 1].id}")

    def _left(self, done: int, checks: Sequence[Check]) -> str:
        """What is left: the estimated time, by the time so far, and the certificates."""
        certificates = sum(check.cost for check in checks[done:])
        budget = self._session.policy.budget
        if budget is not None:
            certificates = min(certificates, budget - self._session.spent)
        count = f"{certificates} certificates" if certificates != 1 else "1 certificate"
        sending = [sum(not check.watches for check in part) for part in (checks[:done], checks[done:])]
        if sending[0] < _ENOUGH:
            return count
        seconds = (self._session.clock.now() - self._begun).total_seconds() / sending[0] * sending[1]
        return f"about {timedelta(seconds=round(seconds))} and {count}"

    def ended(self, result: CheckResult) -> None:
        if self._journal is not None:
            self._journal.add(result)
        if result.hangs_on_control and result.deviations:
            self._held.append(result.check.id)
        else:
            self._show(result)

    def settled(self, run: ConformanceRun) -> None:
        """After the last control: show the held-back failures, and write whether they stand."""
        for result in run.results:
            if result.check.id in self._held:
                self._show(result)
        if self._journal is not None:
            self._journal.close(held=run.last.held and run.last.asked)

    def _show(self, result: CheckResult) -> None:
        shown = result.verdict in (CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.FINDING)
        if shown or (not self._quiet and result.verdict in (CheckVerdict.PASS, CheckVerdict.INCONCLUSIVE)):
            _tell(self._console, result)


def _site(host: str, reach: Reach, page: str | None) -> Iterator[str]:
    """The addresses of the host, and the hosts of the proxies and of the challenge page."""
    urls = [url for scheme, url in reach.proxies if scheme != "no"] + ([page] if page else [])
    yield from filter(None, (urlsplit(url if "://" in url else f"//{url}").hostname for url in urls))
    try:
        yield from (str(found[4][0]) for found in socket.getaddrinfo(host, None))
    except OSError:  # a proxy may be able to resolve it although this computer cannot
        return


def _tell(console: Console, result: CheckResult) -> None:
    check = result.check
    mark = "experimental " if check.experimental else ""
    word = {CheckVerdict.FAIL: "FAIL", CheckVerdict.INCONCLUSIVE: "?"}.get(result.verdict, result.verdict.word)
    if result.insecure:
        word = "SECURITY"
    title = title_of(result) if result.deviations else check.title
    console.line(f"{word:8} {check.section:9} {check.id}: {mark}{title}")
    if result.reason:
        console.line(f"             {result.reason}")
    for fact in result.deviations[:4]:
        console.line(f"             expected  {fact.expected}")
        console.line(f"             got       {fact.got}")
    first = next(iter(result.deviations), None)
    if first is not None and first.mistake:
        console.line(f"             likely    {first.mistake}")


def _run(options: argparse.Namespace) -> int:
    with KeysAhead(GeneratedKeys()) as keys:
        return _run_with(options, keys)


def _run_with(options: argparse.Namespace, keys: KeySource) -> int:
    checks = _chosen(options) if options.verdict != "printers" else ()
    if not checks and options.verdict == "rfc":
        print("no check was selected; mfp-sim conform --list shows all", file=sys.stderr)
        return 5
    if options.share and options.resume is not None:
        raise UsageError(
            "the files of the earlier run name the site", remedy="run again with --share, without --resume"
        )
    expected = baselines.load_baseline(options.baseline) if options.baseline is not None else ()
    clock = SystemClock()
    reach = reach_of(options)
    transport = SocketClient(clock, reach)
    session = session_of(options, clock, reach, transport, keys)
    console = Console(sys.stderr if options.json else sys.stdout)
    pages = [url for url in (options.url, options.challenge_page) if url]
    unchecked = {name: words for url in pages for name, words in reached(url, reach, None).items() if name == UNCHECKED}
    if unchecked:
        console.line("warning: the TLS certificate of the server is NOT CHECKED (--tls-insecure)")
    server = Server.of(session)
    done = read_progress(options.resume, server) if options.resume is not None else {}
    if options.share:
        hosts = _site(session.target.host, reach, options.challenge_page)
        hide_site(session, hosts, transport.tls.chain if transport.tls is not None else ())
    kept = options.resume or options.report
    if options.report is not None:
        ready(options.report)
    journal = ProgressFile(kept, session.redactor, goes_on=options.resume is not None) if kept else None
    if journal is not None:
        journal.begins(server)
        session.on_certificate = journal.certificate
    teller = _Teller(console, options.quiet, journal, session)
    run = run_checks(session, checks, keep_going=options.keep_going, done=done, listener=teller)
    teller.settled(run)
    printers = _printers(options, session, run, console)
    run = replace(run, minted=tuple(session.minted), untold=tuple(session.untold), exchanges=tuple(session.exchanges))
    verdicts = verdicts_of(run.results, printers)
    compared = None
    if options.baseline is not None:
        today = clock.now().date()
        selected = selected_of(run.results, printers, session.policy)
        compared = baselines.compared(
            options.baseline.name, expected, verdicts, today, selected=selected, strict=options.strict
        )
    report = report_of(
        run,
        session,
        printers=printers,
        baseline=compared,
        waived=baselines.waived(expected, verdicts),
        command=_command(options, reach, everything=True),
        repeat=_command(options, reach, everything=False),
        wanted=options.verdict,
        conditions={
            **({"choice": "quick"} if options.quick else {}),
            **reached(options.url, reach, transport.tls),
            **unchecked,
        },
        share=options.share,
    )
    bugs = [*(f"{result.check.id}: {result.reason}" for result in run.internal_errors), *bugs_in(printers)]
    _publish(options, console, report, run, kept, list(map(session.redactor.text, bugs)))
    code = _exit_code(run, verdicts, compared, strict=options.strict, bugs=bool(bugs))
    if not (options.quiet or options.json) and (last := of_checks(report, code, "server", options.report)):
        console.line(last)
    return code


def _publish(
    options: argparse.Namespace,
    console: Console,
    report: RunReport,
    run: ConformanceRun,
    kept: Path | None,
    bugs: Sequence[str],
) -> None:
    """Print the summary and what bugs of mfp-sim ended, and write the report by the options; ``kept`` is the directory
    of the run's journal."""
    _summary(console, report, run)
    for bug in bugs:
        print(f"mfp-sim: {bug} (MFP_SIM_DEBUG=1 shows where)", file=sys.stderr)
    if options.report is not None:
        write_reports(report, options.report, lambda text: print(text, file=sys.stderr))
        if kept is not None and kept.resolve() != options.report.resolve():
            _write(options.report / MINTED, (kept / MINTED).read_text("utf-8"))
        console.line(f"reports in {options.report}")
    if options.json:
        print(json.dumps(as_json(report), ensure_ascii=False))


def _printers(
    options: argparse.Namespace, session: Client, run: ConformanceRun, console: Console
) -> tuple[PrinterVerdict, ...]:
    if options.verdict == "rfc" or (options.verdict == "both" and (options.only or not run.last.held)):
        return ()
    found = []
    for verdict in printer_verdicts(session, tuple(options.printer or (PRINTERS if options.quick else MODELS))):
        word = {"works": "works", "works-with": "works with conditions", "does-not-work": "does NOT work"}
        console.line(f"printer  {verdict.model}: {word.get(verdict.verdict, verdict.verdict)}")
        for because in verdict.because:
            console.line(f"             {session.redactor.text(because)}")
        found.append(verdict)
    return tuple(found)


def _command(options: argparse.Namespace, reach: Reach, *, everything: bool) -> str:
    """The command line without secrets; for one check, without the options that select."""
    words = ["mfp-sim", "conform", options.url, *secret_words(options, "challenge")]
    pairs = (
        ("--challenge-page", options.challenge_page),
        ("--challenge-page-login-env", options.challenge_page_login_env),
        ("--slow", options.slow if options.slow != "0s" else None),
        ("--persona", options.persona if options.persona != "rfc8894" else None),
    )
    words += [word for name, value in pairs if value for word in (name, str(value))]
    words += ["--interactive-approval"] if options.interactive_approval else []
    words += reach.words
    if everything:
        for name, values in (("--only", options.only), ("--skip", options.skip), ("--allow", options.allow)):
            words += [word for value in values for word in (name, value)]
        words += [
            f"--{name}"
            for name in ("quick", "read-only", "keep-going", "strict")
            if getattr(options, name.replace("-", "_"))
        ]
    commands = [
        *quoted_command("--challenge-command", options.challenge_command),
        *(
            word
            for act in Act
            for word in quoted_command(f"--{act.value}-command", getattr(options, f"{act.value}_command"), [act.value])
        ),
    ]
    return " ".join([shlex.join(words), *commands])


def _summary(console: Console, report: RunReport, run: ConformanceRun) -> None:
    console.line()
    options = report.provenance.options
    ca = report.provenance.ca
    if ca is not None:
        console.line(
            f"target     {report.target}, {ca.subject or 'no CA certificate'}, SHA-256 {ca.fingerprint or '-'}"
        )
    console.line(f"latency    {options['latency']}")
    for name, words in options.items():
        if name in ("TLS", "TLS certificate", UNCHECKED, "proxy"):
            console.line(f"{name.partition(' ')[0]:10} {words}")
    counts = ", ".join(f"{count} {word}" for word, count in report.verdicts.items() if count)
    console.line(f"checks     {counts or 'none'}")
    _minted(console, report, run)
    for conclusion in report.conclusions:
        console.line(f"verdict    {conclusion.name}: {conclusion.verdict.upper()}: {conclusion.because}")
    if run.stopped is not None:
        console.line(run.stopped)
    for name, control in (("first", run.first), ("last", run.last)):
        if not control.held:
            console.line(f"the {name} positive control failed: {control.text}")
    _taken_back(console, run)
    console.findings(report)
    console.baseline(report)


def _minted(console: Console, report: RunReport, run: ConformanceRun) -> None:
    options = report.provenance.options
    certificates = "1 certificate" if len(run.minted) == 1 else f"{len(run.minted)} certificates"
    console.line(f"minted     {certificates}, named {options['subject prefix']}-…")
    for entry in report.minted:
        if entry.serial and "should not" in entry.by:
            console.line(f"           serial {entry.serial}, {entry.subject}, by {entry.by}")
    if run.untold:
        of = "1 more request" if len(run.untold) == 1 else f"{len(run.untold)} more requests"
        console.line(f"           {of} may have made a certificate; look for it at the CA:")
    for entry in report.minted:
        if not entry.serial:
            console.line(f"           {entry.subject}, by {entry.by}")
    if "lost replies" in options:
        console.line(f"lost       {options['lost replies']}")


def _taken_back(console: Console, run: ConformanceRun) -> None:
    taken_back = [r.check.id for r in run.results if r.verdict is CheckVerdict.INCONCLUSIVE and r.deviations]
    if taken_back:
        end = (
            "the run could not send a right request at the end"
            if run.last.held
            else "right requests were refused at the end too"
        )
        console.line(f"taken back, because {end}: {', '.join(taken_back)}")
    unproved = sum((r.reason or "").startswith(UNPROVED) and not r.deviations for r in run.results)
    if unproved:
        console.line(f"not counted: {unproved} of the checks, because {UNPROVED}")


INSECURE = 6
"""The exit code of a run with a security failure that no baseline expects."""


def _exit_code(
    run: ConformanceRun, verdicts: Mapping[str, str], compared: Baseline | None, *, strict: bool, bugs: bool
) -> int:
    """The exit code, by the ``verdicts`` on everything that was judged; ``bugs`` of mfp-sim count if nothing is wrong
    otherwise."""
    wrong = verdicts if compared is None else compared.unexpected
    if any(verdicts[name] == baselines.SECURITY_FAIL for name in wrong):
        return INSECURE
    if not (run.first.held and run.last.held):
        return 3
    fine = MfpSimError.exit_code if bugs else 0
    if not verdicts:
        return fine or 5
    if run.stopped is not None:
        return 1
    if compared is not None:
        return int(compared.broken) or fine
    bad = baselines.BAD | (baselines.BAD_IF_STRICT if strict else set())
    return int(any(verdict in bad for verdict in verdicts.values())) or fine


# --- files ------------------------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
