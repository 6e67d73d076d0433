"""Every deviation has one cause, whose title is true; what follows from causes: the order, the words and the grade."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mfp_sim.conformance.answers import Answer, Exchange
from mfp_sim.conformance.causes import ANYWHERE, CAUSES, Cause, cause_of, title_of
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.findings import CAPS, findings_of, grade_of
from mfp_sim.conformance.model import Check, CheckResult, CheckVerdict, Fact, Proof
from mfp_sim.conformance.outcomes import Came
from mfp_sim.conformance.printers import MODELS
from mfp_sim.conformance.registry import all_checks, select
from mfp_sim.conformance.reporting import report_of
from mfp_sim.conformance.selftest import CLEAN, bench
from mfp_sim.report.json_report import read_file
from mfp_sim.report.model import KINDS, Grade, PrinterVerdict
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.catalogue.sections import SECTIONS

CHECKS = tuple(all_checks().values())
BY_DEFAULT = [check for check in CHECKS if check.opt_in is None]
BY_ID = {cause.id: cause for cause in (*ANYWHERE, *CAUSES)}
PROOFS = [(check, number) for check in CHECKS for number, proof in enumerate(check.proofs) if proof.ready]

DEFECTS = {
    "challenge-unchecked": "certificates-for-strangers",
    "renews-for-anybody": {"renews-for-strangers", "renews-other-names", "malformed-granted"},
    "issues-ca-certificates": "ca-certificates-issued",
    "accepts-bad-signature": "signature-unverified",
    "csr-signature-unchecked": "key-unproved",
    "crashes-on-garbage": "errors-are-http-5xx",
    "crashes-on-oaep": "errors-are-http-5xx",
    "crashes-on-ec": "errors-are-http-5xx",
    "http-errors": "errors-are-http-5xx",
    "unknown-is-bad-request": "failinfo-unfit",
    "forgets-issued": {"polls-unanswered", "approval-broken"},
    "reissues": {"requests-not-remembered", "malformed-granted"},
    "constant-serial": "serials-weak",
    "refuses-ber": "ber-refused",
    "drops-san": "names-wrong",
    "strict-base64": "get-encodings-strict",
    "polls-by-name": "polls-by-name",
    "chains-nonces": "polls-by-name",
}
"""What is planted in the mock, and what it has to be told as."""


def _ran(session: Client, check: Check) -> CheckResult:
    return run_checks(session, [check], keep_going=True).results[0]


def _shows(title: str, cause: Cause, came: list[Answer | Exchange]) -> bool:
    """Whether one of the answers is what the words say of it."""
    kinds = {entry.came for entry in came}
    if cause in ANYWHERE and cause.came:
        return bool(kinds & {*cause.came})
    if re.search(r"\bnot (accepted|granted)\b", title):
        return bool(kinds - {"granted", "parked"})
    if re.search(r"\b(accepted|granted|renewed)\b", title):
        return bool(kinds & {"granted", "parked"})
    if "an HTTP error" in title:
        return bool(kinds & {"http-4xx", "http-5xx"})
    return True


@pytest.mark.parametrize(("check", "number"), PROOFS, ids=[f"{check.id}-{number}" for check, number in PROOFS])
def test_a_planted_defect_has_one_cause_whose_title_is_true(check: Check, number: int) -> None:
    proof = check.proofs[number]
    with bench(proof) as session:
        result = _ran(session, check)
        answers = {answer.exchange.number: answer for answer in session.answers}
        came = [answers.get(n) or session.exchanges[n - 1] for fact in result.deviations for n in fact.evidence]
    cause, title = cause_of(result), title_of(result)
    assert _shows(title, cause, came), (title, [entry.text for entry in came])
    for defect in proof.defects:
        wanted = DEFECTS.get(defect, cause.id)
        assert cause.id in ({wanted} if isinstance(wanted, str) else wanted), defect
    if result.counts:  # some are taken back, as the defect leaves no positive control
        (finding,) = findings_of([result])
        assert [place.title for place in finding.places] == [title]
        assert finding.verdict == result.verdict.word


def test_each_check_has_a_place_and_no_place_is_named_twice_or_in_vain() -> None:
    named = Counter(place for cause in (*ANYWHERE, *CAUSES) for place in cause.places)
    assert [place for place, count in named.items() if count > 1] == []
    checks = {place.partition("/")[0].partition("@")[0] for place in named}
    assert checks == set(all_checks())
    assert set(all_checks()) <= set(named)  # each without a slug too, so that none is left over


def test_causes_are_named_once_and_in_the_order_of_their_classes() -> None:
    assert len(BY_ID) == len(ANYWHERE) + len(CAUSES)
    assert [cause.kind for cause in CAUSES] == sorted((cause.kind for cause in CAUSES), key=KINDS.index)
    for cause in BY_ID.values():
        for words in (cause.title, *cause.places.values()):
            assert not words.endswith("."), words
            assert len(words) < 100, words


def test_every_section_that_a_finding_may_name_has_a_title() -> None:
    used = {entry.section for entry in requirements().values() if entry.id.startswith("SCEP-")}
    assert used <= set(SECTIONS)


def test_a_lost_reply_names_the_request_or_its_check() -> None:
    check = all_checks()["challenge-empty"]
    titles = [
        title_of(
            CheckResult(
                check, CheckVerdict.FINDING, (Fact("connection-lost", False, "a", "b", came="nothing", what=what),)
            )
        )
        for what in ("an empty body", None)
    ]
    assert titles == [
        "The server never replied to an empty body", "The server never replied to the request of challenge-empty",
    ]  # fmt: skip


def test_the_worst_class_decides_where_a_check_shows_two_causes() -> None:
    (check,) = [check for check in CHECKS if check.id == "refuses-bad-signature"]
    error = Fact("refused-without-certrep", False, "a", "HTTP 500", requirement="SCEP-3.3.2.2-04", came="http-5xx")
    granted = Fact("granted", False, "a", "SUCCESS", came="granted")
    for facts in ((error, granted), (granted, error)):
        assert cause_of(CheckResult(check, CheckVerdict.FINDING, facts)).id == "signature-unverified"
    assert cause_of(CheckResult(check, CheckVerdict.FINDING, (error,))).id == "errors-are-http-5xx"


@pytest.mark.parametrize(
    ("came", "wanted"),
    [("http-5xx", "errors-are-http-5xx"), ("http-4xx", "errors-are-http-4xx"), ("other", "errors-are-pages"),
     ("nothing", "closes-connection"), (None, "errors-untold")],
)  # fmt: skip
def test_the_kind_of_answer_decides_how_an_error_is_told_and_never_that_it_was_granted(
    came: Came | None, wanted: str
) -> None:
    check = all_checks()["refuses-bad-signature"]
    error = Fact("refused-without-certrep", False, "a", "b", requirement="SCEP-3.3.2.2-04", came=came)
    assert cause_of(CheckResult(check, CheckVerdict.FINDING, (error,))).id == wanted


def test_a_server_that_stops_is_an_f_and_one_that_is_away_for_a_moment_is_not() -> None:
    check = all_checks()["malformed-deep"]
    letters = {}
    for slug in ("server-dead", "server-hurt"):
        result = CheckResult(check, CheckVerdict.FINDING, (Fact(slug, False, "a", "b", came="nothing"),))
        letters[slug] = _graded(_all_pass(malformed_deep=result)).letter
    assert letters == {"server-dead": "F", "server-hurt": "B"}


def test_one_mistake_is_one_entry_with_its_places_folded_under_it() -> None:
    checks = [check for check in CHECKS if check.id.startswith("malformed-") and check.id != "malformed-trailing"]
    with bench(Proof("", defects=("crashes-on-garbage",))) as session:
        run = run_checks(session, checks)
    (finding,) = findings_of(run.results)
    assert (finding.id, finding.kind, len(finding.places)) == ("errors-are-http-5xx", "robustness", len(checks))
    assert finding.sections == ("4.1 HTTP POST and GET Message Formats",)
    assert "400" in finding.remedy


# --- the grade --------------------------------------------------------------------------------------------


WORKS = tuple(PrinterVerdict(model, "works") for model in MODELS)


def _graded(
    results: tuple[CheckResult, ...],
    printers: tuple[PrinterVerdict, ...] = WORKS,
    *,
    controlled: bool = True,
    stopped: str | None = None,
) -> Grade:
    found = findings_of(results, printers)
    return grade_of(results, found, printers, wanted=CHECKS, controlled=controlled, stopped=stopped, models=len(MODELS))


def _all_pass(**changed: CheckResult) -> tuple[CheckResult, ...]:
    """Results of a full run, all passed but those that ``changed`` gives; a name has underscores for hyphens."""
    given = {name.replace("_", "-"): result for name, result in changed.items()}
    passed = (Fact("x", True, "a", "b"),)
    return tuple(given.get(check.id) or CheckResult(check, CheckVerdict.PASS, passed) for check in CHECKS)


def _deviating(name: str, slug: str, verdict: CheckVerdict) -> CheckResult:
    return CheckResult(all_checks()[name], verdict, (Fact(slug, False, "a", "b", came="granted"),))


def test_a_run_without_anything_wrong_is_an_a() -> None:
    found = _graded(_all_pass())
    assert (found.letter, found.because) == ("A", ())
    assert found.words[0] == "Issued no certificate to a stranger."
    assert found.words[-1] == f"Works with {len(MODELS)} of {len(MODELS)} printer models."


@pytest.mark.parametrize(
    ("check", "slug", "verdict", "letter"),
    [
        ("challenge-wrong", "granted", CheckVerdict.FAIL, "F"),  # grave
        ("renewal-by-stranger", "granted", CheckVerdict.FINDING, "F"),  # grave, though only a finding
        ("single-des-refused", "granted", CheckVerdict.FAIL, "D"),
        ("refuses-csr-forged", "granted", CheckVerdict.FINDING, "C"),
        ("aes-128-request", "not-processed", CheckVerdict.FAIL, "C"),
        ("accepts-ber", "not-processed", CheckVerdict.FINDING, "B"),
        ("refuses-update-req", "granted", CheckVerdict.FAIL, "C"),
        ("replay-new-nonce", "second-certificate", CheckVerdict.FINDING, "B"),
        ("sendernonce-fresh", "not-fresh", CheckVerdict.FINDING, "A"),
        ("ra-separate", "ca-key-used", CheckVerdict.FINDING, "A"),
        ("challenge-one-time", "static", CheckVerdict.WARN, "A"),
    ],
)
def test_the_worst_class_caps_the_grade(check: str, slug: str, verdict: CheckVerdict, letter: str) -> None:
    found = _graded(_all_pass(**{check: _deviating(check, slug, verdict)}))
    assert found.letter == letter
    assert bool(found.because) is (letter != "A")


def test_the_caps_are_those_that_the_page_has() -> None:
    assert set(CAPS) <= {(kind, verdict) for kind in KINDS for verdict in ("fail", "warn", "finding")}
    for kind in KINDS:
        caps = [CAPS.get((kind, verdict), "A") for verdict in ("fail", "warn", "finding")]
        assert caps == sorted(caps, reverse=True)


def test_what_was_not_seen_is_no_approval() -> None:
    clean = _all_pass()
    without = tuple(r for r in clean if r.check.id != "challenge-wrong")
    skipped = _all_pass(challenge_wrong=CheckResult(all_checks()["challenge-wrong"], CheckVerdict.NOT_RUN, reason="x"))
    for results in (without, skipped):
        assert _graded(results).letter == ""
        assert _graded(results).because == (f"1 of {len(CHECKS)} checks was not run",)
        assert "Issued no certificate to a stranger." not in _graded(results).words
    assert _graded(clean, controlled=False).letter == ""
    assert _graded(clean, stopped="the server no longer replies").letter == ""
    assert _graded(()).letter == ""
    allowed = _all_pass(
        challenge_brute_force=CheckResult(all_checks()["challenge-brute-force"], CheckVerdict.NOT_RUN, reason="x")
    )
    assert _graded(allowed).letter == "A"  # needs a permission of its own


def test_the_checks_that_were_not_run_and_the_others_add_up() -> None:
    """A check that needs a permission counts only if it ran."""
    whole = _all_pass()
    assert len(BY_DEFAULT) < len(CHECKS)
    for ran in (["post-binary"], ["post-binary", "challenge-brute-force"]):
        total = len(BY_DEFAULT) + len(ran) - 1
        found = _graded(tuple(result for result in whole if result.check.id in ran))
        assert found.because == (f"{total - len(ran)} of {total} checks were not run",)


def test_what_could_not_be_judged_caps_at_b_but_what_there_was_no_occasion_for_does_not() -> None:
    unclear = CheckResult(all_checks()["post-binary"], CheckVerdict.INCONCLUSIVE, reason="a reply was lost")
    assert _graded(_all_pass(post_binary=unclear)).letter == "B"
    unseen = CheckResult(all_checks()["pending-no-envelope"], CheckVerdict.INCONCLUSIVE, reason="no message shows it")
    assert _graded(_all_pass(pending_no_envelope=unseen)).letter == "A"


def test_without_a_verdict_on_what_may_make_it_an_f_there_is_no_grade() -> None:
    unclear = CheckResult(all_checks()["challenge-wrong"], CheckVerdict.INCONCLUSIVE, reason="a reply was lost")
    found = _graded(_all_pass(challenge_wrong=unclear))
    assert found.letter == ""
    assert found.because == ("checks that can cause an F could not be judged: challenge-wrong",)
    assert not any(words.startswith("Breaks no MUST") for words in found.words)


def test_a_budget_that_leaves_nothing_for_the_last_control_leaves_no_grade() -> None:
    with bench() as session:
        run = run_checks(session, select(["post-binary"]))
        asked, unasked = (
            report_of(replace(run, last=replace(run.last, asked=asked)), session) for asked in (True, False)
        )
    words = "refusals prove nothing: no right request was granted at the beginning, or none at the end"
    assert [report.grade is not None and words in report.grade.because for report in (asked, unasked)] == [False, True]


def test_an_f_stands_although_the_run_stopped_there() -> None:
    found = _graded((_deviating("challenge-missing", "granted", CheckVerdict.FAIL),), (), stopped="stopped: x")
    assert found.letter == "F"
    assert found.words[0] == "Issues certificates to strangers."
    assert found.words[-1].startswith("There may be more: ")
    assert found.words[-1].endswith(f" {len(BY_DEFAULT) - 1} of {len(BY_DEFAULT)} checks were not run.")
    assert "stopped: x" in found.because
    (entry,) = findings_of([_deviating("challenge-missing", "granted", CheckVerdict.FAIL)])
    assert entry.grave


@pytest.mark.parametrize(
    ("verdicts", "letter", "words"),
    [
        (("works-with",) * 4, "B", "Works with 1 of 5 printer models, and with 4 more if single DES is read."),
        (("does-not-work",), "C", "Works with 4 of 5 printer models, not with canon-ir-adv-dx."),
        (("does-not-work",) * 5, "E", f"Works with 0 of 5 printer models, not with {', '.join(MODELS)}."),
        (("not-tried",), "B", "Works with 4 of 4 printer models."),
    ],
)
def test_the_printers_cap_it_too(verdicts: tuple[str, ...], letter: str, words: str) -> None:
    changed = [
        replace(printer, verdict=verdict, condition="single DES is read")  # type: ignore[arg-type]
        for printer, verdict in zip(WORKS, verdicts, strict=False)
    ]
    found = _graded(_all_pass(), (*changed, *WORKS[len(changed) :]))
    assert found.letter == letter
    assert words in found.words


def test_a_clean_mock_of_today_is_an_a_and_one_that_issues_to_anybody_an_f() -> None:
    strict = CLEAN[1]
    with bench(strict.proof) as session:
        run = run_checks(session, CHECKS, keep_going=True)
    assert _graded(run.results).letter == "A"
    with bench(Proof("", defects=("challenge-unchecked",))) as session:
        run = run_checks(session, select(["challenge-wrong"]))
    found = _graded(run.results, (), stopped=run.stopped, controlled=run.first.held and run.last.held)
    assert (found.letter, found.words[0]) == ("F", "Issues certificates to strangers.")


# --- what people see --------------------------------------------------------------------------------------


def test_the_same_order_stands_in_the_console_the_summary_and_the_json(
    server: Callable[..., Any], conform: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    at = server("crashes-on-garbage", "csr-signature-unchecked")
    chosen = ("malformed", "refuses-csr-forged", "ra-separate", "refuses-swapped-layers", "sendernonce-fresh")
    only = [word for name in chosen for word in ("--only", name)]
    words = ("--challenge", "conf0rm-secret", "--keep-going", "--verdict", "rfc", "--report", tmp_path / "out", *only)
    code, told = conform(at.url, *words)
    assert code == 6
    report = read_file(tmp_path / "out" / "report.json")
    assert [(entry.id, entry.kind) for entry in report.findings] == [
        ("key-unproved", "security"),
        ("errors-are-http-5xx", "robustness"),
        ("ca-signs-replies", "policy"),
    ]
    assert report.grade is not None
    assert report.grade.letter == ""
    left = len(BY_DEFAULT) - len(report.checks)
    assert report.grade.because[0] == f"{left} of {len(BY_DEFAULT)} checks were not run"
    titles = [entry.title for entry in report.to_mend]
    summary = (tmp_path / "out" / "summary.md").read_text("utf-8")
    for text in (told.partition("grade      ")[2], summary):
        assert [text.index(title) for title in titles] == sorted(text.index(title) for title in titles)
    assert f"next       1. {titles[0]} (security, fail: refuses-csr-forged)" in told
    assert f"           2. {titles[1]}: 9 places (robustness, finding)" in told
    assert "policy     1 more" in told
    assert summary.index("### What to do next") < summary.index("<details><summary>Policy")
    (forged,) = [check for check in report.checks if check.id == "refuses-csr-forged"]
    assert (forged.wrong, forged.cause) == ("A CSR with a signature that does not verify was accepted", "key-unproved")


def test_what_was_taken_back_is_no_finding() -> None:
    with bench(Proof("", defects=("locks-out",))) as session:
        run = run_checks(session, select(["challenge-survives-failure"]))
    assert [result.verdict for result in run.results] == [CheckVerdict.INCONCLUSIVE]
    assert run.results[0].deviations
    assert findings_of(run.results) == ()
