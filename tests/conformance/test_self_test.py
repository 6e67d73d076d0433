"""The proof of the checks, whole: each is moved by its fault for the right reason, and passes at a clean mock."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.conformance.model import Check, CheckVerdict
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.selftest import (
    CLEAN,
    Clean,
    Proven,
    SelfTest,
    as_markdown,
    bench,
    prove,
    run_clean,
    run_clean_shape,
    self_test,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "conformance_matrix.md").read_text("utf-8")
REMEDY = "mfp-sim conform --self-test --matrix docs/reference/conformance_matrix.md"
CHECKS = tuple(all_checks().values())
PROOFS = [(check, number) for check in CHECKS for number, proof in enumerate(check.proofs) if proof.ready]


def _on_the_page(check: Check) -> list[str]:
    """The verdicts of a check's proofs, in their order, as the page has them."""
    (row,) = [line for line in PAGE.splitlines() if f"| `{check.id}` " in line]
    return re.findall(r"` → ([a-z ]+)(?=; | \|$)", row)


@pytest.mark.parametrize(("check", "number"), PROOFS, ids=[f"{check.id}-{number}" for check, number in PROOFS])
def test_the_fault_moves_the_check_for_the_right_reason_and_as_the_page_says(check: Check, number: int) -> None:
    found = prove(check, check.proofs[number])
    assert found.trouble is None
    assert found.verdict.word == _on_the_page(check)[number], REMEDY


def test_the_page_has_each_proof_and_one_reaches_the_worst_verdict_of_each_check() -> None:
    words = {verdict.word: verdict for verdict in CheckVerdict}
    proven = [Proven(check, check.proofs[n], words[_on_the_page(check)[n]]) for check, n in PROOFS]
    page = SelfTest(tuple(proven), (), CHECKS)
    assert page.unproved == ()
    assert as_markdown(page) in PAGE, REMEDY


def test_each_check_passes_at_a_clean_mock_and_finds_there_what_is_known() -> None:
    runs = tuple(run_clean_shape(clean, CHECKS) for clean in CLEAN)
    assert [run.trouble for run in runs] == [()] * len(CLEAN)
    assert SelfTest((), runs, CHECKS).never_passed == ()


def test_the_command_proves_what_it_is_given_and_says_what_is_missing() -> None:
    (check,) = [check for check in CHECKS if check.id == "single-des-refused"]
    found = self_test([check])
    assert found.holds, "\n".join(found.lines())
    assert [proven.trouble for proven in found.proofs] == [None]
    unproved = replace(found, proofs=())
    assert not unproved.holds
    assert next(unproved.lines()) == "NOT WORST   single-des-refused: no fault moves it to fail"
    never = replace(found, clean=())
    assert not never.holds
    assert next(never.lines()).startswith("NEVER PASS  single-des-refused: ")


def test_a_clean_shape_that_finds_more_or_less_than_is_known_is_noticed() -> None:
    (check,) = [check for check in CHECKS if check.id == "single-des-refused"]
    (lenient,) = [clean for clean in CLEAN if clean.name == "lenient"]
    assert run_clean_shape(lenient, [check]).trouble == ()
    unknown = Clean("lenient", lenient.proof, {})
    assert run_clean_shape(unknown, [check]).trouble == ("single-des-refused: fail instead of pass",)
    other = Clean("rfc8894", CLEAN[0].proof, lenient.known)
    assert run_clean_shape(other, [check]).trouble == ("single-des-refused: not found instead of fail",)


def test_a_proof_that_proves_nothing_is_noticed() -> None:
    check = all_checks()["single-des-refused"]
    (proof,) = check.proofs
    assert prove(check, proof).trouble is None
    assert "no fact deviates" in str(prove(check, replace(proof, profile="rfc8894")).trouble)
    assert "not for the right reason" in str(prove(check, replace(proof, fact="other")).trouble)


def test_the_same_seed_gives_the_same_run() -> None:
    checks = tuple(c for c in all_checks().values() if c.chapter in ("polling", "replay"))
    runs = [run_clean(checks) for _ in range(2)]
    first, second = ([(r.check.id, r.verdict, [f.got for f in r.facts]) for r in run.results] for run in runs)
    assert first == second
    with bench() as session:
        assert session.policy.subject_prefix == "mfp-sim-conform"
