"""Plans: what is read, and what is refused, at its place and in the machine's own words."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from fleet_plans import few

from mfp_sim.fleet.plan import FleetPlan, Variation, fleet_schema, read_plan, varied
from mfp_sim.scenario.steps import WrittenPolling
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import DocumentError

PLAN = """\
format: 1
name: one
printers:
  - {name: offices, count: 10, start: 2026-03-02 09:00}
"""


def _mistakes(text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        read_plan(text, "plan.yaml")
    return [str(problem) for problem in error.value.problems]


def test_the_least_that_a_plan_needs() -> None:
    plan = read_plan(PLAN)
    assert (plan.total, plan.days, plan.ca.workers, plan.printers[0].seconds) == (10, 1, 1, 30.0)


@pytest.mark.parametrize(
    ("more", "mistake"),
    [
        ("    timeout: 20m", "the communication timeout (seconds) has to be from 1 to 300, not 1200"),
        ("    every: 400d", "the interval (days) has to be from 1 to 365, not 400"),
        ("    polling: {count: 101, interval: 10m}", "the polling count has to be from 1 to 100, not 101"),
        ("    polling: {count: 3, interval: 2d}", "the interval (minutes) has to be from 1 to 1440, not 2880"),
        ("    profile: week-before-expiry\n    every: 30d", "this model renews before the certificate expires"),
        ("    settings: {default_timeout: 900}\n    timeout: 30s", "default_timeout is outside timeout_range"),
        ("    key_time: {least: 9s, most: 2s}", "the longest key_time is shorter than the shortest"),
        ("    ajust: true", "did you mean 'adjust'?"),
        ("    timezone: Oslo", "there is no time zone 'Oslo'"),
    ],
)
def test_what_a_machine_refuses_is_refused_at_its_place(more: str, mistake: str) -> None:
    text = PLAN.replace(
        "  - {name: offices, count: 10, start: 2026-03-02 09:00}",
        ("  - name: offices\n    count: 10\n    start: 2026-03-02 09:00\n" + more),
    )
    (found,) = _mistakes(text)
    assert mistake in found
    line = 7 + (more.count("\n") if "every" in more else 0)
    assert found.startswith(f"plan.yaml:{line}:")


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("ca: {pending: {share: 5, approved_after: 10m}}", "share has to be a share such as 5% or 0.1%, not 5"),
        ("ca: {pending: {share: 101%, approved_after: 10m}}", "share has to be a share such as 5% or 0.1%"),
        ("ca: {service: {GetCACaps: []}}", "GetCACaps is empty"),
        ("outages: [{from: 2026-03-02 09:00, for: 1h, looks: dead}]", "looks has to be one of"),
        ("compare: [{}]", "a variation changes nothing"),
        ("compare: [{adjust: true}, {timeout: 20m}]", "the communication timeout (seconds) has to be from 1 to 300"),
        ("expect: {}", "has no expectation"),
    ],
)  # fmt: skip
def test_mistakes_elsewhere(line: str, mistake: str) -> None:
    (found,) = _mistakes(PLAN + line + "\n")
    assert mistake in found


_AN_HOUR = "{from: 2026-03-02 09:00, for: 1h}"


@pytest.mark.parametrize(
    ("outages", "mistake"),
    [
        ("{from: 2026-03-31 09:00, for: 1h}",
         ("5:11: the outage from 2026-03-31 09:00 begins after the simulated time, "
           "which ends at 2026-03-03 09:00 (30 days or more, or an earlier outage)")),
        ("{from: 2026-03-03 09:00, for: 1h}", "5:11: the outage from 2026-03-03 09:00 begins after the simulated time"),
        ("{from: 2199-03-03 09:00, for: 1h}", "which ends at 2026-03-03 09:00 (an earlier outage)"),
        ("{from: 2026-03-02 08:00, for: 1h}",
         ("5:11: the outage from 2026-03-02 08:00 is over before the simulated time begins, at 2026-03-02 09:00 "
           "(a later or longer outage)")),
        ("{from: 2026-03-02 10:00, for: 0s}", "5:11: the outage from 2026-03-02 10:00 has no duration (write for: 30m)"),
        (f"{_AN_HOUR}, {{from: 2026-03-02 09:30, for: 30m, looks: '503'}}",
         "5:46: the outage from 2026-03-02 09:30 changes nothing: it lies within others (leave it out)"),
        (f"{_AN_HOUR}, {_AN_HOUR}", "5:46: the outage from 2026-03-02 09:00 changes nothing"),
    ],
)  # fmt: skip
def test_an_outage_that_cannot_change_the_run_is_a_mistake(outages: str, mistake: str) -> None:
    (found,) = _mistakes(f"{PLAN}outages: [{outages}]\n")
    assert mistake in found


def test_an_outage_that_overlaps_the_time_or_another_one_counts() -> None:
    overlapping = (
        "{from: 2026-03-02 08:30, for: 1h}, {from: 2026-03-02 09:29, for: 1h}, {from: 2026-03-03 08:59, for: 9d}"
    )
    assert len(read_plan(f"{PLAN}outages: [{overlapping}]\n").outages) == 3


def test_all_mistakes_are_reported_at_once() -> None:
    found = _mistakes(PLAN.replace("count: 10", "count: 0") + "days: none\nca: {workers: 0}\n")
    assert len(found) == 3


def test_two_classes_of_one_name() -> None:
    found = _mistakes(PLAN + "  - {name: offices, count: 5, start: 2026-03-02 09:00}\n")
    assert found == ["plan.yaml:5:5: the class 'offices' exists already"]


def test_too_many_printers() -> None:
    found = _mistakes(
        PLAN.replace("count: 10", "count: 600000") + ("  - {name: more, count: 600000, start: 2026-03-02 09:00}\n")
    )
    assert "a plan has at most 1000000 printers" in found[0]


def test_a_variation_goes_into_every_class_and_into_the_ca() -> None:
    plan = varied(few(), Variation(adjust=False, workers=7, polling=WrittenPolling(5, 20)))
    assert (plan.printers[0].adjust, plan.ca.workers, plan.printers[0].polls.count) == (False, 7, 5)  # type: ignore[union-attr]


def test_a_variation_says_what_it_changes() -> None:
    variation = Variation(adjust=False, every_days=14, polling=WrittenPolling(5, 20))
    assert variation.label == "adjust: false, every: 14d, polling: {count: 5, interval: 20m}"


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("", True),
        ("days: 0", False),
        ("ca: {pending: {share: half, approved_after: 10m}}", False),
        ("exepct: {}", False),
    ],
)
def test_the_schema_takes_what_the_reader_takes(line: str, right: bool) -> None:
    validator = jsonschema.Draft202012Validator(fleet_schema())
    assert validator.is_valid(yaml.load(PLAN + line, yaml.BaseLoader) | {"format": 1} | _numbers(line)) is right


def _numbers(line: str) -> dict[str, object]:
    """The numbers of a plan, which a loader of texts alone leaves as texts."""
    plan = yaml.safe_load(PLAN.replace("2026-03-02 09:00", "'2026-03-02 09:00'") + line)
    return dict(plan)


def test_a_variation_comes_once() -> None:
    text = "format: 1\nname: x\nprinters:\n  - {name: a, count: 1, start: 2026-03-02 09:00}\ncompare: [{workers: 2}, {workers: 2}]\n"
    with pytest.raises(DocumentError, match="workers: 2 is compared already"):
        read_plan(text)


def test_a_plan_is_written_as_it_was_read() -> None:
    plan = few(
        20, more=", key_time: {least: 2s, most: 20s}", network=", loss: 1%",
        outages="{from: 2026-03-02 09:00, for: 5m, looks: 503}",
    )  # fmt: skip
    assert read_plan(json.dumps(record_of(FleetPlan).write(plan))) == plan
