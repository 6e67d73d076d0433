"""Scenario files as test items, and the fixtures, as a project that uses them sees both."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.shared.errors import UsageError

SCENARIO = """\
format: 1
name: enrols
why: A manual request ends with a certificate.
tags: [smoke]
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
ca: {challenge: {static: s3cret}}
steps:
  - request: {name: k, common_name: 192.0.2.10, challenge: s3cret}
  - expect: {status: {state: successful}}
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest as a project of its own runs it, with the plugin given by name."""
    loaded = [] if _installed() else ["-p", "mfp_sim.pytest_plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, "-p", "no:cacheprovider", "--rootdir", str(folder), *options, str(folder)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(entry.name == "mfp_sim" for entry in entry_points(group="pytest11"))


def test_a_scenario_file_is_a_test(tmp_path: Path) -> None:
    (tmp_path / "a.scenario.yaml").write_text(SCENARIO)
    run = run_pytest(tmp_path, "-v")
    assert "a.scenario.yaml::enrols PASSED" in run.stdout
    assert run.returncode == 0
    assert "1 deselected" in run_pytest(tmp_path, "-k", "not smoke").stdout


def test_a_failure_says_what_and_where_and_how_to_see_more(tmp_path: Path) -> None:
    (tmp_path / "a.scenario.yaml").write_text(SCENARIO.replace("state: successful", "state: error"))
    run = run_pytest(tmp_path)
    assert run.returncode == 1
    assert "a.scenario.yaml:10:22: status.state" in run.stdout
    assert "expected  error\n    got       successful" in run.stdout
    assert "mfp-sim show" in run.stdout
    assert "Traceback" not in run.stdout
    assert "s3cret" not in run.stdout


def test_a_failure_shows_no_secret(tmp_path: Path) -> None:
    text = SCENARIO.replace("state: successful", "state: error").replace("s3cret", "canary-7")
    text = text.replace("why: A manual request", "why: A request with canary-7").replace("name: k,", "name: canary-7,")
    (tmp_path / "a.scenario.yaml").write_text(text)
    run = run_pytest(tmp_path)
    assert run.returncode == 1
    assert "enrols: A request with ******** ends with a certificate." in run.stdout
    assert "canary-7" not in run.stdout + run.stderr


def test_a_mistake_at_the_place_of_a_secret_does_not_show_it(tmp_path: Path) -> None:
    (tmp_path / "a.scenario.yaml").write_text(SCENARIO.replace("static: s3cret", "static: 776655"))
    run = run_pytest(tmp_path)
    assert run.returncode == 1
    assert "static has to be a string, not the given value (put it in quotes)" in run.stdout
    assert "776655" not in run.stdout + run.stderr


def test_a_file_with_mistakes_fails_and_interrupts_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.scenario.yaml").write_text(SCENARIO.replace("request:", "reqest:"))
    (tmp_path / "b.scenario.yaml").write_text(SCENARIO)
    (tmp_path / "test_c.py").write_text("def test_c(): pass\n")
    run = run_pytest(tmp_path, "-v")
    assert run.returncode == 1
    assert "a.scenario.yaml::mistakes FAILED" in run.stdout
    assert "a.scenario.yaml:9:5:" in run.stdout
    assert "did you mean 'request'?" in run.stdout
    assert "1 failed, 2 passed" in run.stdout
    assert "Traceback" not in run.stdout


def test_a_file_of_another_tool_can_be_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "x.scenario.yaml").write_text("Feature: something else\n")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "y.scenario.yaml").write_text(SCENARIO)
    run = run_pytest(tmp_path)
    assert run.returncode == 1
    assert "say which files are with the ini option scenario_files (now: *.scenario.yaml)." in run.stdout
    assert "1 failed, 1 passed" in run.stdout
    (tmp_path / "pytest.ini").write_text("[pytest]\nscenario_files = ours/*.scenario.yaml\n")
    run = run_pytest(tmp_path)
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout
    (tmp_path / "pytest.ini").write_text("[pytest]\nscenario_files =\n")
    assert run_pytest(tmp_path).returncode == 5


def test_seed_and_flip_reach_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "a.scenario.yaml").write_text(SCENARIO)
    assert run_pytest(tmp_path, "--scenario-seed", "9", "--scenario-flip", "A-38=not-before").returncode == 0
    (tmp_path / "a.scenario.yaml").write_text(SCENARIO.replace("state: successful", "state: error"))
    assert "--seed 9" in run_pytest(tmp_path, "--scenario-seed", "9").stdout
    run = run_pytest(tmp_path, "--scenario-flip", "A-99")
    assert "A-99 has no other reading" in run.stdout
    assert "Traceback" not in run.stdout


def test_loading_the_plugin_costs_nothing() -> None:
    script = "import sys, mfp_sim.pytest_plugin; print(sorted({'cryptography', 'flask', 'yaml'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.mfp_sim(clock="2026-03-02T08:00:00+01:00", challenge="s3cret")
def test_the_fixtures_are_one_world(printer, scep_ca, frozen_clock) -> None:
    row = printer.send_request(KeySettings("k", "192.0.2.10", challenge="s3cret"))
    assert row.state == "successful"
    assert scep_ca.ledger.counts == {"minted": 1, "delivered": 1, "installed": 1, "orphaned": 0}
    assert frozen_clock.now() == datetime(2026, 3, 2, 7, tzinfo=timezone.utc) == datetime.now(timezone.utc)


@pytest.mark.mfp_sim(
    clock="2026-03-02T08:00:00",
    script="[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: success}]",
)
def test_time_runs_what_the_printer_has_planned(printer, frozen_clock) -> None:
    start = datetime(2026, 3, 2, 9)  # the printer's local time
    printer.update_auto_request(
        AutoRequestSettings(timer=True, start=start, polling=Polling(2, 10), key=KeySettings("k", "192.0.2.10"))
    )
    frozen_clock.advance_to("2026-03-02T09:05:00")
    assert printer.status()[0].state == "processing"
    frozen_clock.advance("10m")
    assert printer.status()[0].state == "successful"


MISTAKES = {
    'chalenge="x"': "there is no chalenge (did you mean 'challenge'?)",
    'clock="soon"': "'soon' is not a date and time",
    'timezone="Europe/Olso"': "there is no time zone 'Europe/Olso'",
    'printer="canon-sip7"': "there is no printer profile 'canon-sip7' (did you mean 'canon-sip'?)",
    'ca="ndes"': "there is no CA profile 'ndes'",
    'functions="TLS"': "functions has to be a list of TLS, IEEE 802.1X, IPSec, not 'TLS'",
    'functions=["TSL"]': "functions has to be a list of TLS, IEEE 802.1X, IPSec, not ['TSL']",
    'seed="x"': "seed has to be an integer, not 'x'",
    '"2026-03-02"': "'2026-03-02' has no name",
    'script=[{"then": "pending"}]': "script has to be text",
    'script="[{then: pendng}]"': "script:1:9: then has to be success, pending",
}


def test_mistakes_of_the_marker_are_told_in_a_sentence(tmp_path: Path) -> None:
    lines = ["import pytest"]
    for number, marker in enumerate(MISTAKES):
        lines += [f"@pytest.mark.mfp_sim({marker})", f"def test_{number}(printer): pass"]
    (tmp_path / "test_marker.py").write_text("\n".join(lines))
    run = run_pytest(tmp_path)
    assert f"{len(MISTAKES)} errors" in run.stdout
    for text in MISTAKES.values():
        assert f"\nthe marker mfp_sim: {text}" in run.stdout
    assert "Traceback" not in run.stdout
    assert "mfp_sim/pytest_plugin.py" not in run.stdout


@pytest.mark.parametrize(
    ("instant", "text"), [("2020-01-01", "2020-01-01 has passed: it is 2026-01-01"), ("soon", "is not a date and time")]
)
def test_an_instant_that_cannot_come(frozen_clock, instant: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        frozen_clock.advance_to(instant)


def test_a_server_that_is_not_there_ends_the_run_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    run = run_pytest(tmp_path, "--scep-url", f"http://127.0.0.1:{port}/scep")
    assert run.returncode == 2
    assert f"no SCEP server at http://127.0.0.1:{port}/scep" in run.stdout
    assert "1 failed" in run.stdout
    assert "Traceback" not in run.stdout
    assert "engine.py" not in run.stdout
