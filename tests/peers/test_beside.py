"""The comparison with micromdm's server: it notices a slow mock, one that refuses, and serial numbers given twice."""

from __future__ import annotations

from collections import Counter

import beside
import pytest
from beside import Beside, Tally


def line(ratios: tuple[float, ...], mine: Tally, other: Tally | None = None) -> Beside:
    return Beside("enrolments, 8 at once", ratios, (100.0, 100.0), 1.4, 0.6, (mine, other or Tally()))


@pytest.mark.parametrize(
    ("ratios", "mine", "fine"),
    [
        ((0.5, 1.0, 9.0), Tally(asked=2, serials=Counter({1: 1, 2: 1})), True),
        ((0.5, 0.5, 9.0), Tally(asked=2, serials=Counter({1: 1, 2: 1})), False),
        ((1.0,), Tally(asked=2, serials=Counter({1: 2})), False),
        ((1.0,), Tally(asked=2, refused=1, serials=Counter({1: 1})), False),
        ((1.0,), Tally(asked=2, failed=1, serials=Counter({1: 1})), False),
    ],
)
def test_what_is_not_fine(ratios: tuple[float, ...], mine: Tally, fine: bool) -> None:
    assert line(ratios, mine).fine is fine


def test_what_the_other_server_does_wrong_is_counted_and_not_held_against_the_mock() -> None:
    row = line((1.0,), Tally(), Tally(asked=9, refused=2, failed=1, serials=Counter({1: 4, 2: 2})))
    assert row.fine
    assert row.to_json()["micromdm"] == {"asked": 9, "refused": 2, "failed": 1, "duplicate_serials": 4}


def test_without_the_other_server_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(beside.Missing, match="Debian package scep"):
        beside.measure(1, 1)


@pytest.mark.peer
def test_the_mock_as_people_start_it_enrols_everybody(tmp_path) -> None:
    with beside.mock(tmp_path) as server:
        wanted = beside.requests_for(server, 12, beside.Makers())
        _, replies = beside.run_clients(server.port, [octets for octets, _ in wanted], 4)
        assert server.cpu > 0
    tally = Tally()
    beside.sort_out(tally, replies, [signer for _, signer in wanted])
    assert (tally.asked, tally.refused, tally.failed, tally.twice, len(tally.serials)) == (12, 0, 0, 0, 12)
