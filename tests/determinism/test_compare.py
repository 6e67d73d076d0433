"""The comparison of two reports tells what differs, by kind, and nothing else."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from compare import differences, main

SAMPLE = Path(__file__).parents[2] / "reports" / "sample" / "report.json"


@pytest.fixture
def report() -> dict:
    return json.loads(SAMPLE.read_text("utf-8"))


def _changed(report: dict, change) -> list[str]:
    other = copy.deepcopy(report)
    change(other["scenarios"][0])
    return [kind for kind, _ in differences(report, other)]


def test_what_took_other_real_time_is_the_same(report) -> None:
    assert _changed(report, lambda scenario: scenario.update(real_seconds=99.0)) == []


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda s: s.update(outcome="error"), ["outcome"]),
        (lambda s: s["trace"][3].update(planted=1), ["printer.audit.planted"]),
        (lambda s: s["trace"].append({"kind": "exchange.cut"}), ["exchange.cut"]),
        (lambda s: s["exchanges"][1].update(request=s["exchanges"][2]["request"]), ["message.request"]),
        (lambda s: s["exchanges"].pop(), ["messages"]),
        (lambda s: s["exchanges"][0].update(event=7), []),
        (lambda s: s.update(name="renamed"), ["scenario", "scenario"]),
    ],
)
def test_each_difference_has_its_kind(report, change, kinds: list[str]) -> None:
    assert sorted(_changed(report, change)) == sorted(kinds)


def test_what_is_expected_is_told_and_does_not_fail(report, tmp_path: Path, monkeypatch, capsys) -> None:
    other = copy.deepcopy(report)
    other["scenarios"][0]["outcome"] = "error"
    (tmp_path / "other.json").write_text(json.dumps(other))
    words = ["compare", str(SAMPLE.parent), str(tmp_path / "other.json")]
    monkeypatch.setattr("sys.argv", words)
    assert main() == 1
    monkeypatch.setattr("sys.argv", [*words, "--expect", "outcome"])
    assert main() == 0
    assert "outcome  (expected)" in capsys.readouterr().out
