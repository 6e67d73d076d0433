"""The verbs that survey: coverage, profiles, power-points, diff."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "deferred-twice-then-issued"


def test_coverage_keeps_said_and_assumed_apart(mfp_sim) -> None:
    lines = mfp_sim("coverage").out.splitlines()
    assert lines[0].startswith("the printer's manual: ")
    assert lines[1].startswith("the printer's manual, resting on assumptions: ")
    rows = {row["id"]: row for row in json.loads(mfp_sim("coverage", "--json").out)}
    assert NAME in rows["MFP-POLL-02"]["scenarios"]
    assert {row["basis"] for row in rows.values()} == {"said", "assumed", "field"}


def test_what_is_missing_is_what_one_scenario_does_not_cover(mfp_sim, scenario) -> None:
    done = mfp_sim("coverage", scenario, "--missing", "MFP-POLL")
    assert {line.split()[0] for line in done.out.splitlines()} >= {"MFP-POLL-01", "MFP-POLL-02"}
    assert mfp_sim("coverage", "--tag", "no-such").code == 5


def test_profiles_say_every_value_and_its_source(mfp_sim) -> None:
    assert "canon-ir-adv-dx" in mfp_sim("profiles").out
    shown = json.loads(mfp_sim("profiles", "canon-ir-adv-dx", "--json").out)
    assert shown["values"]["key_limit"] == {"value": 8, "source": "A-26"} or shown["values"]["key_limit"]["value"] == 8
    assert "key_limit" in mfp_sim("profiles", "canon-ir-adv-dx").out
    done = mfp_sim("profiles", "canon-ir-adv-xd")
    assert done.code == 2
    assert "canon-ir-adv-dx" in done.err


def test_power_points_and_what_is_left_after_each(mfp_sim) -> None:
    points = json.loads(mfp_sim("power-points", NAME, "--json").out)
    assert {"PKCSReq.before", "PKCSReq.after", "CertPoll.after"} <= {row["point"] for row in points}
    cut = json.loads(mfp_sim("power-points", NAME, "--cut", "--json").out)
    assert [row["broken"] for row in cut] == [[]] * len(points)


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
    assert done.out.startswith("event ")
    (tmp_path / "no.jsonl").write_text("{}\n")
    assert "is not a trace" in mfp_sim("diff", first, tmp_path / "no.jsonl").err
    assert "cannot read" in mfp_sim("diff", first, tmp_path / "nowhere").err
