"""``run --watch``: again after each change, also after a mistake; Ctrl-C ends with the code of the last run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mfp_sim.cli.main import main

GOOD = """\
format: 1
name: watched
why: It is watched.
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
steps:
  - expect: {key_count: 1}
"""


def until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines up to the one that begins so."""
    lines: list[str] = []
    assert process.stdout is not None
    while not lines or not lines[-1].startswith(text):
        line = process.stdout.readline()
        assert line, lines
        lines.append(line.rstrip("\n"))
    return lines


def test_each_change_runs_again_and_ctrl_c_ends_with_the_last_code(tmp_path: Path) -> None:
    file = tmp_path / "watched.scenario.yaml"
    file.write_text(GOOD, "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "mfp_sim", "run", str(file), "--watch", "--quiet"], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert any("1 passed, 0 failed" in line for line in until(process, "waiting for a change"))
        for text, told in (
            (GOOD.replace("key_count: 1", "key_count: 5"), "FAIL  watched"),
            (GOOD.replace("why", "whi"), "mfp-sim: "),
            (GOOD.replace("key_count: 1", "key_count: 3"), "FAIL  watched"),
        ):
            file.write_text(text, "utf-8")
            assert until(process, "changed: ")[-1] == "changed: watched.scenario.yaml"
            assert any(line.startswith(told) for line in until(process, "waiting for a change"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 1
    finally:
        process.kill()
        process.communicate()


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert main(["run", "deferred-twice-then-issued", "--watch"]) == 2
    assert capsys.readouterr().err == "mfp-sim: --watch needs watchfiles (pip install 'mfp-sim[watch]')\n"
