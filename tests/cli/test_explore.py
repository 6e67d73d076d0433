"""``mfp-sim explore``: options, output, files and exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.exploration.against import SAME, Reference
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import UsageError
from mfp_sim.testing import MockScepServer
from mock_scep_server.ledger import Ledger


def test_a_search_without_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--seeds", "20", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "every rule held in 20 cases" in said
    assert f"of {len(SOMETIMES)} sometimes properties came true; seed 1" in said
    assert "never reached: " in said
    result = json.loads((tmp_path / "explore.json").read_text())
    assert (result["cases"], result["failures"]) == (20, [])
    assert result["reached"]["ca-decides-success"] > 0


def test_a_failure_becomes_a_scenario_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "report_installed", lambda *_: None)
    assert main(["explore", "--seeds", "200", "--first", "--out", str(tmp_path), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    rule = result["failures"][0]["rule"]
    assert rule in ("installed-is-stored", "orphans-explained")
    (scenario,) = load_file(tmp_path / f"1-{rule}.scenario.yaml")
    assert {failure.path for failure in run(scenario).failures} == {f"always.{rule}"}
    monkeypatch.undo()
    assert run(scenario).passed
    assert not any("drawn-s3cret" in failure["text"] for failure in result["failures"])


def test_the_same_cases_in_two_processes(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for jobs in ("1", "2"):
        assert main(["explore", "--seeds", "30", "--jobs", jobs, "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        del result["seconds"]
        found.append(result)
    assert found[0] == found[1]


def test_a_case_is_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--replay", "1:3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# Case 1:3 of mfp-sim explore\nformat: 1\n")
    assert "every rule held" in said


def test_the_list_has_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["always"].keys() == ALWAYS.keys()
    assert listed["sometimes"].keys() == SOMETIMES.keys()
    assert main(["explore", "--list"]) == 0
    assert "printer-sound" in capsys.readouterr().out


def test_two_shards_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shard in ("1", "2"):
        assert main(["explore", "--seeds", "15", "--shard", f"{shard}/2", "--out", str(tmp_path / shard)]) == 0
    files = [str(tmp_path / shard / "explore.json") for shard in ("1", "2")]
    capsys.readouterr()
    assert main(["explore", "--merge", *files, "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert (both["cases"], both["seed"]) == (30, "1000, 1001")
    assert main(["explore", "--merge", files[0], files[0]]) == 2
    assert "two results have the seed 1000 (give each machine its own --seed or --shard)" in capsys.readouterr().err


def test_another_version_that_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The process of the other version has the code as it is; this one forgets what is installed at the CA."""
    monkeypatch.setattr(Ledger, "counts", property(lambda _: {"minted": 0, "installed": 0, "orphaned": 0}))
    monkeypatch.setattr("mfp_sim.exploration.search._COMPARED_EVERY", 10**6)
    for name in ("ledger-adds-up",):
        monkeypatch.delitem(ALWAYS, name)  # type: ignore[arg-type]
    assert main(["explore", "--seeds", "60", "--first", "--against", sys.executable, "--json"]) == 1
    (failed, *_) = json.loads(capsys.readouterr().out)["failures"]
    assert failed["rule"] == SAME
    assert "ledger was" in failed["text"]
    assert "- expect: {ledger: {minted: 0, delivered: 0" in failed["scenario"]


def test_a_server_is_searched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SCEP_SECRET", "drawn-s3cret")
    words = ["--challenge-env", "SCEP_SECRET", "--seeds", "3", "--out", str(tmp_path), "--json"]
    with MockScepServer(challenge="drawn-s3cret") as mock:
        assert main(["explore", "--ca", mock.url, *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["cases"], result["verdict"], result["held"]) == (3, "pass", True)
    assert "drawn-s3cret" not in (tmp_path / "explore.json").read_text()


def test_a_server_that_grants_nothing_proves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCEP_SECRET", "another-s3cret")
    with MockScepServer(challenge="drawn-s3cret") as mock:
        assert main(["explore", "--ca", mock.url, "--challenge-env", "SCEP_SECRET", "--seeds", "3"]) == 3
    said = capsys.readouterr().out
    assert "0 cases" in said
    assert "the challenge password is wrong" in said


def test_a_server_on_another_machine_needs_permission(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--ca", "http://192.0.2.1/scep", "--seeds", "3"]) == 2
    assert "give --i-may-search-this-server if its operator agrees" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3/2"], "'3/2' is not a shard such as 1/4"),
        (["--time", "soon"], "soon"),
        (["--seeds", "0"], "'0' is not a count from 1"),
        (["--printers", "9"], "invalid choice: 9"),
    ],
)
def test_mistakes_on_the_command_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explore", *words])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replay", "seven"], "'seven' is not the name of a case (write SEED:NUMBER.NUMBER, for example 7:12.85)"),
        (["--profile", "no-such-model"], "there is no printer model 'no-such-model'"),
        (["--merge", "missing.json"], "cannot read missing.json"),
    ],
)
def test_mistakes_that_the_search_reports(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", *words]) == 2
    assert said in capsys.readouterr().err


def test_an_interpreter_without_the_product_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    with pytest.raises(UsageError, match="ended"):
        Reference(str(silent))({"steps": []})
    with pytest.raises(UsageError, match="cannot start"):
        Reference(str(tmp_path / "nothing"))
