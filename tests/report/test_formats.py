"""JUnit, Markdown and GitHub annotations; a reporter that fails stops nothing."""

from __future__ import annotations

import gc
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from report_samples import HOSTILE, check, conformance_run, failed, opened, scenario, scenario_run

from mfp_sim.report import writing
from mfp_sim.report.badge import as_badge
from mfp_sim.report.console import Console
from mfp_sim.report.github import as_annotations
from mfp_sim.report.html_report import as_html
from mfp_sim.report.junit import as_junit
from mfp_sim.report.markdown import as_markdown
from mfp_sim.report.model import Baseline, FailureReport, Grade, PrinterVerdict
from mfp_sim.report.writing import FORMATS, ready, write_reports

# --- JUnit ------------------------------------------------------------------------------------------------


def test_junit_has_a_suite_a_scenario_and_a_case_a_step() -> None:
    suites = list(ET.fromstring(as_junit(scenario_run())))
    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("skipped")) for s in suites] == [
        ("enrols", "1", "0", "0"), ("fails", "1", "1", "0"), ("not-here", "1", "0", "1"),
    ]  # fmt: skip
    failure = suites[1].find("testcase/failure")
    assert failure.get("message") == "status.state: expected error, got successful"


def test_junit_shows_a_failure_that_belongs_to_no_step() -> None:
    odd = replace(scenario(), failures=(FailureReport(0, "f", "trace[3]", "a", "b"),))
    (suite,) = ET.fromstring(as_junit(scenario_run(odd)))
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite.find("testcase/failure").get("message") == "trace[3]: expected a, got b"


def test_junit_of_checks_by_section() -> None:
    run = conformance_run()
    waived = check("known", "fail", waived="fixed in 2.2", section="4.3")
    suite, other, printers, baseline = ET.fromstring(as_junit(replace(run, checks=(*run.checks, waived))))
    assert suite.get("name") == "RFC 8894 3.2.1.4"
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("8", "1", "4")
    kinds = [[child.tag for child in case] for case in suite if case.tag == "testcase"]
    assert kinds == [
        ["failure"],
        ["system-out"],
        ["system-out"],
        ["skipped"],
        [],
        ["skipped"],
        ["skipped"],
        ["skipped"],
    ]
    assert "The server answers with a nonce of its own." in suite.find("testcase/failure").text
    assert (other.get("failures"), other.get("skipped")) == ("0", "1")
    assert "fixed in 2.2" in other.find("testcase/skipped").get("message")
    assert (printers.get("name"), baseline.get("name")) == ("Printers", "baseline baseline.yaml")
    told = {case.get("name"): case.find("failure").get("message") for case in baseline}
    assert told == {"reply-nonce": "not expected", "get-crl": "no longer failing: remove the line"}


@pytest.mark.parametrize(
    ("baseline", "outcome"),
    [
        (None, "failure"),
        (Baseline("b", ("printer:other",)), "failure"),
        (Baseline("b", ("reply-nonce",)), "system-out"),
    ],
)
def test_junit_of_printers(baseline: Baseline | None, outcome: str) -> None:
    run = conformance_run()
    untried = PrinterVerdict("untried", "not-tried", ("only reading is allowed",))
    about = replace(run.provenance, baseline=baseline)
    text = as_junit(replace(run, checks=(), printers=(*run.printers, untried), provenance=about))
    suite, *_ = ET.fromstring(text)
    assert (suite.get("tests"), suite.get("skipped")) == ("3", "1")
    assert suite.get("failures") == str(int(outcome == "failure"))
    kinds = {case.get("name"): [child.tag for child in case] for case in suite if case.tag == "testcase"}
    assert kinds == {"canon-ir-adv-dx": [], "other": [outcome], "untried": ["skipped"]}
    assert suite.find("testcase/skipped").get("message") == "not-tried: only reading is allowed"


def test_junit_holds_hostile_text() -> None:
    hostile = check("x", "fail", because=HOSTILE)
    suite, *_ = ET.fromstring(as_junit(replace(conformance_run(), checks=(hostile,))))
    message = suite.find("testcase/failure").get("message")
    assert "<script>" in message
    assert "\x1b" not in message


# --- Markdown ---------------------------------------------------------------------------------------------


def test_markdown_tells_counts_facts_and_failures() -> None:
    text = as_markdown(scenario_run())
    assert "**1 passed, 1 failed, 1 skipped**" in text
    assert (
        "- **fails**\n  - What: `my.scenario.yaml:6:15 status.state`\n  - Expected: `error`\n  - Got: `successful`"
        in text
    )
    assert "mfp-sim run my.scenario.yaml::fails --seed 7" in text
    assert "forventet" not in text
    assert "**1 bestått, 1 feilet, 1 hoppet over**" in as_markdown(scenario_run(), "nb")


def test_markdown_of_checks() -> None:
    text = as_markdown(conformance_run())
    assert "- **RFC 8894**: fail. 1 MUST is broken" in text
    assert "| canon-ir-adv-dx | works |" in text
    assert "Likely mistake: `The server answers with a nonce of its own.`" in text


@pytest.mark.parametrize("hostile", [HOSTILE, "`` a ` b ``", "a | b", "one\n## two", "@everyone [x](http://y)"])
def test_markdown_holds_hostile_text(hostile: str) -> None:
    bad = check("x", "fail", title=hostile, got=hostile, because=hostile)
    text = as_markdown(replace(conformance_run(), checks=(bad,), target=hostile, stopped=hostile))
    for line in text.split("\n"):
        assert not line.startswith("## two")
        outside = (
            "".join(part for number, part in enumerate(line.split("`")) if number % 2 == 0) if "``" not in line else ""
        )
        for raw in ("<script", "<img", "@everyone", "](http"):
            assert raw not in outside.replace("\\<", "").replace("\\]", "")
    assert "\x1b" not in text
    tables = [line for line in text.split("\n") if line.startswith("| Target")]
    assert [line.replace("\\|", "").count("|") for line in tables] == [3]


def test_markdown_stays_small() -> None:
    many = tuple(failed(f"n{number}") for number in range(80))
    text = as_markdown(scenario_run(*many))
    assert text.count("Expected:") == 50
    assert "… +30" in text


# --- GitHub -----------------------------------------------------------------------------------------------


def test_annotations_say_where() -> None:
    lines = as_annotations(scenario_run()).splitlines()
    place = "file=my.scenario.yaml,line=6,col=15,title=fails"
    told = "status.state: expected error, got successful%0Arepeat with: mfp-sim run my.scenario.yaml::fails --seed 7"
    assert lines == [f"::error {place}::{told}"]


def test_annotations_of_checks_by_kind() -> None:
    run = conformance_run()
    lines = as_annotations(replace(run, checks=(*run.checks, check("known", "fail", waived="yes")))).splitlines()
    kinds = ["::error", "::warning", "::notice", "::error"]
    assert [line.split(" ")[0] for line in lines] == kinds
    assert lines[3] == "::error title=baseline%3A get-crl::no longer failing: remove the line"


def test_annotations_of_printers_and_of_what_was_not_judged() -> None:
    run = conformance_run()
    printers = (*run.printers[:1], replace(run.printers[1], because=("no certificate",)))
    alone = replace(run, checks=(), printers=printers, provenance=replace(run.provenance, baseline=None))
    assert as_annotations(alone) == "::error title=other does not work::no certificate\n"
    baseline = Baseline("b", ("printer:other",), not_judged=("printer:untried",))
    assert as_annotations(replace(alone, provenance=replace(run.provenance, baseline=baseline))).splitlines() == [
        "::error title=other does not work::no certificate",
        "::error title=baseline%3A printer%3Auntried::listed, but not judged in this run",
    ]


def test_a_server_gives_no_command() -> None:
    hostile = "x\n::stop-commands::y\r::error::z,100%:\x1b"
    line, *_ = as_annotations(
        replace(conformance_run(), checks=(check("x", "fail", because=hostile, title=hostile),))
    ).splitlines()
    assert line.startswith(
        "::error title=x%3A x%0A%3A%3Astop-commands%3A%3Ay%0D%3A%3Aerror%3A%3Az%2C100%25%3A\\u001b::"
    )


def test_nothing_to_say() -> None:
    assert as_annotations(scenario_run(scenario())) == ""


# --- writing ----------------------------------------------------------------------------------------------


def test_a_directory_has_every_report(tmp_path) -> None:
    writing.ready(tmp_path / "out")
    told: list[str] = []
    write_reports(scenario_run(), tmp_path / "out", told.append)
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files >= {
        "report.html",
        "report.json",
        "summary.md",
        "junit.xml",
        "traces/enrols.jsonl",
        "traces/fails.jsonl",
    }
    assert told == []


@pytest.mark.parametrize("broken", ["json", "html", "markdown", "junit"])
def test_a_reporter_that_crashes_is_told_and_the_others_are_written(tmp_path, monkeypatch, broken: str) -> None:
    def crash(report, language):
        raise RecursionError("planted")

    monkeypatch.setitem(FORMATS, broken, replace(FORMATS[broken], make=crash))
    writing.ready(tmp_path)
    told: list[str] = []
    write_reports(scenario_run(), tmp_path, told.append)
    assert len(told) == 1
    assert FORMATS[broken].file in told[0]
    assert "RecursionError: planted" in told[0]
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"report.html", "report.json", "summary.md", "junit.xml", "traces"} - {FORMATS[broken].file}


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_off_while_reports_are_written(enabled: bool, tmp_path: Path, monkeypatch) -> None:
    """A report of a long run is a large heap without garbage. Afterwards the collector is as it was."""
    seen = []

    def make(*_: object) -> str:
        seen.append(gc.isenabled())
        raise ValueError("no report")

    monkeypatch.setitem(FORMATS, "html", replace(FORMATS["html"], make=make))
    (gc.enable if enabled else gc.disable)()
    try:
        write_reports(scenario_run(), tmp_path, lambda _: None)
        assert (seen, gc.isenabled()) == ([False], enabled)
    finally:
        gc.enable()


def test_every_format_is_made_of_every_run() -> None:
    for run in (scenario_run(), conformance_run()):
        for entry in FORMATS.values():
            assert entry.make(run, "nb")
    assert json.loads(FORMATS["json"].make(scenario_run(), "en"))["schema_version"] == 3


def test_markdown_has_the_coverage_with_said_and_assumed_apart() -> None:
    broken = failed("fails", covers=("MFP-POLL-03", "SCEP-2.1.1-01"), rests_on=("A-34",))
    text = as_markdown(scenario_run(broken, scenario("sh|ows", covers=("F-K01",), rests_on=())))
    section = text[text.index("### Coverage") :]
    assert "| Field failures | 1 | 0 | 0 | 0 |" in section
    assert "| fail | fails (failed, A-34) |" in section
    assert "sh\\|ows (passed)" in section
    assert section.rstrip().endswith("</details>")
    many = as_markdown(scenario_run(*(scenario(f"s{n}", covers=("F-K01",)) for n in range(7))))
    assert "+2 |" in many
    assert "### Coverage" not in as_markdown(conformance_run())


# --- what results depend on -------------------------------------------------------------------------------

CLASSES = (
    scenario("said-a", rests_on=(), examined=True),
    scenario("said-b", rests_on=(), examined=True),
    scenario("assumed", rests_on=("A-13", "A-34"), declared=("A-13",), examined=True),
    scenario("own-a", rests_on=(), examined=False),
    scenario("own-b", rests_on=("A-34",), declared=("A-34",), examined=False),
    failed("wrong", rests_on=("A-34",), declared=("A-34",), examined=False),
    scenario("not-here", skipped="it moves the network", steps=()),
)


def test_each_report_counts_the_three_classes() -> None:
    run = scenario_run(*CLASSES)
    assert run.resting == {"said": 2, "assumed": 1, "not-examined": 3}
    whole = json.loads(FORMATS["json"].make(run, "en"))
    assert whole["resting"] == run.resting
    assert [row["basis"] for row in whole["scenarios"]] == [*["said"] * 2, "assumed", *["not-examined"] * 4]
    told = "2 on the manual and the RFC only, 1 also on assumptions, 3 not examined"
    assert f"| What the results depend on | {told} |" in as_markdown(run)
    assert f"What the results depend on: {told}." in as_html(run)
    stream = io.StringIO()
    Console(stream).summary(run, 1.0)
    assert stream.getvalue().splitlines()[-1] == (
        "2 depend only on the manual and the RFC; 1 also depends on assumptions; 3 were not examined (mfp-sim check --assumptions FILE)"
    )
    suites = ET.fromstring(as_junit(run))
    assert [suite.find("properties/property[@name='basis']").get("value") for suite in suites][2:4] == [
        "assumed",
        "not-examined",
    ]


def test_the_page_shows_apart_what_is_declared_and_what_was_measured() -> None:
    page = opened(as_html(scenario_run(CLASSES[2])))
    measured, declared = page.split("<h3>Assumptions (declared, not measured)</h3>")
    assert "A-34</strong>" in measured.rpartition("<h3>Assumptions</h3>")[2]
    assert "A-13</strong>" not in measured.rpartition("<h3>Assumptions</h3>")[2]
    assert "A-13</strong>" in declared
    assert "were not measured for this run" not in page
    assert "were not measured for this run" in opened(as_html(scenario_run(CLASSES[4])))


def test_markdown_tells_what_to_mend_first_in_the_order_of_the_findings() -> None:
    text = as_markdown(conformance_run())
    words = ("### Grade: D", "### What to do next", "1. **It is wrong**", "2. **Errors", "3. **It is wrong**",
             "### Hygiene", "<details><summary>Policy: configuration of the server (1)</summary>", "</details>",
             "| Target |", "### Printers", "capabilities: not needed; CA: done; enrol: failed")  # fmt: skip
    at = [text.index(part) for part in words]
    assert at == sorted(at)
    assert "- **check-fail: The nonce is not compared**" in text


@pytest.mark.parametrize(
    ("letter", "begun", "words"),
    [("D", "2026-11-29T08:00:00+00:00", "D 2026-11-29"), ("", "2026-11-29T08:00:00+00:00", "no grade 2026-11-29"),
     ("A", HOSTILE, "A")],
)  # fmt: skip
def test_the_badge_says_the_grade_and_the_day_and_nothing_hostile(letter: str, begun: str, words: str) -> None:
    run = conformance_run()
    given = replace(run, grade=Grade(letter), provenance=replace(run.provenance, begun=begun))
    text = as_badge(given)
    root = ET.fromstring(text)
    assert root.get("aria-label") == f"SCEP, RFC 8894: {words}"
    assert [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")] == ["SCEP, RFC 8894", words]
    assert "url(" not in text
    assert "href" not in text
    assert as_badge(replace(run, grade=None)) == as_badge(replace(run, grade=Grade("")))


def test_a_badge_is_written_where_there_is_a_grade(tmp_path: Path) -> None:
    for run, there in ((conformance_run(), True), (scenario_run(), False)):
        folder = tmp_path / str(there)
        ready(folder)
        write_reports(run, folder, pytest.fail)
        assert (folder / "badge.svg").exists() is there
