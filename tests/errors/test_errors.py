"""Errors say what was wrong, where, and what to do."""

from __future__ import annotations

import pickle

import pytest

from mfp_sim.shared import errors
from mfp_sim.shared.errors import DecodeError, DocumentError, Problem, UsageError


def test_a_document_error_lists_all_problems_in_the_order_of_their_places() -> None:
    error = DocumentError([Problem("b.yaml", 9, 1, "late"), Problem("b.yaml", 2, 5, "early", "did you mean 'x'?")])
    assert str(error) == "b.yaml:2:5: early (did you mean 'x'?)\nb.yaml:9:1: late"
    assert error.exit_code == 2


def test_a_decode_error_names_path_offset_expected_and_got() -> None:
    error = DecodeError("signerInfos[0].version", 17, "INTEGER 1", "INTEGER 3")
    assert str(error) == "signerInfos[0].version at byte 17: expected INTEGER 1, got INTEGER 3"


def test_a_remedy_is_part_of_the_text() -> None:
    assert str(UsageError("port 80 is in use", remedy="choose another")) == "port 80 is in use (choose another)"


_EXAMPLES = {
    "DecodeError": ("signerInfos[0]", 17, "a SEQUENCE", "a SET"),
    "AlgorithmRefused": ("signerInfos[0]", 17, "a digest", "md5"),
    "DocumentError": ([Problem("b.yaml", 9, 1, "late")],),
    "Refused": ("not-offered", "it is not offered"),
    "PowerLost": ("commit.before", 60.0),
}


@pytest.mark.parametrize(
    "kind", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
)
def test_every_error_survives_a_process_border(kind: type[Exception]) -> None:
    error = kind(*_EXAMPLES.get(kind.__name__, ("what was wrong",)))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.args == error.args
