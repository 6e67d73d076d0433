"""Every fault in every variant, in the situation in which it shows: what it changes, and how the printer reacts to it."""

from __future__ import annotations

from collections import defaultdict

import pytest
from fault_client import DIRECT
from fault_matrix import MATRIX, matrix, proof_record
from fault_proofs import SITUATIONS, cases, prove, prove_rules

from mfp_sim.device.status import Detail
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.base import LAYERS
from mock_scep_server.faults.registry import FaultEntry

CASES = {written: entry for entry, written in cases()}
DOCUMENTED = {"deferred", "registration-limit", "top-error", "scep-error"}
ENDS = {"successful", *(f"error {word}" for word in DOCUMENTED), *(f"error fail-info-{n}" for n in range(5))}
REMEDY = "python -m tools.fault_matrix --shows"


@pytest.mark.parametrize("written", CASES)
def test_the_fault_is_seen_and_the_printer_stays_sound(written: str, proofs) -> None:
    entry = CASES[written]
    proof = prove(entry, written)
    assert proof_record(proof) == proofs[written], REMEDY
    if written == entry.written(entry.variants[0]):
        assert entry.printer_shows == proof.shown, REMEDY
    if not entry.in_scripts:
        return
    assert proof.changes, "the journal tells of no change"
    touched = {change.split(": ")[1] for change in proof.changes}
    assert touched <= set(LAYERS)
    if entry.proof in SITUATIONS:
        assert not proof.unsound
        assert proof.keys[0] == "old", "the old key was lost"
        for row in proof.rows:
            assert row in ENDS or row.startswith("error top-error-"), row
        successes = sum(row == "successful" for row in proof.rows)
        assert len(proof.keys) == 1 + successes, "what is shown is not what is installed"
        assert proof.ledger["installed"] == 1 + successes


def test_a_clean_run_changes_nothing_and_installs() -> None:
    for name, situation in SITUATIONS.items():
        proof = prove_rules(situation, ())
        assert proof.changes == (), name
        assert set(proof.rows) == {"successful"}, name


def test_what_is_said_in_the_log_is_one_line_of_plain_text() -> None:
    for text in FAULTS["failinfotext-hostile"].variants:
        proof = prove(FAULTS["failinfotext-hostile"], FAULTS["failinfotext-hostile"].written(text))
        assert proof.diagnosis.isprintable()
        assert len(proof.diagnosis) < 250


def test_no_two_faults_look_the_same_but_aliases(proofs) -> None:
    alike: dict[str, set[str]] = defaultdict(set)
    for written, record in proofs.items():
        alike[record["seen"]].add(CASES[written].slug)
    for slugs in alike.values():
        first, *rest = sorted(slugs, key=lambda slug: FAULTS[slug].alias_of is not None)
        for slug in rest:
            names = {FAULTS[slug].alias_of, *(a for a in slugs if FAULTS[slug].alias_of)}
            assert FAULTS[slug].alias_of is not None, f"{slug} looks like {first}"
            assert first in names


def test_an_alias_looks_like_what_it_is_an_alias_of(proofs) -> None:
    def seen(entry: FaultEntry) -> set[str]:
        return {proofs[entry.written(variant)]["seen"] for variant in entry.variants}

    for entry in FAULTS.values():
        if entry.alias_of:
            assert seen(entry) & seen(FAULTS[entry.alias_of]), entry.slug


def test_the_matrix_has_a_row_for_each(proofs) -> None:
    assert list(proofs) == list(CASES), REMEDY
    assert MATRIX.read_text("utf-8") == matrix([record["row"] for record in proofs.values()]), REMEDY


def test_situations_are_known() -> None:
    assert {entry.proof for entry in FAULTS.values()} <= set(SITUATIONS) | set(DIRECT)
    assert Detail("http", 503).slug == "top-error-503"
