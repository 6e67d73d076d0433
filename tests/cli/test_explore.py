"""``mfp-sim explore``: options, output, files and exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.exploration import search
from mfp_sim.exploration.against import SAME, Reference
from mfp_sim.exploration.comparing import COMPARISONS, _same
from mfp_sim.exploration.running import NO_CRASH, CaseOutcome
from mfp_sim.exploration.server import search as server_search
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import UsageError
from mfp_sim.testing import MockScepServer
from mock_scep_server.ledger import Ledger


def test_a_search_without_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--seeds", "20", "--out", str(tmp_path)]) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["explore.json"]
    said = capsys.readouterr().out
    assert "every rule held in 20 cases" in said
    assert f"of {len(SOMETIMES)} situations were reached; seed 1" in said
    assert f"result in {tmp_path / 'explore.json'}\n" in said
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


def test_a_case_is_run_again_for_the_rules_about_two_runs_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = search.carried_out, []

    def differs(scenario: Scenario) -> CaseOutcome:
        seen.append(scenario)
        return real(scenario)

    monkeypatch.setattr(search, "carried_out", lambda scenario: replace(differs(scenario), events=()))
    assert main(["explore", "--replay", "1:3", "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert (again["case"], len(seen)) == ("1:3", 1)
    of_traces = {name for name, one in COMPARISONS.items() if one.differences is _same}
    assert {one["rule"] for one in again["violations"]} == of_traces
    assert len(of_traces) == 5
    assert again["scenario"].startswith("# Case 1:3 of mfp-sim explore\nformat: 1\n")


def _interrupting(monkeypatch: pytest.MonkeyPatch, name: str, *, after: int) -> None:
    """Ctrl-C, when the search calls a method for another time after a number of calls."""
    real, calls = getattr(search.Search, name), []

    def call(self: search.Search, *arguments: object) -> object:
        calls.append(arguments)
        if len(calls) > after:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(search.Search, name, call)


def test_ctrl_c_ends_a_search_that_found_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupting(monkeypatch, "_note", after=5)
    assert main(["explore", "--seeds", "20", "--out", str(tmp_path)]) == 130
    said = capsys.readouterr()
    assert "interrupted: the result has the cases so far" in said.err
    assert "every rule held in 5 cases" in said.out
    assert json.loads((tmp_path / "explore.json").read_text())["cases"] == 5


def test_sigterm_is_like_ctrl_c(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.Search, "round", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(["explore", "--seeds", "20"]) == 130
    assert capsys.readouterr().out == "\nno case was run\n"


def test_ctrl_c_before_the_first_case_does_not_say_that_every_rule_held(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupting(monkeypatch, "round", after=0)
    assert main(["explore", "--seeds", "20"]) == 130
    assert capsys.readouterr().out == "\nno case was run\n"


def test_ctrl_c_while_a_failure_is_shrunk_keeps_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Ledger, "report_installed", lambda *_: None)
    _interrupting(monkeypatch, "small", after=0)
    assert main(["explore", "--seeds", "200", "--first", "--out", str(tmp_path), "--json"]) == 1
    failed = json.loads(capsys.readouterr().out)["failures"][0]
    assert "\n# Not shrunk: the search was interrupted.\n" in failed["scenario"]
    (scenario,) = load_file(tmp_path / f"1-{failed['rule']}.scenario.yaml")
    assert f"always.{failed['rule']}" in {failure.path for failure in run(scenario).failures}


def test_a_signal_after_an_interrupted_search_does_not_lose_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupting(monkeypatch, "_note", after=5)
    monkeypatch.setattr("mfp_sim.cli.explore._summary", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert main(["explore", "--seeds", "20", "--jobs", "2", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted: the result has the cases so far\n"
    assert json.loads((tmp_path / "explore.json").read_text())["cases"] == 5
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_first_failure_ends_the_search(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Ledger, "report_installed", lambda *_: None)
    assert main(["explore", "--seeds", "200", "--first", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["cases"] == result["failures"][0]["cases"]


def test_where_nothing_can_be_written_nothing_is_searched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupting(monkeypatch, "round", after=0)
    (tmp_path / "file").touch()
    assert main(["explore", "--seeds", "20", "--out", str(tmp_path / "file" / "x")]) == 2
    assert f"cannot write into {tmp_path / 'file' / 'x'}: Not a directory" in capsys.readouterr().err


def test_a_result_of_a_server_that_cannot_be_written_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "explore.json").mkdir()
    words = ["--challenge", "drawn-s3cret", "--seeds", "1", "--out", str(tmp_path)]
    with MockScepServer(challenge="drawn-s3cret") as mock:
        assert main(["explore", "--ca", mock.url, *words]) == 4
    said = capsys.readouterr()
    assert "ended      the case was run" in said.out
    assert f"cannot write {tmp_path / 'explore.json'}: Is a directory" in said.err


def test_a_result_that_cannot_be_written_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "explore.json").mkdir()
    assert main(["explore", "--seeds", "2", "--out", str(tmp_path)]) == 4
    said = capsys.readouterr()
    assert "every rule held in 2 cases" in said.out
    assert f"cannot write {tmp_path / 'explore.json'}: Is a directory" in said.err


FAILURE = {"rule": "printer-sound", "text": "two keys", "case": "1:2", "cases": 3, "times": 1, "scenario": "format: 1"}
RESULT = {"format": 1, "seed": "1", "cases": 3, "seconds": 1.5, "features": 7, "failures": [FAILURE], "reached": {}}


def _merging(tmp_path: Path, changes: dict[str, object]) -> int:
    (tmp_path / "explore.json").write_text(json.dumps({**RESULT, **changes}))
    return main(["explore", "--merge", str(tmp_path / "explore.json"), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"failures": [{**FAILURE, "rule": "../up"}]}, "failures[0].rule: rule has to be a rule in small letters"),
        ({"failures": [{**FAILURE, "rule": "a" * 61}]}, "failures[0].rule: rule has to be a rule in small letters"),
        ({"failures": [{**FAILURE, "case": "1:1\x1b"}]}, "failures[0].case: case has to be a case such as 7:12.85"),
        ({"failures": [{**FAILURE, "times": 10**30}]}, "failures[0].times: times has to be from 1 to"),
        ({"seed": "1\x1b"}, "explore.json.seed: seed has to be one or several seeds"),
        ({"seconds": -5}, "explore.json.seconds: seconds has to be from 0 to"),
        ({"cases": 10**400}, "explore.json.cases: cases has to be from 0 to"),
        ({"reached": {"orphan": -1}}, "explore.json.reached.orphan: orphan has to be from 0 to"),
    ],
)
def test_a_hostile_result_is_refused(
    changes: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _merging(tmp_path, changes) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["[" * 100_000, "\xff", '{"cases": ' + "9" * 5000 + "}"])
def test_a_result_that_is_not_json_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "explore.json").write_text(text, "latin-1")
    assert main(["explore", "--merge", str(tmp_path / "explore.json")]) == 2
    assert "explore.json is not JSON (give explore.json of a search)" in capsys.readouterr().err


def test_a_result_without_an_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--merge", "/dev/zero"]) == 2
    assert "/dev/zero is larger than" in capsys.readouterr().err


def test_the_text_of_a_merged_failure_stays_on_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _merging(tmp_path, {"failures": [{**FAILURE, "text": "red\x1b[31m\nevery rule held"}]}) == 1
    said = capsys.readouterr().out
    assert "\n      red\\x1b[31m\\x0aevery rule held\n" in said
    assert "1 failure in 3 cases" in said


def test_a_merged_result_is_not_counted_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", "1, 2"), ("b", "2")):
        (tmp_path / name).write_text(json.dumps({**RESULT, "seed": seed}))
    assert main(["explore", "--merge", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "two results have the seed 2" in capsys.readouterr().err


def test_results_without_a_case_show_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _merging(tmp_path, {"cases": 0, "failures": []}) == 5
    assert capsys.readouterr().out == f"\nno case was run\nresult in {tmp_path / 'out' / 'explore.json'}\n"


def test_the_list_has_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["always"].keys() == {*ALWAYS, NO_CRASH}
    assert listed["two_runs"].keys() == COMPARISONS.keys()
    assert listed["sometimes"].keys() == SOMETIMES.keys()
    assert main(["explore", "--list"]) == 0
    said = capsys.readouterr().out
    for names in listed.values():
        for name, sentence in names.items():
            assert any(line.split(maxsplit=1) == [name, sentence] for line in said.splitlines())


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
    monkeypatch.setattr("mfp_sim.exploration.search.COMPARISONS", {})
    silent = replace(ALWAYS["ledger-adds-up"], now=None, step=None, course=None)
    monkeypatch.setitem(ALWAYS, "ledger-adds-up", silent)  # type: ignore[arg-type]
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
    assert [file.name for file in tmp_path.iterdir()] == ["explore.json"]
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_of_a_server_lists_its_certificates(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_search, "draw_case", lambda *_: signal.raise_signal(number))
    with MockScepServer(challenge="drawn-s3cret") as mock:
        assert main(["explore", "--ca", mock.url, "--challenge", "drawn-s3cret", "--seeds", "3", "--json"]) == 130
    result = json.loads(capsys.readouterr().out)
    assert (result["ended"], result["cases"], result["verdict"]) == ("interrupted", 0, "inconclusive")
    assert result["minted"]


def test_a_budget_without_a_case_proves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--challenge", "drawn-s3cret", "--budget", "4", "--seeds", "3", "--json"]
    with MockScepServer(challenge="drawn-s3cret") as mock:
        assert main(["explore", "--ca", mock.url, *words]) == 3
    result = json.loads(capsys.readouterr().out)
    assert (result["held"], result["last"], result["cases"], result["verdict"]) == (True, None, 0, "inconclusive")
    assert result["ended"] == "the rest of the budget of 4 certificates is kept to repeat failures"


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
        (["--time", "0s"], "a search of 0 seconds has no case (give a longer --time)"),
        (["--list", "--seeds", "5"], "--seeds has no effect with --list (leave it out)"),
        (["--replay", "1:2", "--merge", "x"], "--merge has no effect with --replay"),
        (["--replay", "1:2", "--out", "x"], "--out has no effect with --replay"),
        (["--merge", "x", "--shard", "1/2"], "--shard has no effect with --merge"),
        (["--ca", "http://127.0.0.1/", "--jobs", "2"], "--jobs has no effect with --ca"),
        (["--challenge-env", "X"], "--challenge-env has no effect without --ca (give --ca URL to search a server)"),
        (["--profile", "no-such-model"], "there is no printer model 'no-such-model'"),
        (["--merge", "missing.json"], "cannot read missing.json"),
    ],
)
def test_mistakes_that_the_search_reports(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", *words]) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_at_the_terminal_does_not_reach_the_other_version() -> None:
    reference = Reference(sys.executable)
    try:
        assert os.getpgid(reference._process.pid) != os.getpgid(0)
        assert reference({"steps": []}) is None
    finally:
        reference.close()


def test_an_interpreter_without_the_product_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    with pytest.raises(UsageError, match="ended"):
        Reference(str(silent))({"steps": []})
    with pytest.raises(UsageError, match="cannot start"):
        Reference(str(tmp_path / "nothing"))
