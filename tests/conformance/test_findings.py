"""The grade of made-up findings, and what a failed stage of a printer owes to a finding."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from mfp_sim.conformance.causes import ANYWHERE, CAUSES, Cause
from mfp_sim.conformance.findings import explained, findings_of, grade_of
from mfp_sim.conformance.model import CheckResult, CheckVerdict, Fact
from mfp_sim.conformance.registry import all_checks
from mfp_sim.report.model import KINDS, CauseReport, Grade, PrinterStage, PrinterVerdict, StageName

CHECKS = tuple(check for check in all_checks().values() if check.opt_in is None)
PASSED = tuple(CheckResult(check, CheckVerdict.PASS, (Fact("x", True, "a", "b"),)) for check in CHECKS)
BY_ID: dict[str, Cause] = {cause.id: cause for cause in (*ANYWHERE, *CAUSES)}
ORDINARY = next(cause for cause in CAUSES if not cause.grave)
STRANGERS = {
    "challenge-missing", "challenge-wrong", "challenge-empty", "challenge-foreign-signer", "renewal-self-signed",
    "renewal-by-stranger",
}  # fmt: skip


def _entry(cause: Cause, kind: str = "security", verdict: str = "fail") -> CauseReport:
    return CauseReport(
        id=cause.id, title=cause.title, kind=kind, verdict=verdict, places=(), sections=(),  # type: ignore[arg-type]
        remedy=cause.remedy,
    )  # fmt: skip


def _graded(findings: tuple[CauseReport, ...] = (), results: tuple[CheckResult, ...] = PASSED) -> Grade:
    printers = (PrinterVerdict("a", "works"),)
    return grade_of(results, findings, printers, wanted=CHECKS, controlled=True, stopped=None, models=1)


@pytest.mark.parametrize(
    ("kind", "letters"),
    [
        ("security", "DCC"),
        ("interoperability", "CBB"),
        ("robustness", "CBB"),
        ("hygiene", "BBA"),
        ("policy", "AAA"),
    ],
)
def test_a_finding_caps_the_grade_by_its_class_and_verdict(kind: str, letters: str) -> None:
    for verdict, letter in zip(("fail", "warn", "finding"), letters, strict=True):
        grade = _graded((_entry(ORDINARY, kind, verdict),))
        assert (verdict, grade.letter) == (verdict, letter)
        assert grade.because == ((f"{kind}, {verdict}: {ORDINARY.title}",) if letter != "A" else ())


def test_every_class_has_caps() -> None:
    assert {"security", "interoperability", "robustness", "hygiene", "policy"} == set(KINDS)


def test_only_the_worst_findings_are_named() -> None:
    grade = _graded((_entry(ORDINARY, "hygiene"), _entry(ORDINARY, "robustness"), _entry(ORDINARY, "interoperability")))
    assert grade.letter == "C"
    assert set(grade.because) == {f"{kind}, fail: {ORDINARY.title}" for kind in ("robustness", "interoperability")}


@pytest.mark.parametrize("verdict", [CheckVerdict.INCONCLUSIVE, CheckVerdict.NOT_RUN, CheckVerdict.FINDING])
@pytest.mark.parametrize("check", sorted(STRANGERS))
def test_each_stranger_must_have_been_refused(check: str, verdict: CheckVerdict) -> None:
    said = "Issued no certificate to a stranger."
    assert said in _graded().words
    results = tuple(replace(r, verdict=verdict) if r.check.id == check else r for r in PASSED)
    assert said not in _graded(results=results).words
    others = tuple(r for r in PASSED if r.check.id in STRANGERS)
    assert said in _graded(results=others).words


def _changed(*deviations: tuple[str, str, CheckVerdict]) -> tuple[CheckResult, ...]:
    changed = {
        name: CheckResult(all_checks()[name], verdict, (Fact(slug, False, "a", "b", came="granted"),))
        for name, slug, verdict in deviations
    }
    return tuple(changed.get(result.check.id, result) for result in PASSED)


DES = "single-des-refused", "granted", CheckVerdict.FAIL
UPDATE = "refuses-update-req", "granted", CheckVerdict.FAIL
FRESH = "sendernonce-fresh", "not-fresh", CheckVerdict.FINDING
WRONG = "challenge-wrong", "granted", CheckVerdict.FAIL
STRANGER = "renewal-by-stranger", "granted", CheckVerdict.FINDING
EMPTY = "challenge-empty", "granted", CheckVerdict.FAIL


@pytest.mark.parametrize(
    ("deviations", "security", "must"),
    [
        ((), None, "Breaks no MUST of RFC 8894 that is visible from outside."),
        ((FRESH,), None, "Breaks no MUST of RFC 8894 that is visible from outside."),
        ((DES,), None, "Breaks a MUST of RFC 8894 in 1 check."),
        ((DES, UPDATE), None, "Breaks MUSTs of RFC 8894 in 2 checks."),
        ((STRANGER,), "1 security failure.", "Breaks no MUST of RFC 8894 that is visible from outside."),
        ((WRONG, EMPTY), "2 security failures.", "Breaks MUSTs of RFC 8894 in 2 checks."),
    ],
)
def test_the_words_count_security_failures_and_broken_musts(
    deviations: tuple[tuple[str, str, CheckVerdict], ...], security: str | None, must: str
) -> None:
    results = _changed(*deviations)
    words = _graded(findings_of(results), results).words
    assert [text for text in words if "security failure" in text] == ([security] if security else [])
    assert [text for text in words if "MUST" in text] == [must]


def test_without_a_whole_run_nothing_is_said_of_musts_that_hold() -> None:
    assert not any("MUST" in text for text in _graded(results=PASSED[1:]).words)
    assert any("MUST" in text for text in _graded(results=_changed(DES)[1:]).words)
    unjudged = tuple(replace(result, verdict=CheckVerdict.INCONCLUSIVE) for result in _changed(DES))
    assert not any("MUST" in text for text in _graded(results=unjudged).words)


def test_a_grave_finding_comes_before_others_of_its_class() -> None:
    first, second = findings_of(_changed(DES, WRONG))
    assert (first.kind, first.grave, second.kind, second.grave) == ("security", True, "security", False)
    assert [first.places[0].check, second.places[0].check] == ["challenge-wrong", "single-des-refused"]


def test_a_finding_is_waived_if_the_baseline_expects_all_of_its_places() -> None:
    results = _changed(WRONG, EMPTY)
    names = {place.check for entry in findings_of(results) for place in entry.places}
    assert names == {"challenge-wrong", "challenge-empty"}
    for entry in findings_of(results, waived=["challenge-wrong"]):
        assert entry.waived == ({place.check for place in entry.places} == {"challenge-wrong"})
    assert all(entry.waived for entry in findings_of(results, waived=names))
    assert not any(entry.waived for entry in findings_of(results))


@pytest.mark.parametrize("place", sorted(place for cause in CAUSES if cause.grave for place in cause.places))
def test_a_check_that_may_show_a_grave_cause_has_to_be_judged(place: str) -> None:
    check = place.split("/", maxsplit=1)[0]
    others = tuple(result for result in PASSED if result.check.id != check)
    grade = _graded(results=(*others, CheckResult(all_checks()[check], CheckVerdict.INCONCLUSIVE)))
    assert (grade.letter, grade.because) == ("", (f"checks that can cause an F could not be judged: {check}",))


def test_models_that_were_not_tried_do_not_count_as_models_with_conditions() -> None:
    printers = [PrinterVerdict("a", "works"), PrinterVerdict("b", "not-tried")]
    grade = grade_of(PASSED, (), printers, wanted=CHECKS, controlled=True, stopped=None, models=2)
    assert (grade.letter, grade.because) == ("B", ("1 of 2 printer models were tried",))


def test_each_condition_of_printers_is_said_with_its_count() -> None:
    printers = [PrinterVerdict(name, "works-with", condition=f"{name} is set") for name in "ab"]
    grade = grade_of(PASSED, (), printers, wanted=CHECKS, controlled=True, stopped=None, models=2)
    assert (
        grade.words[-1] == "Works with 0 of 2 printer models, and with 1 more if a is set, and with 1 more if b is set."
    )


# --- stages of printers -----------------------------------------------------------------------------------

EXPLAIN: dict[StageName, tuple[str, ...]] = {
    "capabilities": ("capabilities-missing", "capabilities-unreadable"),
    "ca": ("ca-certificate-unreadable", "ca-expired"),
    "enrol": ("enrolment-refused", "capabilities-false", "closes-connection"),
    "install": ("certificate-missing", "envelope-unreadable", "certificate-unusable", "replies-in-other-algorithms"),
    "poll": ("approval-broken", "polls-by-name"),
    "renew": ("names-used-once",),
    "recover": ("polls-unanswered", "requests-not-remembered"),
}


def _stage(name: StageName, outcome: str, findings: tuple[CauseReport, ...], over: str = "") -> PrinterStage:
    stage = PrinterStage(name, outcome, "it stopped")  # type: ignore[arg-type]
    (printer,) = explained([PrinterVerdict("a", "does-not-work", stages=(stage,), over=over)], findings)
    (found,) = printer.stages
    return found


def test_each_stage_and_each_of_its_causes_exists() -> None:
    assert set(EXPLAIN) == set(get_args(StageName))
    assert {name for names in EXPLAIN.values() for name in names} <= BY_ID.keys()


@pytest.mark.parametrize("name", EXPLAIN)
def test_a_failed_stage_names_the_finding_that_explains_it(name: StageName) -> None:
    every = tuple(_entry(cause) for cause in BY_ID.values())
    for entry in every:
        found = _stage(name, "failed", (entry,))
        if entry.id in EXPLAIN[name]:
            assert found.because == f"it stopped; the checks found: {entry.title}"
            assert found.remedy == entry.remedy
        else:
            assert found == PrinterStage(name, "failed", "it stopped")
    first = next(entry for entry in every if entry.id in EXPLAIN[name])
    assert _stage(name, "failed", every).because.endswith(first.title)
    for outcome in ("done", "not-reached", "not-needed", "cannot-tell"):
        assert _stage(name, outcome, every) == PrinterStage(name, outcome, "it stopped")  # type: ignore[arg-type]


def test_a_certificate_that_is_installed_under_a_condition_names_the_finding_of_the_condition() -> None:
    entries = tuple(_entry(BY_ID[name]) for name in ("certificate-unusable", "ca-expired"))
    assert _stage("install", "done", entries, over="ca-expired").because.endswith(BY_ID["ca-expired"].title)
    assert _stage("install", "done", entries, over="enrolment-refused").because == "it stopped"
    assert _stage("enrol", "done", entries, over="ca-expired").because == "it stopped"
