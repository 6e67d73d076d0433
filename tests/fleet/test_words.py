"""What a report says of a run: the right sentence for its cause, the remedy that works, and no more than that."""

from __future__ import annotations

import re

import pytest
from fleet_plans import few

from mfp_sim.fleet.capacity import smallest
from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.plan import FleetPlan, Variation, read_plan, varied
from mfp_sim.fleet.words import advice_on, lasting_of
from mfp_sim.scenario.steps import WrittenPolling
from mfp_sim.shared.documents.records import record_of


def _told(plan: FleetPlan) -> list[str]:
    return [f"{one.weight}: {one.text} | {one.remedy}" for one in advice_on(plan, [run_fleet(plan)])]


_OUTAGE = "{{from: 2026-03-02 09:00, for: {}, looks: {}}}"


@pytest.mark.parametrize("looks", ["silent", "refused", "hangs"])
def test_an_outage_beyond_patience_and_the_polling_that_outlasts_it(looks: str) -> None:
    plan = few(20, outages=_OUTAGE.format("60m", looks))
    (bad,) = [text for text in _told(plan) if text.startswith("bad")]
    assert "The outage of 1 h from 2026-03-02 09:00 outlasts the patience of offices: 3 polls 10 min apart end" in bad
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
        re.match(r"bad: \d+ requests were refused: the challenge password counts for 5 min only", t) for t in told
    )


def test_a_herd_that_the_ca_cannot_serve_and_the_remedy_that_works() -> None:
    plan = few(300, adjust="false", service="4s")
    told = _told(plan)
    assert any(text.startswith("bad: ") and "ended without a reply in time" in text for text in told)
    assert any("All 300 printers of offices ask in the same second" in text for text in told)
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
