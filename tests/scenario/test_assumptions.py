"""What a result rests on is measured: `examined.json` is up to date and true, and `assumes` names what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.device.printer_profile import READINGS, profile_named, values_of, with_reading
from mfp_sim.device.readings import MEASURABLE, OTHER_VALUES, flips_of
from mfp_sim.scenario.collection import bundled_directory, select
from mfp_sim.scenario.examined import FILE, basis_of, changing, nearest, read_file, write_file
from mfp_sim.scenario.examining import examine, mistakes_of, tried
from mfp_sim.scenario.loader import load_file, read_text
from mfp_sim.scenario.model import Grounds, Scenario
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import run
from mfp_sim.shared.catalogue.registry import assumptions
from mfp_sim.shared.documents import load, load_text
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.noting import noting

REMEDY = "mfp-sim check --assumptions --write FILE measures it, and scenarios for all"
WITHOUT_SCENARIO = {
    "policy_limit": "a machine with more policies cannot be made: tests/device/test_rules.py",
    "renewal_message": "other models have it, see scenarios/models",
}
HTTP_ERROR = """\
format: 1
name: http-error
why: An HTTP error ends the request although polling is on.
clock: 2026-03-02T08:00:00+01:00
printer:
  communication: {url: http://ca.example/scep}
ca:
  script:
    - {when: {type: PKCSReq, nth: 1}, then: {http: 503}}
steps:
  - auto_request:
      start: 2026-03-02 09:00
      polling: {count: 3, interval: 10m}
      key: {name: web, common_name: 192.0.2.10}
  - advance_to: 2026-03-02 12:00
  - expect: {status: {state: error, details: top-error-503}}
"""
COUNT = """\
format: 1
name: key-count
why: A certificate is one key more.
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
steps:
  - request: {name: web, common_name: 192.0.2.10}
  - expect: {key_count: 2}
"""


def naming(text: str, *ids: str) -> str:
    return text.replace("clock:", f"assumes: [{', '.join(ids)}]\nclock:", 1)


def mistakes(text: str) -> list[tuple[str, str | None, str]]:
    measured = [(scenario, examine(scenario)) for scenario in read_text(text, "my.scenario.yaml")]
    found = mistakes_of(load_text(text, "my.scenario.yaml"), measured)
    return [(m.kind, m.assumption, f"{m.problem.line}:{m.problem.column}") for m in found]


# --- the scenarios of the package -------------------------------------------------------------------------


def test_every_scenario_of_the_package_is_examined_as_it_is() -> None:
    assert [scenario.name for scenario in select([]) if changing(scenario) is None] == [], REMEDY


def test_the_file_of_measurements_has_no_other_entries() -> None:
    root = bundled_directory()
    names = {f"{Path(s.file).resolve().relative_to(root.resolve()).as_posix()}::{s.name}" for s in select([])}
    assert read_file(root / FILE).keys() == names, REMEDY


def test_they_name_what_changes_their_outcome_and_nothing_else() -> None:
    by_file: dict[str, list[tuple[Scenario, tuple[str, ...] | None]]] = {}
    for scenario in select([]):
        by_file.setdefault(scenario.file, []).append((scenario, changing(scenario)))
    found = [str(m.problem) for file, entries in by_file.items() for m in mistakes_of(load(Path(file)), entries)]
    assert found == []


SAMPLE = sorted(select([]), key=lambda scenario: scenario.name)[7::45]


@pytest.mark.parametrize("scenario", SAMPLE, ids=lambda scenario: scenario.name)
def test_a_sample_measured_anew_is_as_it_was(scenario: Scenario) -> None:
    assert examine(scenario) == changing(scenario), REMEDY


@pytest.mark.parametrize(
    "name", ["manual-request", "registration-limit", "deferred-twice-then-issued", "days-or-seconds"]
)
def test_what_is_not_run_because_it_is_not_read_would_change_nothing(name: str) -> None:
    scenario = next(s for s in select([]) if s.name.partition("[")[0] == name)
    every = tuple(flip.text for flip in tried(scenario) if not run(scenario, flips=[flip.text]).passed)
    assert examine(scenario) == every


def test_each_reading_and_each_value_changes_a_scenario() -> None:
    changed = {flip for scenario in select([]) for flip in changing(scenario) or ()}
    readings = {f"{a}={reading}" for a, (_, found) in READINGS.items() for reading in list(found)[1:]}
    values = {
        f"{a}={name}={text}" for a, found in OTHER_VALUES.items() for name, texts in found.items() for text in texts
    }
    assert sorted((readings | values) - changed) == []


def test_every_value_that_rests_on_an_assumption_is_tried() -> None:
    switches = {value for value, _ in READINGS.values()}
    resting = {name for assumption in assumptions() for name in values_of(assumption)} - switches
    tried = {name for values in OTHER_VALUES.values() for name in values}
    assert resting == tried | WITHOUT_SCENARIO.keys()
    assert not tried & WITHOUT_SCENARIO.keys()


# --- what is measured -------------------------------------------------------------------------------------


def test_a_scenario_that_names_nothing_and_depends_on_a_reading_is_told() -> None:
    assert examine(read_text(HTTP_ERROR)[0]) == ("A-22=5xx", "A-22=all")
    assert mistakes(HTTP_ERROR) == [("too little", "A-22", "1:1")]
    assert mistakes(naming(HTTP_ERROR, "A-22")) == []


def test_a_scenario_that_depends_on_a_value_is_told() -> None:
    text = COUNT.replace(
        "steps:\n", "steps:\n" + "".join(f"  - request: {{name: k{n}, common_name: 192.0.2.10}}\n" for n in range(5))
    )
    text = text.replace("key_count: 2", "key_count: 7")
    assert mistakes(text) == [("too little", "A-26", "1:1")]


def test_a_scenario_that_names_what_changes_nothing_is_told_where() -> None:
    assert mistakes(COUNT) == []
    assert mistakes(naming(COUNT, "A-33")) == [("too much", "A-33", "4:10")]


def test_what_has_no_other_reading_may_be_named_and_stays_declared() -> None:
    assert "A-13" not in MEASURABLE
    assert mistakes(naming(COUNT, "A-13")) == []
    (scenario,) = read_text(naming(COUNT, "A-13"))
    assert basis_of(scenario, ()) == Grounds(("A-13",), ("A-13",), examined=True)
    assert basis_of(scenario, ("A-22=5xx", "A-22=all")) == Grounds(("A-13", "A-22"), ("A-13",), examined=True)
    assert basis_of(scenario, None) == Grounds(("A-13",), ("A-13",), examined=False)


def test_values_are_not_all_of_an_assumption_so_that_it_may_be_named() -> None:
    assert {"A-01", "A-16"} <= MEASURABLE - READINGS.keys()
    (scenario,) = read_text(naming(COUNT, "A-01"))
    assert mistakes(naming(COUNT, "A-01")) == []
    assert basis_of(scenario, ()) == Grounds(("A-01",), ("A-01",), examined=True)
    assert basis_of(scenario, ("A-01=url_length=4096",)) == Grounds(("A-01",), (), examined=True)


def test_of_covered_statements_what_was_measured_to_change_nothing_does_not_count() -> None:
    (scenario,) = read_text(COUNT.replace("clock:", "covers: [MFP-POLL-05]\nclock:", 1))
    assert basis_of(scenario, None).rests_on == ("A-22",)
    assert basis_of(scenario, ()) == Grounds((), (), examined=True)


def test_what_the_covered_statements_rest_on_need_not_be_named() -> None:
    covering = HTTP_ERROR.replace("clock:", "covers: [MFP-POLL-02]\nclock:", 1)
    assert mistakes(covering) == mistakes(HTTP_ERROR)
    derived = HTTP_ERROR.replace("clock:", "covers: [MFP-POLL-05]\nclock:", 1)
    assert mistakes(derived) == []


def test_one_instance_that_changes_is_enough_for_the_file_and_each_has_to_name_it() -> None:
    both = HTTP_ERROR.replace("printer:", "parameters: [{name: a, start: 09:00}, {name: b, start: 11:59}]\nprinter:", 1)
    both = both.replace("name: http-error", "name: http-error\nassumes: [A-22, A-33]")
    both = both.replace("start: 2026-03-02 09:00", "start_in: $start").replace("09:00", "1h").replace("11:59", "6h")
    text = both.replace("details: top-error-503", "details: top-error-503").replace("12:00", "18:00")
    assert mistakes(text) == [("too much", "A-33", "3:10")]


def test_a_scenario_that_does_not_pass_cannot_be_measured() -> None:
    wrong = naming(COUNT.replace("key_count: 2", "key_count: 3"), "A-33")
    assert examine(read_text(wrong)[0]) is None
    assert mistakes(wrong) == [("not measured", None, "4:10")]


def test_an_error_under_another_reading_counts() -> None:
    bounded = naming(
        COUNT.replace("steps:\n", "bounds: {virtual: 1m}\nsteps:\n  - restart\n  - advance: 10s\n"), "A-18"
    )
    (scenario,) = read_text(bounded)
    result = run(scenario, flips=["A-18=restart_seconds=120"])
    assert [failure.error for failure in result.failures] == [True]
    assert mistakes(bounded) == []
    assert mistakes(bounded.replace("A-18", "A-13")) == [("too little", "A-18", "4:10")]


def test_only_what_a_machine_assumes_and_can_have_is_tried() -> None:
    canon, legacy = profile_named("canon-ir-adv-dx"), profile_named("canon-legacy")
    assert "A-27=read_single_des=true" in {flip.text for flip in flips_of([canon])}
    assert "A-27=read_single_des=true" not in {flip.text for flip in flips_of([legacy])}
    assert "A-27=read_single_des=true" in {flip.text for flip in flips_of([legacy, canon])}
    assert not [f for f in flips_of([canon], ["http_errors_that_poll"]) if f.assumption == "A-22"]
    documented = replace(canon, sources={**canon.sources, "http_errors_that_poll": "https://example.com/manual"})
    assert not [f for f in flips_of([documented]) if f.assumption == "A-22"]
    narrow = replace(canon, timeout_range=(1, 30))
    assert "A-03=default_timeout=60" in {flip.text for flip in flips_of([canon])}
    assert "A-03=default_timeout=60" not in {flip.text for flip in flips_of([canon, narrow])}
    other = with_reading(canon, "A-22", "5xx")
    assert [f.text for f in flips_of([other]) if f.assumption == "A-22"] == ["A-22=none", "A-22=all"]


def test_a_model_notes_what_is_read_of_it() -> None:
    read: set[str] = set()
    model = noting(profile_named("canon-ir-adv-dx"), read)
    assert read == set()
    assert (model.key_limit, model.redirects) == (8, "not-followed")
    assert read == {"key_limit", "redirects"}


# --- what a result says of it -----------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a scenario file and its measurements beside it."""

    def write(text: str) -> Path:
        file = tmp_path / "sub" / "my.scenario.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        write_file(tmp_path / FILE, [(scenario, examine(scenario)) for scenario in load_file(file)])
        return file

    return write


def basis(file: Path, *, seed: int | None = None, flips: Sequence[str] = (), profile: str | None = None) -> str:
    (scenario,) = load_file(file)
    if profile is not None:
        scenario = replace(scenario, printer=replace(scenario.printer, profile=profile))
    return report_of(run(scenario, seed=seed, flips=flips)).basis


def test_the_three_classes(measured, tmp_path: Path) -> None:
    file = measured(COUNT)
    assert nearest(file.parent) == tmp_path / FILE
    assert basis(file) == "said"
    assert basis(measured(HTTP_ERROR)) == "assumed"
    (tmp_path / FILE).unlink()
    assert nearest(file.parent) is None
    assert basis(file) == "not-examined"


def test_a_result_that_was_reached_in_another_way_is_not_examined(measured) -> None:
    file = measured(COUNT)
    assert basis(file, seed=1) == "said"
    assert basis(file, seed=2) == "not-examined"
    assert basis(file, flips=["A-33=nominal"]) == "not-examined"
    assert basis(file, profile="canon-sip") == "not-examined"


def test_a_change_of_what_decides_makes_it_not_examined(measured) -> None:
    file = measured(COUNT)
    for same in (naming(COUNT, "A-13"), COUNT.replace("one key more", "one more key"), "# words\n" + COUNT):
        file.write_text(same, "utf-8")
        assert load_file(file)[0].digest
        assert basis(file) != "not-examined", same
    for other in (
        COUNT.replace("web", "tls"),
        COUNT.replace("08:00:00", "08:00:01"),
        COUNT.replace("steps:", "seed: 1\nsteps:"),
    ):
        file.write_text(other, "utf-8")
        assert basis(file) == "not-examined", other


def test_what_is_tried_decides_too(measured, monkeypatch: pytest.MonkeyPatch) -> None:
    file = measured(COUNT)
    monkeypatch.setitem(OTHER_VALUES, "A-26", {"key_limit": ("5",)})
    assert basis(file) == "not-examined"


def test_a_failed_run_is_not_what_was_measured(measured) -> None:
    file = measured(COUNT)
    (scenario,) = load_file(file)
    wrong = read_text(COUNT.replace("key_count: 2", "key_count: 3"), str(file))[0]
    result = report_of(run(replace(wrong, digest=scenario.digest)))
    assert (result.outcome, result.basis) == ("failed", "not-examined")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 2, "scenarios": {}}', '{"format": 1}', '{"format": 1, "scenarios": {"x": []}}']
)
def test_a_damaged_file_of_measurements_counts_for_nothing_and_is_not_overwritten(
    measured, tmp_path: Path, text: str
) -> None:
    file = measured(COUNT)
    (tmp_path / FILE).write_text(text, "utf-8")
    assert basis(file) == "not-examined"
    with pytest.raises(UsageError, match="is not a file of measurements"):
        write_file(tmp_path / FILE, [(scenario, ()) for scenario in load_file(file)])
    assert (tmp_path / FILE).read_text("utf-8") == text


def test_writing_keeps_other_files_and_drops_what_is_gone(measured, tmp_path: Path) -> None:
    file = measured(COUNT)
    second = file.with_name("second.scenario.yaml")
    second.write_text(HTTP_ERROR, "utf-8")
    write_file(tmp_path / FILE, [(scenario, examine(scenario)) for scenario in load_file(second)])
    assert list(read_file(tmp_path / FILE)) == [
        "sub/my.scenario.yaml::key-count",
        "sub/second.scenario.yaml::http-error",
    ]
    file.unlink()
    write_file(tmp_path / FILE, [(scenario, None) for scenario in load_file(second)])
    assert json.loads((tmp_path / FILE).read_text("utf-8")) == {"format": 1, "scenarios": {}}
