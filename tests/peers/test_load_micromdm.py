"""``mfp-sim load`` at micromdm's scepserver: with several clients at once its serial numbers come twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer


def test_serial_numbers_that_come_twice_are_found(tmp_path: Path, micromdm_server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mfp_sim", "load", micromdm_server.url, "--challenge-env", "CHALLENGE",
         "--clients", "16", "--certificates", "80", "--processes", "2", "--report", "out"],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env={**os.environ, "CHALLENGE": micromdm_server.challenge},
    )  # fmt: skip
    told = json.loads((tmp_path / "out" / "load.json").read_text())
    assert done.returncode == 1, done.stdout + done.stderr
    assert told["serials"] > told["distinct"]
    assert told["duplicates"]
    assert f"{told['serials']} certificates have {told['distinct']} serial numbers" in done.stdout
