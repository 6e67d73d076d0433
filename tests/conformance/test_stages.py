"""A printer's life with a server in stages: which were passed, why one failed, and what mends it where that is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.findings import explained, findings_of
from mfp_sim.conformance.model import Proof
from mfp_sim.conformance.printers import printer_verdicts
from mfp_sim.conformance.registry import select
from mfp_sim.conformance.selftest import bench
from mfp_sim.report.model import PrinterVerdict


def _lived(proof: Proof, model: str = "canon-ir-adv-dx") -> PrinterVerdict:
    with bench(proof) as session:
        session.granted()
        (verdict,) = printer_verdicts(session, (model,))
    return verdict


def _outcomes(verdict: PrinterVerdict) -> dict[str, str]:
    return {stage.name: stage.outcome for stage in verdict.stages}


ALL = {"capabilities": "done", "ca": "done", "enrol": "done", "install": "done", "renew": "done", "recover": "done"}


def test_a_printer_that_works_passes_every_stage_that_it_needs() -> None:
    assert _outcomes(_lived(Proof(""))) == {**ALL, "poll": "not-needed"}
    waits = {"open": True, "approval": "manual", "approve": True}
    assert _outcomes(_lived(Proof("", setup=waits))) == {**ALL, "poll": "done"}


def test_a_condition_is_told_at_its_stage_with_the_remedy_of_what_the_checks_saw() -> None:
    verdict = _lived(Proof("", "certrep-des"))
    assert (verdict.verdict, verdict.condition) == ("works-with", "replies in single DES are read")
    assert _outcomes(verdict) == {**ALL, "poll": "not-needed"}
    with bench(Proof("", "certrep-des")) as session:
        found = findings_of(run_checks(session, select(["single-des-never"])).results, [verdict])
    assert found[0].clients[0] == "canon-ir-adv-dx"
    (told,) = explained([verdict], found)
    (install,) = [stage for stage in told.stages if stage.name == "install"]
    assert "if replies in single DES are read (A-27); the checks found: Replies use" in install.because
    assert install.remedy == found[0].remedy
    assert explained([verdict], ()) == (verdict,)  # no remedy is guessed


@pytest.mark.parametrize(
    ("proof", "stage", "why"),
    [
        (Proof("", setup={"duplicates": timedelta(0)}), "renew", "Fail Info 2"),
        (Proof("", answer="{failure: 2}", when="type: PKCSReq"), "enrol", "Fail Info 2"),
        (Proof("", "success-wrong-key", when="type: PKCSReq"), "install", "for the key of the request"),
        (Proof("", "getcacert-404"), "ca", "404"),
    ],
)
def test_a_stage_that_fails_says_why_and_the_later_ones_were_not_reached(proof: Proof, stage: str, why: str) -> None:
    with bench(proof) as session:
        (verdict,) = printer_verdicts(session, ("canon-ir-adv-dx",))
    names = [entry.name for entry in verdict.stages if entry.outcome != "not-needed"]
    outcomes = [entry.outcome for entry in verdict.stages if entry.outcome != "not-needed"]
    assert verdict.verdict == "does-not-work"
    assert outcomes.index("failed") == names.index(stage)  # type: ignore[arg-type]
    assert set(outcomes[: outcomes.index("failed")]) <= {"done"}
    assert set(outcomes[outcomes.index("failed") + 1 :]) <= {"not-reached"}
    (failed,) = [entry for entry in verdict.stages if entry.outcome == "failed"]
    assert failed.because
    assert why in failed.because
