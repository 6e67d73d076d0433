"""Real clients at the mock's TLS: what they refuse, and what they cannot know from it."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from clients import LIBRARY

from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing import Bench
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService
from mock_scep_server.tls import Handshake, TlsKind, make_endpoint

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Live:
    """The mock over TLS; ``anchor`` is the file with what is to be trusted, where there is something."""

    url: str
    service: ScepService
    anchor: Path | None
    handshakes: SimpleQueue[Handshake]

    @property
    def asked(self) -> list[str]:
        """What came, in order."""
        return [entry.name for entry in self.service.journal.entries]


@contextmanager
def live(kind: TlsKind, where: Path) -> Iterator[Live]:
    """The mock with real keys; lenient, since micromdm's client uses single DES."""
    bench = Bench(profile="lenient", challenge=None, clock=SystemClock(), seed=None)
    service = bench.ca
    endpoint = make_endpoint(kind, service.authority, clock=bench.clock, entropy=bench.entropy, keys=bench.keys(side=1))
    anchor = None
    if endpoint.anchor is not None:
        anchor = where / "anchor.pem"
        anchor.write_text(ssl.DER_cert_to_PEM_cert(endpoint.anchor.der))
    handshakes: SimpleQueue[Handshake] = SimpleQueue()
    with ServerHost(service, tls=endpoint.context, on_handshake=handshakes.put) as host:
        yield Live(f"{host.url}/scep", service, anchor, handshakes)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def micromdm(find_program, tmp_path: Path) -> Run:
    """``micromdm(live, *options)``: one enrolment with micromdm's client."""
    path = find_program("scepclient", "scep")

    def run(live: Live, *options: str) -> subprocess.CompletedProcess[str]:
        trusted = {"SSL_CERT_FILE": str(live.anchor)} if live.anchor else {}
        command = [path, "-server-url", live.url, "-private-key", "key.pem", "-cn", "client.example", *options]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **trusted},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_micromdm_breaks_off_where_it_cannot_know_the_server(micromdm: Run, tmp_path: Path) -> None:
    with live("untrusted", tmp_path) as mock:
        done = micromdm(mock)
        assert mock.handshakes.get(timeout=20).failure == "the client reports bad certificate"
    assert done.returncode != 0
    assert "certificate signed by unknown authority" in done.stdout + done.stderr
    assert mock.asked == []


def test_micromdm_without_a_fingerprint_takes_whatever_ca_is_behind_a_trusted_server(
    micromdm: Run, tmp_path: Path
) -> None:
    with live("other-pki", tmp_path) as mock:
        done = micromdm(mock)
    assert done.returncode == 0, done.stdout + done.stderr
    issued = ssl.PEM_cert_to_DER_cert((tmp_path / "client.pem").read_text())
    Certificate.from_der(issued).verify_issued_by(mock.service.authority.issuer.certificate)
    assert mock.asked[-1] == "PKCSReq"


def test_micromdm_with_a_fingerprint_stops_before_it_sends_a_request(micromdm: Run, tmp_path: Path) -> None:
    with live("other-pki", tmp_path) as mock:
        assert mock.anchor is not None
        other = Certificate.from_der(ssl.PEM_cert_to_DER_cert(mock.anchor.read_text()))
        done = micromdm(mock, "-ca-fingerprint", other.fingerprint())
        assert done.returncode != 0
        assert "no selected CA/RA recipients" in done.stdout + done.stderr
        assert not (tmp_path / "client.pem").exists()
        assert mock.asked == ["GetCACert"]
        right = micromdm(mock, "-ca-fingerprint", mock.service.authority.issuer.certificate.fingerprint())
    assert right.returncode == 0, right.stdout + right.stderr
    assert mock.asked[-1] == "PKCSReq"


def test_certmonger_trusts_what_it_is_told_to(find_program, tmp_path: Path) -> None:
    find_program("getcert", "certmonger")

    def get_ca(*options: str) -> subprocess.CompletedProcess[str]:
        command = [f"{LIBRARY}/scep-submit", "-u", mock.url, "-C", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    with live("other-pki", tmp_path) as mock:
        refused = get_ca()
        assert mock.handshakes.get(timeout=20).failure == "the client reports unknown ca"
        assert "peer certificate" in refused.stdout + refused.stderr
        assert mock.asked == []
        taken = get_ca("-R", str(mock.anchor))
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert (
        Certificate.from_der(ssl.PEM_cert_to_DER_cert(taken.stdout.strip()))
        == mock.service.authority.issuer.certificate
    )
