"""Events: recorded once, written as JSON lines, read back, compared."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.events import (
    KINDS,
    AuditNote,
    Event,
    ExchangeCut,
    ExchangeLost,
    ExchangeReply,
    ExchangeRequest,
    MockRequest,
    PowerFailed,
    StepBegun,
    Undone,
    Unknown,
    content,
    own_words,
    read,
)
from mfp_sim.run_trace import Recorder, TraceEvent, compare, from_json_lines, to_json_lines
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.runner import run
from mfp_sim.shared.redaction import MASK, Redactor
from mfp_sim.shared.simtime import FrozenClock
from mock_scep_server.journal import JournalEntry

START = datetime(2026, 3, 2, 8, tzinfo=timezone(timedelta(hours=1)))


def recorder(*secrets: str) -> tuple[Recorder, FrozenClock]:
    clock = FrozenClock(START)
    return Recorder(clock, Redactor(secrets)), clock


def test_an_event_has_the_present_instant_in_utc() -> None:
    taken, clock = recorder()
    taken.record(PowerFailed(point="by hand"))
    clock.advance(90.5)
    taken.record(AuditNote(operation="start", result="OK"))
    assert [event.time.isoformat() for event in taken.events] == [
        "2026-03-02T07:00:00+00:00",
        "2026-03-02T07:01:30.500000+00:00",
    ]


def test_what_is_none_is_left_out_and_what_is_false_is_kept() -> None:
    taken, _ = recorder()
    taken.record(ExchangeLost(operation="PKCSReq", sent=False, error=""))
    taken.record(ExchangeReply(operation="PKCSReq", status=0, media_type="", unreadable=None))
    taken.record(MockRequest(client="", method="GET", name="", rule=0, status=0))
    assert [event.data for event in taken.events] == [
        {"operation": "PKCSReq", "sent": False, "error": ""},
        {"operation": "PKCSReq", "status": 0, "media_type": ""},
        {"client": "", "method": "GET", "name": "", "rule": 0, "status": 0},
    ]


def test_secrets_are_masked_on_the_way_in() -> None:
    taken, _ = recorder("hunter22")
    deep = {"text": "the challenge is hunter22", "deep": [{"c": b"hunter22".hex()}]}
    taken.record(ExchangeReply(operation="PKCSReq", status=200, message=deep))
    assert taken.events[0].data["message"] == {"text": f"the challenge is {MASK}", "deep": [{"c": MASK}]}


def test_one_json_object_a_line_with_sorted_keys() -> None:
    taken, _ = recorder()
    taken.record(StepBegun(number=1, text="ä\nö"))
    taken.record(ExchangeCut(operation="PKCSReq"))
    lines = to_json_lines(taken.events).splitlines()
    assert len(lines) == 2
    assert lines[0] == '{"kind": "step", "number": 1, "text": "ä\\nö", "time": "2026-03-02T07:00:00+00:00"}'
    assert list(json.loads(lines[1])) == ["kind", "operation", "time"]


def test_events_come_back_as_they_were() -> None:
    taken, clock = recorder()
    taken.record(ExchangeReply(operation="PKCSReq", status=200, message={"type": "CertRep", "notes": ["a", "b"]}))
    clock.advance(0.000001)
    taken.record(ExchangeLost(operation="CertPoll", sent=True, error="reset"))
    assert from_json_lines(to_json_lines(taken.events)) == taken.events
    assert from_json_lines("\n" + to_json_lines(taken.events) + "\n\n") == taken.events


def test_equal_traces_have_no_differences() -> None:
    taken, _ = recorder()
    taken.record(Undone(error="no space left"))
    assert compare(taken.events, from_json_lines(to_json_lines(taken.events))) == []


def test_differences_name_the_event_and_both_sides() -> None:
    one, two = (TraceEvent(START, "a", {"n": n}) for n in (1, 2))
    (told,) = compare([one], [two])
    assert told.startswith("event 0: ")
    assert '"n": 1' in told
    assert '"n": 2' in told


def test_another_time_or_kind_is_a_difference() -> None:
    event = TraceEvent(START, "a", {})
    assert len(compare([event], [TraceEvent(START + timedelta(microseconds=1), "a", {})])) == 1
    assert len(compare([event], [TraceEvent(START, "b", {})])) == 1


OTHERS_WORDS = {
    "exchange.lost:error",
    "exchange.reply:media_type",
    *(
        f"exchange.reply:message.{name}"
        for name in (
            *("messageType", "pkiStatus", "failInfo", "failInfoText", "transactionID", "senderNonce", "recipientNonce"),
            *("signer", "digest", "cipher", "signingTime", "notes"),
        )
    ),
    "exchange.reply:unreadable",
    "exchange.request:csr.subject",
    "exchange.request:host",
    "exchange.request:path",
    *(
        f"mock.request:{name}"
        for name in (
            *("client", "method", "name", "subject", "transaction", "decision", "faults", "without_effect", "changes"),
            *("judgement", "near_misses", "notes"),
        )
    ),
    "printer.audit:diagnosis",
    "printer.status:diagnosis",
    "printer.status:key",
    "printer.undone:error",
    "step.refused:text",
    "step:text",
}
"""The text fields in which people, clients and servers are quoted: a secret in them is masked."""
OWN = {f"{name}:{path}" for name, kind in KINDS.items() for path in own_words(kind)}
SAMPLE = (
    "faults-content*",
    "fails-at-each-message*",
    "wrong-challenge",
    "connect-refused-then-issued",
    "error-in-response-data",
    "user-may-not",
    "switched-off-while-it-waits",
    "lost-reply-then-issued*",
    "signature-algorithm*",
)


def texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from texts(f"{path}.{key}", entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from texts(path, entry)


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """Each text field of the traces of some scenarios, and what stands in it."""
    found: dict[str, set[str]] = defaultdict(set)
    for scenario in select(SAMPLE):
        for event in run(scenario).events:
            for name, value in event.data.items():
                for path, text in texts(f"{event.kind}:{name}", value):
                    found[path].add(text)
    return found


def event_of(path: str, text: str) -> Event:
    """An event that has a text in a field, or in a list that is the field."""
    kind, _, names = path.partition(":")
    name, *within = names.split(".")
    for found in (text, [text]):
        value: object = found
        for inner in reversed(within):
            value = {inner: value}
        event = read(kind, {name: value})
        if text in str(getattr(event, name)):
            return event
    raise AssertionError(f"no event has a text in {path}")


def recorded(path: str, text: str, secrets: Sequence[str]) -> object:
    """What the trace shows of a text in a field."""
    recorder = Recorder(FrozenClock(START), Redactor(secrets))
    recorder.record(event_of(path, text))
    value: object = recorder.events[0].data
    for name in path.partition(":")[2].split("."):
        assert isinstance(value, Mapping)
        value = value[name]
    return value[0] if isinstance(value, list) else value


def test_of_each_text_field_of_a_trace_it_is_decided_whose_words_it_holds(told: dict[str, set[str]]) -> None:
    assert not OWN & OTHERS_WORDS
    assert {path for path in told if not path.startswith("step:text")} - OWN - OTHERS_WORDS == set()
    seldom = {"printer.undone:error", "mock.request:notes", "exchange.reply:message.signingTime"}
    assert (OWN | OTHERS_WORDS) - told.keys() - seldom == set()


@pytest.mark.parametrize("path", sorted(OWN))
def test_a_secret_that_is_spelled_like_an_own_word_masks_no_own_word(path: str, told: dict[str, set[str]]) -> None:
    for text in told[path]:
        for secret in (text, text[:1], text[1:3]):
            assert recorded(path, text, [secret]) == text


@pytest.mark.parametrize("path", sorted(OTHERS_WORDS))
@pytest.mark.parametrize("secret", ["canary-4711", "SUCCESS", "sha256", "PKCSReq"])
def test_a_secret_in_the_words_of_others_is_masked_and_the_name_of_the_field_stays(path: str, secret: str) -> None:
    assert recorded(path, f"<{secret}>", [secret, path.rpartition(".")[2].rpartition(":")[2]]) == f"<{MASK}>"


def test_a_list_in_the_words_of_others_is_masked() -> None:
    recorder = Recorder(FrozenClock(START), Redactor(["canary"]))
    recorder.record(MockRequest(client="", method="", name="", changes=("a canary", "b"), sent="canary"))
    recorder.record(ExchangeReply(operation="", status=200, message={"notes": ["a canary", {"canary": "x"}]}))
    asked, answered = recorder.events
    assert (asked.data["changes"], asked.data["sent"]) == ([f"a {MASK}", "b"], "canary")
    assert answered.data["message"] == {"notes": [f"a {MASK}", {MASK: "x"}]}


@pytest.mark.parametrize("secret", ["CACert", "PKCSReq", "sha256", "POST", "P"])
def test_a_secret_that_is_a_word_of_the_protocol_hides_no_operation(secret: str) -> None:
    recorder = Recorder(FrozenClock(START), Redactor([secret]))
    words: dict[str, Any] = {"operation": "GetCACert", "method": "POST", "digest": "sha256", "cipher": "aes-128-cbc"}
    recorder.record(ExchangeRequest(**words, host="ca", port=80, path=f"/scep/{secret}"))
    recorder.record(MockRequest(client="", name=f"Get{secret}", method=secret))
    asked, heard = recorder.events
    assert {key: asked.data[key] for key in words} == words
    assert asked.data["path"] == f"/scep/{MASK}" if len(secret) > 1 else secret not in str(asked.data["path"])
    assert (heard.data["name"], heard.data["method"]) == (
        f"Get{MASK}",
        MASK,
    )  # what a client says may be the secret itself


def test_the_mock_s_journal_has_the_fields_of_its_event() -> None:
    assert {part.name for part in fields(JournalEntry)} - {"time"} == {part.name for part in fields(MockRequest)}
    entry = JournalEntry(START, "192.0.2.10", "GET", "GetCACaps")
    assert content(MockRequest(client="192.0.2.10", method="GET", name="GetCACaps")) == {
        name: value for name, value in entry.to_json().items() if name != "time"
    }


def test_a_longer_trace_is_a_difference() -> None:
    event = TraceEvent(START, "a", {})
    assert compare([event], [event, event]) == ["1 events != 2 events"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.text(st.characters(categories=["Ll"]), min_size=1).filter(lambda k: k not in ("time", "kind")), JSON
    )
)
def test_any_content_survives_the_round_trip(data: dict[str, object]) -> None:
    event = TraceEvent(START, "any", data)
    text = to_json_lines([event])
    assert compare([event], from_json_lines(text)) == []
    assert to_json_lines(from_json_lines(text)) == text


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.dictionaries(st.sampled_from([*"abc", "operation", "number", "csr", "message", "faults", "sent"]), JSON))
def test_an_event_of_whatever_content_can_be_read(kind: str, data: dict[str, object]) -> None:
    event = TraceEvent(START, kind, data)
    assert type(event.event) is KINDS[kind]
    assert event.of(KINDS[kind]) == event.event
    assert event.of(Unknown) is None


def test_an_event_is_read_as_it_was_recorded() -> None:
    (scenario,) = select(["lost-reply-then-issued[reset]"])
    events = run(scenario).events
    assert len({event.kind for event in events}) > 5
    for event in events:
        read_back, listed = TraceEvent(START, event.kind, content(event.event)), json.loads(json.dumps(event.data))
        assert json.loads(json.dumps(read_back.data)) == listed
