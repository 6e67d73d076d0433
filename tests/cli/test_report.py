"""``mfp-sim report``, and what ``run --report`` and ``run --github`` write."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from mfp_sim.report.json_report import read_file, report_schema
from mfp_sim.report.writing import FORMATS


@pytest.fixture(autouse=True)
def outside_of_github(monkeypatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def reports(mfp_sim, scenario, failing, tmp_path: Path) -> Path:
    """Reports of a run in which one scenario failed."""
    assert mfp_sim("run", scenario, failing, "--report", tmp_path / "out").code == 1
    return tmp_path / "out"


def test_run_writes_every_format_and_report_makes_the_same_page(mfp_sim, reports: Path) -> None:
    again = reports / "again.html"
    done = mfp_sim("report", reports / "report.json", "-o", again)
    assert (done.code, done.out) == (0, "")
    assert "again.html" in done.err
    assert again.read_text() == (reports / "report.html").read_text()
    assert (
        mfp_sim("report", reports / "report.json", "--format", "markdown").out == (reports / "summary.md").read_text()
    )
    assert mfp_sim("report", reports / "report.json", "--format", "junit").out == (reports / "junit.xml").read_text()
    assert mfp_sim("report", reports / "report.json", "--format", "json").out == (reports / "report.json").read_text()
    assert "::error file=" in mfp_sim("report", reports / "report.json", "--format", "github").out


def test_packed_and_pretty(mfp_sim, reports: Path) -> None:
    packed = reports / "again.json.gz"
    assert mfp_sim("report", reports / "report.json", "--format", "json", "-o", packed).code == 0
    assert mfp_sim("report", packed, "--format", "json").out == (reports / "report.json").read_text()
    page = reports / "page.html.gz"
    assert mfp_sim("report", packed, "-o", page).code == 0
    assert gzip.decompress(page.read_bytes()).decode() == (reports / "report.html").read_text()
    pretty = mfp_sim("report", packed, "--format", "json", "--pretty").out
    assert pretty.splitlines()[1] == ' "schema_version": 3,'
    assert json.loads(pretty) == json.loads((reports / "report.json").read_text())
    done = mfp_sim("report", packed, "--pretty")
    assert (done.code, "--pretty applies only to JSON" in done.err) == (2, True)


def test_in_norwegian(mfp_sim, reports: Path) -> None:
    assert '<html lang="nb">' in mfp_sim("report", reports / "report.json", "--lang", "nb").out


def test_a_real_report_fits_the_schema_and_tells_where_it_comes_from(mfp_sim, reports: Path, scenario, failing) -> None:
    value = json.loads((reports / "report.json").read_text())
    jsonschema.validate(value, report_schema(), cls=jsonschema.Draft202012Validator)
    source = value["provenance"]
    assert source["command"] == f"mfp-sim run {scenario} {failing}"
    assert source["begun"]
    assert source["dependencies"]["cryptography"]
    good, bad = value["scenarios"]
    assert [exchange["operation"] for exchange in good["exchanges"]] == ["GetCACaps", "GetCACert", "PKCSReq"]
    assert good["minted"][0]["fate"] == "installed"
    assert bad["failures"][0]["source"][0]["text"] == "  - expect: {status: {state: error}}"
    assert json.loads(mfp_sim("report", "--schema").out) == report_schema()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no report was given"),
        (["nowhere.json"], "cannot read nowhere.json: No such file or directory (give a report.json that mfp-sim run"),
        (["--format", "pdf"], "invalid choice: 'pdf'"),
    ],
)
def test_what_is_wrong_is_said(mfp_sim, words: list[str], text: str) -> None:
    done = mfp_sim("report", *words)
    assert done.code == 2
    assert text in done.err


def test_a_trace_is_no_report(mfp_sim, reports: Path) -> None:
    done = mfp_sim("report", reports / "traces" / "enrols.jsonl")
    assert done.code == 2
    assert "is not JSON (give a report.json that mfp-sim run --report DIR wrote)" in done.err


def test_a_scenario_is_not_a_report(mfp_sim, scenario: Path, tmp_path: Path) -> None:
    done = mfp_sim("report", scenario)
    assert done.err == f"mfp-sim: {scenario} is not JSON (give a report.json that mfp-sim run --report DIR wrote)\n"
    (tmp_path / "cut.json").write_text('{\n"a": ')
    assert "cut.json is not JSON, from line 2, column 6 (" in mfp_sim("report", tmp_path / "cut.json").err


def test_a_badge_of_a_run_without_a_grade_is_refused(mfp_sim, reports: Path) -> None:
    done = mfp_sim("report", reports / "report.json", "--format", "badge")
    assert (done.code, done.out) == (2, "")
    assert "report.json is the report of a run without a grade, which a badge shows (give a report of" in done.err


def test_a_report_that_is_nested_too_deeply_is_refused(mfp_sim, reports: Path, monkeypatch) -> None:
    """How deep that is depends on the version of Python: what it reads it may not be able to show."""
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    whole = read_file(reports / "report.json")
    event = {"time": "2026-03-02T08:00:00+00:00", "kind": "from.tomorrow", "deep": deep}
    odd = replace(whole, scenarios=(replace(whole.scenarios[0], trace=(event,)),))
    monkeypatch.setattr("mfp_sim.cli.report.read_file", lambda _: odd)
    for kind in ("html", "json"):
        done = mfp_sim("report", reports / "report.json", "--format", kind)
        assert (done.code, "nested too deeply" in done.err) == (2, True)


def test_a_place_that_cannot_be_written(mfp_sim, reports: Path) -> None:
    done = mfp_sim("report", reports / "report.json", "-o", reports)
    assert done.code == 2
    assert "cannot write" in done.err


@pytest.mark.parametrize(("which", "code"), [("scenario", 0), ("failing", 1)])
def test_a_reporter_that_crashes_leaves_the_run_as_it_was(mfp_sim, request, monkeypatch, tmp_path, which, code) -> None:
    def crash(report, language):
        raise ValueError("planted")

    monkeypatch.setitem(FORMATS, "html", replace(FORMATS["html"], make=crash))
    done = mfp_sim("run", request.getfixturevalue(which), "--report", tmp_path / "out")
    assert done.code == code
    assert "report.html: ValueError: planted" in done.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.json", "summary.md", "junit.xml", "traces"}


def test_a_directory_that_cannot_be_is_said_before_anything_runs(mfp_sim, scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = mfp_sim("run", scenario, "--report", tmp_path / "file" / "out")
    assert done.code == 2
    assert "pass  enrols" not in done.out


def test_github_is_told_what_failed(mfp_sim, failing, tmp_path: Path, monkeypatch) -> None:
    page = tmp_path / "summary"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert "::error" not in mfp_sim("run", failing).out
    told = f"::error file={failing},line=10,col=22,title=fails::status.state: expected error, got successful"
    assert told in mfp_sim("run", failing, "--github").out
    assert page.read_text().startswith("before\n## mfp-sim report")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    before = page.read_text()
    assert told in mfp_sim("run", failing).out
    assert page.read_text() == before


def test_a_summary_page_that_cannot_be_written_stops_nothing(mfp_sim, scenario, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    done = mfp_sim("run", scenario, "--github")
    assert done.code == 0
    assert "cannot write the GitHub summary" in done.err


def test_no_secret_is_in_any_report(mfp_sim, tmp_path: Path, failing) -> None:
    """A wrong challenge in a step that fails, in the lines that are shown."""
    failing.write_text(
        failing.read_text().replace("challenge: canary-5c0d,", "").replace(
            "- expect:", "- request: {name: l, common_name: '', challenge: other-canary}\n  - expect:"
        )
    )  # fmt: skip
    done = mfp_sim("run", failing, "--report", tmp_path / "out", "--github")
    assert done.code == 1
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any("challenge: ********" in path.read_text() for path in files)
    for text in [done.out, done.err, *(path.read_text() for path in files)]:
        assert "canary" not in text
