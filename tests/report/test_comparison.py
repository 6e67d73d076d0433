"""Two conformance runs compared: what was mended, new, worse, better; and nothing is mended that was not looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import cause, check, conformance_run, scenario_run

from mfp_sim.cli.main import main
from mfp_sim.report.comparison import compared
from mfp_sim.report.html_report import as_html
from mfp_sim.report.json_report import json_text, read_file
from mfp_sim.report.markdown import as_markdown
from mfp_sim.report.model import CausePlace, CauseReport, RunReport
from mfp_sim.shared.errors import UsageError


def run_(*findings: CauseReport, **verdicts: str) -> RunReport:
    """A run with these causes; ``verdicts`` are of further checks."""
    shown = {place.check: entry.verdict for entry in findings for place in entry.places}
    checks = tuple(check(name, verdict) for name, verdict in {**verdicts, **shown}.items())
    return replace(conformance_run(), findings=findings, checks=checks, printers=())


def mixed(**places: str) -> CauseReport:
    """A cause that its checks show with a verdict each."""
    found = tuple(CausePlace(name, "It is wrong", verdict) for name, verdict in places.items())  # type: ignore[arg-type]
    worst = max(places.values(), key=("finding", "warn", "fail").index)
    return replace(cause("errors", "robustness", worst), places=found)  # type: ignore[arg-type]


ERRORS = cause("errors", "robustness", "finding", "a", "b")


@pytest.mark.parametrize(
    ("earlier", "later", "wanted"),
    [
        (run_(ERRORS), run_(a="pass", b="pass"), ("mended", "a", "b")),
        (run_(ERRORS), run_(a="pass"), ("not-judged", "b")),
        (run_(ERRORS), run_(a="pass", b="inconclusive"), ("not-judged", "b")),
        (run_(ERRORS), run_(a="pass", b="skipped"), ("not-judged", "b")),
        (run_(a="pass", b="pass"), run_(ERRORS), ("new", "a", "b")),
        (run_(), run_(ERRORS), ("not-judged-before", "a", "b")),
        (run_(ERRORS, c="pass"), run_(cause("errors", "robustness", "finding", "a", "b", "c")), ("worse", "c")),
        (run_(ERRORS), run_(cause("errors", "robustness", "fail", "a", "b")), ("worse", "a", "b")),
        (run_(cause("errors", "robustness", "fail", "a", "b")), run_(ERRORS), ("better", "a", "b")),
        # What only one of the runs looked at is neither worse nor better.
        (run_(ERRORS), run_(cause("errors", "robustness", "finding", "a", "b", "c")), ("not-judged-before", "c")),
        (run_(ERRORS), run_(mixed(a="finding", b="finding", c="fail")), ("not-judged-before", "c")),
        (run_(mixed(a="fail", b="finding")), run_(cause("errors", "robustness", "finding", "b")), ("not-judged", "a")),
        (run_(ERRORS), run_(cause("errors", "robustness", "finding", "a"), b="pass"), ("better", "b")),
        (run_(ERRORS), run_(cause("errors", "robustness", "finding", "a")), ("not-judged", "b")),
    ],
)
def test_each_cause_has_one_outcome(earlier: RunReport, later: RunReport, wanted: tuple[str, ...]) -> None:
    (change,) = compared(earlier, later).changes
    assert (change.outcome, *change.checks) == wanted
    assert (change.id, change.kind) == ("errors", "robustness")


def test_a_check_that_deviates_by_another_cause_is_not_mended() -> None:
    other = cause("accepted", "security", "finding", "a", "b")
    found = {change.id: change.outcome for change in compared(run_(ERRORS), run_(other)).changes}
    assert found == {"errors": "turned", "accepted": "new"}


def test_what_is_as_it_was_is_not_told() -> None:
    found = compared(run_(ERRORS), run_(ERRORS))
    assert found.changes == ()
    assert "Nothing has changed." in as_html(replace(run_(ERRORS), since=found))


def test_printers_that_changed_are_told() -> None:
    now = conformance_run()
    was = replace(now, printers=(replace(now.printers[0], verdict="does-not-work"),))
    assert compared(was, now).printers == ("canon-ir-adv-dx: does-not-work → works", "other: not-tried → does-not-work")


def test_only_two_conformance_runs_compare() -> None:
    for pair in ((scenario_run(), conformance_run()), (conformance_run(), scenario_run())):
        with pytest.raises(UsageError, match="lists no causes"):
            compared(*pair)


def test_the_command_writes_the_comparison_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json_text(run_(ERRORS)), "utf-8")
    new.write_text(json_text(run_(cause("errors", "robustness", "fail", "a"), b="pass")), "utf-8")
    for name, words in (("html", '<section id="since">'), ("markdown", "- **worse**: It is wrong"), ("json", "since")):
        target = tmp_path / f"out.{name}"
        assert main(["report", str(new), "--since", str(old), "--format", name, "-o", str(target)]) == 0
        assert words in target.read_text("utf-8")
    assert read_file(tmp_path / "out.json").since == compared(read_file(old), read_file(new))
    text = (tmp_path / "out.html").read_text("utf-8")
    assert text.index('id="since"') < text.index('id="next"')
    assert "### Since the run of" in as_markdown(read_file(tmp_path / "out.json"))
    capsys.readouterr()
