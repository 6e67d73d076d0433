"""JSON read as documents: every mistake by its path, keys of later versions passed over, and no depth that hurts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import jsonschema
import pytest

from mfp_sim.shared.documents.json_values import Anything, JsonNode, Strings, read_json
from mfp_sim.shared.documents.records import document, kind_of, record_of, schema_of
from mfp_sim.shared.errors import DocumentError


@document(exchanged=True, later=True, says="A part.")
@dataclass(frozen=True)
class Part:
    name: str
    share: float = 1.0
    place: str = "here"
    other: str | None = None
    head: Annotated[tuple[str, str], Strings(2)] = ("a", "b")
    rest: Annotated[object, Anything()] = None


@document(exchanged=True, later=True)
@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...] = ()
    one: Part | None = None


def refused(value: object) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_json(Whole, value, "w.json")
    return [str(problem) for problem in caught.value.problems]


def test_every_mistake_is_reported_by_its_path() -> None:
    value = {"parts": [{"name": 7}, {"share": "much"}, {"name": "x", "head": ["a"]}], "one": []}
    assert refused(value) == [
        "w.json.one: one has to be a map, not a list",
        "w.json.parts[0].name: name has to be a string, not 7 (put it in quotes)",
        "w.json.parts[1]: an entry of parts needs the key 'name'",
        "w.json.parts[1].share: share has to be a number, not 'much'",
        "w.json.parts[2].head: head has to be a list of 2",
    ]


@pytest.mark.parametrize("value", [7, "text", [], None, True])
def test_what_is_not_an_object_is_refused(value) -> None:
    (text,) = refused(value)
    assert text.startswith("w.json: it has to be a map, not ")


def test_the_text_of_an_error_has_a_hundred_mistakes_at_most() -> None:
    with pytest.raises(DocumentError) as caught:
        read_json(Whole, {"parts": [{}] * 1000}, "w.json")
    assert len(caught.value.problems) == 1000
    assert str(caught.value).splitlines()[100:] == ["and 900 more mistakes"]


def test_reading_ends_at_ten_thousand_mistakes() -> None:
    with pytest.raises(DocumentError) as caught:
        read_json(Whole, {"parts": [{}] * 1_000_000}, "w.json")
    assert len(caught.value.problems) == 10_000
    assert str(caught.value).splitlines()[100:] == ["and at least 9900 more mistakes"]


def test_what_is_exchanged_is_written_whole_and_read_back() -> None:
    whole = Whole((Part("x", 0.5, "there", "y", ("c", "d"), {"deep": [1, None]}),), Part("z"))
    written = record_of(Whole).write(whole)
    assert json.loads(json.dumps(written))["one"] == {
        "name": "z", "share": 1.0, "place": "here", "other": None, "head": ["a", "b"], "rest": None,
    }  # fmt: skip
    assert read_json(Whole, json.loads(json.dumps(written)), "w.json") == whole
    jsonschema.validate(json.loads(json.dumps(written)), schema_of(record_of(Whole), "whole"))


def test_a_field_that_is_null_or_of_a_later_version() -> None:
    assert read_json(Whole, {"one": None, "later": {"x": 1}}, "w.json") == Whole()
    with pytest.raises(DocumentError, match=r"w.json.parts\[0\].name: name has to be a string, not nothing"):
        read_json(Whole, {"parts": [{"name": None}]}, "w.json")


def test_a_number_may_be_whole_and_is_not_true() -> None:
    assert read_json(Part, {"name": "x", "share": 2}, "p").share == 2.0
    with pytest.raises(DocumentError, match="share has to be a number, not true"):
        read_json(Part, {"name": "x", "share": True}, "p")


@pytest.mark.parametrize("share", [10**400, -(10**400), float("inf"), float("nan")])
def test_a_number_that_no_float_holds_is_refused(share: float) -> None:
    (text,) = refused({"parts": [{"name": "x", "share": share}]})
    assert text.startswith("w.json.parts[0].share: share has to be a number, not ")


def test_depth_beneath_what_is_read_does_no_harm() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    assert read_json(Part, {"name": "x", "rest": deep, "later": deep}, "p").rest is deep


def test_a_schema_says_what_a_reader_takes() -> None:
    schema = schema_of(kind_of(Part), "part")
    assert schema["description"] == "A part."
    validator = jsonschema.Draft202012Validator(schema)
    for value, right in [
        ({"name": "x"}, True),
        ({"name": "x", "later": 1}, True),
        ({"name": "x", "other": None}, True),
        ({"name": "x", "head": ["a", "b", "c"]}, False),
        ({"name": None}, False),
        ({"name": "x", "share": "1"}, False),
    ]:
        assert validator.is_valid(value) == right, value


def test_a_node_names_its_place_only_where_there_is_no_line() -> None:
    assert JsonNode([{"x": 1}], "f").items[0].pairs[0][1].place == "f[0].x"


@document("the settings", exchanged=True)
@dataclass(frozen=True)
class Settings:
    name: str
    note: str | None = None


def test_what_is_exchanged_may_still_refuse_keys_that_it_does_not_know() -> None:
    assert read_json(Settings, {"name": "x", "note": None}, "s") == Settings("x")
    with pytest.raises(DocumentError, match=r"s: unknown key 'nmae' in the settings \(did you mean 'name'\?\)"):
        read_json(Settings, {"name": "x", "nmae": "y"}, "s")
