"""The schema of model files, shape by shape, and against right and wrong documents."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from mfp_sim.device.printer_profile import PROFILES, profile_schema

SOURCE = {
    "type": "string",
    "pattern": r"A-\d\d|F-[A-Z]\d\d|MFP-[A-Z]+-\d\d|https?://[!-~]+",
}

NUMBER = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("period", {"enum": ["local-days", "seconds"]}),
        ("port_range", {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}),
        ("key_lengths", {"type": "array", "items": {**NUMBER, "minimum": 1}, "minItems": 1}),
        ("hashes", {"type": "array", "items": {"enum": ["SHA1", "SHA256", "SHA384", "SHA512"]}, "minItems": 1}),
        ("read_single_des", {"type": "boolean"}),
        ("key_limit", NUMBER),
        ("default_key_name", {"type": "string"}),
    ],
)
def test_the_shape_of_a_value(name: str, shape: dict) -> None:
    assert profile_schema()["properties"]["values"]["properties"][name] == {
        "type": "object",
        "properties": {"value": shape, "source": SOURCE},
        "required": ["value", "source"],
        "additionalProperties": False,
    }


def test_the_rest_of_it() -> None:
    schema = profile_schema()
    assert {**schema, "properties": {**schema["properties"], "values": None}} == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mfp-sim printer profile",
        "type": "object",
        "properties": {
            "format": {"const": 1},
            "base": {"enum": sorted(PROFILES)},
            "name": {"type": "string", "pattern": "^([a-z0-9]+(-[a-z0-9]+)*)$"},
            "summary": {"type": "string"},
            "scep": {"type": "string"},
            "values": None,
        },
        "required": ["format", "name"],
        "additionalProperties": False,
    }
    assert {k: v for k, v in schema["properties"]["values"].items() if k != "properties"} == {
        "type": "object",
        "additionalProperties": False,
    }
    Draft202012Validator.check_schema(schema)
