"""The search for the smallest CA: the right number in every case, with the cliff below it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fleet_plans import few, run_of

from mfp_sim.fleet import capacity
from mfp_sim.fleet.capacity import smallest
from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.plan import FleetPlan, Variation, read_plan, varied
from mfp_sim.fleet.result import FleetRun

Engine = Callable[[Callable[[int], FleetRun]], list[int]]


def _run(workers: int, failed: int = 0, unended: int = 0, waits: int = 0) -> FleetRun:
    outcomes = {"offices": {"successful": 50 - failed, "top-error": failed}}
    return run_of(workers=workers, outcomes=outcomes, unended=unended, waits={0: 50, 90: waits})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Replaces the engine: a function gives the run for each number of workers. Returns the numbers, as they come."""

    def install(of: Callable[[int], FleetRun]) -> list[int]:
        tried: list[int] = []

        def run(plan: FleetPlan, progress: Callable[[float], None]) -> FleetRun:
            assert plan.compare == ()
            tried.append(plan.ca.workers)
            progress(0.5)
            return of(plan.ca.workers)

        monkeypatch.setattr(capacity, "run_fleet", run)
        return tried

    return install


@pytest.mark.parametrize("printers", [1, 2, 3, 12, 37])
def test_the_smallest_is_found_wherever_it_is(engine: Engine, printers: int) -> None:
    for enough in range(1, printers + 1):
        tried = engine(lambda workers, enough=enough: _run(workers, failed=int(workers < enough), waits=1))  # type: ignore[misc]
        found = smallest(few(printers))
        assert (found.workers, found.hopeless) == (enough, "")
        assert [run.workers for run in found.tried] == sorted(tried)
        assert len(set(tried)) == len(tried) <= 2 * printers.bit_length() + 3, "each is run once, and few are"
        beside = {enough - 1, enough + 1} - {0}
        assert beside <= set(tried), "the cliff is shown"


def test_numbers_are_doubled_and_then_bisected(engine: Engine) -> None:
    tried = engine(lambda workers: _run(workers, failed=workers < 11, waits=1))
    assert smallest(few(37)).workers == 11
    assert tried == [37, 1, 2, 4, 8, 16, 12, 10, 11]


def test_printers_without_an_end_count_as_failures_do(engine: Engine) -> None:
    engine(lambda workers: _run(workers, unended=7 * (workers < 5), failed=7 * (workers < 3), waits=1))
    assert smallest(few(20)).workers == 5


def test_at_most_4096_workers_are_tried(engine: Engine) -> None:
    tried = engine(lambda workers: _run(workers, failed=workers < 5000, waits=1))
    found = smallest(few(9000))
    assert (found.workers, found.hopeless, tried) == (None, "", [4096])
    assert [run.workers for run in found.tried] == tried
    engine(lambda workers: _run(workers, failed=workers < 4096, waits=1))
    assert smallest(few(9000)).workers == 4096


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (_run(20, failed=3), "3 requests fail even with 20 workers, with which no request waits"),
        (_run(20, failed=3, unended=2), "3 requests fail even with 20 workers, with which no request waits"),
        (_run(20, unended=2),
         "the first request of 2 printers does not end in 1 d even with 20 workers, with which no request waits"),
        (_run(20, unended=1),
         "the first request of 1 printer does not end in 1 d even with 20 workers, with which no request waits"),
        (_run(20, failed=1), "1 request fails even with 20 workers, with which no request waits"),
    ],
)  # fmt: skip
def test_more_workers_do_not_help_if_no_request_waits(engine: Engine, run: FleetRun, says: str) -> None:
    tried = engine(lambda _: run)
    found = smallest(few(20, days=1))
    assert (found.workers, found.tried, found.hopeless) == (None, (run,), f"{says}: more workers do not help")
    assert tried == [20]


def test_progress_is_of_the_number_being_tried(engine: Engine) -> None:
    tried = engine(lambda workers: _run(workers, failed=workers < 3, waits=1))
    told: list[tuple[int, float]] = []
    smallest(few(12), lambda workers, share: told.append((workers, share)))
    assert told == [(workers, 0.5) for workers in tried]


def test_a_ca_that_many_workers_relieve_is_found_although_few_change_nothing() -> None:
    plan = read_plan(
        "format: 1\nname: caps\nprinters:\n  - {name: now, count: 40, start: 2026-03-02 09:00, timeout: 15s}\n"
        "ca: {service: {GetCACaps: [5s]}}\n"
    )
    assert (
        run_fleet(varied(plan, Variation(workers=2))).outcomes == run_fleet(varied(plan, Variation(workers=4))).outcomes
    )
    found = smallest(plan).workers
    assert found is not None
    assert run_fleet(varied(plan, Variation(workers=found))).failed == 0
    assert run_fleet(varied(plan, Variation(workers=found - 1))).failed > 0
