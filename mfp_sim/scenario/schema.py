"""The JSON schema of scenario files, assembled from the tables, so that editors complete what the loader accepts."""

from __future__ import annotations

from typing import Any

from mfp_sim.device.profile import PROFILES
from mfp_sim.documents.kinds import Definitions
from mfp_sim.documents.records import described, map_of, with_parameters
from mfp_sim.scenario.expectations import expectation_schema
from mfp_sim.scenario.loader import CA_KEYS, KEYS, PRINTER_KEYS, REQUIRED, ROLES
from mfp_sim.scenario.steps import STEPS
from mock_scep_server.policy import POLICY_KEYS
from mock_scep_server.profiles.registry import PROFILES as CA_PROFILES
from mock_scep_server.script import Rules
from mock_scep_server.setup import VALUE_KEYS

__all__ = ["scenario_schema"]

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}


def scenario_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). The loader says more than a schema can; this helps while writing."""
    found: Definitions = {}
    known: dict[str, object] = {
        "format": {"const": 1, "description": "the version of this format"},
        "name": {**_TEXT, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "description": "unique, in small letters and hyphens"},
        "why": {**_TEXT, "description": "what the scenario shows, in a sentence"},
        "covers": {**_TEXTS, "description": "requirement ids (MFP-…, SCEP-…)"},
        "assumes": {**_TEXTS, "description": "assumptions that it rests on (A-nn)"},
        "tags": _TEXTS,
        "clock": {**_TEXT, "description": "the frozen clock's first instant, with its zone"},
        "seed": {"type": "integer", "minimum": 0},
        "keys": {"enum": ["pool", "generate"], "description": "keys of the committed pool, or real ones"},
        "bounds": map_of({"virtual": _TEXT, "events": {"type": "integer", "minimum": 1}}),
        "parameters": {
            "type": "array",
            "items": {"type": "object", "required": ["name"]},
            "description": "sets of values for $words: an instance of the scenario each",
        },
        "printer": {
            "type": "object",
            "properties": {name: {} for name in PRINTER_KEYS} | {"profile": {"enum": sorted(PROFILES)}},
            "additionalProperties": False,
        },
        "ca": {
            "type": "object",
            "properties": {name: {} for name in (*CA_KEYS, *VALUE_KEYS)}
            | {name: {"description": entry.sentence} for name, entry in POLICY_KEYS.items()}
            | {"profile": {"enum": sorted(CA_PROFILES)}, "script": {"$ref": "#/$defs/script"}},
            "additionalProperties": False,
        },
        "steps": {"type": "array", "items": {"anyOf": _steps(found)}, "minItems": 1},
    }
    assert set(known) == set(KEYS), set(known) ^ set(KEYS)
    whole: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mfp-sim scenario",
        "type": "object",
        "properties": known,
        "required": list(REQUIRED),
        "additionalProperties": False,
        "$defs": {"script": Rules().schema(found)},
    }
    whole["$defs"] |= {name: part for name, (_, part) in sorted(found.items())}
    return with_parameters(whole)


def _steps(found: Definitions) -> list[dict[str, object]]:
    shapes: list[dict[str, object]] = [map_of({"expect": expectation_schema(found)}, ["expect"])]
    for name, entry in STEPS.items():
        properties: dict[str, object] = {name: described(entry.kind.schema(found), entry.sentence)}
        if entry.person:
            properties |= {"as": {"enum": list(ROLES)}, "refused": _TEXT}
        if entry.premise:
            properties |= {"optional": {"type": "boolean"}}
        shapes.append(map_of(properties, [name]))
    return [*shapes, {"enum": [name for name, entry in STEPS.items() if entry.stands_alone]}]
