"""Ctrl-C ends both commands with one line and exit code 130, also while they import their modules."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

INTERRUPTED = """
import importlib, os, signal, sys

_, command, module, name = sys.argv[:4]
sys.argv[:4] = ["command"]

class AtTheImport:
    def find_spec(imported, *_):
        if imported == module:
            os.kill(os.getpid(), getattr(signal, name))

sys.meta_path.insert(0, AtTheImport)
sys.exit(importlib.import_module(command).main())
"""


@pytest.mark.parametrize(
    ("package", "words", "module"),
    [
        ("mfp_sim", ["list"], "mfp_sim.cli.options"),
        ("mfp_sim", ["list"], "mfp_sim.cli.look"),
        ("mock_scep_server", ["faults"], "mfp_sim.shared.command_line"),
        ("mock_scep_server", ["faults"], "mock_scep_server.faults"),
        ("mock_scep_server", ["judge", "request.der"], "mock_scep_server.cli_judging"),
        ("mock_scep_server", ["--port", "0"], "mock_scep_server.cli_serving"),
    ],
)
def test_a_command_that_is_interrupted_while_it_imports_a_module(package: str, words: list[str], module: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED, f"{package}.__main__", module, "SIGINT", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == f"{package.replace('_', '-')}: interrupted\n"


def test_a_terminal_that_closes_ends_the_mock_as_ctrl_c_does() -> None:
    words = ["mock_scep_server.__main__", "mock_scep_server.cli_judging", "SIGHUP", "judge", "x"]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *words], capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "mock-scep-server: interrupted\n")


def test_the_installed_commands_begin_there() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts == {"mfp-sim": "mfp_sim.__main__:main", "mock-scep-server": "mock_scep_server.__main__:main"}
