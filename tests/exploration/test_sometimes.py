"""The *sometimes* properties: each that could come true too easily has a run in which it does, and one in which not."""

from __future__ import annotations

from typing import Any

import pytest

from mfp_sim.exploration.drawing import scenario_of
from mfp_sim.exploration.running import carried_out
from mfp_sim.exploration.sometimes import SOMETIMES

KEY = {"name": "tls", "common_name": "192.0.2.10", "use": "TLS"}
AUTO = {"auto_request": {"start_in": "1s", "polling": {"count": 2, "interval": "1m"}, "key": KEY}}
SLOW = {"ca_script": [{"when": {"type": "PKCSReq"}, "faults": [{"delay": "20s"}], "optional": True}]}
BEGUN: list[dict[str, Any]] = [
    SLOW,
    {"request": {**KEY, "wait": False}},
    {"advance": "5s"},
    {"power_cut": {"off": "1m"}},
]


def _reached(*steps: dict[str, Any], **more: object) -> frozenset[str]:
    communication = {"url": "http://ca.example/scep"}
    scenario = scenario_of({
        "format": 1, "name": "x", "why": "y", "clock": "2026-03-02T08:00:00+01:00",
        "printer": {"serial": "MFP00001", "functions": ["TLS"], "communication": communication}, "ca": {}, **more,
        "steps": [*steps, {"advance": "1m"}, {"expect": {"always": "all"}}],
    })  # fmt: skip
    assert scenario is not None
    outcome = carried_out(scenario)
    assert outcome.violations == ()
    return outcome.reached


def test_a_key_is_renewed_only_by_one_for_the_same_use_location() -> None:
    other = {"request": KEY, "printer": "MFP00002"}
    two_printers = _reached({"request": KEY}, other, printers=[{"serial": "MFP00002", "ip": "192.0.2.11"}])
    assert "renewed" not in two_printers
    assert "renewed" not in _reached({"request": KEY}, {"request": {**KEY, "name": "web", "use": "None"}})
    assert "renewed" in _reached({"request": KEY}, {"request": {**KEY, "name": "web"}})


@pytest.mark.parametrize(
    ("clock", "wrong"), [("right", False), ("2026-03-02 08:00", False), ("2026-03-02 12:00", True)]
)
def test_a_clock_that_was_set_right_is_not_wrong(clock: str, wrong: bool) -> None:
    reached = _reached({"printer_clock": clock}, *BEGUN)
    assert "cut-during-pkcsreq" in reached
    assert ("cut-with-a-wrong-clock" in reached) is wrong


def test_a_wrong_clock_of_another_printer_does_not_count() -> None:
    step = {"printer_clock": "2026-03-02 12:00", "printer": "MFP00002"}
    reached = _reached(step, *BEGUN, printers=[{"serial": "MFP00002", "ip": "192.0.2.11"}])
    assert "cut-during-pkcsreq" in reached
    assert "cut-with-a-wrong-clock" not in reached


ORDINARY = {"stage-GetCACaps-taken", "stage-GetCACert-taken"}
PENDING = {"when": {"type": "PKCSReq"}, "then": "pending"}
CLOSED = {"when": {"operation": "GetCACaps"}, "faults": ["reset"]}


@pytest.mark.parametrize(
    ("script", "stages"),
    [
        ([], {*ORDINARY, "stage-PKCSReq-decided"}),
        ([PENDING], {*ORDINARY, "stage-CertPoll-decided"}),
        ([CLOSED], {"stage-GetCACaps-closed", "stage-GetCACert-taken", "stage-PKCSReq-decided"}),
    ],
    ids=["granted", "deferred", "no-capabilities"],
)
def test_a_stage_is_reached_by_its_own_result(script: list[object], stages: set[str]) -> None:
    reached = _reached(AUTO, {"advance": "2m"}, ca={"script": script})
    assert {name for name in reached if name.startswith("stage-")} == stages
    assert stages <= SOMETIMES.keys()
