"""Advice on outages: only where one is the cause, with its numbers, and with polling that would outlast it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fleet_plans import few, run_of

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.plan import FleetPlan, Variation, varied
from mfp_sim.fleet.result import FleetRun
from mfp_sim.fleet.words import advice_on
from mfp_sim.scenario.steps import WrittenPolling

_OUTAGE = "{{from: 2026-03-02 09:00, for: {}, looks: {}}}"
_NINE = datetime(2026, 3, 2, 9)


def _failing(detail: str = "top-error", name: str = "offices") -> FleetRun:
    return run_of(outcomes={name: {"successful": 1, detail: 2}})


def _advice(plan: FleetPlan, *runs: FleetRun) -> list[tuple[str, str]]:
    """The advice on outages, and the remedy of each."""
    found = [one for one in advice_on(plan, runs or [run_fleet(plan)]) if one.text.startswith("The outage")]
    assert all(one.weight == "bad" for one in found)
    return [(one.text, one.remedy) for one in found]


def _plan(looks: str = "refused", seconds: float = 3600, begins: float = 0, **of: Any) -> FleetPlan:
    """Printers that start at nine, and an outage that begins some seconds later."""
    at = _NINE + timedelta(seconds=begins)
    plan = few(3, **{"adjust": "false", "outages": _OUTAGE.format("1h", looks), **of})
    return replace(plan, outages=(replace(plan.outages[0], begins=at, lasts=seconds),))


def _unpolled(plan: FleetPlan) -> FleetPlan:
    return replace(plan, printers=tuple(replace(one, polling=None) for one in plan.printers))


_EVERY = "The next attempt comes 30 d later."
_SOONER: dict[str, Any] = {"every": "", "more": ", profile: week-before-expiry"}


@pytest.mark.parametrize(
    ("plan", "says", "remedy"),
    [
        (_plan(), f"3 polls 10 min apart end 30 min after the first attempt. {_EVERY}", (6, 10)),
        (_plan("closed"), f"3 polls 10 min apart end 30 min after the first attempt. {_EVERY}", (6, 10)),
        (_plan("silent"), f"3 polls 10 min apart end 32 min after the first attempt. {_EVERY}", (6, 10)),
        (_plan("hangs", more=", timeout: 5m"),
         f"3 polls 10 min apart end 50 min after the first attempt. {_EVERY}", (4, 10)),
        (_plan(polls=1, interval="20m"), f"one poll after 20 min ends 20 min after the first attempt. {_EVERY}", (3, 20)),
        (_plan(more=", settings: {first_request_counts: true}"),
         f"3 polls 10 min apart end 20 min after the first attempt. {_EVERY}", (7, 10)),
        (_plan("silent", more=", settings: {first_request_counts: true}"),
         f"3 polls 10 min apart end 21 min 30 s after the first attempt. {_EVERY}", (7, 10)),
        (_plan("503", more=", settings: {http_errors_that_poll: 5xx}"),
         f"3 polls 10 min apart end 30 min after the first attempt. {_EVERY}", (6, 10)),
        (_plan("503", polls=1, more=", settings: {http_errors_that_poll: all, first_request_counts: true}"),
         f"one poll after 10 min ends with the first attempt. {_EVERY}", (7, 10)),
        (_unpolled(_plan()), f"without polling a request ends with the first attempt. {_EVERY}", (6, 10)),
        (_unpolled(_plan("silent")), f"without polling a request ends 30 s after the first attempt. {_EVERY}", (6, 10)),
        (_plan(every=""), "3 polls 10 min apart end 30 min after the first attempt. There is no next attempt.", (6, 10)),
        (_plan(**_SOONER),
         "3 polls 10 min apart end 30 min after the first attempt. The next attempt comes 1 d later.", (6, 10)),
        # the model's ranges
        (_plan(seconds=72_000), f"3 polls 10 min apart end 30 min after the first attempt. {_EVERY}", (100, 12)),
        (_plan("silent", seconds=72_000),
         f"3 polls 10 min apart end 32 min after the first attempt. {_EVERY}", (96, 12)),
        (_plan(seconds=60_000), f"3 polls 10 min apart end 30 min after the first attempt. {_EVERY}", (100, 10)),
        (_plan(more=", settings: {poll_count_range: [1, 5]}"),
         f"3 polls 10 min apart end 30 min after the first attempt. {_EVERY}", (5, 12)),
        (_plan(more=", settings: {poll_count_range: [1, 5], first_request_counts: true}"),
         f"3 polls 10 min apart end 20 min after the first attempt. {_EVERY}", (5, 15)),
        (_plan(polls=8, interval="1m", more=", settings: {poll_count_range: [8, 100]}", seconds=500),
         f"8 polls 1 min apart end 8 min after the first attempt. {_EVERY}", (9, 1)),
        (_unpolled(_plan(interval="20m", more=", settings: {poll_minutes_range: [20, 60]}")),
         f"without polling a request ends with the first attempt. {_EVERY}", (3, 20)),
        (_unpolled(_plan(interval="4m", more=", settings: {poll_minutes_range: [1, 4]}")),
         f"without polling a request ends with the first attempt. {_EVERY}", (15, 4)),
        (_unpolled(_plan(polls=50, more=", settings: {poll_count_range: [50, 100]}")),
         f"without polling a request ends with the first attempt. {_EVERY}", (50, 10)),
    ],
)  # fmt: skip
def test_an_outage_beyond_patience_and_polling_that_outlasts_it(
    plan: FleetPlan, says: str, remedy: tuple[int, int]
) -> None:
    count, minutes = remedy
    ((text, found),) = _advice(plan)
    assert text.endswith(f" from 2026-03-02 09:00 is longer than class offices can bridge: {says}")
    assert found == f"polling: {{count: {count}, interval: {minutes}m}} would outlast it"
    assert run_fleet(plan).failed > 0
    longer = varied(plan, Variation(polling=WrittenPolling(count, minutes)))
    assert run_fleet(longer).failed == 0
    (least, _), (shortest, _) = longer.printers[0].model.poll_count_range, longer.printers[0].model.poll_minutes_range
    if count > least:
        assert run_fleet(varied(plan, Variation(polling=WrittenPolling(count - 1, minutes)))).failed > 0
    assert least <= count
    assert shortest <= minutes


@pytest.mark.parametrize(
    ("looks", "settings", "polls"),
    [("503", "none", True), ("503", "none", False), ("429", "none", True), ("429", "5xx", True)],
)
def test_a_status_that_the_model_does_not_poll_after(looks: str, settings: str, polls: bool) -> None:
    plan = _plan(looks, more=f", settings: {{http_errors_that_poll: {settings}}}")
    ((text, remedy),) = _advice(plan if polls else _unpolled(plan))
    reason = f"this model does not poll after HTTP {looks}, and" if polls else "without polling"
    assert text == (
        f"The outage of 1 h from 2026-03-02 09:00 is longer than class offices can bridge: {reason} a request ends "
        "with the first attempt. The next attempt comes 30 d later."
    )
    assert remedy == "make the outage a failing connection; polling: {count: 6, interval: 10m} would outlast it"
    polling = Variation(polling=WrittenPolling(6, 10))
    assert run_fleet(varied(plan, polling)).failed == 3
    assert run_fleet(varied(replace(plan, outages=_plan("refused").outages), polling)).failed == 0


@pytest.mark.parametrize(
    ("looks", "longest", "more"),
    [
        ("refused", 100 * 86400, ""),
        ("silent", 100 * (86400 + 30), ""),
        ("refused", 99 * 86400, ", settings: {first_request_counts: true}"),
    ],
)
def test_an_outage_longer_than_any_polling(looks: str, longest: float, more: str) -> None:
    plan = _plan(looks, longest, days=250, every="", polls=1, more=more)
    assert [found for _, found in _advice(plan)] == ["polling: {count: 100, interval: 1440m} would outlast it"]
    assert run_fleet(varied(plan, Variation(polling=WrittenPolling(100, 1440)))).failed == 0
    beyond = _plan(looks, longest + 1, days=250, every="", polls=1, more=more)
    assert [found for _, found in _advice(beyond)] == ["this model cannot poll long enough"]
    assert run_fleet(varied(beyond, Variation(polling=WrittenPolling(100, 1440)))).failed == 3


def test_a_model_of_which_the_only_poll_is_the_first_request() -> None:
    plan = _plan(polls=1, more=", settings: {poll_count_range: [1, 1], first_request_counts: true}")
    assert [found for _, found in _advice(plan)] == ["this model cannot poll long enough"]


@pytest.mark.parametrize("begins", [-3600, -10, 0])
@pytest.mark.parametrize(
    ("looks", "bridged", "count"),
    [("refused", 1800, 4), ("closed", 1800, 4), ("silent", 1890, 4), ("hangs", 1890, 4)],
)
def test_patience_is_exact(looks: str, bridged: float, count: int, begins: float) -> None:
    """The last poll of three leaves when the outage is just over, or a second too early."""
    plan = _plan(looks, bridged - begins, begins)
    assert run_fleet(plan).failed == 0
    assert _advice(plan, _failing()) == []
    beyond = _plan(looks, bridged - begins + 1, begins)
    assert run_fleet(beyond).failed == 3
    assert [remedy for _, remedy in _advice(beyond)] == [
        f"polling: {{count: {count}, interval: 10m}} would outlast it"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "first", "last"),
    [
        ({"adjust": "false"}, 0, 0),
        ({"adjust": "true"}, 1, 600),
        ({"adjust": "false", "more": ", key_time: {least: 5s, most: 65s}"}, 5, 65),
        ({"adjust": "true", "more": ", key_time: {least: 5s, most: 65s}"}, 6, 665),
    ],
)
def test_only_an_outage_of_first_attempts_is_the_cause(more: dict[str, str], first: int, last: int) -> None:
    """The first attempts are made between two seconds after nine, both included."""

    def found(begins: float, ends: float, **of: Any) -> int:
        return len(_advice(_plan("refused", ends - begins, begins, **{**more, **of}), _failing()))

    assert found(last, last + 3600) == 1
    assert found(last + 1, last + 3600) == 0
    assert found(first - 7200, first) == 0
    assert found(first - 7200, first + 1) == 0, "three polls bridge a second"
    assert found(first - 7200, first + 1800) == 0
    assert found(first - 7200, first + 1801) == 1
    second = 30 * 86400  # in local time
    assert found(second + last, second + last + 3600, days=60) == 1
    assert found(second + last + 1, second + last + 3600, days=60) == 0
    assert found(second + last, second + last + 3600, days=60, every="") == 0


def test_a_start_at_the_end_of_the_plan_is_not_made() -> None:
    """The second start is after exactly 30 days: only a longer plan has it."""
    plan = few(3, adjust="false", outages="{from: 2026-04-01 09:00, for: 2h, looks: refused}", days=60)
    plan = replace(plan, timezone="UTC")
    assert len(_advice(replace(plan, days=31), _failing())) == 1
    assert _advice(replace(plan, days=30), _failing()) == []


def test_an_outage_is_blamed_only_for_what_it_can_cause() -> None:
    """Requests that fail for another reason do not make an outage the cause."""
    plan = _plan("503")
    assert len(_advice(plan, _failing("top-error-503"))) == 1
    for detail in ("top-error", "top-error-500", "deferred", "fail-info-2"):
        assert _advice(plan, _failing(detail)) == []
    assert len(_advice(_plan("refused"), _failing("top-error"))) == 1
    for detail in ("top-error-503", "deferred", "fail-info-2"):
        assert _advice(_plan("refused"), _failing(detail)) == []
    assert len(_advice(plan, run_of(), _failing("top-error-503"))) == 1, "in any of the runs"


def test_an_outage_that_patience_bridges_beside_a_failure_of_another_cause() -> None:
    plan = few(40, network=", loss: 60%", outages=_OUTAGE.format("20m", "silent"))
    failed = run_fleet(plan).failed
    assert failed > 0
    assert [(one.weight, one.text) for one in advice_on(plan, [run_fleet(plan)])] == [
        ("bad", f"{failed} requests ended in Error: {failed} top-error.")
    ]


def test_each_outage_and_each_class_that_it_hit() -> None:
    """Not a class that had no failure, nor an outage that no one noticed."""
    plan = few(3, adjust="false", days=59, outages=(
        "{from: 2026-03-02 08:30, for: 2h, looks: refused}, {from: 2026-03-10 08:30, for: 2h, looks: refused}, "
        "{from: 2026-04-01 08:30, for: 3h, looks: hangs}"
    ))  # fmt: skip
    (one,) = plan.printers
    twice = replace(plan, printers=(one, replace(one, name="abroad"), replace(one, name="lucky")))
    run = run_of(outcomes={"offices": {"top-error": 1}, "abroad": {"top-error": 1}, "lucky": {"successful": 9}})
    pattern = r"The outage of (\d h) from (\S+) 08:30 .* class (\w+) can .*\| polling: \{count: (\d+), interval: 10m\}"
    found = [re.match(pattern, f"{text} | {remedy}") for text, remedy in _advice(twice, run)]
    assert [match.groups() for match in found if match] == [
        ("2 h", "2026-03-02", "offices", "9"), ("2 h", "2026-03-02", "abroad", "9"),
        ("3 h", "2026-04-01", "offices", "15"), ("3 h", "2026-04-01", "abroad", "15"),
    ]  # fmt: skip


def test_an_outage_that_patience_bridges_is_not_a_warning() -> None:
    plan = few(20, outages=_OUTAGE.format("20m", "silent"))
    assert [(one.weight, one.text, one.remedy) for one in advice_on(plan, [run_fleet(plan)])] == [
        ("good", "Every request ended with a certificate: 20 of them.", "")
    ]


def test_an_outage_without_any_attempt_is_not_a_warning() -> None:
    plan = few(20, outages="{from: 2026-03-10 09:00, for: 3h, looks: silent}")
    assert [one.weight for one in advice_on(plan, [run_fleet(plan)])] == ["good"]


@pytest.mark.parametrize("looks", ["silent", "refused", "hangs", "closed"])
@pytest.mark.parametrize("minutes", [11, 29, 30, 31, 32, 47, 60, 73, 90, 121, 200, 600])
def test_the_polling_of_an_advice_bridges_every_outage(looks: str, minutes: int) -> None:
    plan = few(3, adjust="false", outages=_OUTAGE.format(f"{minutes}m", looks))
    failed, told = run_fleet(plan).failed, "\n".join(remedy for _, remedy in _advice(plan))
    match = re.search(r"polling: \{count: (\d+), interval: (\d+)m\} would outlast it", told)
    assert bool(failed) == (match is not None), told
    if match is not None:
        polling = WrittenPolling(int(match[1]), int(match[2]))
        assert run_fleet(varied(plan, Variation(polling=polling))).failed == 0, told
