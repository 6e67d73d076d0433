"""certmonger, as its daemon on a private bus, at the mock. It speaks GET only and polls by a fresh PKCSReq."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer


@pytest.fixture
def certmonger(find_program, openssl, tmp_path: Path):
    """Requests a certificate; returns what ``getcert`` said, and refreshes ``refreshes`` times while it waits."""
    bus = find_program("dbus-run-session", "dbus")
    find_program("getcert", "certmonger")
    home = tmp_path / "home"
    home.mkdir()

    def run(server, challenge: str = "peer-challenge", refreshes: int = 0) -> str:
        (tmp_path / "ca.der").write_bytes(server.service.ca.ca.certificate.der)
        openssl("x509", "-inform", "DER", "-in", str(tmp_path / "ca.der"), "-out", str(tmp_path / "ca.pem"))
        script = f"""
            getcert add-scep-ca -s -c scep -u {server.url} -N {tmp_path}/ca.pem || exit 1
            getcert request -s -c scep -I one -k {home}/key.pem -f {home}/cert.pem -N CN=printer-3.example -L {challenge} -w
            for round in $(seq {refreshes}); do getcert refresh -s -i one; done
            for round in $(seq 100); do
                case $(getcert list -s) in *MONITORING*|*CA_REJECTED*|*CA_UNREACHABLE*) break ;; *) sleep 0.1 ;; esac
            done
            getcert list -s
        """
        done = subprocess.run(
            [bus, "--", "bash", "-c", script],
            capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        )  # fmt: skip
        return done.stdout

    return run


def verified(openssl, folder: Path) -> str:
    openssl("verify", "-x509_strict", "-CAfile", str(folder / "ca.pem"), str(folder / "home" / "cert.pem"))
    return openssl("x509", "-in", str(folder / "home" / "cert.pem"), "-noout", "-subject").strip()


@pytest.mark.parametrize("ra", ["none", "split"])
@pytest.mark.parametrize("profile", ["rfc8894", "lenient"])
def test_it_enrols(mock, certmonger, openssl, tmp_path: Path, profile: str, ra: str) -> None:
    server = mock(profile, ra=ra)
    told = certmonger(server)
    assert "status: MONITORING" in told, told
    assert verified(openssl, tmp_path) == "subject=CN = printer-3.example"
    assert server.asked[-1] == "PKCSReq"
    assert {entry.method for entry in server.service.journal.entries} == {"GET"}


def test_pending_is_asked_for_again_with_a_fresh_message(mock, certmonger, openssl, tmp_path: Path) -> None:
    server = mock("lenient", "[{when: {type: PKCSReq}, then: pending, times: 1}]")
    told = certmonger(server, refreshes=1)
    assert "status: MONITORING" in told, told
    assert verified(openssl, tmp_path) == "subject=CN = printer-3.example"
    requests = [entry for entry in server.service.journal.entries if entry.name == "PKCSReq"]
    assert len(requests) == 2
    assert len({entry.transaction for entry in requests}) == 1
    assert server.service.ledger.counts["minted"] == 1


def test_a_refusal_is_told_as_one_when_the_failure_has_empty_content(mock, certmonger) -> None:
    server = mock("lenient")
    told = certmonger(server, challenge="wrong")
    assert "status: CA_REJECTED" in told, told
    assert server.decisions[-1] == "FAILURE badRequest: the challenge password is wrong"


def test_its_defect_a_failure_without_content_is_taken_for_an_unreachable_server(mock, certmonger) -> None:
    """RFC 8894 3.3.2.2: no content with a failure. 0.79.17 does not read that; a mended version fails here."""
    server = mock("rfc8894")
    told = certmonger(server, challenge="wrong")
    assert "status: CA_UNREACHABLE" in told, told
    assert server.decisions[-1] == "FAILURE badRequest: the challenge password is wrong"
