"""``mfp-sim fleet``: what is printed, written and returned."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest

from mfp_sim.fleet.plan import MOST_DAYS, fleet_schema
from mfp_sim.fleet.report import fleet_report_schema

ROOT = Path(__file__).parents[2]
PLANS = sorted((ROOT / "scenarios" / "fleet").glob("*.fleet.yaml"))
PLAN = """\
format: 1
name: small
days: 29
printers:
  - {name: offices, count: 30, start: 2026-03-02 09:00, every: 30d, polling: {count: 3, interval: 10m}}
ca: {service: {PKCSReq: [4s]}}
compare: [{adjust: true}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "small.fleet.yaml"
    file.write_text(PLAN)
    return file


def test_a_plan_is_run_with_its_variations(mfp_sim, plan: Path) -> None:
    shown = mfp_sim("fleet", plan)
    assert shown.code == 0
    assert "the plan    adjust: true\n" in shown.out
    assert "adjust: true: 30 successful" in shown.out
    assert shown.err == ""


def test_what_is_expected_and_not_kept_is_said_and_makes_1(mfp_sim, plan: Path) -> None:
    plan.write_text(PLAN + "expect: {failed: 0, waiting_p99: 1s, successful: 100%}\n")
    assert mfp_sim("fleet", plan).code == 1
    plan.write_text(PLAN + "expect: {waiting_p99: 1s}\n")
    shown = mfp_sim("fleet", plan)
    assert "not as expected: waiting_p99: at most 1 s, got" in shown.out


def test_the_last_line_says_what_to_do_next(mfp_sim, plan: Path, tmp_path: Path) -> None:
    def last(*words: object) -> str:
        return mfp_sim("fleet", *words).out.splitlines()[-1]

    compared = "; compare in the plan shows what a remedy changes"
    assert "remedy:" in mfp_sim("fleet", plan).out
    assert last(plan) == f"Next: --report DIR writes charts of this run{compared}"
    page = tmp_path / "out" / "fleet.html"
    assert last(plan, "--report", tmp_path / "out") == f"Next: open {page}{compared}"
    plan.write_text(PLAN + "expect: {waiting_p99: 1s}\n")
    assert last(plan) == "Not as expected. Next: --report DIR writes charts of this run"


def test_a_scenario_is_not_a_plan(mfp_sim, scenario: Path) -> None:
    shown = mfp_sim("fleet", scenario)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == f"mfp-sim: {scenario} is a scenario, not a fleet plan (mfp-sim run {scenario})\n"


def test_json_fits_the_schema_and_reads_back(mfp_sim, plan: Path, tmp_path: Path) -> None:
    value = json.loads(mfp_sim("fleet", plan, "--json").out)
    jsonschema.validate(value, fleet_report_schema())
    assert value["kind"] == "fleet"
    assert value["runs"][0]["figures"]["requests"] == 30
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert json.loads(mfp_sim("fleet", "--merge", tmp_path / "a.json", "--json").out) == value


def test_seeds_give_a_run_each_in_any_number_of_processes(mfp_sim, plan: Path) -> None:
    one = json.loads(mfp_sim("fleet", plan, "--seeds", "0..3", "--json").out)
    two = json.loads(mfp_sim("fleet", plan, "--seeds", "0..3", "--jobs", "2", "--json").out)
    assert one == two
    assert [run["seed"] for run in one["runs"]] == [0, 1, 2, 3] * 2


def test_reports_of_two_machines_are_merged(mfp_sim, plan: Path, tmp_path: Path) -> None:
    for name, seeds in (("a", "0..1"), ("b", "2..3")):
        assert mfp_sim("fleet", plan, "--seeds", seeds, "--report", tmp_path / name).code == 0
    files = [tmp_path / name / "fleet.json" for name in "ab"]
    merged = json.loads(mfp_sim("fleet", "--merge", *files, "--json").out)
    whole = json.loads(mfp_sim("fleet", plan, "--seeds", "0..3", "--json").out)
    assert sorted(merged["runs"], key=lambda run: (run["label"], run["seed"])) == sorted(
        whole["runs"], key=lambda run: (run["label"], run["seed"])
    )


def test_a_run_that_comes_twice_is_not_merged(mfp_sim, plan: Path, tmp_path: Path) -> None:
    mfp_sim("fleet", plan, "--report", tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shown = mfp_sim("fleet", "--merge", tmp_path / "a" / "fleet.json", tmp_path / "b" / "fleet.json")
    assert shown.code == 2
    assert "both have a run with seed 1" in shown.err


def test_reports_of_two_plans_are_not_merged(mfp_sim, plan: Path, tmp_path: Path) -> None:
    mfp_sim("fleet", plan, "--report", tmp_path / "a")
    mfp_sim("fleet", plan, "--days", "2", "--report", tmp_path / "b")
    shown = mfp_sim("fleet", "--merge", tmp_path / "a" / "fleet.json", tmp_path / "b" / "fleet.json")
    assert (shown.code, "is from another plan than" in shown.err) == (2, True)


def test_a_search_is_merged_in_any_order(mfp_sim, plan: Path, tmp_path: Path) -> None:
    for name, seed, words in (("a", 1, ["--find", "workers"]), ("b", 2, []), ("c", 3, ["--find", "workers"])):
        assert mfp_sim("fleet", plan, "--seed", seed, *words, "--report", tmp_path / name).code == 0
    a, b, c = (tmp_path / name / "fleet.json" for name in "abc")
    whole = json.loads(a.read_text())
    whole["found"] = None
    a.write_text(json.dumps(whole))
    for files in ((a, b), (b, a)):
        merged = mfp_sim("fleet", "--merge", *files, "--json")
        value = json.loads(merged.out)
        assert (merged.code, value["search"], value["found"]) == (1, whole["search"], None)
    both = mfp_sim("fleet", "--merge", a, b, c)
    assert (both.code, both.out) == (2, "")
    assert f"{a} and {c} both have a search for the smallest CA (use --find on one computer only)" in both.err


def test_the_smallest_ca_is_found_with_the_cliff_before_it(mfp_sim, plan: Path) -> None:
    plan.write_text(PLAN.replace("count: 30", "count: 300").replace("compare: [{adjust: true}]\n", ""))
    shown = mfp_sim("fleet", plan, "--find", "workers")
    value = json.loads(mfp_sim("fleet", plan, "--find", "workers", "--json").out)
    failed = {run["workers"]: run["figures"]["failed"] if "figures" in run else None for run in value["search"]}
    found = value["found"]
    assert {found - 1, found, found + 1} <= set(failed)
    assert f"{found:>8} {0:>10}" in shown.out
    assert "<- the smallest without failed requests" in shown.out


def test_more_workers_do_not_help_against_an_outage(mfp_sim, plan: Path, tmp_path: Path) -> None:
    plan.write_text(PLAN + "outages: [{from: 2026-03-02 09:00, for: 3h}]\n")
    shown = mfp_sim("fleet", plan, "--find", "workers", "--report", tmp_path / "out")
    assert (shown.code, shown.err) == (1, "")
    says = "30 requests fail even with 30 workers, with which no request waits: more workers do not help"
    assert f"no number of workers that was tried is enough: {says}\n" in shown.out
    assert "    remedy: check days, outages, approvals and polling\n" in shown.out
    assert shown.out.splitlines()[-1] == f"Not as expected. Next: open {tmp_path / 'out' / 'fleet.html'}"
    assert f"No number of workers that was tried is enough: {says}." in (tmp_path / "out" / "fleet.html").read_text()
    assert json.loads((tmp_path / "out" / "fleet.json").read_text())["hopeless"] == says


def test_a_limit_without_a_value_is_not_met_in_text_json_and_page(mfp_sim, plan: Path, tmp_path: Path) -> None:
    outage = "outages: [{from: 2026-03-02 08:00, for: 60d}]\n"
    plan.write_text(PLAN.replace("compare: [{adjust: true}]\n", f"{outage}expect: {{waiting_p99: 1s}}\n"))
    shown = mfp_sim("fleet", plan, "--report", tmp_path / "out")
    text = "waiting_p99: at most 1 s, but the CA served no exchange"
    assert (shown.code, f"not as expected: {text}\n" in shown.out) == (1, True)
    assert re.search(r"waiting for the CA: 99 of 100 +–\n", shown.out)
    value = json.loads((tmp_path / "out" / "fleet.json").read_text())
    assert (value["unmet"], value["runs"][0]["figures"]["waiting_p99"]) == ([text], None)
    page = (tmp_path / "out" / "fleet.html").read_text()
    assert f"<p>Not as expected: {text}</p>" in page
    assert '<th scope="row">waiting for the CA: 99 of 100</th><td class="n">–</td>' in page


def test_days_that_end_before_an_outage_are_refused(mfp_sim, plan: Path) -> None:
    plan.write_text(PLAN + "outages: [{from: 2026-03-20 09:00, for: 3h}]\n")
    assert mfp_sim("fleet", plan).code == 0
    shown = mfp_sim("fleet", plan, "--days", "2")
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == (
        "mfp-sim: --days 2: the outage from 2026-03-20 09:00 begins after the simulated time, which ends at "
        "2026-03-04 09:00 (19 days or more, or an earlier outage)\n"
    )


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--days", "36501", "'36501' is not a count from 1 to 36500"),
        ("--days", "0", "'0' is not a count from 1 to 36500"),
        ("--seeds", "0..10000", "'0..10000' has more than 10000 seeds"),
        ("--seeds", "0..99999999999", "'0..99999999999' has more than 10000 seeds"),
        ("--seeds", "3..2", "'3..2' is not a range of seeds such as 0..49"),
    ],
)
def test_a_run_has_bounds(mfp_sim, plan: Path, option: str, value: str, says: str) -> None:
    shown = mfp_sim("fleet", plan, option, value)
    assert (shown.code, f"argument {option}: {says}" in shown.err) == (2, True), shown.err
    plan.write_text(PLAN.replace("days: 29", f"days: {MOST_DAYS + 1}"))
    assert f"days has to be from 1 to {MOST_DAYS}, not {MOST_DAYS + 1}" in mfp_sim("fleet", plan).err


def test_real_printers_agree_with_the_model(mfp_sim, plan: Path) -> None:
    shown = mfp_sim("fleet", plan, "--real", "12")
    assert shown.code == 0
    assert "with real messages" in shown.out
    assert "the modelled printers have the same outcomes, with the same number of exchanges" in shown.out


def test_without_a_number_all_printers_of_the_plan_are_real(mfp_sim, plan: Path) -> None:
    plan.write_text(PLAN.replace("count: 30", "count: 5").replace("compare: [{adjust: true}]\n", ""))
    shown = mfp_sim("fleet", plan, "--real")
    assert "small: 5 printers" in shown.out
    assert "this run checks the model, not the CA" not in shown.out
    assert "3 printers at the plan's CA: this run checks the model" in mfp_sim("fleet", plan, "--real", "3").out


def test_too_many_real_printers(mfp_sim, plan: Path) -> None:
    shown = mfp_sim("fleet", plan, "--real", "1001")
    assert (shown.code, "1001 printers are too many for real messages" in shown.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["printers-09"], "did you mean 'printers-09-00'?"),
        (["nothing-like-it"], "plans of the package: "),
        (["printers-09-00", "midnight-herd"], "several plans were given"),
        (["printers-09-00", "--find", "workers", "--real"], "leave out --real and --seeds"),
        (["--merge", "no.json"], "cannot read no.json"),
        (["--merge", "no.json", "--days", "2"], "--days has no effect with --merge (leave it out)"),
        (["--merge", "no.json", "--seed", "2"], "--seed has no effect with --merge (leave it out)"),
        (["--merge", "no.json", "--seeds", "2..3"], "--seeds has no effect with --merge (leave it out)"),
        (["--merge", "no.json", "--real"], "--real has no effect with --merge (leave it out)"),
        (["--merge", "no.json", "--find", "workers"], "--find has no effect with --merge (leave it out)"),
        (["--merge", "no.json", "--jobs", "2"], "--jobs has no effect with --merge (leave it out)"),
    ],
)
def test_mistakes_of_the_command_line(mfp_sim, words: list[str], said: str) -> None:
    shown = mfp_sim("fleet", *words)
    assert (shown.code, said in shown.err) == (2, True)


def test_a_report_that_is_none(mfp_sim, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("{")
    assert "is not JSON" in mfp_sim("fleet", "--merge", file).err
    file.write_text('{"format": 1, "plan": {}, "runs": [{}]}')
    shown = mfp_sim("fleet", "--merge", file)
    assert shown.code == 2
    assert f"{file}.plan" in shown.err


def test_the_files_of_a_report(mfp_sim, plan: Path, tmp_path: Path) -> None:
    mfp_sim("fleet", plan, "--report", tmp_path / "out")
    page = (tmp_path / "out" / "fleet.html").read_text()
    lines = (tmp_path / "out" / "fleet.csv").read_text().splitlines()
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page
    assert "<script" not in page
    assert lines[0] == "variation,seed,time,requests,unserved,queue,certificates"
    assert lines[1].startswith(",1,2026-03-02T09:00:00+00:00,")
    assert lines[-1].startswith("adjust: true,1,")


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.name)
def test_the_plans_that_come_along_are_read_and_short(mfp_sim, file: Path) -> None:
    assert mfp_sim("check", file).out == f"1 fleet plan, no mistakes. Next: mfp-sim fleet {file}\n"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) <= 35


def test_check_reports_mistakes_of_scenarios_and_plans_together(mfp_sim, plan: Path, tmp_path: Path) -> None:
    plan.write_text(PLAN + "dayz: 3\n")
    (tmp_path / "x.scenario.yaml").write_text("format: 1\n")
    shown = mfp_sim("check", tmp_path)
    assert shown.code == 2
    assert "unknown key 'dayz' in a fleet plan (did you mean 'days'?)" in shown.err
    assert "x.scenario.yaml" in shown.err


def test_the_committed_schema_of_plans_is_what_the_tables_say(mfp_sim) -> None:
    committed = ROOT / "scenarios" / "fleet.schema.json"
    assert mfp_sim("schema", "fleet").out == committed.read_text(), "mfp-sim schema fleet > scenarios/fleet.schema.json"
    assert json.loads(committed.read_text()) == fleet_schema()


def test_odd_reports_are_refused(mfp_sim, tmp_path: Path) -> None:
    plan = tmp_path / "one.fleet.yaml"
    plan.write_text("format: 1\nname: one\nprinters:\n  - {name: a, count: 1, start: 2026-03-02 09:00}\n")
    written = json.loads(mfp_sim("fleet", plan, "--json").out)
    run = written["runs"][0]
    for runs, said in (
        ([], "has no run of the plan itself"),
        ([run, run], "both have a run with seed 1"),
        ([{**run, "workers": 0}], "workers"),
        ([{**run, "printers": 0}], "printers"),
    ):
        odd = tmp_path / "odd.json"
        odd.write_text(json.dumps({**written, "runs": runs}))
        shown = mfp_sim("fleet", "--merge", odd)
        assert (shown.code, said in shown.err) == (2, True), shown.err
    odd.write_text(json.dumps({**written, "runs": [{**run, "outcomes": {}}]}))
    assert "No request ended, so the run has no result." in mfp_sim("fleet", "--merge", odd).out
