"""The JSON report: what is written is read back, fits the published schema, and what is damaged is refused by path."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from importlib import resources

import jsonschema
import pytest
from report_samples import conformance_run, exchange, scenario, scenario_run

from mfp_sim.report import json_report, model
from mfp_sim.report.html_report import as_html
from mfp_sim.report.json_report import (
    as_json,
    catalogue_of,
    here,
    json_text,
    read_file,
    read_json,
    report_schema,
)
from mfp_sim.report.writing import write
from mfp_sim.shared.errors import DocumentError, UsageError


@pytest.fixture(params=[scenario_run, conformance_run], ids=["scenarios", "conformance"])
def report(request) -> model.RunReport:
    return request.param()


def test_written_and_read_back(report) -> None:
    value = json.loads(json.dumps(as_json(report)))
    assert read_json(value, "report.json") == report
    jsonschema.validate(value, report_schema(), cls=jsonschema.Draft202012Validator)


def test_the_published_schema_is_the_present_one() -> None:
    published = resources.files("mfp_sim.report").joinpath("report.schema.json").read_text("utf-8")
    assert json.loads(published) == report_schema(), "mfp-sim report --schema > mfp_sim/report/report.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_every_kind_of_value_is_described() -> None:
    kinds = {name for name in dir(model) if is_dataclass(getattr(model, name)) and name in model.__all__}
    described = report_schema()["$defs"]
    assert set(described) == kinds | {"CoverageRow", "CoveringScenario"}  # coverage follows from the scenarios
    for name in kinds:
        assert described[name]["description"]
        assert {entry.name for entry in fields(getattr(model, name))} <= set(described[name]["properties"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda value: value.pop("schema_version"), "it has no schema_version"),
        (lambda value: value.update(schema_version=2), "its schema_version is 2"),
        (lambda value: value.update(scenarios={}), r"report.json.scenarios: scenarios has to be a list, not a map"),
        (
            lambda value: value["scenarios"][0].pop("name"),
            r"report.json.scenarios\[0\]: an entry of scenarios needs the key 'name'",
        ),
        (lambda value: value["scenarios"][0].update(seed="1"), r"seed has to be an integer, not '1'"),
        (
            lambda value: value["scenarios"][0].update(seed=True),
            r"scenarios\[0\].seed: seed has to be an integer, not true",
        ),
        (
            lambda value: value["scenarios"][0]["minted"][0].update(fate="lost"),
            r"minted\[0\].fate: fate has to be one of delivered, installed",
        ),
        (lambda value: value["provenance"].update(ca=[]), r"report.json.provenance.ca: ca has to be a map, not a list"),
        (lambda value: value.update(messages=[]), r"report.json.messages: messages has to be a map"),
        (lambda value: value.pop("messages"), r"exchanges\[0\].request: request is not among the messages of this"),
        (
            lambda value: value["scenarios"][0]["exchanges"][0].update(reply="0" * 64),
            r"scenarios\[0\].exchanges\[0\].reply: reply is not among the messages of this report",
        ),
        (
            lambda value: value["scenarios"][0]["exchanges"][0].update(request={"line": "GET / HTTP/1.1"}),
            r"exchanges\[0\].request: request has to be a string, not a map",
        ),
        (
            lambda value: next(iter(value["messages"].values())).update(body="A"),
            r"report.json.messages.[0-9a-f]{64}.body: body has to be base64",
        ),
        (lambda value: value.update(flips=[7]), r"report.json.flips\[0\]: an entry of flips has to be a string, not 7"),
    ],
)
def test_what_is_damaged_is_refused_by_path(damage, message: str) -> None:
    value = json.loads(json.dumps(as_json(scenario_run())))
    damage(value)
    with pytest.raises((UsageError, DocumentError), match=message):
        read_json(value, "report.json")


@pytest.mark.parametrize(
    "damage", [lambda value: value["scenarios"][0].pop("name"), lambda value: value.update(flips=[7])]
)
def test_the_schema_refuses_the_same(damage) -> None:
    value = json.loads(json.dumps(as_json(scenario_run())))
    damage(value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, report_schema(), cls=jsonschema.Draft202012Validator)


def test_a_field_of_a_later_version_is_passed_over() -> None:
    value = json.loads(json.dumps(as_json(scenario_run())))
    value["scenarios"][0]["mood"] = "good"
    assert read_json(value, "report.json") == scenario_run()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"), ("[]", "is not a report that this version can read"), ("[" * 100_000, "is not JSON"),
        ('{"schema_version": NaN}', "NaN is not a number"), ('{"schema_version": 1e999}', "1e999 is not a number"),
    ],
)  # fmt: skip
def test_a_file_that_is_none(tmp_path, text: str, message: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_file(tmp_path / "report.json")


def test_a_packed_file_is_read_and_a_damaged_or_swollen_one_refused(tmp_path, monkeypatch) -> None:
    packed, text = tmp_path / "report.json.gz", json_text(scenario_run())
    write(packed, text)
    assert packed.stat().st_size < len(text) / 2
    assert read_file(packed) == scenario_run()
    whole = packed.read_bytes()
    for octets in (whole[:-9], text.encode(), whole[:40] + bytes(8) + whole[48:]):
        packed.write_bytes(octets)
        with pytest.raises(UsageError, match="is not packed with gzip, or damaged"):
            read_file(packed)
    monkeypatch.setattr(json_report, "_CAP", 1024 * 1024)
    write(packed, " " * 200 * 1024 * 1024)
    assert packed.stat().st_size < json_report._CAP
    with pytest.raises(UsageError, match="is larger than 1 MiB when it is unpacked"):
        read_file(packed)


def test_a_message_that_many_exchanges_refer_to_is_written_and_read_once() -> None:
    once = exchange(request=model.HttpMessage("POST / HTTP/1.1", (("Name", "x" * 1000),) * 1000, b"0" * 60_000, 60_000))
    many = scenario_run(scenario(exchanges=(once,) * 500))
    value = json.loads(json_text(many))
    assert len(value["messages"]) == 2
    assert len(json_text(many)) < 1_500_000
    (found,) = read_json(value, "report.json").scenarios
    assert {id(read.request) for read in found.exchanges} == {id(found.exchanges[0].request)}
    assert found == many.scenarios[0]


def test_for_programs_and_for_people() -> None:
    compact, pretty = json_text(scenario_run()), json_text(scenario_run(), pretty=True)
    assert json.loads(compact) == json.loads(pretty)
    assert compact.count("\n") == 1
    assert pretty.count("\n") > 100


@pytest.mark.parametrize("seconds", [1e308, -1e308])
def test_a_span_that_no_calendar_has_ends_no_page(seconds: float) -> None:
    value = as_json(scenario_run())
    for entry in value["scenarios"]:
        entry["virtual_seconds"] = seconds
    assert as_html(read_json(value, "report.json"))


def test_a_file_that_is_not_there_or_too_large(tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_file(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("{}")
    monkeypatch.setattr(json_report, "_CAP", 1)
    with pytest.raises(UsageError, match="is larger than"):
        read_file(tmp_path / "report.json")


def test_every_id_is_explained() -> None:
    catalogue = catalogue_of(replace(conformance_run(), flips=("A-22=5xx",)))
    assert {"SCEP-3.2.1.4-02", "F-T01", "A-22", "A-34"} <= set(catalogue)
    assert catalogue["SCEP-3.2.1.4-02"].source.startswith("RFC 8894, section 3.2.1.4")
    assert catalogue["A-22"].source == "an assumption: the manual does not say"
    assert catalogue["F-T01"].source.startswith("https://")


def test_where_a_report_comes_from() -> None:
    found = here()
    assert found.version
    assert found.dependencies["cryptography"] != "not installed"
    assert found.catalogue.endswith(here().catalogue[-12:])
    assert "entries" in found.catalogue
