"""Shared blocks, changes of ``--set``, and combinations of parameters: what a file is before it is read."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from mfp_sim.scenario.loader import load_file, scenario_schema
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError, UsageError

OFFICE = "timezone: Europe/Oslo\nfunctions: [TLS]\ncommunication: {url: http://ca.example/scep}\n"
STEPS = "- request: {name: web, common_name: 192.0.2.10, challenge: s3cret, use: TLS}\n- expect: {key_count: 2}\n"
SCENARIO = """\
format: 1
name: with-parts
why: It has parts.
clock: 2026-03-02T08:00:00+01:00
printer: {include: office.part.yaml, serial: SIM00009}
ca: {challenge: {static: s3cret}}
steps:
  - include: steps.part.yaml
  - restart
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "office.part.yaml").write_text(OFFICE, "utf-8")
    (tmp_path / "steps.part.yaml").write_text(STEPS, "utf-8")
    path = tmp_path / "with.scenario.yaml"
    path.write_text(SCENARIO, "utf-8")
    return path


def mistakes(path: Path, *changes: str) -> list[str]:
    with pytest.raises(DocumentError) as raised:
        load_file(path, changes)
    return [
        f"{Path(problem.file).name}:{problem.line}:{problem.column}: {problem.message}"
        for problem in raised.value.problems
    ]


def rewrite(path: Path, old: str, new: str) -> Path:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


# --- include ----------------------------------------------------------------------------------------------


def test_a_map_has_the_keys_of_its_part_and_a_list_its_entries(file: Path) -> None:
    (scenario,) = load_file(file)
    assert (scenario.printer.serial, str(scenario.printer.timezone)) == ("SIM00009", "Europe/Oslo")
    assert [type(step.act).__name__ for step in scenario.steps] == ["SendRequest", "Expectation", "Power"]
    assert run(scenario).failures == ()


def test_own_keys_go_before_those_of_the_part_and_later_parts_before_earlier(file: Path) -> None:
    (file.parent / "other.part.yaml").write_text("timezone: Asia/Tokyo\nip: 192.0.2.44\n", "utf-8")
    rewrite(file, "include: office.part.yaml", "include: [office.part.yaml, other.part.yaml]")
    (scenario,) = load_file(file)
    assert (str(scenario.printer.timezone), scenario.printer.ip) == ("Asia/Tokyo", "192.0.2.44")
    rewrite(file, "serial: SIM00009", "serial: SIM00009, timezone: UTC")
    assert str(load_file(file)[0].printer.timezone) == "UTC"


def test_a_part_may_have_parts_and_parameters_are_put_into_them(file: Path) -> None:
    (file.parent / "steps.part.yaml").write_text(
        "- include: deep/request.part.yaml\n- expect: {key_count: $keys}\n", "utf-8"
    )
    (file.parent / "deep").mkdir()
    (file.parent / "deep" / "request.part.yaml").write_text(STEPS.splitlines()[0] + "\n", "utf-8")
    rewrite(file, "printer:", "parameters: [{name: two, keys: 2}]\nprinter:")
    (scenario,) = load_file(file)
    assert run(scenario).failures == ()


def test_a_changed_part_changes_what_was_measured(file: Path) -> None:
    (before,) = load_file(file)
    (file.parent / "office.part.yaml").write_text(OFFICE.replace("Oslo", "Berlin"), "utf-8")
    assert load_file(file)[0].digest != before.digest


@pytest.mark.parametrize(("old", "new", "mistake"), [
    ("office.part.yaml", "/etc/passwd", ("with.scenario.yaml:5:20: include takes a relative path that ends in .part.yaml, not"
     " '/etc/passwd'")),
    ("office.part.yaml", "/tmp/x.part.yaml", ("with.scenario.yaml:5:20: include takes a relative path that ends in .part.yaml,"
     " not '/tmp/x.part.yaml'")),
    ("office.part.yaml", "steps.part.yaml", "with.scenario.yaml:5:20: steps.part.yaml has to hold a map to stand here"),
    ("steps.part.yaml", "office.part.yaml", "with.scenario.yaml:8:14: office.part.yaml has to hold a list to stand here"),
    ("office.part.yaml", "[]", "with.scenario.yaml:5:20: include has to be a string, not a list"),
])  # fmt: skip
def test_mistakes_of_include_are_at_its_place(file: Path, old: str, new: str, mistake: str) -> None:
    found = mistakes(rewrite(file, f"include: {old}", f"include: {'[[]]' if new == '[]' else new}"))
    assert mistake.replace("5:20: include has", "5:21: include has") in found


def test_a_part_that_is_not_there(file: Path) -> None:
    (found, *_) = mistakes(rewrite(file, "office.part", "nowhere.part"))
    assert found.startswith("with.scenario.yaml:5:20: cannot read ")
    assert found.endswith("nowhere.part.yaml: No such file or directory")


def test_a_mistake_in_a_part_is_at_its_place_in_the_part(file: Path) -> None:
    (file.parent / "office.part.yaml").write_text(OFFICE.replace("functions", "funktions"), "utf-8")
    assert mistakes(file) == ["office.part.yaml:2:1: unknown key 'funktions' in printer"]
    (file.parent / "office.part.yaml").write_text("timezone: [", "utf-8")
    assert mistakes(file)[0].startswith("office.part.yaml:2:1: not well-formed YAML")


def test_a_part_within_itself_ends(file: Path) -> None:
    (file.parent / "office.part.yaml").write_text("include: office.part.yaml\n", "utf-8")
    assert mistakes(file)[0] == (
        "office.part.yaml:1:10: office.part.yaml includes itself, or too many others one within the other"
    )


def test_the_schema_takes_what_the_loader_takes(file: Path) -> None:
    validator = jsonschema.Draft202012Validator(scenario_schema())
    assert validator.is_valid(
        yaml.load(SCENARIO.replace("2026-03-02T", "'2026-03-02T").replace("+01:00", "+01:00'"), yaml.SafeLoader)
    )
    wrong = SCENARIO.replace("office.part.yaml", "office.yaml")
    assert not validator.is_valid(
        yaml.load(wrong.replace("2026-03-02T", "'2026-03-02T").replace("+01:00", "+01:00'"), yaml.SafeLoader)
    )


# --- --set ------------------------------------------------------------------------------------------------


def test_a_change_is_made_at_its_path(file: Path) -> None:
    (scenario,) = load_file(
        file, ["printer.ip=192.0.2.77", "ca.profile=lenient", "seed=11", "printer.settings.key_limit=4"]
    )
    assert (scenario.printer.ip, scenario.seed, scenario.ca.profile) == ("192.0.2.77", 11, "lenient")
    assert dict(scenario.printer.settings) == {"key_limit": 4}


def test_a_value_may_be_any_yaml(file: Path) -> None:
    (scenario,) = load_file(file, ["ca.script=[{then: pending}]"])
    assert len(scenario.ca.script) == 1


def test_a_changed_value_is_checked_like_one_in_the_file(file: Path) -> None:
    assert mistakes(file, "printer.settings.key_limits=3") == [
        "--set printer.settings.key_limits:1:1: unknown key 'key_limits' in settings"
    ]
    assert mistakes(file, "clock=never")[0].startswith("--set clock:1:1: clock has to be a time with a zone")


@pytest.mark.parametrize(("change", "message"), [
    ("seed", "--set takes KEY=VALUE, not 'seed'"), ("=3", "--set takes KEY=VALUE, not '=3'"),
    ("a..b=3", "--set takes KEY=VALUE, not 'a..b=3'"), ("steps.first=3", ("--set steps.first: there is no map in which first"
     " could stand")),
])  # fmt: skip
def test_changes_that_cannot_be_made(file: Path, change: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_file(file, [change])
    assert str(raised.value).startswith(message)


# --- combinations of parameters ---------------------------------------------------------------------------

COMBINED = """\
format: 1
name: combined
why: Every fault with every number of polls.
clock: 2026-03-02T08:00:00+01:00
parameters:
  fault: [{name: reset, fault: reset}, {name: cut, fault: {truncate: {after: 700}}}]
  polling: [{name: once, count: 1}, {name: thrice, count: 3}]
printer: {communication: {url: http://ca.example/scep}}
ca: {challenge: {static: s3cret}, script: [{when: {type: PKCSReq, nth: 1}, then: success, faults: [$fault]}]}
steps:
  - auto_request:
      start: 2026-03-02 09:00
      polling: {count: $count, interval: 10m}
      key: {name: web, common_name: 192.0.2.10, challenge: s3cret}
  - advance_to: 2026-03-02 09:15
  - expect: {status: {state: successful}}
"""


def test_every_combination_is_an_instance(file: Path) -> None:
    file.write_text(COMBINED, "utf-8")
    scenarios = load_file(file)
    assert [scenario.name for scenario in scenarios] == [
        "combined[reset-once]", "combined[reset-thrice]", "combined[cut-once]", "combined[cut-thrice]"
    ]  # fmt: skip
    assert [run(scenario).failures for scenario in scenarios] == [()] * 4


@pytest.mark.parametrize(("old", "new", "mistake"), [
    ("{name: once, count: 1}", "{name: once, count: 1, fault: reset}", ("with.scenario.yaml:7:43: the parameter 'fault' is in two"
     " lists of parameters")),
    ("[{name: once, count: 1}, {name: thrice, count: 3}]", "[]", "with.scenario.yaml:7:12: polling has no sets"),
    ("{name: thrice, count: 3}", "{name: once, count: 3}", ("with.scenario.yaml:7:44: the parameter set 'reset-once' occurs"
     " twice")),
    ("{name: thrice, count: 3}", "3", "with.scenario.yaml:7:37: a parameter set has to be a map with a name"),
])  # fmt: skip
def test_mistakes_of_combinations(file: Path, old: str, new: str, mistake: str) -> None:
    file.write_text(COMBINED.replace(old, new), "utf-8")
    assert mistake in mistakes(file)
