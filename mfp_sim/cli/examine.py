"""``mfp-sim examine``: runs a SCEP client against the mock in every situation, and judges its conduct.

Owns options, console, files and exit codes; `mfp_sim.examination` decides what is right.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial

from mfp_sim.cli.ending import of_checks
from mfp_sim.conformance.baseline import compared, load_baseline, waived
from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult
from mfp_sim.examination.engine import examine as run_client
from mfp_sim.examination.findings import SAFETY
from mfp_sim.examination.program import Examined, Person, client_of
from mfp_sim.examination.reporting import MESSAGE, report_of, verdicts_of
from mfp_sim.examination.situations import QUICK, Situation, left_out, situations
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import as_json
from mfp_sim.report.model import RunReport
from mfp_sim.report.writing import ready, write_reports
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.reaching import is_loopback
from mfp_sim.shared.simtime import SystemClock
from mock_scep_server.faults import FAULTS

__all__ = ["examine"]

_TRIED = ("", "profile: lenient", "profile: ndes-2016", "profile: micromdm-2.1")
"""The CAs to try, the RFC's first; the client is examined at the first one where it enrols."""


def examine(options: argparse.Namespace) -> int:
    """The verb; returns the exit code.

    Raises:
        UsageError, DocumentError: see `mfp_sim.shared.errors`.
    """
    chosen = _selected(options.only, options.quick)
    if options.list:
        return _list(chosen, as_json=options.json)
    if not chosen:
        print("no situation was selected; mfp-sim examine --list shows all", file=sys.stderr)
        return 5
    if (options.client is None) == (not options.manual):
        raise UsageError("no client is given", remedy="--client COMMAND, --client scepclient, or --manual for a device")
    client: Examined = Person(input, print) if options.manual else client_of(options.client)
    known = {*(s.id for s in situations()), *(f"{MESSAGE}{name.lower()}" for name in _requirements())}
    expected = load_baseline(options.baseline, known, "mfp-sim examine --list") if options.baseline is not None else ()
    if options.report is not None:
        ready(options.report)
    console = Console(sys.stderr if options.json else sys.stdout)
    clock = SystemClock()
    begun = clock.now()
    ca = options.ca if options.ca is not None else _ca_for(client, console, options)
    if options.manual and is_loopback(options.host):
        console.line(f"The mock listens on {options.host}, which only this computer reaches; --host ADDRESS for others")
    found = run_client(
        client, chosen, ca=ca, timeout=options.timeout, host=options.host, port=options.port,
        began=lambda number, total, situation: console.progress(number, total, situation.id),
        ended=lambda result: _tell(console, result, quiet=options.quiet),
    )  # fmt: skip
    made = partial(
        report_of, found, command=_command(options), client=shlex.join(_client(options, ca)), begun=begun.isoformat()
    )
    report = made()
    if options.baseline is not None:
        today = clock.now().date()
        verdicts = verdicts_of(report)
        if found.controlled and not (options.only or options.quick):  # each message was judged
            verdicts = {entry.id: "pass" for entry in expected if entry.id.startswith(MESSAGE)} | verdicts
        broken = compared(
            options.baseline.name, expected, verdicts, today,
            selected=[check.id for check in report.checks], strict=options.strict,
        )  # fmt: skip
        report = made(baseline=broken, waived=waived(expected, verdicts))
    _summary(console, found, report)
    if options.report is not None:
        write_reports(report, options.report, lambda text: print(text, file=sys.stderr))
        console.line(f"reports in {options.report}")
    if options.json:
        print(json.dumps(as_json(report), ensure_ascii=False))
    code = _exit_code(found, report, strict=options.strict)
    if not (options.quiet or options.json) and (last := of_checks(report, code, "client", options.report)):
        console.line(last)
    return code


def _requirements() -> Sequence[str]:
    from mfp_sim.shared.catalogue.registry import requirements  # noqa: PLC0415 - only a baseline needs the names

    return tuple(requirements())


def _selected(only: Sequence[str], quick: bool) -> tuple[Situation, ...]:
    """The situations that the options choose; a word is an id, a pattern of ids, a requirement or a word for the right
    conduct.

    Raises:
        UsageError: a word that selects nothing.
    """
    found = [s for s in situations() if not quick or s.id in QUICK]
    if not only:
        return tuple(found)
    for word in only:
        if not any(_fits(situation, word) for situation in situations()):
            hint = did_you_mean(word, [s.id for s in situations()]) or "mfp-sim examine --list shows all"
            raise UsageError(f"there is no situation {word!r}", remedy=hint)
        if not any(_fits(situation, word) for situation in found):
            raise UsageError(f"--quick leaves out the situation {word!r}", remedy="examine without --quick")
    return tuple(s for s in found if any(_fits(s, word) for word in only))


def _fits(situation: Situation, word: str) -> bool:
    return fnmatch.fnmatchcase(situation.id, word) or word in (situation.word, *situation.requirements)


def _list(chosen: Sequence[Situation], *, as_json: bool) -> int:
    out = [(entry.slug, why) for entry in FAULTS.values() if (why := left_out(entry)) is not None]
    if as_json:
        rows: list[dict[str, object]] = [
            {"id": s.id, "title": s.title, "conduct": s.word, "correct": s.correct, "verbs": [*s.before, *s.verbs],
             "requirements": list(s.requirements), "script": s.script}
            for s in chosen
        ]  # fmt: skip
        print(json.dumps([*rows, *({"id": slug, "left_out": why} for slug, why in out)], ensure_ascii=False))
        return 0 if chosen else 5
    for situation in chosen:
        print(f"{situation.word:16} {situation.id:44} {situation.title}")
    print(f"\n{len(chosen)} situations; {len(out)} faults are left out:")
    for why in dict.fromkeys(why for _, why in out):
        print(f"  {why}: {', '.join(slug for slug, other in out if other == why)}")
    return 0 if chosen else 5


def _ca_for(client: Examined, console: Console, options: argparse.Namespace) -> str:
    """The first CA at which the client enrols; the RFC's own if it does not enrol at any."""
    if options.manual:  # a person does not enrol the device four times to find out
        return _TRIED[0]
    for ca in _TRIED:
        (first, *_) = run_client(
            client, (), ca=ca, timeout=options.timeout, host=options.host, port=options.port
        ).results
        if first.verdict is CheckVerdict.PASS:
            if ca:
                console.line(
                    f"The client does not enrol at a CA that follows RFC 8894, so it is examined at one with {ca}."
                )
            return ca
    return _TRIED[0]


def _tell(console: Console, result: SituationResult, *, quiet: bool) -> None:
    """A line for the verdict, and what the client did if it was wrong."""
    if result.verdict is CheckVerdict.NOT_APPLICABLE or (quiet and result.verdict is CheckVerdict.PASS):
        return
    word = {CheckVerdict.FAIL: "FAIL", CheckVerdict.INCONCLUSIVE: "?"}.get(result.verdict, result.verdict.word)
    console.line(f"{word:8} {result.situation.id}: {result.situation.title}")
    if result.verdict is not CheckVerdict.PASS:
        console.line(f"             expected  a correct client {result.situation.correct}")
        console.line(f"             got       {result.because}")


def _summary(console: Console, found: Examination, report: RunReport) -> None:
    console.line()
    console.line(f"client     {report.provenance.options['client']}")
    console.line(f"CA         {report.provenance.options['CA']}")
    counts = ", ".join(f"{count} {word}" for word, count in report.verdicts.items() if count)
    console.line(f"rows       {counts}")
    for check in report.checks:
        if SAFETY in check.tags:
            console.line(f"accepts    {check.id}: {check.title}")
    console.findings(report)
    for conclusion in report.conclusions:
        console.line(f"verdict    {conclusion.name}: {conclusion.verdict.upper()}: {conclusion.because}")
    if not found.controlled:
        last = found.results[-1]
        console.line(f"control    {last.situation.id}: {last.because}")
        for line in last.seen.output.splitlines()[-5:]:
            console.line(f"           {line}")
    console.baseline(report)


def _client(options: argparse.Namespace, ca: str | None) -> list[str]:
    """The options for the same client at a CA of the same kind and address."""
    said = ["--client", options.client] if options.client else ["--manual"]
    said += ["--host", options.host] if options.host != "127.0.0.1" else []
    said += ["--port", str(options.port)] if options.port else []
    return [*said, *(["--ca", ca] if ca else [])]


def _command(options: argparse.Namespace) -> str:
    said = ["mfp-sim", "examine", *_client(options, options.ca)]
    said += [word for value in options.only for word in ("--only", value)]
    said += ["--quick"] if options.quick else []
    return shlex.join(said)


def _exit_code(found: Examination, report: RunReport, *, strict: bool) -> int:
    if not found.controlled:
        return 3
    if not found.tried:
        return 5
    if report.provenance.baseline is not None:
        return int(report.baseline_broken)
    bad = {"fail"} | ({"warn", "finding"} if strict else set())
    return int(any(check.verdict in bad for check in report.checks))
