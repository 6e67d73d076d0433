"""The completion scripts in the shells that they are for: what a person sees after the Tab key."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mfp_sim.cli.main import main as mfp_sim
from mock_scep_server.cli import main as mock_scep_server

COMMANDS = {"mfp-sim": mfp_sim, "mock-scep-server": mock_scep_server}
LINES = [
    ("mfp-sim ru", "run"),
    ("mfp-sim run --rep", "--repeat"),
    ("mfp-sim run -q deferred-twice", "deferred-twice-then-issued"),
    ("mfp-sim run --profile canon-leg", "canon-legacy"),
    ("mfp-sim explain nonce-mis", "nonce-mismatch"),
    ("mfp-sim conform --only refuses-no-m", "refuses-no-messagetype"),
    ("mock-scep-server defec", "defects"),
    ("mock-scep-server serve --fault nonce-mis", "nonce-mismatch"),
    ("mock-scep-server serve --profile ndes-20", "ndes-2016"),
]
SECONDS = 60


def script(line: str, shell: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The command of a line, and its script for a shell."""
    command = line.partition(" ")[0]
    assert COMMANDS[command](["completion", shell]) == 0
    return command, capsys.readouterr().out


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The commands of this environment, and no settings of the person who runs the tests."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"}


@pytest.mark.parametrize(("line", "word"), LINES)
def test_fish_completes(
    line: str, word: str, find_program: Callable[[str, str], str], environment: dict[str, str], tmp_path: Path, capsys
) -> None:
    command, text = script(line, "fish", capsys)
    (tmp_path / f"{command}.fish").write_text(text)
    told = subprocess.run(
        [find_program("fish", "fish"), "--no-config", "-c", f"source {command}.fish; complete -C {line!r}"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=SECONDS,
    )  # fmt: skip
    assert word in [row.partition("\t")[0] for row in told.stdout.splitlines()], told


@pytest.mark.parametrize(("line", "word"), LINES)
def test_zsh_completes(
    line: str, word: str, find_program: Callable[[str, str], str], environment: dict[str, str], tmp_path: Path, capsys
) -> None:
    program = find_program("zsh", "zsh")
    command, text = script(line, "zsh", capsys)
    (tmp_path / f"_{command}").write_text(text)
    process, terminal = pty.fork()
    if not process:
        os.chdir(tmp_path)
        os.execve(program, ["zsh", "-f", "-i"], environment)
    try:
        os.write(terminal, b"fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; PS1=; echo is''ready\n")
        until(terminal, "isready")
        os.write(terminal, line.encode() + b"\t\t")  # the second key lists the words, if there are several
        until(terminal, word)
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def until(terminal: int, word: str) -> None:
    """Read what the shell shows until it has shown the word."""
    shown, end = "", time.monotonic() + SECONDS
    while word not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"{word} is not in {shown!r}"
        shown += os.read(terminal, 65536).decode(errors="replace")
