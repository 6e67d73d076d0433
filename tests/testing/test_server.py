"""The mock on a socket for other people's tests, and the same in a container: what a `with` block gives."""

from __future__ import annotations

import json
import shlex
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509

from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.testing import MockScepServer
from mfp_sim.testing.container import MockScepContainer
from mock_scep_server.tls import TlsKind


def get(url: str, **query: str) -> bytes:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    with urllib.request.urlopen(f"{url}?{words}", timeout=30) as reply:
        return reply.read()


def enrol(url: str, challenge: str | None, folder: Path, code: int = 0) -> str:
    """The printer as a program of its own asks for a certificate there; gives what it prints."""
    env = {"SCEP_URL": url, "SCEP_SUBJECT": "CN=192.0.2.10", "SCEP_CHALLENGE": challenge or "", "SCEP_TIMEOUT": "10",
           "SCEP_KEY_FILE": "key.pem", "SCEP_CERTIFICATE_FILE": "certificate.pem"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "mfp_sim.examination.clients.printer", "enrol"], cwd=folder, env=env,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_program_enrols_at_it_and_the_test_sees_what_happened(tmp_path: Path) -> None:
    with MockScepServer() as server:
        enrol(server.url, server.challenge, tmp_path)
        issued = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
        issued.verify_directly_issued_by(x509.load_pem_x509_certificate(server.ca_certificate.encode()))
        assert server.asked == ["GetCACaps", "GetCACert", "PKCSReq"]
        assert server.ledger.counts["minted"] == 1
        assert server.journal[2].decision.startswith("SUCCESS")


def test_rules_are_replaced_while_it_runs(tmp_path: Path) -> None:
    with MockScepServer(script="[{when: {type: PKCSReq}, then: pending}]") as server:
        assert len(server.script) == 1
        server.script = "[{when: {type: PKCSReq}, then: {failure: 2, text: not today}}]"
        assert "Fail Info 2" in enrol(server.url, server.challenge, tmp_path, code=1)
        with pytest.raises(DocumentError, match="tpye"):
            server.script = "[{when: {tpye: PKCSReq}}]"
        assert server.journal[-1].rule == 1


def test_the_operator_approves(tmp_path: Path) -> None:
    with MockScepServer("{approval: manual}") as server:
        assert "deferred" in enrol(server.url, server.challenge, tmp_path, code=1).lower()
        assert [waiting.subject for waiting in server.operator.waiting] == ["CN=192.0.2.10"]
        assert server.operator.approve() == 1
        assert [waiting.approved for waiting in server.operator.waiting] == [True]


def test_it_ends_with_the_block_and_its_port_is_free_again() -> None:
    with MockScepServer() as server:
        port = server.port
        assert b"SCEPStandard" in get(server.url, operation="GetCACaps")
        with pytest.raises(UsageError, match=str(port)):
            MockScepServer(port=port)
    with pytest.raises(urllib.error.URLError):
        get(server.url, operation="GetCACaps")
    with MockScepServer(port=port) as again:
        assert again.port == port


@pytest.mark.parametrize("kind", ["trusted", "untrusted", "other-pki"])
def test_over_tls_the_test_has_what_a_client_must_trust(kind: TlsKind, tmp_path: Path) -> None:
    with MockScepServer(tls=kind) as server:
        assert server.url.startswith("https://")
        trust = tmp_path / "tls-ca.pem"
        trust.write_text(server.tls_ca_certificate)
        assert (server.tls_ca_certificate == server.ca_certificate) is (kind == "trusted")
        context = ssl.create_default_context(cafile=str(trust))
        with urllib.request.urlopen(f"{server.url}?operation=GetCACaps", context=context, timeout=30) as reply:
            assert reply.status == 200
    with MockScepServer() as plain:
        assert plain.tls_ca_certificate is None


def test_generated_keys_unless_a_seed_is_given(tmp_path: Path) -> None:
    with MockScepServer() as one, MockScepServer() as other:
        assert one.ca_certificate != other.ca_certificate
    with MockScepServer(seed=7) as pooled:
        written = pooled.write_ca(tmp_path / "ca.pem")
        assert written.read_text() == pooled.ca_certificate


class WithoutDocker(MockScepContainer):
    """The container's command as a process on this machine, its ports others: all but what the engine does."""

    def start(self) -> WithoutDocker:
        words = ["0" if word in ("8080", "8081") else word for word in shlex.split(str(self._command))]
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        program = [sys.executable, "-m", "mock_scep_server.cli", *words[1:]]
        self.process = subprocess.Popen(program, env=self.env, stdout=subprocess.PIPE, text=True)
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.urls = [word.rstrip("/;,") for line in lines for word in line.split() if word.startswith("http://")]
        return self

    def stop(self, *_: object, **__: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)

    def get_container_host_ip(self) -> str:
        return "127.0.0.1"

    def get_exposed_port(self, port: int) -> int:
        return int(self.urls[(8080, 8081).index(port)].split(":")[2].split("/")[0])


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container is described without an engine that would run it: what asks for one at once asks nobody."""
    monkeypatch.setattr("testcontainers.core.container.DockerClient", lambda **_: None)


@pytest.mark.usefixtures("no_engine")
def test_the_container_runs_the_mock_and_its_control_port(tmp_path: Path) -> None:
    with WithoutDocker(options=["--profile", "lenient"]) as container:
        enrol(container.url, container.challenge, tmp_path)
        assert [entry["name"] for entry in container.journal] == ["GetCACaps", "GetCACert", "PKCSReq"]
        assert container.ca_certificate.startswith("-----BEGIN CERTIFICATE-----")
        container.script = "- then: pending\n"
        assert container.script == "- then: pending\n"
        assert container.control("GET", "/status")["profile"] == "lenient"
        assert container.control("POST", "/hold", pattern="CN=other-*") is not None
        with pytest.raises(urllib.error.HTTPError) as refused:
            container.script = "- {when: {tpye: PKCSReq}, then: pending}\n"
        assert "tpye" in json.loads(refused.value.read())["problems"][0]["message"]
    assert "s3cret" not in container._command


@pytest.mark.usefixtures("no_engine")
def test_a_container_without_a_challenge_wants_none() -> None:
    assert "--challenge-env" not in MockScepContainer(challenge=None)._command
