"""The registry: whole, explained, readable from scripts, described by the schema."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from mfp_sim.catalogue.registry import known_ids
from mfp_sim.documents import Problems, load_text
from mfp_sim.scenario.schema import scenario_schema
from mock_scep_server.cli import main
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.base import LAYERS
from mock_scep_server.script import read_script


def catalogued() -> set[str]:
    """The slugs that the requirements name in their ``fault`` fields."""
    from importlib import resources

    import yaml

    text = resources.files("mfp_sim.catalogue").joinpath("scep_rfc8894.yaml").read_text("utf-8")
    found: set[str] = set()
    for entry in yaml.safe_load(text):
        found.update(re.findall(r"(?:^|; )([a-z0-9]+(?:-[a-z0-9]+)*):", entry.get("fault") or ""))
    return found


def test_every_fault_that_a_requirement_names_is_there() -> None:
    assert len(catalogued()) == 229
    assert catalogued() <= set(FAULTS)


def test_every_entry_is_whole() -> None:
    for entry in FAULTS.values():
        assert entry.layer in LAYERS
        assert entry.sentence.endswith(".")
        assert " " in entry.correct_client, entry.slug
        assert entry.printer_shows
        assert entry.requirements
        assert set(entry.requirements) | set(entry.field_failures) <= known_ids()
        assert entry.alias_of is None or entry.alias_of in FAULTS


def problems_of(fault: str) -> list[str]:
    problems = Problems()
    read_script(load_text(f"- faults: [{fault}]", "rules.yaml"), problems)
    return [f"{problem.message} {problem.hint or ''}" for problem in problems.found]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("nonce-mismach", "there is no fault 'nonce-mismach'"),
        ("{nonce-mismatch: 3}", "nonce-mismatch takes no argument"),
        ("{env-wrong-recipient: c}", "recipient"),
        ("{env-wrong-recipient: {variant: ca}}", "unknown key 'variant' in env-wrong-recipient"),
        ("delay", "delay needs seconds"),
        ("{pending-n: 0}", "count"),
        ("tls-untrusted", "no matter of a script"),
    ],
)
def test_what_is_wrong_in_a_script_is_said(fault: str, text: str) -> None:
    (found,) = problems_of(fault)
    assert text in found


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = scenario_schema()
    rules = {"$defs": schema["$defs"], "$ref": "#/$defs/script"}
    for good in ("nonce-mismatch", {"delay": "31s"}, {"pending-n": 3}, {"env-wrong-recipient": {"recipient": "ca"}}):
        jsonschema.validate([{"faults": [good]}], rules)
    for bad in ("delay", {"nonce-mismatch": 1}, {"pending-n": 0}, {"env-wrong-recipient": "c"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([{"faults": [bad]}], rules)


def test_the_command_lists_explains_and_refuses(capsys) -> None:
    assert main(["faults", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["slug"] for row in rows] == list(FAULTS)
    assert main(["faults", "nonce-stale"]) == 0
    assert "recipientNonce of the previous request" in capsys.readouterr().out
    assert main(["faults", "--markdown"]) == 0
    assert capsys.readouterr().out.count("\n## ") >= 9
    assert main(["faults", "nonce-mismach"]) == 2
    assert "did you mean 'nonce-mismatch'" in capsys.readouterr().err
