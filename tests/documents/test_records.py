"""A class describes a document: read with every mistake in its place, written, and described as a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, TypedDict

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfp_sim.scenario.parameters import with_parameters
from mfp_sim.shared.documents import Problems, load_text, plain
from mfp_sim.shared.documents.kinds import Duration, LocalTime, Pattern, Text, Within, Word, Words
from mfp_sim.shared.documents.records import (
    Doc,
    Length,
    agree,
    apart,
    beside,
    document,
    kind_of,
    read,
    record_of,
    schema_of,
    some,
)

Count = Annotated[int, Within(1, 9)]


@dataclass(frozen=True)
class Pending:
    times: Annotated[Count, Doc(key="pending")]


@document()
@dataclass(frozen=True)
class Http:
    status: Annotated[int, Within(200, 599), Doc(key="http")]
    retry_after: int | None = None


@document("a name", shorthand="text")
@dataclass(frozen=True)
class Name:
    text: Annotated[str, Text()]
    quoted: bool = False


def in_order(first: int, last: int) -> str | None:
    return "first comes after last" if first > last else None


@document(
    "the whole",
    some("needs 'then' or 'names'", "then", "names"),
    apart("at", "in_days"),
    beside("last", "first", "last goes with first"),
    agree("first", "last", in_order),
)
@dataclass(frozen=True)
class Whole:
    type: Annotated[Literal["one", "two"], Doc("which of them")] = "one"
    then: Literal["success", "none"] | Pending | Http | None = None
    names: Annotated[tuple[Name, ...], Length(1)] = (Name("a"),)
    at: Annotated[datetime | None, LocalTime()] = None
    in_days: Annotated[int | None, Duration(86400, "days")] = None
    until: Annotated[float | None, Duration(), Word("never", None)] = 60.0
    host: Annotated[str, Pattern("[a-z.]+", "a host")] = "a.example"
    by_word: Mapping[Annotated[str, Words(lambda: ("x", "3210"))], Count] = field(default_factory=dict)
    first: Count | None = None
    last: Count | None = None
    flags: frozenset[str] = frozenset()
    place: str = ""


class Look(TypedDict, total=False):
    state: Literal["on", "off"]
    count: Annotated[int, Within(0)]
    policy: Annotated[str | None, Text(), Word(None, None, "it has none")]


@document(whole=True)
@dataclass(frozen=True)
class Wait:
    seconds: Annotated[float, Duration()]


def mistakes(record, text: str, what: str = "it") -> list[str]:
    problems = Problems()
    value = kind_of(record).read(load_text(text, "f"), problems, what)
    assert bool(problems.found) == (repr(value) == "WRONG")
    return [str(problem) for problem in sorted(problems.found, key=lambda p: (p.line, p.column))]


def value_of(record, text: str):
    problems = Problems()
    value = kind_of(record).read(load_text(text, "f"), problems, "it")
    assert problems.found == []
    return value


@cache
def validator(record, parameters: bool) -> jsonschema.Draft202012Validator:
    schema = json.loads(json.dumps(schema_of(kind_of(record), "a test")))
    schema = with_parameters(schema) if parameters else schema
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def fits(record, text: str, *, parameters: bool = False) -> bool:
    return validator(record, parameters).is_valid(plain(load_text(text)))


Use = Annotated[str, Words(lambda: ("None", "TLS", "42"))]
GOOD = [
    (Use, "42", "42"),
    (Whole, "{then: none}", Whole(then="none", place="f:1:1")),
    (Whole, "{then: {pending: 3}}", Whole(then=Pending(3), place="f:1:1")),
    (Whole, "{then: {http: 503, retry_after: 7}}", Whole(then=Http(503, 7), place="f:1:1")),
    (Whole, "{names: [b, {text: c, quoted: true}]}", Whole(names=(Name("b"), Name("c", True)), place="f:1:1")),
    (Whole, "{then: none, until: never}", Whole(then="none", until=None, place="f:1:1")),
    (Whole, "{then: none, in_days: 48h}", Whole(then="none", in_days=2, place="f:1:1")),
    (Whole, "{then: none, by_word: {x: 1, 3210: 2}}", Whole(then="none", by_word={"x": 1, "3210": 2}, place="f:1:1")),
    (Whole, "{then: none, flags: [b, a]}", Whole(then="none", flags=frozenset("ab"), place="f:1:1")),
    (Whole, "{then: none, first: 2, last: 3}", Whole(then="none", first=2, last=3, place="f:1:1")),
    (Look, "{state: off}", {"state": "off"}),
    (Look, "{policy: null, count: 0}", {"policy": None, "count": 0}),
    (Wait, "90s", Wait(90.0)),
]
BAD = [
    (Use, "null", ["1:1: it has to be one of None, TLS, 42, not nothing"]),
    (Use, "true", ["1:1: it has to be one of None, TLS, 42, not true"]),
    (Whole, "{type: tow, then: none}", ["1:8: type has to be one of one, two, not 'tow' (did you mean 'two'?)"]),
    (Whole, "{then: sucess}", [
        "1:8: then has to be success, none, {pending: …} or {http: …, retry_after: …}, not 'sucess' (did you mean 'success'?)",
    ]),
    (Whole, "{then: {pendig: 1}}", [
        "1:8: then has to be success, none, {pending: …} or {http: …, retry_after: …}, not a map (did you mean 'pending'?)",
    ]),
    (Whole, "{then: {name: b}}", [
        "1:8: then has to be success, none, {pending: …} or {http: …, retry_after: …}, not a map ('names' is a key of the whole)",
    ]),
    (Whole, "{then: {http: 503, first: 2}}", ["1:20: unknown key 'first' in then ('first' is a key of the whole)"]),
    (Whole, "{names: [{text: b, then: none}]}", ["1:20: unknown key 'then' in a name ('then' is a key of the whole)"]),
    (Whole, "{then: {http: 700, retry_afer: 3}}", [
        "1:15: http has to be from 200 to 599, not 700",
        "1:20: unknown key 'retry_afer' in then (did you mean 'retry_after'?)",
    ]),
    (Whole, "{names: [3, {}, {text: ''}]}", [
        "1:10: text has to be a string, not 3 (put it in quotes)",
        "1:13: a name needs the key 'text'",
        "1:24: text is empty (add a value, or leave it out)",
    ]),
    (Whole, "{names: []}", ["1:9: names is empty (add a value, or leave it out)"]),
    (Whole, "{names: b}", ["1:9: names has to be a list, not 'b'"]),
    (Whole, "{}", ["1:1: the whole needs 'then' or 'names'"]),
    (Whole, "{then: none, at: 2026-03-02 09:00, in_days: 2d}", ["1:45: at is given too; give only one of the two"]),
    (Whole, "{then: none, in_days: 30m, at: soon, tmer: 1}", [
        "1:23: in_days has to be whole days",
        "1:23: at is given too; give only one of the two",
        "1:32: at has to be YYYY-MM-DD HH:MM[:SS], not 'soon'",
        "1:38: unknown key 'tmer' in the whole",
    ]),
    (Whole, "{then: none, last: 0}", ["1:20: last has to be from 1 to 9, not 0", "1:20: last goes with first"]),
    (Whole, "{then: none, first: 3, last: 2, host: 7}", [
        "1:30: first comes after last", "1:39: host has to be a string, not 7 (put it in quotes)",
    ]),
    (Whole, "{then: none, host: A}", ["1:20: host has to be a host, not 'A'"]),
    (Whole, "{then: none, until: 5}", ["1:21: until has to be a duration such as 30s, 10m, 2h or 31d, not 5"]),
    (Whole, "{then: none, by_word: {y: 0}}", [
        "1:24: a key of by_word has to be one of x, 3210, not 'y'", "1:27: y has to be from 1 to 9, not 0",
    ]),
    (Whole, "{then: null}", ["1:8: then has to be success, none, {pending: …} or {http: …, retry_after: …}, not nothing"]),
    (Whole, "7", ["1:1: the whole has to be a map, not 7"]),
    (Look, "{stat: on, count: -1}", ["1:2: unknown key 'stat' in it (did you mean 'state'?)", "1:19: count has to be at least 0, not -1"]),
    (Wait, "{seconds: 90s}", ["1:1: it has to be a duration such as 30s, 10m, 2h or 31d, not a map"]),
    (Look, "{state: null}", ["1:9: state has to be one of on, off, not nothing"]),
]  # fmt: skip


@pytest.mark.parametrize(("record", "text", "value"), GOOD)
def test_what_is_right_is_read_and_fits_the_schema(record, text: str, value: object) -> None:
    assert value_of(record, text) == value
    assert fits(record, text)


@pytest.mark.parametrize(("record", "text", "says"), BAD)
def test_every_mistake_is_reported_at_its_place(record, text: str, says: list[str]) -> None:
    assert mistakes(record, text) == [f"f:{line}" for line in says]


SAID_BY_THE_READER_ONLY = ("{then: none, first: 3, last: 2, host: b}", "{then: none, in_days: 30m}")


@pytest.mark.parametrize(("record", "text"), [row[:2] for row in BAD])
def test_what_is_wrong_does_not_fit_the_schema(record, text: str) -> None:
    assert not fits(record, text)


@pytest.mark.parametrize("text", SAID_BY_THE_READER_ONLY)
def test_the_reader_says_more_than_a_schema_can(text: str) -> None:
    assert mistakes(Whole, text)
    assert fits(Whole, text)


@pytest.mark.parametrize(
    "text", ["{then: $answer}", "{names: [$name], then: {http: $status}}", "{names: $names}", "{then: none, first: $n}"]
)
def test_a_parameter_may_stand_for_a_value_and_not_for_a_key(text: str) -> None:
    assert fits(Whole, text, parameters=True)
    assert not fits(Whole, text, parameters=False)
    assert not fits(Whole, "{then: none, $word: 1}", parameters=True)


def test_two_documents_of_one_name_are_a_slip_of_ours() -> None:
    second: Any = dataclass(frozen=True)(type("Pending", (), {"__annotations__": {"other": int}}))
    found: dict = {}
    kind_of(Pending).schema(found)
    with pytest.raises(AssertionError, match="two documents are called Pending"):
        kind_of(second).schema(found)


def test_a_field_has_a_row_for_the_documentation() -> None:
    rows = {entry.key: entry.sentence for entry in record_of(Whole).fields}
    assert list(rows)[:3] == ["type", "then", "names"]
    assert rows["type"] == "which of them"
    assert schema_of(record_of(Whole), "t")["properties"]["type"]["description"] == "which of them"


COUNTS = st.integers(1, 9)
TEXTS = st.text(st.characters(max_codepoint=0xD7FF))  # JSON writes what is beyond as surrogates, which YAML refuses
WHOLES = st.builds(
    Whole,
    type=st.sampled_from(["one", "two"]),
    then=st.one_of(
        st.sampled_from(["success", "none"]), st.builds(Pending, COUNTS), st.builds(Http, st.integers(200, 599))
    ),
    names=st.lists(st.builds(Name, TEXTS.filter(bool), st.booleans()), min_size=1).map(tuple),
    at=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)).map(lambda t: t.replace(microsecond=0)),
    until=st.none() | st.integers(0, 3_000_000_000).map(float) | st.integers(0, 10**6).map(lambda n: n / 1000),
    host=st.from_regex("[a-z.]+", fullmatch=True),
    by_word=st.dictionaries(st.sampled_from(["x", "3210"]), COUNTS),
    first=COUNTS.map(lambda n: min(n, 5)),
    last=st.none() | st.integers(5, 9),
    flags=st.frozensets(TEXTS),
)


@settings(deadline=None)
@given(WHOLES)
def test_what_is_written_is_read_again_and_fits(value: Whole) -> None:
    text = json.dumps(record_of(Whole).write(value))
    problems = Problems()
    found = read(Whole, load_text(text, "f"), problems)
    assert problems.found == []
    assert found == replace(value, place="f:1:1")
    assert fits(Whole, text)
