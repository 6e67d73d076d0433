"""What a plan expects: met exactly at the limit, not met just beyond it, and the sentence that says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fleet_plans import few, run_of

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.histogram import seconds_of
from mfp_sim.fleet.plan import FleetPlan, Limits
from mfp_sim.fleet.result import DAY, FleetRun
from mfp_sim.fleet.words import unmet


def _expecting(**limits: Any) -> FleetPlan:
    return replace(few(20, days=1), expect=Limits(**limits))


def _ended(successful: int, failed: int = 0) -> FleetRun:
    return run_of(outcomes={"offices": {"successful": successful, "top-error": failed}})


_MINUTE = seconds_of(226)
"""The upper end of a bucket of waiting times: 61.487 s."""


@pytest.mark.parametrize(
    ("limits", "met", "beyond", "says"),
    [
        ({"failed": 2}, _ended(18, 2), _ended(17, 3), "failed: at most 2, got 3"),
        ({"failed": 0}, _ended(20), _ended(19, 1), "failed: at most 0, got 1"),
        ({"lost": 0}, _ended(20), replace(_ended(20), lost=1), "lost: at most 0, got 1"),
        ({"lost": 3}, replace(_ended(20), lost=3), replace(_ended(20), lost=4), "lost: at most 3, got 4"),
        ({"without_certificate": 1.5},
         replace(_ended(20), without=1.5 * DAY), replace(_ended(20), without=2 * DAY),
         "without_certificate: at most 1.5, got 2.0"),
        ({"without_certificate": 0.0},
         replace(_ended(20), without=0.0), replace(_ended(20), without=1123.2),
         "without_certificate: at most 0.000, got 0.013"),
        ({"without_certificate": 1.5},
         replace(_ended(20), without=1.5 * DAY), replace(_ended(20), without=129_608.64),
         "without_certificate: at most 1.5, got 1.5001"),
        ({"waiting_p99": 60.0},
         replace(_ended(100), waits={1: 99, 226: 1}), replace(_ended(100), waits={1: 98, 226: 2}),
         "waiting_p99: at most 1 min, got 1 min 1 s"),
        ({"waiting_p99": _MINUTE},
         replace(_ended(100), waits={226: 100}), replace(_ended(100), waits={227: 100}),
         "waiting_p99: at most 1 min 1 s, got 1 min 5 s"),
        ({"waiting_p99": 61.25},
         replace(_ended(100), waits={225: 100}), replace(_ended(100), waits={226: 100}),
         "waiting_p99: at most 61.250 s, got 61.487 s"),
        ({"waiting_p99": 61.4867},
         replace(_ended(100), waits={225: 100}), replace(_ended(100), waits={226: 100}),
         f"waiting_p99: at most 61.4867 s, got {_MINUTE:.15g} s"),
        ({"successful": 0.75}, _ended(15, 5), _ended(14, 6), "successful: at least 75.0%, got 70.0%"),
        ({"successful": 1.0}, _ended(20), _ended(9_999, 1), "successful: at least 100.000%, got 99.990%"),
        ({"successful": 1.0}, _ended(20), _ended(999_999, 1), "successful: at least 100%, got 99.9999%"),
    ],
)  # fmt: skip
def test_a_limit_is_met_exactly_and_not_just_beyond(
    limits: dict[str, Any], met: FleetRun, beyond: FleetRun, says: str
) -> None:
    plan = _expecting(**limits)
    assert unmet(plan, met) == ()
    assert unmet(plan, beyond) == (says,)
    assert unmet(replace(plan, expect=None), beyond) == ()


@pytest.mark.parametrize("name", ["failed", "lost", "without_certificate", "waiting_p99", "successful"])
def test_only_what_is_expected_is_compared(name: str) -> None:
    bad = replace(_ended(1, 19), lost=5, without=9 * DAY, waits={300: 20})
    limit = {name: 1 if name == "successful" else 0}
    assert [text.partition(":")[0] for text in unmet(_expecting(**limit), bad)] == [name]


def test_all_that_is_not_met_is_said() -> None:
    limits = {"failed": 1, "lost": 1, "without_certificate": 1.0, "waiting_p99": 1.0, "successful": 0.9}
    bad = replace(_ended(1, 19), lost=5, without=9 * DAY, waits={300: 20}, unended=1_234)
    assert unmet(_expecting(**limits), bad) == (
        "failed: at most 1, got 19",
        "lost: at most 1, got 5",
        "without_certificate: at most 1.0, got 9.0",
        "waiting_p99: at most 1 s, got 37 min 54 s",
        "successful: at least 90.0%, got 5.0%",
        "the first request of 1,234 printers had not ended when the time of the plan was over",
    )
    assert unmet(_expecting(failed=20, successful=0.0), _ended(0, 20)) == ()


_ALL_DAY = "{from: 2026-03-02 08:00, for: 2d, looks: silent}"


def test_a_limit_without_a_value_is_not_met() -> None:
    plan = replace(few(20, days=1, outages=_ALL_DAY), expect=Limits(waiting_p99=60.0))
    run = run_fleet(plan)
    assert (run.requests, run.waiting(0.99), run.duration(0.5), run.utilisation, run.wasted_share) == (
        20, None, None, 0.0, None,
    )  # fmt: skip
    assert unmet(plan, run) == ("waiting_p99: at most 1 min, but the CA served no exchange",)
    served = replace(few(20, days=1), expect=Limits(waiting_p99=60.0))
    assert unmet(served, run_fleet(served)) == ()


def test_no_limit_is_met_if_no_request_ended() -> None:
    plan = _expecting(failed=0, lost=20, without_certificate=1e9, successful=0.0)
    assert unmet(plan, run_fleet(plan)) == ()
    assert unmet(plan, replace(run_fleet(plan), outcomes={})) == (
        "failed: at most 0, but no request ended",
        "lost: at most 20, but no request ended",
        "without_certificate: at most 1000000000.0, but no request ended",
        "successful: at least 0.0%, but no request ended",
    )
