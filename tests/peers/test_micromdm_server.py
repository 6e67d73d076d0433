"""Our printer at micromdm's scepserver: real sockets, real clock, real keys."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mfp_sim.device.settings import KeySettings
from mfp_sim.scenario.model import CaSetup, PrinterSetup, Scenario
from mfp_sim.scenario.world import World, build

pytestmark = pytest.mark.peer

SCENARIO = """\
format: 1
name: enrols-at-a-real-server
why: A manual request at a real server ends with its certificate.
clock: 2026-03-02T08:00:00+01:00
printer: {dns: true, settings: {read_single_des: true}}
ca: {challenge: {static: stands-in}}
steps:
  - request: {name: tls, common_name: printer-2.example, challenge: stands-in, use: TLS}
  - expect:
      status: {state: successful, details: none}
      keys: [{name: tls, certificate: {common_name: printer-2.example, fits_key: true}}]
      requests: [GetCACaps, GetCACert, PKCSReq]
      ledger: {minted: 1}
"""


def world_at(url: str, **settings: object) -> World:
    """A printer whose CA is the server at ``url``."""
    printer = PrinterSetup(settings={"read_single_des": True, **settings}, dns=True)
    now = datetime.now(timezone.utc)
    scenario = Scenario("real", "a real server", "here", now, (), printer=printer, ca=CaSetup(url=url))
    return build(scenario, seed=1)


def test_it_enrols_and_openssl_verifies_the_certificate(micromdm_server, openssl, tmp_path: Path) -> None:
    world = world_at(micromdm_server.url)
    row = world.printer.send_request(KeySettings("tls", "printer-1.example", challenge=micromdm_server.challenge))
    assert (row.state, row.details) == ("successful", None)
    (entry,) = [entry for entry in world.printer.key_list() if not entry.default]
    (tmp_path / "issued.der").write_bytes(entry.certificate.der)
    openssl("x509", "-inform", "DER", "-in", str(tmp_path / "issued.der"), "-out", str(tmp_path / "issued.pem"))
    verified = openssl("verify", "-x509_strict", "-CAfile", str(micromdm_server.ca_file), str(tmp_path / "issued.pem"))
    assert verified.strip().endswith(": OK")
    of_certificate = openssl("x509", "-in", str(tmp_path / "issued.pem"), "-noout", "-pubkey")
    of_key = openssl("pkey", "-inform", "DER", "-pubout", stdin=entry.private)
    assert of_certificate == of_key


def test_a_wrong_challenge_shows_as_fail_info_2(micromdm_server) -> None:
    world = world_at(micromdm_server.url)
    row = world.printer.send_request(KeySettings("tls", "printer-1.example", challenge="wrong"))
    assert (row.state, row.details.slug) == ("error", "fail-info-2")
    assert row.details.label == "Communication Error (SCEP ERROR Fail Info 2)"
    assert [entry.name for entry in world.printer.key_list()] == ["Default Key"]


def test_its_single_des_reply_is_refused_by_name_unless_the_profile_reads_it(micromdm_server) -> None:
    """micromdm 2.1.0 answers in single DES whatever it was asked with; a mended version makes this test fail."""
    world = world_at(micromdm_server.url, read_single_des=False)
    row = world.printer.send_request(KeySettings("tls", "printer-1.example", challenge=micromdm_server.challenge))
    assert (row.state, row.details.slug) == ("error", "scep-error")
    assert "des-cbc" in world.printer.audit[-1].diagnosis


def test_the_command_line_runs_a_scenario_against_it(micromdm_server, tmp_path: Path) -> None:
    file = tmp_path / "real.scenario.yaml"
    file.write_text(SCENARIO)
    (tmp_path / "challenge").write_text(micromdm_server.challenge + "\n")
    run = subprocess.run(
        [sys.executable, "-m", "mfp_sim", "run", str(file), "--ca", micromdm_server.url, "--challenge-file",
         str(tmp_path / "challenge"), "--json", "--report", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(run.stdout)
    assert report["target"] == micromdm_server.url
    assert report["scenarios"][0]["outcome"] == "passed"
    assert [place.rpartition(": ")[2] for place in report["scenarios"][0]["unobserved"]] == ["ledger"]
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert micromdm_server.challenge not in run.stdout + run.stderr + written
