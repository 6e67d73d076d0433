"""``mfp-sim new``: each kind of scenario that it begins passes as it is; questions at a terminal; what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.runner import run
from mock_scep_server.faults import FAULTS

KINDS = ("manual", "automatic", "pending", "lost-reply", "fault")


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_passes_and_is_announced_to_editors(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["new", f"my-{kind}", "--kind", kind, "--directory", str(tmp_path / "new"), "--why", 'It "shows": x']) == 0
    )
    path = tmp_path / "new" / f"my-{kind}.scenario.yaml"
    assert capsys.readouterr().out == f"wrote {path}\nmfp-sim run {path}\n"
    (scenario,) = load_file(path)
    assert run(scenario).failures == ()
    assert scenario.why == 'It "shows": x'
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=scenario.schema.json\n")
    assert json.loads((path.parent / "scenario.schema.json").read_text("utf-8"))["title"] == "mfp-sim scenario"


@pytest.mark.parametrize("fault", ["nonce-mismatch", "getcacert-empty", "certrep-ber", "reset", "caps-404"])
def test_a_scenario_of_a_fault_ends_as_the_printer_does(fault: str, tmp_path: Path) -> None:
    assert main(["new", "faulty", "--fault", fault, "--directory", str(tmp_path)]) == 0
    (scenario,) = load_file(tmp_path / "faulty.scenario.yaml")
    assert run(scenario).failures == ()
    assert FAULTS[fault].example in (tmp_path / "faulty.scenario.yaml").read_text("utf-8")


@pytest.mark.parametrize(("words", "message"), [
    (["My Scenario"], "'My Scenario' cannot name a scenario (small letters, digits and hyphens: my-scenario)"),
    (["x", "--kind", "manuel"], "there is no kind 'manuel' (did you mean 'manual'?)"),
    (["x", "--fault", "resett"], "there is no fault 'resett' (did you mean 'reset'?)"),
    (["x", "--fault", "getcrl-stale"], "the fault getcrl-stale does not show at a single request (mfp-sim explain getcrl-stale)"),
    ([], "a scenario needs a name (mfp-sim new my-scenario)"),
])  # fmt: skip
def test_what_it_refuses(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["new", *words]) == 2
    assert capsys.readouterr().err == f"mfp-sim: {message}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_by_force_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["new", "mine", "--directory", str(tmp_path)]
    (tmp_path / "mine.scenario.yaml").write_text("mine", "utf-8")
    assert main(words) == 2
    assert "exists (choose another name, or --force to replace it)" in capsys.readouterr().err
    assert (tmp_path / "mine.scenario.yaml").read_text("utf-8") == "mine"
    assert main([*words, "--force"]) == 0
    assert load_file(tmp_path / "mine.scenario.yaml")


def test_at_a_terminal_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"name": "asked-for", "kind": "fault", "fault": ""}
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return answers[question.split(maxsplit=1)[0].rstrip(",")]

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(["new", "--directory", str(tmp_path)]) == 0
    assert "nonce-mismatch" in (tmp_path / "asked-for.scenario.yaml").read_text("utf-8")
    assert [question.split()[0].rstrip(",") for question in asked] == ["name", "kind", "fault"]
    assert all(kind in asked[1] for kind in KINDS)
