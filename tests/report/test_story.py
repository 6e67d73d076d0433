"""The story of exchanges that overlap: each has one row, where it began, whoever does something meanwhile."""

from __future__ import annotations

import io

import pytest
from report_samples import scenario

from mfp_sim.events import KINDS, SHUTDOWN, START
from mfp_sim.report.console import Console
from mfp_sim.report.story import off_spans, story_of_trace

WORDS = {"no-reply": "no reply", "cut": "broken off", "power-cut": "the power was cut"}


def say(key: str) -> str:
    return WORDS.get(key, key)


def at(second: int, kind: str, **data: object) -> dict[str, object]:
    return {"time": f"2026-03-02T08:00:{second:02}+00:00", "kind": kind, **data}


def asked(second: int, operation: str = "PKCSReq", **data: object) -> dict[str, object]:
    return at(second, "exchange.request", operation=operation, method="POST", **data)


def replied(second: int, **data: object) -> dict[str, object]:
    return at(
        second,
        "exchange.reply",
        operation="PKCSReq",
        message={"messageType": "CertRep", "pkiStatus": "SUCCESS"},
        **data,
    )


def test_a_step_in_the_middle_of_an_exchange_does_not_end_it() -> None:
    rows = story_of_trace([asked(0), at(10, "step", number=2, text="expect status"), replied(20)], say)
    assert [(row.kind, row.text) for row in rows] == [("exchange", "PKCSReq (POST)"), ("step", "2. expect status")]
    assert (rows[0].reply, rows[0].lost, (rows[0].ended - rows[0].at).seconds) == ("CertRep SUCCESS", False, 20)


def test_each_printer_has_its_own_exchange_and_is_named_but_the_first() -> None:
    other = {"printer": "SIM00002"}
    rows = story_of_trace([asked(0), asked(5, **other), replied(6, **other), replied(20)], say)
    assert [row.named(str) for row in rows] == ["PKCSReq (POST)", "SIM00002 PKCSReq (POST)"]
    assert [(row.ended - row.at).seconds for row in rows] == [20, 1]


def test_faults_are_those_of_the_exchange_that_asked_for_this() -> None:
    taken = at(5, "mock.request", name="GetCACert", faults=["reset"], without_effect=[])
    rows = story_of_trace([asked(0), asked(5, "GetCACert", printer="SIM00002"), taken], say)
    assert [row.faults for row in rows] == [(), ("reset",)]


def test_what_is_cut_is_told_and_what_is_left_open_has_no_reply() -> None:
    cut, left = story_of_trace([asked(0), at(10, "exchange.cut", operation="PKCSReq"), asked(40)], say)
    assert (cut.reply, cut.lost, (cut.ended - cut.at).seconds) == ("broken off", True, 10)
    assert (left.reply, left.lost) == ("no reply", True)


def test_the_first_printer_is_off_until_it_starts_itself() -> None:
    lost = at(5, "printer.power-lost", point="by hand")
    starts = [
        at(second, "printer.audit", operation="start", **who) for second, who in ((10, {"printer": "SIM2"}), (30, {}))
    ]
    ((since, until),) = off_spans(story_of_trace([lost, *starts], say))
    assert (until - since).seconds == 25


def test_a_console_tells_request_and_reply_each_at_its_instant_and_nothing_after_a_step() -> None:
    trace = (
        at(0, "step", number=1, text="begin"),
        asked(1),
        asked(2, "GetCACert", printer="SIM00002"),
        at(3, "exchange.cut", operation="GetCACert", printer="SIM00002"),
        at(4, "printer.audit", operation="finding", result="OK", diagnosis="odd"),
        at(5, "printer.status", state="successful", shown="", key="k"),
        replied(6),
        asked(7, "CertPoll"),
        at(8, "exchange.reply", operation="CertPoll", status=200, unreadable="no SCEP message"),
        at(9, "step", number=2, text="end"),
        at(10, "step.refused", reason="busy", text="it is busy"),
    )
    out = io.StringIO()
    Console(out).story(scenario(trace=trace, timezone="UTC"))
    assert [line[2:] for line in out.getvalue().splitlines()[2:-2]] == [
        "2026-03-02 08:00:00  1. begin",
        "2026-03-02 08:00:01       printer -> CA   PKCSReq (POST)",
        "2026-03-02 08:00:02       SIM00002 -> CA   GetCACert (POST)",
        "2026-03-02 08:00:03       SIM00002    x    GetCACert: broken off",
        "2026-03-02 08:00:04       printer: finding: odd",
        "2026-03-02 08:00:06       printer <- CA   CertRep SUCCESS",
        "2026-03-02 08:00:07       printer -> CA   CertPoll (POST)",
        "2026-03-02 08:00:08       printer <- CA   CertPoll: no SCEP message",
        "2026-03-02 08:00:09  2. end",
        "2026-03-02 08:00:10       refused: it is busy",
    ]


def test_the_power_is_learnt_from_the_operations_that_the_machine_writes() -> None:
    rows = story_of_trace([at(1, "printer.audit", operation=name) for name in (SHUTDOWN, "restart", START)], say)
    assert [row.power for row in rows] == ["off", "", "on"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", None, 7])
def test_an_event_at_no_instant_of_the_calendar_has_no_row(time: object) -> None:
    assert story_of_trace([{"time": time, "kind": "step"}], say) == ()
    (row,) = story_of_trace([at(0, "printer.poll-booked", due=time)], say)
    assert row.due is None


@pytest.mark.parametrize("kind", [*KINDS, "from.tomorrow"])
@pytest.mark.parametrize("data", [{}, {"operation": 7, "message": [1], "faults": "x", "number": "one", "due": {}}])
def test_an_event_without_what_it_should_have_ends_no_story(kind: str, data: dict[str, object]) -> None:
    story_of_trace([at(0, kind, **data), asked(1), at(2, kind, **data)], say)
