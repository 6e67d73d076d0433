"""A small share of the hostile traffic and files of ``python -m benchmarks.soak``, and whether it would notice."""

from __future__ import annotations

import pytest
import soak

from mock_scep_server.ca_operations import CaOperations


def test_hostile_requests_are_answered_and_recorded() -> None:
    outcome = soak.requests(600, seed=7)
    assert outcome.answers["500"] == 0
    assert outcome.answers["200"] > 60
    assert outcome.answers["400"] > 60
    assert outcome.answers["without an entry of the journal"] == 0
    assert outcome.answers["no longer accepting"] == 0
    assert outcome.threads == 0


def test_hostile_files_are_decoded_or_refused() -> None:
    outcome = soak.decodes(150, seed=7)
    assert outcome.answers["bad"] == 0
    assert {answer for answer, number in outcome.answers.items() if number} == {"exit code 0", "exit code 2"}


def test_an_answer_of_500_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CaOperations, "reply", lambda *_: 1 // 0)
    outcome = soak.requests(60, seed=7, workers=1)
    assert outcome.answers["500"] > 0
    assert outcome.bad


@pytest.mark.parametrize(
    ("memory", "full", "holds"),
    [
        ([40_000, 50_000, 60_000, 61_000], True, True),
        ([40_000, 50_000, 60_000, 90_000], True, False),
        ([40_000, 120_000], False, True),
        ([40_000, 150_000], False, False),
    ],
)
def test_what_flat_means(memory: list[int], full: bool, holds: bool) -> None:
    assert soak.flat(memory, full) is holds
