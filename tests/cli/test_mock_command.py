"""``mock-scep-server`` as a process: it says where it is, answers, ends when asked to, and explains a busy port."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mock_scep_server.cli import main

COMMAND = [sys.executable, "-m", "mock_scep_server.cli"]


def test_it_serves_and_ends_when_asked_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary-77\n")
    (tmp_path / "rules.yaml").write_text("- {when: {operation: GetCACaps}, then: {http: 503}, times: 1}\n")
    server = subprocess.Popen(
        [*COMMAND, "--port", "0", "--challenge-file", str(tmp_path / "secret"), "--script", str(tmp_path / "rules.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    url = re.search(r"http://\S+", server.stdout.readline())[0]
    assert server.stdout.readline().startswith("CA certificate, SHA-256: ")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20)
    with urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20) as reply:
        assert b"POSTPKIOperation" in reply.read()
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    assert "GET GetCACaps -> " in out
    assert "[rule 1]" in out
    assert "canary" not in out


def test_a_busy_port_is_explained(capsys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1, port {port}: address already in use" in told
    assert "choose another port" in told


def test_mistakes_of_a_script_file_are_told_with_their_places(tmp_path: Path, capsys) -> None:
    (tmp_path / "rules.yaml").write_text("- {when: {tpye: PKCSReq}, then: pending}\n- {then: maybe}\n")
    assert main(["--script", str(tmp_path / "rules.yaml")]) == 2
    told = capsys.readouterr().err
    assert "rules.yaml:1:11: " in told
    assert "did you mean 'type'?" in told
    assert "rules.yaml:2:10: " in told


@pytest.mark.parametrize("verb", ["faults", "profiles"])
def test_lists_for_people_and_machines(capsys, verb: str) -> None:
    assert main([verb]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main([verb, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(lines) == len(rows) >= 2
