"""``conform --quick`` at XiPKI's library, in the CA of ``.ci/xipki_server``: exactly what its baseline says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".ci" / "xipki_server" / "pom.xml"
SCRIPT = ROOT / ".ci" / "real_servers.sh"


def version() -> str:
    (found,) = re.findall(r"<xipki>(.+)</xipki>", BUILD.read_text("utf-8"))
    return str(found)


def test_it_is_the_version_that_is_published() -> None:
    assert f"\nXIPKI={version()}\n" in SCRIPT.read_text("utf-8")
    assert (ROOT / "reports" / "servers" / f"xipki-{version()}" / "verdicts.json").exists()


def test_quick_is_as_its_baseline_says(xipki_server, tmp_path: Path) -> None:
    url, secret = xipki_server
    baseline = ROOT / "reports" / "servers" / f"xipki-{version()}" / "baseline.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "mfp_sim", "conform", url, "--challenge-file", str(secret), "--quick", "-q",
         "--baseline", str(baseline), "--report", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, timeout=580,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    whole = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert whole["verdicts"]["pass"] > 50
    assert {check["id"] for check in whole["checks"] if check["verdict"] == "fail"} == {"certrep-econtent-type"}
    assert 0 < len(whole["minted"]) <= 20
    assert {entry["verdict"] for entry in whole["printers"]} == {"works"}
