"""The command as a person calls it, in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mfp_sim.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def mfp_sim(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs ``mfp-sim`` with words."""

    def run(*words: object) -> Done:
        try:
            code = main([str(word) for word in words])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Done(code, captured.out, captured.err)

    return run


SCENARIO = """\
format: 1
name: enrols
why: A manual request ends with a certificate.
tags: [smoke]
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
ca: {challenge: {static: canary-5c0d}}
steps:
  - request: {name: k, common_name: 192.0.2.10, challenge: canary-5c0d}
  - expect: {status: {state: successful}}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario that passes."""
    file = tmp_path / "enrols.scenario.yaml"
    file.write_text(SCENARIO)
    return file


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a scenario that this user may not list; root may list any."""
    directory = tmp_path / "all" / "closed"
    directory.mkdir(parents=True)
    (directory / "hidden.scenario.yaml").write_text(SCENARIO.replace("name: enrols", "name: hidden"))
    scandir = os.scandir

    def refusing(path: str | Path = "."):
        if Path(path) == directory:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    return directory


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A scenario that fails."""
    file = tmp_path / "fails.scenario.yaml"
    file.write_text(SCENARIO.replace("state: successful", "state: error").replace("name: enrols", "name: fails"))
    return file
