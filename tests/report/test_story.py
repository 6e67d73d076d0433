"""The story of exchanges that overlap: each has one row, where it began, whoever does something meanwhile."""

from __future__ import annotations

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
    assert [row.text for row in rows] == ["PKCSReq (POST)", "SIM00002 PKCSReq (POST)"]
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
