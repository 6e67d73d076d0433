"""micromdm's client and server through the proxy: passed on unchanged, and what each does wrong is said of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from clients import Scepclient

pytestmark = pytest.mark.peer


def test_micromdm_on_both_sides(micromdm_server, find_program, tmp_path: Path) -> None:
    program, other = find_program("scepclient", "scep"), tmp_path / "other"
    other.mkdir()
    proxy = subprocess.Popen(
        [sys.executable, "-m", "mfp_sim", "proxy", "--listen", "127.0.0.1:0", "--to", micromdm_server.url, "--save", "session"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert proxy.stdout is not None
    try:
        url = re.search(r"proxy at (\S+?), in front of", proxy.stdout.readline())[1]  # type: ignore[index]
        told = Scepclient(program, tmp_path).enrol(url, micromdm_server.ca_file, challenge=micromdm_server.challenge)
        refused = Scepclient(program, other).enrol(url, micromdm_server.ca_file, challenge="wrong")
    finally:
        proxy.terminate()
        out, err = proxy.stdout.read(), proxy.stderr.read()  # type: ignore[union-attr]
        proxy.wait(60)
        proxy.stdout.close()
        proxy.stderr.close()  # type: ignore[union-attr]
    assert told.certificate is not None, told.text
    assert refused.certificate is None
    assert err == ""
    lines = [line for line in out.splitlines() if re.match(r"#\d+ ", line)]
    decided = [line.partition(" -> ")[2].partition(" (")[0] for line in lines if "PKCSReq" in line]
    assert decided[0].startswith("HTTP 200 SUCCESS")
    assert "granted" in out
    assert (
        "fail SCEP-2.9-09 pkcsPKIEnvelope.encryptedContentInfo.contentEncryptionAlgorithm: single DES (2 times)" in out
    )
    # The wrong challenge is the reason, which no one sees from outside; the algorithms are not, since they were granted.
    assert (
        "failInfo badRequest: the CA does not grant it, often because of a wrong or missing challenge password" in out
    )
    assert re.search(r"^server: (fail|warn) ", out, re.MULTILINE)
    assert (tmp_path / "session" / "session.json").is_file()
    check = subprocess.run(
        [sys.executable, "-m", "mfp_sim", "check", "session/session.scenario.yaml"], cwd=tmp_path, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout + out
    everything = out + "".join(file.read_text("latin-1") for file in (tmp_path / "session").iterdir())
    assert micromdm_server.challenge not in everything
