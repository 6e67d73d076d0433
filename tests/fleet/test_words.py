"""What a report says of a run: the right sentence for its cause, the remedy that works, and no more than that."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from fleet_plans import few

from mfp_sim.fleet.capacity import smallest
from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.plan import FleetPlan, Limits, Variation, read_plan, varied
from mfp_sim.fleet.words import advice_on, lasting_of, unmet
from mfp_sim.scenario.steps import WrittenPolling
from mfp_sim.shared.documents.records import record_of


def _told(plan: FleetPlan) -> list[str]:
    return [f"{one.weight}: {one.text} | {one.remedy}" for one in advice_on(plan, [run_fleet(plan)])]


_OUTAGE = "{{from: 2026-03-02 09:00, for: {}, looks: {}}}"


@pytest.mark.parametrize("looks", ["silent", "refused", "hangs"])
def test_an_outage_beyond_patience_and_the_polling_that_outlasts_it(looks: str) -> None:
    plan = few(20, outages=_OUTAGE.format("60m", looks))
    (bad,) = [text for text in _told(plan) if text.startswith("bad")]
    assert (
        "The outage of 1 h from 2026-03-02 09:00 is longer than class offices can bridge: 3 polls 10 min apart end"
        in bad
    )
    assert "The next attempt comes 30 d later." in bad
    match = re.search(r"polling: \{count: (\d+), interval: (\d+)m\} would outlast it", bad)
    assert match is not None
    count, minutes = int(match[1]), int(match[2])
    assert run_fleet(varied(plan, Variation(polling=WrittenPolling(count, minutes)))).failed == 0
    if looks == "refused":  # one poll fewer is not enough
        assert run_fleet(varied(plan, Variation(polling=WrittenPolling(count - 1, minutes)))).failed > 0


def test_an_outage_that_patience_bridges_is_not_a_warning() -> None:
    assert _told(few(20, outages=_OUTAGE.format("20m", "silent"))) == [
        "good: Every request ended with a certificate: 20 of them. | "
    ]


def test_an_outage_when_nobody_asks_is_not_a_warning() -> None:
    told = _told(few(20, outages="{from: 2026-03-10 09:00, for: 3h, looks: silent}"))
    assert [text.partition(":")[0] for text in told] == ["good"]


def test_a_status_that_the_model_does_not_poll_after() -> None:
    (bad,) = [text for text in _told(few(20, outages=_OUTAGE.format("5m", "503"))) if text.startswith("bad")]
    assert "this model does not poll after HTTP 503" in bad


def test_a_validity_below_two_periods() -> None:
    told = _told(few(20, ca=", validity: 40d", outages=_OUTAGE.format("3h", "refused")))
    assert any(
        "a certificate is valid for 40 d: one failure leaves a printer without one for 20 d. | every: 20d, or a validity of 60d"
        in text
        for text in told
    )


def test_deferred_requests() -> None:
    told = _told(few(40, ca=", pending: {share: 50%, approved_after: 3h}"))
    assert any(re.match(r"bad: \d+ requests ended as Deferred: the operator takes up to 3 h", text) for text in told)


def test_a_challenge_that_expires() -> None:
    told = _told(few(40, ca=", challenge_lifetime: 5m"))
    assert any(
        re.match(r"bad: \d+ requests were refused: the challenge password is valid for only 5 min", t) for t in told
    )


def test_a_herd_that_the_ca_cannot_serve_and_the_remedy_that_works() -> None:
    plan = few(300, adjust="false", service="4s")
    told = _told(plan)
    assert any(text.startswith("bad: ") and "ended without a reply in time" in text for text in told)
    assert any("All 300 printers of class offices send requests in the same second" in text for text in told)
    assert any("of the CA's work was for printers that had given up" in text for text in told)
    found = smallest(plan).workers
    assert found is not None
    assert run_fleet(varied(plan, Variation(workers=found))).failed == 0
    assert run_fleet(varied(plan, Variation(workers=found - 1))).failed > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250 ms"), (1, "1 s"), (90, "1 min 30 s"), (3600, "1 h"), (90061, "1 d 1 h"), (59.6, "1 min")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert lasting_of(seconds) == text


def test_a_plan_is_written_as_it_was_read() -> None:
    plan = few(20, more=", key_time: {least: 2s, most: 20s}", network=", loss: 1%", outages=_OUTAGE.format("5m", "503"))
    written = record_of(FleetPlan).write(plan)
    import json

    assert read_plan(json.dumps(written)) == plan


_TWO = """\
format: 1
name: two-starts
days: {days}
printers:
  - {{name: now, count: 5, start: 2026-03-02 09:00, every: 30d}}
  - {{name: later, count: 7, start: 2026-03-20 09:00, every: 30d}}
expect: {{failed: 0}}
"""


def test_printers_that_had_no_end_are_not_approved() -> None:
    plan = read_plan(_TWO.format(days=1))
    run = run_fleet(plan)
    assert (run.failed, run.unended) == (0, 7)
    assert [text.partition(":")[0] for text in _told(plan)] == ["bad"]
    assert (
        "7 printers had not ended their first request after 1 d: the run proves nothing about them." in _told(plan)[0]
    )
    assert unmet(plan, run) == ("7 printers had not ended their first request when the time of the plan was over",)
    longer = read_plan(_TWO.format(days=20))
    assert (run_fleet(longer).unended, unmet(longer, run_fleet(longer))) == (0, ())
    found = smallest(plan)
    assert (found.workers, [run.workers for run in found.tried]) == (None, [12])
    assert found.hopeless == (
        "7 printers do not end their first request in 1 d even with 12 workers, with which no request waits: "
        "more workers do not help"
    )


@pytest.mark.parametrize(
    ("every", "says"),
    [
        ("every: 30d, ", "each is without one for 10 d of every period. | every: 10d, or a validity of 60d"),
        ("", "request only one certificate, which is valid for 20 d. | set every to an interval below the validity"),
    ],
)
def test_certificates_that_end_before_the_next_request(every: str, says: str) -> None:
    told = _told(few(20, days=100, every=every, ca=", validity: 20d"))
    assert told[0].startswith("bad: ")
    assert says in told[0]
    assert not any(text.startswith("bad") for text in _told(few(20, days=10, every=every, ca=", validity: 20d")))


@pytest.mark.parametrize("looks", ["silent", "refused", "hangs", "closed"])
@pytest.mark.parametrize("minutes", [11, 29, 30, 31, 32, 47, 60, 73, 90, 121, 200, 600])
def test_the_polling_of_an_advice_bridges_every_outage(looks: str, minutes: int) -> None:
    plan = few(3, adjust="false", outages=_OUTAGE.format(f"{minutes}m", looks))
    failed, told = run_fleet(plan).failed, "\n".join(_told(plan))
    match = re.search(
        r"longer than class offices can bridge.*polling: \{count: (\d+), interval: (\d+)m\} would outlast it", told
    )
    assert bool(failed) == (match is not None), told
    if match is not None:
        polling = WrittenPolling(int(match[1]), int(match[2]))
        assert run_fleet(varied(plan, Variation(polling=polling))).failed == 0, told


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
    limits = Limits(failed=0, lost=20, without_certificate=1e9, successful=0.0)
    plan = replace(few(20, days=1), expect=limits)
    assert unmet(plan, run_fleet(plan)) == ()
    assert unmet(plan, replace(run_fleet(plan), outcomes={})) == (
        "failed: at most 0, but no request ended",
        "lost: at most 20, but no request ended",
        "without_certificate: at most 1000000000.0, but no request ended",
        "successful: at least 0.0%, but no request ended",
    )


def test_times_of_keys_spread_a_herd_and_a_ca_may_take_no_time() -> None:
    told = "\n".join(_told(few(300, adjust="false", service="1s", more=", key_time: {least: 0s, most: 30s}")))
    assert "All 300 printers of class offices send requests within 30 s" in told
    assert "send requests" not in "\n".join(_told(few(300, adjust="false", service="0s")))


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
