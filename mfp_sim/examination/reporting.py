"""Turns an examination into the plain values of a report: a row for each situation, and one for each requirement that
the client's messages break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal, cast

from mfp_sim.conformance.model import JUDGED, CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult
from mfp_sim.examination.findings import SAFETY, accepted, findings_of, grade_of, is_unsafe, kind_of
from mfp_sim.examination.situations import FIRST, LAST
from mfp_sim.report.json_report import catalogue_of, here
from mfp_sim.report.messages import KEPT, exchange_report, kept
from mfp_sim.report.model import Baseline, CauseKind, CheckReport, Conclusion, RunReport, Verdict
from mfp_sim.shared.catalogue.registry import requirements

__all__ = ["MESSAGE", "report_of", "verdicts_of"]

MESSAGE = "message-"
"""The beginning of the id of a row about the client's messages; the rest is the id of a requirement."""

_WORDS = {CheckVerdict.NOT_APPLICABLE: "skipped", CheckVerdict.NOT_RUN: "skipped"}
_OF_JUDGE: dict[str, CheckVerdict] = {
    "fail": CheckVerdict.FAIL, "warn": CheckVerdict.WARN, "note": CheckVerdict.FINDING,
}  # fmt: skip


def report_of(
    found: Examination,
    *,
    command: str,
    client: str,
    begun: str,
    baseline: Baseline | None = None,
    waived: Mapping[str, str] | None = None,
) -> RunReport:
    """The report.

    Args:
        found: the examination.
        command: the command line.
        client: the options that choose the client and its CA, as in the command line, for the commands of the rows.
        begun: when, ISO 8601.
        baseline: how it compares with the expected failures.
        waived: the reasons of the baseline for what it expects, by id.
    """
    waived = waived or {}
    rows = [(result, _row(result, client, waived)) for result in found.results]
    rows.sort(key=lambda row: SAFETY not in row[1].tags)
    messages = tuple(_messages(found, waived))
    checks = (*(check for _, check in rows), *messages)
    findings = findings_of([
        *((check, result.because, kind_of(result, check.verdict)) for result, check in rows),
        *((check, f"its messages: {check.title}", _kind_of_message(check)) for check in messages),
    ], tuple(waived))  # fmt: skip
    options = {
        "client": f"{found.client}{f' ({found.version})' if found.version else ''}",
        "CA": found.ca or "profile: rfc8894",
    }
    report = RunReport(
        scenarios=(),
        target=f"client {found.client}",
        provenance=replace(
            here(), begun=begun, seconds=sum(r.seconds for r in found.results), command=command, options=options,
            baseline=baseline,
        ),
        conclusions=(_conclusion(found, checks),),
        checks=checks,
        findings=findings,
        grade=grade_of(found, findings),
    )  # fmt: skip
    return replace(report, catalogue=catalogue_of(report))


def verdicts_of(report: RunReport) -> dict[str, str]:
    """The verdicts by id, for the comparison with a baseline."""
    return {check.id: check.verdict for check in report.checks if check.verdict not in ("skipped", "inconclusive")}


def _word(verdict: CheckVerdict) -> Verdict:
    return cast(Verdict, _WORDS.get(verdict, verdict.word))


def _row(result: SituationResult, client: str, waived: Mapping[str, str]) -> CheckReport:
    situation, shown = result.situation, kept(result.messages)
    first = requirements()[situation.requirements[0]] if situation.requirements else None
    control = situation in (FIRST, LAST)
    runs = [f"{run.verb}: {run.end}, exit code {run.code}, {run.seconds:.1f} s" for run in result.seen.runs]
    printed = [f"printed: {line}" for line in result.seen.output.splitlines() if line.strip()][-8:]
    return CheckReport(
        id=situation.id,
        title=situation.title,
        verdict=_word(result.verdict),
        requirements=situation.requirements,
        section=(first.section or "") if first else "",
        level=(first.level or "") if first else "",
        field_failures=situation.field_failures,
        tags=(SAFETY,) if is_unsafe(result, _word(result.verdict)) else (),
        why="The controls show that the client enrols if nothing is wrong." if control else "",
        because=result.because,
        expected=f"a correct client {situation.correct}" if result.verdict in JUDGED else "",
        got=result.because if result.verdict in JUDGED else "",
        exchanges=tuple(exchange_report(message) for message in shown),
        exchanges_left_out=max(0, len(result.messages) - KEPT),
        command="" if control else f"mfp-sim examine {client} --only {situation.id}",
        waived=waived.get(situation.id),
        notes=(*runs, *printed),
        seconds=round(result.seconds, 6),
    )


def _messages(found: Examination, waived: Mapping[str, str]) -> Iterator[CheckReport]:
    """What the CA's judge says about all requests: a row for each requirement, the worst first."""
    seen: dict[str, dict[str, list[str]]] = {}
    # If a fault acted, the judge does not know what the client saw, such as a capability list that a fault shortened.
    for result in (result for result in found.results if result.situation.slug is None):
        for text in result.judgement:
            requirement = text.split(" ", 2)[1]
            seen.setdefault(requirement, {}).setdefault(text, []).append(result.situation.id)
    rows = []
    for requirement, texts in seen.items():
        worst = max(_OF_JUDGE[text.partition(" ")[0]] for text in texts)
        entry = requirements()[requirement]
        sentences = [text.split(" ", 2)[2] for text in texts]
        times = sum(len(places) for places in texts.values())
        identifier = f"{MESSAGE}{requirement.lower()}"
        rows.append(CheckReport(
            id=identifier,
            title=sentences[0],
            verdict=_word(worst),
            requirements=(requirement,),
            section=entry.section or "",
            level=entry.level or "",
            tags=("messages",),
            because=f"seen in {times} situation{'s' * (times != 1)}",
            expected=entry.text,
            got="; ".join(sentences[:3]),
            waived=waived.get(identifier),
            notes=tuple(f"{text}: {', '.join(places[:8])}{' …' * (len(places) > 8)}" for text, places in texts.items()),
            rfc_text=" […] ".join(entry.quotes),
        ))  # fmt: skip
    order = ("fail", "warn", "finding")
    yield from sorted(rows, key=lambda row: order.index(row.verdict))


def _kind_of_message(check: CheckReport) -> CauseKind:
    return "interoperability" if check.verdict == "fail" else "hygiene"


def _conclusion(found: Examination, checks: tuple[CheckReport, ...]) -> Conclusion:
    """The verdict in a sentence."""
    name: Literal["SCEP client"] = "SCEP client"
    if not found.controlled:
        return Conclusion(
            name, "inconclusive", "it does not enrol although nothing is wrong, so its refusals prove nothing"
        )
    if not found.tried:
        why = (
            "nothing was judged: every chosen situation was inconclusive or skipped" if found.unclear
            else "nothing was tried: the client does not support the chosen situations"
        )  # fmt: skip
        return Conclusion(name, "inconclusive", why)
    order = ("fail", "warn", "finding", "inconclusive", "pass")
    counts = {word: sum(check.verdict == word for check in checks) for word in order}
    unsafe = accepted(found)
    worst = next((word for word in ("fail", "warn", "finding") if counts[word]), "pass")
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    if unsafe:
        parts.insert(0, f"accepts what it must refuse in {unsafe} situation{'s' * (unsafe != 1)}")
    return Conclusion(name, cast(Verdict, worst), ", ".join(parts))
