"""The registry: whole, explained, readable from scripts, described by the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from mfp_sim.scenario.loader import scenario_schema
from mfp_sim.shared.catalogue.registry import known_ids
from mfp_sim.shared.documents import Problems, load_text
from mock_scep_server.cli import _parser as parser
from mock_scep_server.cli import main
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.base import LAYERS
from mock_scep_server.script_file import read_script
from mock_scep_server.tls import KINDS


def catalogued() -> set[str]:
    """The slugs that the requirements name in their ``fault`` fields."""
    from importlib import resources

    import yaml

    text = resources.files("mfp_sim.shared.catalogue").joinpath("scep_rfc8894.yaml").read_text("utf-8")
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
        (
            "tls-untrusted",
            "not available in a script it takes effect before the first request: start the mock with mock-scep-server --tls untrusted",
        ),
        ("tls-other-pki", "mock-scep-server --tls other-pki"),
    ],
)
def test_what_is_wrong_in_a_script_is_said(fault: str, text: str) -> None:
    (found,) = problems_of(fault)
    assert text in found


def test_what_no_script_can_ask_for_is_had_with_an_option(capsys) -> None:
    options = {entry.slug: entry.option for entry in FAULTS.values() if not entry.in_scripts}
    assert options == {
        "tls-untrusted": "--tls untrusted",
        "tls-other-pki": "--tls other-pki",
        "tls-client-chain": "--tls other-pki --tls-client-ca root.pem",
    }
    for slug, option in options.items():
        parsed = parser().parse_args(option.split())
        assert parsed.tls in KINDS
        assert slug == ("tls-client-chain" if parsed.tls_client_ca else f"tls-{parsed.tls}")
        assert main(["faults", slug]) == 0
        told = capsys.readouterr().out
        assert f"not in a rule, since it takes effect before the first request: mock-scep-server {option}" in told
        assert "looks the same" not in told


def test_tests_that_an_entry_names_are_there_and_name_it() -> None:
    root = Path(__file__).parents[2]
    for entry in FAULTS.values():
        for file in entry.tests:
            assert (root / file).is_file()
        if not entry.in_scripts:
            assert f'"{entry.slug}"' in (root / entry.tests[-1]).read_text("utf-8")


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = scenario_schema()
    rules = {"$defs": schema["$defs"], "type": "array", "items": {"$ref": "#/$defs/Rule"}}
    for good in ("nonce-mismatch", {"delay": "31s"}, {"pending-n": 3}, {"env-wrong-recipient": {"recipient": "ca"}}):
        jsonschema.validate([{"faults": [good]}], rules)
    for bad in ("delay", {"nonce-mismatch": 1}, {"pending-n": 0}, {"env-wrong-recipient": "c"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([{"faults": [bad]}], rules)


def test_the_command_lists_explains_and_refuses(capsys) -> None:
    assert main(["faults", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["slug"] for row in rows] == list(FAULTS)
    assert all(row["proof"]["tests"] for row in rows)
    by_slug = {row["slug"]: row for row in rows}
    assert by_slug["tls-untrusted"]["example"] == "mock-scep-server --tls untrusted"
    assert by_slug["nonce-stale"]["proof"] == {
        "situation": "enrol",
        "tests": ["tests/faults/test_proofs.py", "tests/faults/test_carriers.py"],
    }
    assert main(["faults", "nonce-stale"]) == 0
    told = capsys.readouterr().out
    assert "recipientNonce is that of the previous request" in told
    assert "proved: situation enrol of docs/reference/fault_matrix.md; pytest tests/faults -k nonce-stale" in told
    assert main(["faults", "--markdown"]) == 0
    assert capsys.readouterr().out.count("\n## ") >= 9
    assert main(["faults", "nonce-mismach"]) == 2
    assert "did you mean 'nonce-mismatch'" in capsys.readouterr().err
