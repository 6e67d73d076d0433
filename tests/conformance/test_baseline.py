"""What a baseline expects: which verdicts are failures, which lines are met, and what the file of one may contain."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mfp_sim.conformance.baseline import BaselineLine, compared, load_baseline, waived
from mfp_sim.report.model import Baseline
from mfp_sim.shared.errors import DocumentError

TODAY = date(2026, 6, 30)
GOOD, WARNED, BAD = (
    ["pass", "works", "skipped", "inconclusive"],
    ["finding", "works-with", "warn"],
    ["fail", "does-not-work", "security-fail"],
)
# A verdict of a line, and the verdicts that are worse than it.
WORSE = {
    "finding": ["works-with", "warn", "fail", "does-not-work", "security-fail"],
    "works-with": ["fail", "does-not-work", "security-fail"],
    "warn": ["fail", "does-not-work", "security-fail"],
    "fail": ["security-fail"],
    "does-not-work": ["security-fail"],
    "security-fail": [],
}


def _line(verdict: str, *, name: str = "a", expires: date = TODAY, by_chance: bool = False) -> BaselineLine:
    return BaselineLine(name, verdict, "known", expires, by_chance)  # type: ignore[arg-type]


def _compared(*lines: BaselineLine, got: dict[str, str], strict: bool = False) -> Baseline:
    return compared("b.yaml", lines, got, TODAY, selected=["a", "b"], strict=strict)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("verdict", [*GOOD, *WARNED, *BAD])
def test_an_unlisted_failure_is_unexpected(verdict: str, strict: bool) -> None:
    failure = verdict in BAD or (strict and verdict in WARNED)
    assert _compared(got={"b": verdict}, strict=strict) == Baseline("b.yaml", ("b",) if failure else (), (), (), ())


@pytest.mark.parametrize("by_chance", [False, True])
@pytest.mark.parametrize("verdict", [*GOOD, *WARNED, *BAD])
@pytest.mark.parametrize("listed", WORSE)
def test_a_line_is_met_by_its_verdict_only(listed: str, verdict: str, by_chance: bool) -> None:
    line = _line(listed, by_chance=by_chance)
    found = _compared(line, got={"a": verdict})
    if verdict in WORSE[listed]:
        assert found == Baseline("b.yaml", ("a",), (), (), ())
    elif verdict == listed or by_chance:
        assert found == Baseline("b.yaml", (), (), (), ())
    else:
        assert found == Baseline("b.yaml", (), ("a",), (), ())
    met = not (found.unexpected or found.no_longer)
    assert found.broken != met
    assert waived([line], {"a": verdict}) == ({"a": "known"} if met else {})


def test_a_line_is_valid_on_its_last_day() -> None:
    assert _compared(_line("fail"), got={"a": "fail"}).expired == ()
    late = _line("fail", expires=date(2026, 6, 29))
    assert _compared(late, got={"a": "fail"}).expired == ("a",)
    assert _compared(late, got={"a": "fail"}).broken
    assert _compared(late, got={}) == Baseline("b.yaml", (), (), (), ("a",))


def test_a_line_is_not_judged_only_if_it_was_selected() -> None:
    lines = [_line("fail", name=name) for name in ("c", "b", "a")]
    silent = _compared(*lines, got={"b": "fail"})
    assert (silent, silent.broken) == (Baseline("b.yaml", (), (), (), ("a",)), True)
    assert waived(lines, {"b": "fail"}) == {"b": "known"}


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("{id: cap, verdict: fail, reason: r, expires: 2027-01-01}", "there is no check 'cap'", "did you mean 'caps'?"),
        ("{id: zzzzz, verdict: fail, reason: r, expires: 2027-01-01}", "there is no check 'zzzzz'", "x --list shows all ids"),
        ("{id: caps, verdict: fail, reason: r, expires: soon}", "must be a date, not 'soon'", "write 2027-06-30"),
        ("{id: caps, verdict: fail, reason: '', expires: 2027-01-01}", "an expected failure needs a reason", ""),
    ],
)  # fmt: skip
def test_a_mistake_in_a_line_has_a_remedy(tmp_path: Path, text: str, problem: str, remedy: str) -> None:
    file = tmp_path / "b.yaml"
    file.write_text(f"format: 1\nexpected:\n  - {text}\n")
    with pytest.raises(DocumentError) as caught:
        load_baseline(file, ["caps", "posts"], "x --list")
    assert len(caught.value.problems) == 1
    assert "b.yaml:3:" in str(caught.value)
    assert problem in str(caught.value)
    assert remedy in str(caught.value)


def test_the_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    line = "{id: caps, verdict: fail, reason: r, expires: 2027-01-01%s}"
    file.write_text(f"format: 1\nserver: any\nexpected:\n  - {line % ', by_chance: true'}\n")
    assert load_baseline(file, ["caps"]) == (BaselineLine("caps", "fail", "r", date(2027, 1, 1), by_chance=True),)
    file.write_text(f"format: 1\nserver: any\nexpected:\n  - {line % ''}\n")
    assert load_baseline(file, ["caps"]) == (BaselineLine("caps", "fail", "r", date(2027, 1, 1), by_chance=False),)


def test_an_id_is_listed_once(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    lines = [f"{{id: {name}, verdict: fail, reason: r, expires: 2027-01-01}}" for name in ("posts", "caps", "posts")]
    file.write_text("format: 1\nexpected:\n" + "".join(f"  - {line}\n" for line in lines))
    with pytest.raises(DocumentError, match=r"b.yaml:5:10: posts is listed twice \(keep one of the two lines\)") as why:
        load_baseline(file, ["caps", "posts"])
    assert len(why.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("format: 1\n", "b.yaml:1:1: a baseline needs the key 'expected'"),
        ("format: 1\nexpected: [{verdict: fail, reason: r, expires: 2027-01-01}]\n",
         "b.yaml:2:12: an expected failure needs the key 'id'"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "b.yaml"
    file.write_text(text)
    with pytest.raises(DocumentError) as caught:
        load_baseline(file, ["caps"])
    assert [str(found) for found in caught.value.problems] == [f"{tmp_path}/{problem}"]


def test_without_a_list_the_ids_are_those_of_checks_and_printers(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    line = "  - {id: %s, verdict: does-not-work, reason: r, expires: 2027-01-01}\n"
    file.write_text("format: 1\nexpected:\n" + line % "printer:canon-legacy" + line % "poll-unknown")
    assert [line.id for line in load_baseline(file)] == ["printer:canon-legacy", "poll-unknown"]
    file.write_text("format: 1\nexpected:\n" + line % "printer:no-such")
    with pytest.raises(
        DocumentError, match=r"there is no check 'printer:no-such' \(mfp-sim conform --list shows all ids\)"
    ):
        load_baseline(file)
