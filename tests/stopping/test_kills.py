"""A small share of ``python -m benchmarks.kills``, and whether it would notice a mock that forgets."""

from __future__ import annotations

import kills


def test_nothing_that_was_answered_is_lost() -> None:
    outcome = kills.kills(20, seed=5)
    assert outcome.wrong == []
    assert outcome.killed == 20
    assert outcome.at_start > 0
    assert outcome.answered > 50
    assert outcome.unanswered > 50
    assert len(outcome.serials) == outcome.answered + outcome.unanswered


def test_a_mock_that_forgets_is_noticed() -> None:
    wrong = kills.kills(2, seed=5, keeps=False).wrong
    assert "it is another CA than before" in wrong
