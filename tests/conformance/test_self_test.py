"""The proof of the checks, whole: each is moved by its fault for the right reason, and passes at a clean mock."""

from __future__ import annotations

from pathlib import Path

from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.selftest import as_markdown, bench, prove, run_clean, self_test

ROOT = Path(__file__).parents[2]


def test_every_check_is_proved_and_the_matrix_is_that_of_the_page() -> None:
    found = self_test(tuple(all_checks().values()))
    assert found.holds, "\n".join(found.lines())
    page = (ROOT / "docs" / "conformance_matrix.md").read_text("utf-8")
    assert as_markdown(found) in page, "mfp-sim conform --self-test --matrix docs/conformance_matrix.md"


def test_a_proof_that_proves_nothing_is_noticed() -> None:
    check = all_checks()["single-des-refused"]
    (proof,) = check.proofs
    from dataclasses import replace

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
