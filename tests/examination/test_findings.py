"""What follows from the results of an examination: the causes, the letter, and the sentences about the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult
from mfp_sim.examination.findings import accepted, findings_of, grade_of, is_unsafe, kind_of
from mfp_sim.examination.judging import Conduct, Observation
from mfp_sim.examination.program import End, VerbResult
from mfp_sim.examination.reporting import report_of
from mfp_sim.examination.situations import FIRST, LAST, situations
from mfp_sim.report.model import CauseReport, CheckReport
from mfp_sim.testing import Bench

OLD, ISSUED = (Bench(seed=seed).ca.authority.issuer.certificate for seed in (1, 2))
ALL = len(situations()) + 2
SITUATIONS = {situation.id: situation for situation in (FIRST, LAST, *situations())}
SEEN: Mapping[Conduct, Observation] = {
    Conduct.ENROLLED: Observation((VerbResult("enrol", End.DONE, 0, "", 0.0),), (), ISSUED, fits=True),
    Conduct.STRANGE: Observation((VerbResult("enrol", End.DONE, 0, "", 0.0),), (), ISSUED),
    Conduct.UNREADABLE: Observation((VerbResult("enrol", End.DONE, 0, "", 0.0),), (), unreadable=True),
    Conduct.SPOILT: Observation((VerbResult("renew", End.REFUSED, 1, "", 0.0),), (), None, OLD),
    Conduct.KEPT: Observation((VerbResult("renew", End.DONE, 0, "", 0.0),), (), OLD, OLD, fits=True),
    **{
        kind: Observation((VerbResult("get-crl", End.DONE, 0, "", 0.0),), (), fetched=kind)
        for kind in (Conduct.FETCHED, Conduct.OTHER, Conduct.EXTRA)
    },
    **{
        conduct: Observation((VerbResult("enrol", end, 1, "", 0.0),), ())
        for conduct, end in (
            (Conduct.CLAIMED, End.DONE), (Conduct.REFUSED, End.REFUSED), (Conduct.PENDING, End.PENDING),
            (Conduct.CRASHED, End.CRASHED), (Conduct.UNCLEAR, End.BROKEN), (Conduct.HUNG, End.HUNG),
            (Conduct.UNSUPPORTED, End.UNSUPPORTED),
        )
    },
}  # fmt: skip
PASS, FINDING, WARN, FAIL = CheckVerdict.PASS, CheckVerdict.FINDING, CheckVerdict.WARN, CheckVerdict.FAIL
SKIPPED, UNCLEAR = CheckVerdict.NOT_APPLICABLE, CheckVerdict.INCONCLUSIVE
REFUSES = "The client refuses every reply that a client must refuse."
REFUSED = "The client refused every tried reply that it must refuse."


def result(
    situation: str, verdict: CheckVerdict = PASS, conduct: Conduct = Conduct.REFUSED, because: str = ""
) -> SituationResult:
    return SituationResult(SITUATIONS[situation], verdict, because, SEEN[conduct])


def examined(*results: SituationResult, whole: bool = True, last: CheckVerdict = PASS) -> Examination:
    """An examination with these results; in all other situations, if it is ``whole``, the client did the right thing."""
    named = {r.situation.id for r in results}
    others = [result(s.id) for s in situations() if whole and s.id not in named]
    return Examination("x", "", "", (result(FIRST.id), *results, *others, result(LAST.id, last)))


def graded(found: Examination) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    grade = report_of(found, command="", client="", begun="").grade
    assert grade is not None
    return grade.letter, grade.because, grade.words


def test_every_conduct_is_made_as_it_is_named() -> None:
    assert set(SEEN) == set(Conduct)
    assert all(observed.conduct is conduct for conduct, observed in SEEN.items())


@pytest.mark.parametrize(
    ("kind", "conducts"),
    [
        ("security", ("ENROLLED", "FETCHED", "OTHER", "EXTRA", "STRANGE", "UNREADABLE", "SPOILT")),
        ("interoperability", ("REFUSED", "KEPT", "PENDING")),
        ("robustness", ("CRASHED", "HUNG", "CLAIMED")),
        ("hygiene", ("UNCLEAR", "UNSUPPORTED")),
    ],
)
def test_the_class_of_a_mistake_follows_from_what_the_client_did(kind: str, conducts: tuple[str, ...]) -> None:
    for name in conducts:
        wrong = result("bad-signature", FAIL, Conduct[name])
        assert kind_of(wrong, "fail") == kind_of(wrong, "warn") == kind, name
        assert kind_of(wrong, "finding") == ("hygiene" if kind == "security" else kind), name
        assert is_unsafe(wrong, "fail") == (kind == "security"), name
        assert not is_unsafe(wrong, "warn"), name


@pytest.mark.parametrize(
    ("conduct", "because", "kind"),
    [
        (Conduct.ENROLLED, "it crashed", "robustness"),
        (Conduct.REFUSED, "it says that it has a certificate, but left none", "robustness"),
        (Conduct.HUNG, "it sent its request to a CA with another fingerprint than it was given", "security"),
        (Conduct.REFUSED, "it encrypted its request to another certificate than that of the given CA", "security"),
        (Conduct.HUNG, "it did not end and was stopped", "robustness"),
        (Conduct.PENDING, "it treats the request as pending", "interoperability"),
    ],
)
def test_the_class_of_a_mistake_is_that_of_its_reason(conduct: Conduct, because: str, kind: str) -> None:
    assert kind_of(result("rogue-ca", WARN, conduct, because), "warn") == kind
    assert not is_unsafe(result("reset", FAIL, conduct, "it crashed"), "fail")


def test_nothing_seen_is_no_danger() -> None:
    unseen = SituationResult(SITUATIONS["ra"], FAIL, "")
    assert kind_of(unseen, "fail") == "hygiene"
    assert not is_unsafe(unseen, "fail")


def row(identifier: str, verdict: str, section: str = "") -> CheckReport:
    return CheckReport(id=identifier, title=f"title of {identifier}", verdict=verdict, section=section)  # type: ignore[arg-type]


def test_rows_with_one_cause_are_one_finding() -> None:
    found = findings_of([
        (row("a", "warn", "4.1"), "it didn't refuse, twice", "security"),
        (row("b", "fail", "3.2"), "it didn't refuse, twice", "security"),
        (row("c", "finding", "4.1"), "it didn't refuse, twice", "hygiene"),
        (row("d", "pass"), "it didn't refuse, twice", "security"),
        (row("e", "inconclusive"), "it didn't refuse, twice", "security"),
        (row("f", "finding"), "it didn't refuse, twice", "security"),
        (row("g", "warn", "4.1"), "it didn't refuse, twice", "security"),
    ], ["a", "b", "c"])  # fmt: skip
    first, second = found
    assert (first.id, first.title) == ("it-didnt-refuse-twice", "It didn't refuse, twice")
    assert (first.kind, first.verdict) == ("security", "fail"), "the worst verdict of its places"
    assert [(p.check, p.title, p.verdict) for p in first.places] == [
        ("a", "title of a", "warn"), ("b", "title of b", "fail"), ("f", "title of f", "finding"),
        ("g", "title of g", "warn"),
    ]  # fmt: skip
    assert [section.split()[0] for section in first.sections] == ["4.1", "3.2"]
    assert not first.waived, "the baseline expects some of its rows only"
    assert (second.kind, second.waived) == ("hygiene", True)


def test_the_most_important_finding_is_the_first() -> None:
    rows = [
        (row("1", "finding"), "finding", "hygiene"),
        (row("2", "warn"), "strict", "interoperability"),
        (row("3", "warn"), "stricter", "interoperability"),
        (row("4", "warn"), "stricter", "interoperability"),
        (row("5", "fail"), "no reply read", "interoperability"),
        (row("6", "fail"), "crash", "robustness"),
        (row("7", "warn"), "careless", "security"),
    ]
    found = [(entry.kind, entry.title) for entry in findings_of(rows)]  # type: ignore[arg-type]
    assert found == [
        ("security", "Careless"), ("interoperability", "No reply read"), ("interoperability", "Stricter"),
        ("interoperability", "Strict"), ("robustness", "Crash"), ("hygiene", "Finding"),
    ]  # fmt: skip


def cause(kind: str, verdict: str, title: str) -> CauseReport:
    return CauseReport(id=title, title=title, kind=kind, verdict=verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "verdict", "letter"),
    [
        ("security", "fail", "F"), ("security", "warn", "C"), ("security", "finding", "A"),
        ("interoperability", "fail", "D"), ("interoperability", "warn", "B"), ("interoperability", "finding", "A"),
        ("robustness", "fail", "D"), ("robustness", "warn", "C"), ("robustness", "finding", "A"),
        ("hygiene", "fail", "B"), ("hygiene", "warn", "A"), ("hygiene", "finding", "A"),
    ],
)  # fmt: skip
def test_the_letter_is_that_of_the_worst_cause(kind: str, verdict: str, letter: str) -> None:
    grade = grade_of(examined(), [cause(kind, verdict, "it did")])
    because = () if letter == "A" else (f"{kind}, {verdict}: it did",)
    assert (grade.letter, grade.because) == (letter, because)


def test_only_causes_of_the_letter_explain_it() -> None:
    causes = [
        cause("interoperability", "warn", "strict"), cause("robustness", "fail", "crash"),
        cause("interoperability", "fail", "no certificate"), cause("hygiene", "fail", "odd"),
    ]  # fmt: skip
    grade = grade_of(examined(), causes)
    assert grade.letter == "D"
    assert sorted(grade.because) == ["interoperability, fail: no certificate", "robustness, fail: crash"]


@pytest.mark.parametrize(
    ("found", "because", "words"),
    [
        (examined(result("ra"), whole=False), f"{ALL - 3} of {ALL} situations were not chosen", REFUSED),
        (examined(result("ra", UNCLEAR)), f"1 of {ALL} situations was inconclusive", REFUSED),
        (examined(result("ra", UNCLEAR), result("reset", UNCLEAR)), f"2 of {ALL} situations were inconclusive", REFUSED),
        (examined(last=FAIL), "it does not enrol although nothing is wrong",
         "The client does not enrol although nothing is wrong, so its refusals prove nothing."),
    ],
)  # fmt: skip
def test_what_was_not_seen_never_helps(found: Examination, because: str, words: str) -> None:
    grade = grade_of(found, [])
    assert (grade.letter, grade.because, grade.words) == ("", (because,), (words,))
    unsafe = grade_of(found, [cause("security", "fail", "unsafe")])
    assert (unsafe.letter, unsafe.because) == ("F", ("security, fail: unsafe", because)), "an F was seen"
    assert grade_of(found, [cause("security", "warn", "careless")]).letter == ""
    assert grade_of(found, [cause("robustness", "fail", "crash")]).letter == ""


def test_if_the_client_does_not_enrol_nothing_else_is_said() -> None:
    found = examined(result("ra", UNCLEAR), last=FAIL)
    assert grade_of(found, []).because == ("it does not enrol although nothing is wrong",)


def test_a_skipped_situation_does_not_take_the_letter() -> None:
    why = "skipped: the client does not support them, or sent no request to which the fault applies"
    grade = grade_of(examined(result("ra", SKIPPED)), [])
    assert (grade.letter, grade.because, grade.words) == ("A", (f"1 of {ALL} situations was {why}",), (REFUSED,))
    grade = grade_of(examined(), [])
    assert (grade.letter, grade.because, grade.words) == ("A", (), (REFUSES,))


def test_nothing_but_skipped_situations_have_no_letter() -> None:
    grade = grade_of(examined(*(result(s.id, SKIPPED) for s in situations())), [])
    assert (grade.letter, grade.because[0]) == ("", "nothing was tried beside the controls")


def test_situations_without_a_verdict_are_not_a_pass() -> None:
    """A client that always sends on until its time is over has shown nothing."""
    unclear = [result(s.id, UNCLEAR, Conduct.HUNG) for s in situations()]
    report = report_of(examined(*unclear), command="", client="", begun="")
    (conclusion,) = report.conclusions
    assert (conclusion.verdict, conclusion.because) == (
        "inconclusive", "nothing was judged: every chosen situation was inconclusive or skipped",
    )  # fmt: skip
    assert report.grade is not None
    assert report.grade.letter == ""
    assert report.grade.words == ("Every chosen situation was inconclusive or skipped, so nothing was judged.",)
    one = report_of(examined(result("reset"), *unclear[:1], whole=False), command="", client="", begun="")
    assert (one.conclusions[0].verdict, one.conclusions[0].because) == ("pass", "1 inconclusive, 3 pass")


def test_a_client_that_supports_nothing_of_it_has_not_passed() -> None:
    found = examined(result("renewal", SKIPPED, Conduct.UNSUPPORTED), whole=False)
    assert not found.tried
    assert graded(found)[2] == ("The client does not support the chosen situations, so nothing was tried.",)


@pytest.mark.parametrize(
    ("results", "letter", "words"),
    [
        ([result("bad-signature", FAIL, Conduct.ENROLLED)], "F", ["The client accepts what it must refuse in 1 situation."]),
        ([result("bad-signature", FAIL, Conduct.ENROLLED), result("success-wrong-key", FAIL, Conduct.STRANGE)], "F",
         ["The client accepts what it must refuse in 2 situations."]),
        ([result("renewal-refused", FAIL, Conduct.SPOILT)], "F",
         [REFUSES, "In 1 situation it loses its certificate or its key, or leaves a file without one."]),
        ([result("renewal-refused", FAIL, Conduct.SPOILT), result("ra", FAIL, Conduct.UNREADABLE)], "F",
         [REFUSES, "In 2 situations it loses its certificate or its key, or leaves a file without one."]),
        ([result("ra", WARN)], "B", [REFUSES, "In 1 situation it does not get the certificate or the CRL that it should get."]),
        ([result("ra", WARN), result("pending-once", WARN, Conduct.PENDING), result("renewal", WARN, Conduct.KEPT)], "B",
         [REFUSES, "In 3 situations it does not get the certificate or the CRL that it should get."]),
        ([result("refused-badalg", FINDING)], "A", [REFUSES]),  # it should not get one
        ([result("bad-signature", WARN, Conduct.PENDING)], "B", [REFUSES]),
        ([result("rogue-ca", WARN, Conduct.ENROLLED)], "C", [REFUSES]),
        ([result("bad-signature", FINDING, Conduct.ENROLLED)], "A", [REFUSES]),
        ([result("reset", FAIL, Conduct.ENROLLED, "it crashed")], "D", [REFUSES]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_client(results: list[SituationResult], letter: str, words: list[str]) -> None:
    found = examined(*results)
    assert (graded(found)[0], list(graded(found)[2])) == (letter, words)


def test_a_mistake_in_a_message_is_no_lack_of_a_certificate() -> None:
    messages = cause("interoperability", "fail", "its messages: single DES")
    assert grade_of(examined(), [messages]).words == (REFUSES,)


def test_only_what_the_client_accepted_is_counted_as_accepted() -> None:
    found = examined(result("bad-signature", FAIL, Conduct.ENROLLED), result("renewal", FAIL, Conduct.SPOILT))
    assert accepted(found) == 1
    report = report_of(found, command="", client="", begun="")
    assert [check.id for check in report.checks if check.tags == ("safety",)] == ["bad-signature", "renewal"]
    (conclusion,) = report.conclusions
    assert conclusion.because.startswith("accepts what it must refuse in 1 situation, 2 fail, ")
    assert accepted(replace(found, results=())) == 0
