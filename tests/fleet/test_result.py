"""The result of a run: what is counted of a printer's certificates, and what follows from the counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fleet_plans import few, run_of

from mfp_sim.fleet.histogram import bucket_of, seconds_of
from mfp_sim.fleet.queueing import CaQueue, Draws
from mfp_sim.fleet.result import DAY, FleetRun, Tally


def _result(tally: Tally) -> FleetRun:
    return tally.result(CaQueue(few(4), Draws(1)), 9)


def _tally(days: int = 10) -> Tally:
    """Four printers, and certificates that are valid for two days."""
    return Tally(few(4, days=days, ca=", validity: 2d"), 5)


# --- certificates ---


def test_a_printer_needs_a_certificate_from_the_end_of_its_first_request_on() -> None:
    tally = _tally()
    tally.failed(0, 0, 1 * DAY, "top-error")
    tally.issued(0, 0, 2 * DAY, 3.0)  # a day without; valid until the fourth
    tally.failed(0, 0, 3 * DAY, "deferred")  # has one nevertheless
    tally.issued(0, 0, 5 * DAY, 3.0)  # another day without
    tally.issued(0, 0, 7 * DAY, 4.0)  # in the instant at which the old one ends
    tally.issued(1, 0, 8 * DAY, 5.0)  # valid up to the end
    tally.failed(2, 0, 8 * DAY, "top-error")  # two days without, to the end
    run = _result(tally)
    assert run.outcomes == {"offices": {"successful": 4, "deferred": 1, "top-error": 2}}
    assert (run.without, run.lacking, run.lost, run.unended) == ((1 + 1 + 1 + 2) * DAY, 2, 3, 1)
    assert run.holders == {2 * 8640: 1, 4 * 8640: -1, 5 * 8640: 1, 8 * 8640: 1, 9 * 8640: -1}
    assert run.took == {bucket_of(3.0): 2, bucket_of(4.0): 1, bucket_of(5.0): 1}
    assert (run.label, run.seed, run.printers, run.days, run.workers, run.exchanges) == ("", 5, 4, 10.0, 1, 9)


def test_changes_in_the_same_bin_cancel_each_other() -> None:
    tally = _tally(4)
    tally.issued(0, 0, 1 * DAY, 1.0)
    tally.issued(1, 0, 3 * DAY + 5.0, 1.0)  # in the bin in which the other one ends
    assert _result(tally).holders == {8640: 1}


def test_a_class_without_requests_has_no_outcomes() -> None:
    (one,) = few(4).printers
    plan = replace(few(), printers=(one, replace(one, name="abroad"), replace(one, name="late")))
    tally = Tally(plan, 1)
    tally.failed(5, 1, 10.0, "top-error")
    tally.issued(5, 1, 20.0, 1.0)
    assert tally.result(CaQueue(plan, Draws(1)), 0).outcomes == {
        "offices": {}, "abroad": {"successful": 1, "top-error": 1}, "late": {},
    }  # fmt: skip


# --- figures ---


def test_requests_are_counted_over_all_classes() -> None:
    run = run_of(outcomes={"a": {"successful": 7, "top-error": 2}, "b": {"successful": 1}, "c": {"deferred": 4}})
    assert run.by_outcome == {"successful": 8, "top-error": 2, "deferred": 4}
    assert (run.requests, run.failed) == (14, 6)
    assert (run_of().requests, run_of().failed) == (0, 0)


def test_waves_are_an_hour_apart() -> None:
    """Bins of ten seconds: 3600 s from one to another is still one wave, ten seconds more are two."""
    asked = {100: 5, 101: 40, 461: 10, 822: 1, 823: 3}
    first, second = run_of(asked=asked, queue={101: 30, 461: 9, 823: 2}).waves
    assert (first.begins, first.ends, first.requests, first.peak, first.longest) == (1000.0, 4620.0, 55, 4.0, 30)
    assert (second.begins, second.ends, second.requests, second.peak, second.longest) == (8220.0, 8240.0, 4, 0.3, 2)
    assert [wave.longest for wave in run_of(asked=asked).waves] == [0, 0]
    assert run_of().waves == ()


def test_utilisation_is_of_all_workers_during_the_waves() -> None:
    run = run_of(asked={0: 1, 9: 1, 1000: 1}, busy=66.0, wasted=16.5, workers=2)  # waves of 100 s and 10 s
    assert (run.utilisation, run.wasted_share) == (0.3, 0.25)
    assert replace(run, busy=500.0).utilisation == 1.0, "what is served after a wave"
    assert (run_of(busy=1.0).utilisation, run_of(asked={0: 1}).wasted_share) == (None, None)


@pytest.mark.parametrize("figure", ["waiting", "duration"])
def test_quantiles_are_ends_of_buckets(figure: str) -> None:
    counts = {0: 50, 10: 49, 20: 1}
    run = run_of(waits=counts) if figure == "waiting" else run_of(took=counts)
    of = getattr(run, figure)
    assert [of(share) for share in (0.5, 0.51, 0.99, 0.991, 1.0)] == [
        0.0, seconds_of(10), seconds_of(10), seconds_of(20), seconds_of(20),
    ]  # fmt: skip
    assert getattr(run_of(waits={3: 0}, took={3: 0}), figure)(0.5) is None
    assert getattr(run_of(), figure)(0.5) is None
    assert getattr(run_of(**{"waits" if figure == "duration" else "took": counts}), figure)(0.5) is None
