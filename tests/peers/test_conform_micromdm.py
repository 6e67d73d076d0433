"""The conformance checks at micromdm's scepserver: exactly what its baseline says, no more and no less."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer

BASELINE = Path(__file__).parents[2] / "reports" / "servers" / "micromdm-2.1.0" / "baseline.yaml"


def conform(url: str, secret: str, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (where / "secret").write_text(secret + "\n")
    command = [sys.executable, "-m", "mfp_sim", "conform", url, "--challenge-file", str(where / "secret")]
    return subprocess.run(
        [*command, "--report", str(where / "out"), *words], capture_output=True, text=True, check=False, timeout=580
    )


@pytest.mark.parametrize("micromdm_server", [()], indirect=True)
def test_it_is_as_its_baseline_says(micromdm_server, tmp_path: Path) -> None:
    done = conform(
        micromdm_server.url, micromdm_server.challenge, tmp_path, "--keep-going", "--baseline", str(BASELINE), "-q"
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    whole = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert whole["verdicts"]["pass"] > 50
    # Its concurrency gives numbers twice, by chance; whatever it was, it is listed with the certificates.
    assert len(whole["minted"]) > 50
    printers = {entry["model"]: entry["verdict"] for entry in whole["printers"]}
    assert printers["canon-legacy"] == "works"
    everything = done.stdout + "".join(p.read_text("utf-8") for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert micromdm_server.challenge not in everything


def test_with_its_debug_log_one_unknown_message_type_ends_it(micromdm_server, tmp_path: Path) -> None:
    """With ``-debug`` the logger panics on a messageType it has no name for, and the process ends."""
    done = conform(
        micromdm_server.url, micromdm_server.challenge, tmp_path, "--keep-going", "--verdict", "rfc",
        "--only", "refuses-unknown-types",
    )  # fmt: skip
    assert done.returncode == 3, done.stdout
    assert "the request of this check crashed the server or made it hang" in done.stdout
    assert "the last positive control failed" in done.stdout
