"""The modelled engine: the same for a seed, a queue as an independent computation has it, and what outages do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fleet_plans import few
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.histogram import bucket_of, seconds_of
from mfp_sim.fleet.plan import FleetPlan, Variation, varied
from mfp_sim.fleet.queueing import BIN, CAPS, SUBMIT, UNANSWERED, CaQueue, Draws


def test_the_same_for_a_seed_and_otherwise_not() -> None:
    plan = few(200, days=61, network=", loss: 5%", ca=", pending: {share: 20%, approved_after: {least: 1m, most: 2h}}")
    assert run_fleet(plan) == run_fleet(plan)
    assert run_fleet(plan, seed=2) != run_fleet(plan, seed=1)


def test_a_variation_leaves_the_draws_of_the_others_alone() -> None:
    """Curves of a comparison differ by what was changed, not by chance."""
    plan = few(100)
    more_workers = varied(plan, Variation(workers=9))
    assert run_fleet(plan).asked == run_fleet(more_workers).asked


def test_requests_reach_the_ca_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where polls fall between the exchanges of inquiries that run late, for printers that start days apart."""
    arrivals: list[tuple[float, int]] = []
    take = CaQueue.take

    def noted(queue: CaQueue, now: float, timeout: float, operation: int, printer: int, *of: Any) -> Any:
        arrivals.append((now, printer))
        return take(queue, now, timeout, operation, printer, *of)

    monkeypatch.setattr(CaQueue, "take", noted)
    plan = few(300, days=62, service="2s", network=", loss: 20%", polls=5, interval="1m")
    done = run_fleet(plan)
    assert arrivals == sorted(arrivals)
    assert len(arrivals) == done.exchanges > 3 * 3 * 300


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), min_size=1, max_size=60), st.integers(1, 4))
def test_the_queue_is_what_an_independent_computation_gives(arrivals: list[tuple[float, bool]], workers: int) -> None:
    plan = few(1, workers=workers, service="2s")
    queue = CaQueue(plan, Draws(1))
    free = [0.0] * workers
    for number, (now, caps) in enumerate(sorted(arrivals)):
        work = 0.01 if caps else 2.0
        worker = min(range(workers), key=free.__getitem__)
        ends = max(now, free[worker]) + work
        free[worker] = ends
        code, when = queue.take(now, 30.0, CAPS if caps else SUBMIT, 0, number, 0.0)
        in_time = ends + 0.002 <= now - 0.002 + 30.0
        assert when == pytest.approx(ends + 0.002 if in_time else now - 0.002 + 30.0)
        assert (code == UNANSWERED) is not in_time


def test_buckets_are_five_percent_wide() -> None:
    for seconds in (0.0, 0.0009, 0.001, 0.5, 17.3, 3600.0, 86400.0):
        assert seconds <= seconds_of(bucket_of(seconds)) + 0.001
        assert seconds_of(bucket_of(seconds)) <= seconds * 1.0501 + 0.001


def test_without_adjustment_all_ask_at_once() -> None:
    together, spread = run_fleet(few(500, adjust="false")), run_fleet(few(500))
    assert together.waves[0].peak > 20 * spread.waves[0].peak
    assert together.longest == 499  # one is served, all others wait
    assert spread.longest < 20


@pytest.mark.parametrize(("minutes", "failed"), [(25, 0), (45, 100)])
def test_patience_is_count_times_interval_and_time_out(minutes: int, failed: int) -> None:
    """Three polls of 10 minutes, each with a time-out of 30 s, bridge half an hour and no more."""
    plan = few(100, adjust="false", outages=f"{{from: 2026-03-02 09:00, for: {minutes}m, looks: silent}}")
    assert run_fleet(plan).failed == failed


def test_a_failure_costs_a_whole_period() -> None:
    """The next attempt comes 30 days later: a certificate of 40 days leaves a gap of 20."""
    plan = few(
        10, days=100, adjust="false", ca=", validity: 40d", outages="{from: 2026-04-01 09:00, for: 2h, looks: refused}"
    )
    run = run_fleet(plan)
    assert (run.failed, run.lost, run.lacking) == (10, 0, 10)
    assert run.without / 10 / 86400 == pytest.approx(20 - 1 / 24, abs=0.1)  # daylight saving begins in between


def test_what_was_given_up_is_work_in_vain_unless_it_is_dropped() -> None:
    served = run_fleet(few(100, adjust="false", service="4s"))
    dropped = run_fleet(few(100, adjust="false", service="4s", ca=", queue: {given_up: dropped}"))
    assert served.wasted_share > 0.3 > dropped.wasted_share


def test_a_transaction_is_issued_once_however_often_it_is_asked_about() -> None:
    run = run_fleet(few(50, adjust="false", service="4s", polls=20))
    assert (run.minted, run.by_outcome["successful"]) == (50, 50)
    assert run.exchanges > 200


def test_holders_add_up_to_who_holds_a_certificate_at_the_end() -> None:
    run = run_fleet(few(50, days=61, ca=", validity: 20d"))
    assert sum(run.holders.values()) == run.printers - run.lost


def test_service_times_are_drawn_from_the_list() -> None:
    plan = few(2000, service="10ms, 90ms")
    busy = run_fleet(plan).busy - 2 * 2000 * 0.01
    assert busy / 2000 == pytest.approx(0.05, rel=0.1)


def test_progress_is_told() -> None:
    shares: list[float] = []
    run_fleet(few(25_000), progress=shares.append)
    assert shares
    assert all(0 <= share <= 1 for share in shares)


def _classes(plan: FleetPlan) -> FleetPlan:
    (one,) = plan.printers
    return replace(plan, printers=(one, replace(one, name="abroad", timezone="America/New_York")))


def test_classes_in_two_zones_make_two_waves() -> None:
    run = run_fleet(_classes(few(20)))
    assert [wave.requests for wave in run.waves] == [60, 60]
    assert run.waves[1].begins - run.waves[0].begins == pytest.approx(6 * 3600, abs=600 + BIN)
    assert {name: counted["successful"] for name, counted in run.outcomes.items()} == {"offices": 20, "abroad": 20}
