"""micromdm's scepclient at the mock. It speaks single DES and SHA-1 whatever the server offers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer


@pytest.fixture
def scepclient(find_program, tmp_path: Path):
    path = find_program("scepclient", "scep")

    def run(url: str, challenge: str = "peer-challenge") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [path, "-private-key", "key.pem", "-certificate", "certificate.pem", "-server-url", url, "-cn",
             "printer-1.example", "-country", "", "-organization", "", "-ou", "", "-challenge", challenge, "-debug"],
            capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
        )  # fmt: skip

    return run


def _verified(openssl, mock, tmp_path: Path) -> str:
    (tmp_path / "ca.der").write_bytes(mock.service.ca.ca.certificate.der)
    openssl("x509", "-inform", "DER", "-in", str(tmp_path / "ca.der"), "-out", str(tmp_path / "ca.pem"))
    openssl("verify", "-x509_strict", "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "certificate.pem"))
    return openssl("x509", "-in", str(tmp_path / "certificate.pem"), "-noout", "-subject").strip()


@pytest.mark.parametrize("ra", ["none", "split"])
def test_it_enrols_at_lenient(mock, scepclient, openssl, tmp_path: Path, ra: str) -> None:
    server = mock("lenient", ra=ra)
    done = scepclient(server.url)
    assert done.returncode == 0, done.stderr
    assert _verified(openssl, server, tmp_path) == "subject=CN = printer-1.example"
    assert server.asked == ["GetCACert", "GetCACaps", "PKCSReq"]
    assert server.service.ledger.counts["delivered"] == 1


def test_rfc8894_refuses_its_single_des_with_bad_alg(mock, scepclient) -> None:
    server = mock("rfc8894")
    done = scepclient(server.url)
    assert done.returncode != 0
    assert "badAlg" in server.decisions[-1]
    assert "des-cbc" in server.decisions[-1]
    assert server.service.ledger.counts["minted"] == 0


def test_a_wrong_challenge_is_refused_with_bad_request(mock, scepclient) -> None:
    server = mock("lenient")
    assert scepclient(server.url, "wrong").returncode != 0
    assert server.decisions[-1].startswith("FAILURE badRequest")
    assert "challenge" in server.decisions[-1]


def test_pending_is_asked_again_with_the_same_octets_after_30_seconds(
    mock, scepclient, openssl, tmp_path: Path
) -> None:
    server = mock("lenient", "[{when: {type: PKCSReq}, then: pending, times: 1}]")
    done = scepclient(server.url)
    assert done.returncode == 0, done.stderr
    assert server.asked == ["GetCACert", "GetCACaps", "PKCSReq", "PKCSReq"]
    first, second = server.service.journal.entries[-2:]
    assert first.transaction == second.transaction
    assert 25 < (second.time - first.time).total_seconds() < 60
    assert _verified(openssl, server, tmp_path) == "subject=CN = printer-1.example"
    assert server.service.ledger.counts["minted"] == 1
