"""Errors say what was wrong, where, and what to do."""

from __future__ import annotations

from mfp_sim.errors import DecodeError, DocumentError, Problem, UsageError


def test_a_document_error_lists_all_problems_in_the_order_of_their_places() -> None:
    error = DocumentError([Problem("b.yaml", 9, 1, "late"), Problem("b.yaml", 2, 5, "early", "did you mean 'x'?")])
    assert str(error) == "b.yaml:2:5: early (did you mean 'x'?)\nb.yaml:9:1: late"
    assert error.exit_code == 2


def test_a_decode_error_names_path_offset_expected_and_got() -> None:
    error = DecodeError("signerInfos[0].version", 17, "INTEGER 1", "INTEGER 3")
    assert str(error) == "signerInfos[0].version at octet 17: expected INTEGER 1, got INTEGER 3"


def test_a_remedy_is_part_of_the_text() -> None:
    assert str(UsageError("port 80 is in use", remedy="choose another")) == "port 80 is in use (choose another)"
