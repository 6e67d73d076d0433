"""The findings of a run, by cause and most important first, and the grade: its words and its letter.

The rule of the grade is a table, `CAPS`: the letter is the worst cap of all findings. What was not seen never helps:
without both positive controls, or with checks that were not run, there is no letter, except an F that was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mfp_sim.conformance.causes import ANYWHERE, CAUSES, Cause, cause_of, title_of
from mfp_sim.conformance.model import Check, CheckResult, CheckVerdict
from mfp_sim.report.model import (
    KINDS,
    CauseKind,
    CausePlace,
    CauseReport,
    Grade,
    PrinterStage,
    PrinterVerdict,
    StageName,
)
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.catalogue.sections import SECTIONS, titled

__all__ = ["CAPS", "explained", "findings_of", "grade_of"]

CAPS: Mapping[tuple[CauseKind, str], str] = {
    ("security", "fail"): "D",
    ("security", "warn"): "C",
    ("security", "finding"): "C",
    ("interoperability", "fail"): "C",
    ("interoperability", "warn"): "B",
    ("interoperability", "finding"): "B",
    ("robustness", "fail"): "C",
    ("robustness", "warn"): "B",
    ("robustness", "finding"): "B",
    ("hygiene", "fail"): "B",
    ("hygiene", "warn"): "B",
}
"""The best letter that a cause allows, by its class and the worst verdict of its places. Other pairs cap nothing.
A grave cause (`mfp_sim.conformance.causes.Cause`) always caps at F."""
STUMBLES: Mapping[StageName, tuple[str, ...]] = {
    "capabilities": ("capabilities-missing", "capabilities-unreadable"),
    "ca": ("ca-certificate-unreadable", "ca-expired"),
    "enrol": ("enrolment-refused", "capabilities-false", "closes-connection"),
    "install": ("certificate-missing", "envelope-unreadable", "certificate-unusable", "replies-in-other-algorithms"),
    "poll": ("approval-broken", "polls-by-name"),
    "renew": ("names-used-once",),
    "recover": ("polls-unanswered", "requests-not-remembered"),
}
"""The causes that may explain a stage: if the checks found one, a failure of the stage names it."""
_WORST = {CheckVerdict.FAIL: "fail", CheckVerdict.WARN: "warn", CheckVerdict.FINDING: "finding"}
_BY_ID = {cause.id: cause for cause in (*ANYWHERE, *CAUSES)}
_ORDER = {cause.id: number for number, cause in enumerate((*ANYWHERE, *CAUSES))}
_STRANGERS = (
    "challenge-missing", "challenge-wrong", "challenge-empty", "challenge-foreign-signer", "renewal-self-signed",
    "renewal-by-stranger",
)  # fmt: skip
"""Checks that must pass before the verdict says that no stranger got a certificate."""
_DECIDING = frozenset(place.partition("/")[0] for cause in CAUSES if cause.grave for place in cause.places)
"""Checks that can show a grave cause: without their verdict, an F cannot be ruled out."""


def findings_of(
    results: Iterable[CheckResult], printers: Iterable[PrinterVerdict] = (), waived: Iterable[str] = ()
) -> tuple[CauseReport, ...]:
    """The causes of all deviations that count, most important first: by class, then grave ones, then by verdict and
    number of places.

    Args:
        results: of the checks; findings exclude what was taken back or not judged.
        printers: each cause names the models that fail because of it.
        waived: ids of the checks that the baseline expects to fail.
    """
    expected = frozenset(waived)
    found: dict[str, list[CheckResult]] = {}
    for result in results:
        if result.counts and result.deviations:
            found.setdefault(cause_of(result).id, []).append(result)
    models = {cause: [p.model for p in printers if p.over == cause] for cause in found}
    entries = [_finding(_BY_ID[name], places, models[name], expected) for name, places in found.items()]
    return tuple(sorted(entries, key=_urgency))


def _urgency(entry: CauseReport) -> tuple[int, bool, int, int, int]:
    worst = ("fail", "warn", "finding").index(entry.verdict)
    return KINDS.index(entry.kind), not entry.grave, worst, -len(entry.places), _ORDER[entry.id]


def _finding(
    cause: Cause, places: Sequence[CheckResult], models: Sequence[str], expected: frozenset[str]
) -> CauseReport:
    ordered = sorted(places, key=lambda result: -result.verdict)
    return CauseReport(
        id=cause.id,
        title=cause.title,
        kind=cause.kind,
        verdict=_WORST[ordered[0].verdict],  # type: ignore[arg-type]
        places=tuple(CausePlace(r.check.id, title_of(r), _WORST[r.verdict]) for r in ordered),  # type: ignore[arg-type]
        sections=tuple(map(titled, sorted({_section(r) for r in places}, key=list(SECTIONS).index))),
        remedy=cause.remedy,
        clients=(*models, *cause.clients),
        waived=all(r.check.id in expected for r in places),
        grave=bool(cause.grave),
    )


def _section(result: CheckResult) -> str:
    """The section of the requirement that the worst fact is about."""
    requirement = result.deviations[0].requirement
    return result.check.section if requirement is None else requirements()[requirement].section or ""


def grade_of(
    results: Sequence[CheckResult],
    findings: Sequence[CauseReport],
    printers: Sequence[PrinterVerdict],
    *,
    wanted: Sequence[Check],
    controlled: bool,
    stopped: str | None,
    models: int,
) -> Grade:
    """The letter, why it is not better, and the verdict in words.

    Args:
        results: of the checks.
        findings: from `findings_of`.
        printers: the models' verdicts.
        wanted: the checks that a full run has.
        controlled: both positive controls held.
        stopped: why the run stopped early.
        models: the number of printer models that a full run tries.
    """
    caps = sorted([*_caps_of(findings), *_caps_of_run(results, printers, models)], reverse=True)
    missing = _missing(results, wanted, controlled, stopped)
    grave = [entry for entry in findings if entry.grave]
    if missing and not grave:
        letter, because = "", missing
    else:
        letter = caps[0][0] if caps else "A"
        because = [*(text for cap, text in caps if cap == letter), *missing]
    return Grade(
        letter,
        tuple(because),
        tuple(_words(results, findings, printers, missing, controlled=controlled, stopped=stopped)),
    )


def _caps_of(findings: Iterable[CauseReport]) -> Iterable[tuple[str, str]]:
    for entry in findings:
        if _BY_ID[entry.id].grave:
            yield "F", entry.title
        elif (cap := CAPS.get((entry.kind, entry.verdict))) is not None:
            yield cap, f"{entry.kind}, {entry.verdict}: {entry.title}"


def _caps_of_run(
    results: Iterable[CheckResult], printers: Sequence[PrinterVerdict], models: int
) -> Iterable[tuple[str, str]]:
    tried = [p for p in printers if p.verdict != "not-tried"]
    works = [p for p in tried if p.verdict == "works"]
    fails = [p.model for p in tried if p.verdict == "does-not-work"]
    if fails:
        yield ("E", "no printer model works") if len(fails) == len(tried) else ("C", f"{', '.join(fails)} do not work")
    if len(tried) < models:
        yield "B", f"{len(tried)} of {models} printer models were tried"
    elif len(works) < len(tried) and not fails:
        yield "B", "not every printer model works without conditions"
    unclear = [r.check.id for r in results if r.verdict is CheckVerdict.INCONCLUSIVE and not _no_occasion(r)]
    if unclear:
        yield "B", f"{_several(len(unclear), 'check')} could not be judged: {', '.join(unclear)}"


def _no_occasion(result: CheckResult) -> bool:
    """It watches for a message that the server had no reason to send, such as a PENDING."""
    return result.check.watches and not result.facts


def _missing(
    results: Sequence[CheckResult], wanted: Sequence[Check], controlled: bool, stopped: str | None
) -> list[str]:
    """Why the run allows no overall verdict."""
    found = []
    if not controlled:
        found.append("refusals prove nothing: no right request was granted at the beginning, or none at the end")
    if stopped is not None:
        found.append(stopped)
    run = {r.check.id for r in results if r.verdict is not CheckVerdict.NOT_RUN}
    whole = [check for check in wanted if check.id in run or check.opt_in is None]
    left = sum(check.id not in run for check in whole)
    if left:
        found.append(f"{left} of {len(whole)} checks {'was' if left == 1 else 'were'} not run")
    unclear = [r.check.id for r in results if r.verdict is CheckVerdict.INCONCLUSIVE and r.check.id in _DECIDING]
    if unclear:
        found.append(f"checks that can cause an F could not be judged: {', '.join(unclear)}")
    return found


def _words(
    results: Sequence[CheckResult],
    findings: Sequence[CauseReport],
    printers: Sequence[PrinterVerdict],
    missing: Sequence[str],
    *,
    controlled: bool,
    stopped: str | None,
) -> Iterable[str]:
    grave = dict.fromkeys(_BY_ID[entry.id].grave for entry in findings if _BY_ID[entry.id].grave)
    yield from (f"{text}." for text in grave)
    passed = {r.check.id for r in results if r.verdict is CheckVerdict.PASS}
    if not grave and controlled and passed.issuperset(_STRANGERS):
        yield "Issued no certificate to a stranger."
    breaches = sum(r.insecure for r in results)
    if breaches:
        yield f"{_several(breaches, 'security failure')}."
    fails = sum(r.by_keyword is CheckVerdict.FAIL and r.counts for r in results)
    judged = sum(r.counts for r in results)
    if fails:
        yield f"Breaks {'a MUST' if fails == 1 else 'MUSTs'} of RFC 8894 in {_several(fails, 'check')}."
    elif judged and not missing:
        yield "Breaks no MUST of RFC 8894 that is visible from outside."
    yield from _of_printers(printers)
    if missing:
        brief = [text for text in missing if text != stopped] or ["the run stopped early"]
        yield f"{'There may be more' if grave else 'No grade'}: {'; '.join(brief)}."


def explained(printers: Iterable[PrinterVerdict], findings: Sequence[CauseReport]) -> tuple[PrinterVerdict, ...]:
    """The verdicts, with what the checks found about a stage that failed or has a condition, and its remedy if one is
    known."""
    return tuple(
        replace(printer, stages=tuple(_explained(stage, printer, findings) for stage in printer.stages))
        for printer in printers
    )


def _explained(stage: PrinterStage, printer: PrinterVerdict, findings: Sequence[CauseReport]) -> PrinterStage:
    conditional = stage.name == "install" and bool(printer.over)
    if stage.outcome != "failed" and not conditional:
        return stage
    causes = (printer.over,) if conditional else STUMBLES.get(stage.name, ())
    entry = next((entry for entry in findings if entry.id in causes), None)
    if entry is None:
        return stage
    return replace(stage, because=f"{stage.because}; the checks found: {entry.title}", remedy=entry.remedy)


def _of_printers(printers: Sequence[PrinterVerdict]) -> Iterable[str]:
    tried = [p for p in printers if p.verdict != "not-tried"]
    if not tried:
        return
    works = sum(p.verdict == "works" for p in tried)
    text = f"Works with {works} of {len(tried)} printer models"
    conditions: dict[str, int] = {}
    for printer in tried:
        if printer.verdict == "works-with":
            conditions[printer.condition] = conditions.get(printer.condition, 0) + 1
    text += "".join(f", and with {count} more if {condition}" for condition, count in conditions.items())
    fails = [p.model for p in tried if p.verdict == "does-not-work"]
    yield f"{text}{', not with ' + ', '.join(fails) if fails else ''}."


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"
