"""The verbs that survey: coverage, profiles, power-points, diff."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from mfp_sim.cli import survey
from mfp_sim.device import printer_profile as profile

NAME = "deferred-twice-then-issued"
FILE = Path(__file__).parents[2] / "scenarios/polling/deferred_twice_then_issued.scenario.yaml"


def test_coverage_keeps_said_and_assumed_apart(mfp_sim) -> None:
    lines = mfp_sim("coverage").out.splitlines()
    assert lines[0].startswith("the printer's manual: ")
    assert lines[1].startswith("the printer's manual, depending on assumptions: ")
    rows = {row["id"]: row for row in json.loads(mfp_sim("coverage", "--json").out)}
    assert NAME in rows["MFP-POLL-02"]["scenarios"]
    assert {row["basis"] for row in rows.values()} == {"said", "assumed", "field"}


def test_a_prefix_of_which_nothing_is_missing_or_that_is_no_prefix_is_told(mfp_sim) -> None:
    done = mfp_sim("coverage", "--missing", "MFP-POLL")
    assert (done.code, done.out) == (0, "")
    assert done.err == "mfp-sim: scenarios cover every id that begins with MFP-POLL\n"
    done = mfp_sim("coverage", "--missing", "MPF")
    assert (done.code, done.err) == (2, "mfp-sim: no id begins with 'MPF' (did you mean 'MFP'?)\n")


def test_what_is_missing_is_what_one_scenario_does_not_cover(mfp_sim, scenario) -> None:
    done = mfp_sim("coverage", scenario, "--missing", "MFP-POLL")
    assert {line.split()[0] for line in done.out.splitlines()} >= {"MFP-POLL-01", "MFP-POLL-02"}
    assert mfp_sim("coverage", "--tag", "no-such").code == 5


def test_entry_by_entry_said_and_assumed_apart(mfp_sim) -> None:
    done = mfp_sim("coverage", NAME, "menu-of-the-remote-ui", "--manual")
    assert done.code == 0
    lines = done.out.splitlines()
    assert next(line for line in lines if line.startswith("MFP-POLL-02")).split()[1:4] == ["assumed", "pass", NAME]
    menu = next(line for line in lines if line.startswith("MFP-UI-01"))
    assert menu.split()[1:4] == ["said", "pass", "menu-of-the-remote-ui"]
    assert lines[-3].startswith("said: ")
    assert lines[-2].startswith("assumed: ")
    rows = {row["id"]: row for row in json.loads(mfp_sim("coverage", NAME, "--manual", "--json").out)}
    assert rows["MFP-POLL-02"]["scenarios"] == [
        {"name": NAME, "outcome": "passed", "assumes": ["A-35", "A-38"], "basis": "assumed"}
    ]
    assert (rows["MFP-POLL-03"]["verdict"], rows["MFP-POLL-02"]["basis"]) == ("none", "assumed")
    assert "| MFP-POLL-02 |" in mfp_sim("coverage", NAME, "--manual", "--markdown").out


def test_a_statement_whose_scenario_fails_is_failed(mfp_sim, tmp_path: Path) -> None:
    broken = tmp_path / "broken.scenario.yaml"
    broken.write_text(FILE.read_text().replace("transactions: 1", "transactions: 2"))
    done = mfp_sim("coverage", broken, "--manual")
    assert done.code == 1
    assert next(line for line in done.out.splitlines() if line.startswith("MFP-POLL-02")).split()[2] == "FAIL"


def test_the_report_of_a_run_has_the_coverage(mfp_sim, tmp_path: Path) -> None:
    mfp_sim("run", NAME, "--report", tmp_path)
    rows = {row["id"]: row for row in json.loads((tmp_path / "report.json").read_text())["coverage"]}
    assert rows["SCEP-4.4-03"]["verdict"] == "pass"
    assert rows["MFP-POLL-02"]["basis"] == "assumed"
    assert rows["MFP-POLL-02"]["scenarios"][0]["assumes"] == ["A-35", "A-38"]


def test_the_schema_takes_every_shipped_model_and_refuses_mistakes(mfp_sim) -> None:
    validator = Draft202012Validator(json.loads(mfp_sim("profiles", "--schema").out))
    for file in (Path(profile.__file__).parent / "profiles").glob("*.yaml"):
        assert list(validator.iter_errors(yaml.safe_load(file.read_text()))) == [], file.name
    for values in ({"key_limit": {"value": "8", "source": "A-26"}}, {"key_limit": {"value": 8}}, {"key_limitt": {}}):
        assert list(validator.iter_errors({"format": 1, "name": "mine", "values": values}))


def test_a_model_from_a_file_runs_scenarios(mfp_sim, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("format: 1\nname: mine\nbase: canon-ir-adv-dx\nvalues:\n  key_limit: {value: 4, source: A-26}\n")
    assert '"value": 4' in mfp_sim("profiles", file, "--json").out
    done = mfp_sim("run", "limit-of-the-model[eight]", "--profile", file)
    assert done.code == 1
    assert f"--profile {file}" in done.out
    assert mfp_sim("run", "manual-request", "--profile", file, "--jobs", "2").code == 0
    file.write_text(file.read_text().replace("value: 4", "value: 1"))
    wrong = mfp_sim("run", "manual-request", "--profile", file)
    assert wrong.code == 2
    assert f"{file}:1:1: key_limit has to leave room" in wrong.err


def test_profiles_say_every_value_and_its_source(mfp_sim) -> None:
    assert "canon-ir-adv-dx" in mfp_sim("profiles").out
    shown = json.loads(mfp_sim("profiles", "canon-ir-adv-dx", "--json").out)
    assert shown["values"]["key_limit"] == {"value": 8, "source": "A-26"} or shown["values"]["key_limit"]["value"] == 8
    assert "key_limit" in mfp_sim("profiles", "canon-ir-adv-dx").out
    done = mfp_sim("profiles", "canon-ir-adv-xd")
    assert done.code == 2
    assert "canon-ir-adv-dx" in done.err


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_scenario_in_which_no_power_can_fail_proves_nothing(mfp_sim, scenario, more: tuple[str, ...]) -> None:
    steps = "steps:\n  - expect: {powered: true}\n"
    scenario.write_text(
        scenario.read_text()
        .replace("printer: {communication: {url: http://ca.example/scep}}\n", "")
        .partition("steps:")[0]
        + steps
    )
    done = mfp_sim("power-points", scenario, "--cut", *more)
    assert (done.code, "is sound" in done.out) == (5, False)


def test_power_points_and_what_is_left_after_each(mfp_sim) -> None:
    points = json.loads(mfp_sim("power-points", NAME, "--json").out)
    assert {"PKCSReq.before", "PKCSReq.after", "CertPoll.after"} <= {row["point"] for row in points}
    cut = json.loads(mfp_sim("power-points", NAME, "--cut", "--json").out)
    assert [row["broken"] for row in cut] == [[]] * len(points)


def test_instants_at_which_the_power_can_fail(mfp_sim) -> None:
    asked = ("power-points", "another-request-while-one-is-processed", "--every", "8s")
    cut = json.loads(mfp_sim(*asked, "--cut", "--json").out)
    times = [f"2026-03-02T07:00:{second:02}+00:00" for second in (0, 8, 16)]
    assert [(row["point"], row["at"], row["broken"]) for row in cut] == [("PKCSReq", time, []) for time in times]
    shown = mfp_sim(*asked, "--cut").out
    assert "   2  PKCSReq (2026-03-02 08:00:08.000)  sound\n" in shown, "the printer's local time"
    assert shown.endswith("\nThe printer is sound after each of 3 power failures\n")


def test_a_printer_that_is_not_sound_after_one_of_them(mfp_sim, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_at = survey.cut_at

    def planted(scenario, point, **more):
        found = cut_at(scenario, point, **more)
        return replace(found, broken=("the key is gone",)) if point.number == 2 else found

    monkeypatch.setattr(survey, "cut_at", planted)
    done = mfp_sim("power-points", "another-request-while-one-is-processed", "--every", "8s", "--cut")
    assert done.code == 1
    assert "   2  PKCSReq (2026-03-02 08:00:08.000)  FAIL  the key is gone\n" in done.out
    assert done.out.endswith("\nThe printer is not sound after 1 of 3 power failures\n")


def test_instants_of_a_scenario_that_has_none(mfp_sim) -> None:
    done = mfp_sim("power-points", "manual-request", "--every", "1s")
    assert done.code == 2
    assert "no exchange of manual-request takes any time" in done.err
    assert "'soon' is not a duration" in mfp_sim("power-points", NAME, "--every", "soon").err


def test_power_points_want_one_scenario(mfp_sim) -> None:
    done = mfp_sim("power-points", "fail-info")
    assert done.code == 2
    assert "fail-info is 5 scenarios" in done.err


def test_diff_of_traces(mfp_sim, tmp_path: Path) -> None:
    for number in (1, 2):
        mfp_sim("run", NAME, "--seed", number, "--report", tmp_path / str(number))
    first, second = (tmp_path / number / "traces" / f"{NAME}.jsonl" for number in "12")
    assert mfp_sim("diff", first, first).out == "the traces are the same\n"
    done = mfp_sim("diff", first, second)
    assert done.code == 1
    for line in done.out.splitlines():
        assert re.fullmatch(r"event\[\d+\]\.[\w.]+: .+ -> .+", line), line
    for text in ("{}\n", '{"time": ' + "[" * 100_000):
        (tmp_path / "no.jsonl").write_text(text)
        assert "is not a trace" in mfp_sim("diff", first, tmp_path / "no.jsonl").err
    assert "cannot read" in mfp_sim("diff", first, tmp_path / "nowhere.jsonl").err


def test_diff_of_traces_pairs_events_and_shows_only_what_differs(mfp_sim, tmp_path: Path) -> None:
    at = "2026-03-02T08:00:00+00:00"
    request = {"time": at, "kind": "exchange.request", "operation": "PKCSReq", "csr": {"a": 1, "b": 2}}
    reply = {"time": at, "kind": "exchange.reply", "operation": "PKCSReq", "status": 200}
    cut = {"time": at, "kind": "power.cut", "point": "by hand"}
    other = [cut, {**request, "csr": {"a": 1, "b": "2"}}, {**reply, "status": 500}]
    for name, entries in (("a", [request, reply]), ("b", other)):
        (tmp_path / name).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    done = mfp_sim("diff", tmp_path / "a", tmp_path / "b")
    assert done.code == 1
    assert done.out.splitlines() == [
        f'event[0]: (absent) -> {{"time": "{at}", "kind": "power.cut", "point": "by hand"}}',
        'event[0].csr.b: 2 -> "2"',
        "event[1].status: 200 -> 500",
    ]


def test_diff_of_reports(mfp_sim, tmp_path: Path, scenario: Path) -> None:
    mfp_sim("run", scenario, "--report", tmp_path / "1")
    mfp_sim("run", scenario, "--report", tmp_path / "2")
    first, second = (tmp_path / number / "report.json" for number in "12")
    done = mfp_sim("diff", first, second)
    assert (done.code, done.out) == (0, "the reports are the same, apart from the time that the runs took\n")
    report = json.loads(second.read_text())
    report["scenarios"][0]["tags"] = ["other"]
    report["flips"] = ["A-22=5xx"]
    packed = tmp_path / "changed.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(report).encode()))
    done = mfp_sim("diff", first, packed)
    assert done.code == 1
    assert sorted(done.out.splitlines()) == [
        'flips[0]: (absent) -> "A-22=5xx"', 'scenarios[enrols].tags[0]: "smoke" -> "other"',
    ]  # fmt: skip
    assert "is a report, but" in mfp_sim("diff", first, tmp_path / "1/traces/enrols.jsonl").err


def test_diff_of_scenarios_shows_what_they_do_differently(mfp_sim, tmp_path: Path, scenario: Path) -> None:
    done = mfp_sim("diff", "lost-reply-then-issued[reset]", "lost-reply-then-issued[stalled]")
    assert done.code == 1
    assert done.out.splitlines() == [
        'ca.script[1].faults[1]: "reset" -> "stall"',
        'steps[5].expect.messages_at[2]: "2026-03-02 09:10:00" -> "2026-03-02 09:10:30"',
    ]
    same = tmp_path / "same.scenario.yaml"
    same.write_text(re.sub("(?m)^name:.*$", "name: other  # a comment", scenario.read_text()))
    done = mfp_sim("diff", scenario, same)
    assert (done.code, done.out) == (0, "the scenarios do the same\n")
    done = mfp_sim("diff", "lost-reply-then-issued", scenario)
    assert done.code == 2
    assert "is 5 scenarios" in done.err


def test_diff_of_scenarios_shows_no_secret(mfp_sim, tmp_path: Path) -> None:
    for number, steps in ((1, ""), (2, "  - request: {name: a, common_name: 192.0.2.1, challenge: canary-b}\n")):
        head = f"format: 1\nname: s-{number}\nwhy: W.\nclock: 2026-03-02T08:00:00+00:00\n"
        head += f"ca: {{challenge: {{static: canary-{number}}}}}\nsteps:\n"
        (tmp_path / f"{number}.scenario.yaml").write_text(f"{head}{steps}  - expect: {{powered: true}}\n")
    done = mfp_sim("diff", tmp_path / "1.scenario.yaml", tmp_path / "2.scenario.yaml")
    assert done.code == 1
    assert done.out.splitlines() == [
        "ca.challenge.static: differs (a secret, not shown)",
        'steps[1]: (absent) -> {"request": {"name": "a", "common_name": "192.0.2.1", "challenge": "***"}}',
    ]


def test_every_failure_of_the_field_has_a_scenario_or_a_reason_and_not_both(mfp_sim) -> None:
    from mfp_sim.scenario.collection import select
    from mfp_sim.shared.catalogue.registry import field_failures

    covered = {entry for scenario in select([]) for entry in scenario.covers}
    assert {name for name, failure in field_failures().items() if failure.elsewhere is None} == covered & set(
        field_failures()
    )
    done = mfp_sim("coverage", NAME, "--field")
    (line,) = [line for line in done.out.splitlines() if line.startswith("F-T16 ")]
    assert line.split(maxsplit=3)[1:3] == ["field", "none"]
    assert "the printer speaks no HTTPS (F-T17)" in line
    assert "no scenario: the printer speaks no HTTPS" in mfp_sim("explain", "F-T16").out
    rows = {row["id"]: row for row in json.loads(mfp_sim("coverage", NAME, "--field", "--json").out)}
    assert (rows["F-T16"]["reason"], rows["F-K01"]["reason"]) == ("the printer speaks no HTTPS (F-T17)", None)
