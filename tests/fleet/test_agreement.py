"""The modelled engine and real printers with real messages come to the same: outcomes, exchanges, waiting, gaps."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_plans import few

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.real import run_real
from mfp_sim.fleet.result import FleetRun

_AT_NINE = "{{from: 2026-03-02 09:00, for: {}, looks: {}}}"
PLANS: dict[str, dict[str, Any]] = {
    "plain": {},
    "three rounds": {"days": 61},
    "silent for 15 minutes": {"outages": _AT_NINE.format("900s", "silent")},
    "refused for 2 hours": {"outages": _AT_NINE.format("2h", "refused")},
    "a 503 that ends a request": {"outages": _AT_NINE.format("300s", "503")},
    "a 503 that is polled after": {
        "outages": _AT_NINE.format("300s", "503"), "more": ", settings: {http_errors_that_poll: 5xx}",
    },
    "closed": {"outages": _AT_NINE.format("300s", "closed")},
    "hangs": {"outages": _AT_NINE.format("300s", "hangs")},
    "pending, approved in time": {"ca": ", pending: {share: 40%, approved_after: 15m}"},
    "pending, approved too late": {"ca": ", pending: {share: 40%, approved_after: {least: 10m, most: 2h}}"},
    "pending, kept to the next period": {
        "days": 61, "more": ", settings: {pending_at_end: keep}",
        "ca": ", pending: {share: 50%, approved_after: {least: 10m, most: 40d}}",
    },
    "pending, an outage and a slow CA": {
        "days": 60, "polls": 4, "interval": "5m", "service": "2500ms",
        "ca": ", pending: {share: 30%, approved_after: 700s}",
        "outages": "{from: 2026-03-02 09:05, for: 600s, looks: hangs}",
    },
    "a herd": {"adjust": "false", "service": "4s"},
    "a herd, of which the CA drops what was given up": {
        "adjust": "false", "service": "4s", "ca": ", queue: {given_up: dropped}",
    },
    "a herd before a full queue": {"adjust": "false", "service": "4s", "ca": ", queue: {length: 3}"},
    "a herd, and 503 beyond the queue": {
        "adjust": "false", "service": "4s", "ca": ", queue: {length: 3, beyond: 503}",
    },
    "time for a key": {"adjust": "false", "more": ", key_time: {least: 2s, most: 20s}"},
    "loss": {"days": 61, "network": ", loss: 10%"},
    "loss, and CertPoll after it": {"more": ", settings: {resend: CertPoll}", "network": ", loss: 30%"},
    "loss, and another transaction after it": {
        "more": ", settings: {resend: new-transaction}, key_time: 5s", "network": ", loss: 30%",
    },
    "the first request counts": {"more": ", settings: {first_request_counts: true}", "network": ", loss: 30%"},
    "a challenge that expires": {"ca": ", challenge_lifetime: 5m"},
    "a week before expiry": {"days": 61, "every": "", "more": ", profile: week-before-expiry", "ca": ", validity: 20d"},
    "by the share of the validity": {
        "days": 61, "every": "", "more": ", profile: percent-of-validity", "ca": ", validity: 20d",
    },
}  # fmt: skip


def _what_has_to_agree(run: FleetRun) -> dict[str, object]:
    return {
        "outcomes": run.outcomes,
        "exchanges": run.exchanges,
        "minted": run.minted,
        "lost": run.lost,
        "lacking": run.lacking,
        "without (hours)": round(run.without / 3600),
        "unserved": sum(run.unserved.values()),
    }


@pytest.mark.parametrize("name", PLANS)
def test_both_engines_agree(name: str) -> None:
    plan = few(**PLANS[name])
    modelled, real = run_fleet(plan), run_real(plan)
    assert _what_has_to_agree(modelled) == _what_has_to_agree(real)
    if PLANS[name].get("more") != ", profile: percent-of-validity":  # due on a fraction of a second there
        assert modelled.asked == real.asked
        assert modelled.waits == real.waits


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("plain", "successful"),
        ("refused for 2 hours", "top-error"),
        ("a 503 that ends a request", "top-error-503"),
        ("pending, approved too late", "deferred"),
        ("a challenge that expires", "fail-info-2"),
        ("loss, and CertPoll after it", "fail-info-4"),
    ],
)
def test_the_plans_show_what_they_are_named_for(name: str, outcome: str) -> None:
    run = run_fleet(few(**{"count": 40, **PLANS[name]}))
    assert run.by_outcome[outcome] > 0


def test_a_difference_would_be_seen() -> None:
    plan = few(outages=_AT_NINE.format("2h", "refused"))
    assert _what_has_to_agree(run_fleet(plan)) != _what_has_to_agree(run_real(few()))
