"""The JSON schema takes every shipped file, and refuses what the loader refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.parameters import instances
from mfp_sim.shared.documents import Problems, load, load_text, plain
from mfp_sim.shared.errors import DocumentError

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FILES = sorted(SCENARIOS.rglob("*.scenario.yaml"))
KEY = "name: a, common_name: b"

MISTAKES = {
    "printer: {ip: [1]}": "ip has to be a string, not a list",
    "printer: {timezone: 7}": "timezone has to be a string, not 7",
    "printer: {functions: TLS}": "functions has to be a list, not 'TLS'",
    "printer: {communication: {}}": "communication needs the key 'url'",
    "printer: {communication: {url: http://a, uri: x}}": "unknown key 'uri' in communication",
    "ca: {validity: soon}": "validity has to be a duration",
    "ca: {challenge: {}}": "challenge has to be none, checked, ignored, {static: …}, {one_time: …} or {per_subject: …}, not a map",
    "ca: {challenge: {static: a, statik: b}}": "unknown key 'statik' in challenge",
    "ca: {approval: maybe}": "approval has to be automatic, manual or {manual: …}, not 'maybe'",
    "auto_request: {timer: 3}": "timer has to be true or false, not 3",
    "auto_request: {polling: banana}": "polling has to be a map, not 'banana'",
    "auto_request: {every: never}": "every has to be a duration",
    "auto_request: {key: {common_name: b}}": "the key needs the key 'name'",
    "auto_request: {key: {name: b}}": "the key needs the key 'common_name'",
    f"auto_request: {{key: {{{KEY}, nmae: c}}}}": "unknown key 'nmae' in the key",
    f"request: {{{KEY}}}\n    refused: bussy": "refused has to be one of bad-bundle-password, ",
    "ca_operator: {revoke: 7}": "pattern has to be a string, not 7",
    "expect: {status: {}}": "status has no expectation (add a value",
    "expect: {status: {state: error, stat: x}}": "unknown key 'stat' in status",
    "expect: {keys: 3}": "keys has to be a list, not 3",
    "expect: {ledger: {mintd: 1}}": "unknown key 'mintd' in ledger",
}


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    found = json.loads((SCENARIOS / "scenario.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def written(mistake: str) -> str:
    """A scenario with the mistake, which is its only one."""
    head = "format: 1\nname: x\nwhy: y\nclock: 2026-03-02T08:00:00+01:00\n"
    if mistake.startswith(("printer", "ca:")):
        return f"{head}{mistake}\nsteps:\n  - expect: {{powered: true}}\n"
    return f"{head}steps:\n  - {mistake}\n  - expect: {{powered: true}}\n"


def rejected(validator: jsonschema.Draft202012Validator, value: object) -> str:
    """The first complaint of the schema, or nothing."""
    return next((f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)), "")


def test_every_file_fits_as_it_is_written(schema) -> None:
    assert {file.name: text for file in FILES if (text := rejected(schema, plain(load(file))))} == {}


def every_instance() -> Iterator[tuple[str, object]]:
    for file in FILES:
        for suffix, node in instances(load(file), Problems()):
            yield file.name + suffix, plain(node)


def test_every_instance_fits_with_its_parameters_put_in(schema) -> None:
    assert {name: text for name, value in every_instance() if (text := rejected(schema, value))} == {}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_loader_refuses_each_mistake_and_says_why(mistake: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_text(written(mistake))
    (problem,) = caught.value.problems
    assert MISTAKES[mistake] in str(problem)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_schema_refuses_each_mistake(schema, mistake: str) -> None:
    assert rejected(schema, plain(load_text(written(mistake))))


def test_the_schema_takes_the_scenario_around_the_mistakes(schema) -> None:
    assert rejected(schema, plain(load_text(written("power_off")))) == ""
