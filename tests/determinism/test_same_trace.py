"""Same scenario, same seed: same trace, whatever the wall clock, the processes, the order or the hash seed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from mfp_sim.run_trace import compare, to_json_lines
from mfp_sim.scenario import runner
from mfp_sim.scenario.collection import select

NAMES = ["deferred-twice-then-issued", "fail-info*", "*year*"]


@pytest.fixture(scope="module")
def scenarios():
    found = select(NAMES)
    assert len(found) >= 7
    return found


def test_the_wall_clock_is_read_by_nobody(scenarios, monkeypatch) -> None:
    usual = [runner.run(scenario) for scenario in scenarios]

    @contextlib.contextmanager
    def pinned(world):
        with freeze_time("1999-12-31T23:59:59", ignore=["_pytest", "xdist", "execnet"]):
            yield

    monkeypatch.setattr(runner, "frozen", pinned)
    for scenario, before in zip(scenarios, usual, strict=True):
        after = runner.run(scenario)
        assert compare(before.events, after.events) == []
        assert after.failures == before.failures == ()


def test_another_seed_is_another_trace(scenarios) -> None:
    first, other = runner.run(scenarios[0], seed=1), runner.run(scenarios[0], seed=2)
    assert compare(first.events, other.events) != []
    assert first.passed
    assert other.passed


WHOLE = [
    "elliptic-ca-behind-an-rsa-ra", "faults-signatures-refused[sigalg-pss]", "fail-info*", "manual-request",
    "second-half-past-two", "seconds-over-the-change-back",
]  # fmt: skip


def _whole(folder: Path, *options: str) -> dict[str, Any]:
    """A report but for the real time that its run took."""
    command = [sys.executable, "-m", "mfp_sim", "run", *WHOLE, "--report", str(folder), *options]
    subprocess.run(command, check=True, capture_output=True)
    report = json.loads((folder / "report.json").read_text())
    for name in ("begun", "seconds"):
        report["provenance"].pop(name)
    for scenario in report["scenarios"]:
        assert scenario.pop("real_seconds") > 0
    page = (folder / "report.html").read_text().splitlines()
    return {"json": report, "markdown": (folder / "summary.md").read_text(), "html": page}


def test_two_whole_runs_are_the_same_byte_for_byte_messages_too(tmp_path: Path) -> None:
    """RSA encryption, PSS and ECDSA are among them: certificates, fingerprints, lengths and ciphertexts."""
    one, other = _whole(tmp_path / "one"), _whole(tmp_path / "other", "--jobs", "2")
    exchanges = [exchange for scenario in one["json"]["scenarios"] for exchange in scenario["exchanges"]]
    table = one["json"]["messages"]
    assert sum(bool(table[exchange["reply"]]["body"]) for exchange in exchanges) > 20
    pages = one.pop("html"), other.pop("html")
    assert one == other
    differing = [lines for lines in zip(*pages, strict=True) if lines[0] != lines[1]]
    assert len(differing) <= 2, "the time at which the run began, and how long it took"
    assert all(re.sub(r"[0-9]+", "", first) == re.sub(r"[0-9]+", "", second) for first, second in differing)


def _traces(folder: Path, hash_seed: str, *options: str) -> dict[str, str]:
    subprocess.run(
        [sys.executable, "-m", "mfp_sim", "run", *NAMES, "--report", str(folder), *options],
        check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    return {path.name: path.read_text() for path in (folder / "traces").iterdir()}


def test_processes_order_and_hash_seed_change_nothing(scenarios, tmp_path: Path) -> None:
    here = {f"{scenario.name}.jsonl": to_json_lines(runner.run(scenario).events) for scenario in scenarios}
    assert _traces(tmp_path / "one", "1") == here
    assert _traces(tmp_path / "two", "2", "--jobs", "2", "--shuffle", "--seed", "1") == {
        f"{scenario.name}.jsonl": to_json_lines(runner.run(scenario, seed=1).events) for scenario in scenarios
    }
