"""Real SCEP programs: where they are, how their servers are started, and the mock behind a socket for their clients."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mfp_sim.documents import Problems, load_text
from mfp_sim.simtime import Entropy, GeneratedKeys, SystemClock
from mock_scep_server.challenges import StaticChallenge
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script import Script, read_script
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService

CHALLENGE = "peer-challenge"


def program(name: str, package: str) -> str:
    """The program's path; missing, the test is skipped, or fails where CI=true."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed (Debian package {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
def find_program() -> Callable[[str, str], str]:
    """Finds a peer's program."""
    return program


@pytest.fixture
def openssl() -> Callable[..., str]:
    """Runs openssl and returns what it prints; a failure of it is one of the test."""
    path = program("openssl", "openssl")

    def run(*arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run([path, *arguments], input=stdin, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout.decode(errors="replace")

    return run


@dataclass(frozen=True)
class MicromdmServer:
    """A running ``scepserver``."""

    url: str
    challenge: str
    ca_file: Path


@pytest.fixture
def micromdm_server(tmp_path: Path) -> Iterator[MicromdmServer]:
    """micromdm's server on a free port, with a new CA."""
    path = program("scepserver", "scep")
    depot = tmp_path / "depot"
    made = subprocess.run(
        [path, "ca", "-init", "-depot", str(depot), "-keySize", "2048"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    port = _free_port()
    log = (tmp_path / "scepserver.log").open("wb")
    server = subprocess.Popen(
        [path, "-depot", str(depot), "-port", str(port), "-challenge", CHALLENGE, "-allowrenew", "0", "-debug"],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        _wait_for(port, server, tmp_path / "scepserver.log")
        yield MicromdmServer(f"http://127.0.0.1:{port}/scep", CHALLENGE, depot / "ca.pem")
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """A server of another project says in no other way that it is ready."""
    pause = threading.Event()
    for _ in range(400):
        assert server.poll() is None, log.read_text(errors="replace")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    pytest.fail(f"scepserver did not open its port: {log.read_text(errors='replace')}")


@dataclass(frozen=True)
class Mock:
    """The mock behind a socket."""

    url: str
    service: ScepService

    @property
    def asked(self) -> list[str]:
        """What came, in order: operations and message types."""
        return [entry.name for entry in self.service.journal.entries]

    @property
    def decisions(self) -> list[str]:
        """What was decided about each."""
        return [entry.decision for entry in self.service.journal.entries]


@pytest.fixture
def mock() -> Iterator[Callable[..., Mock]]:
    """Starts a mock with real keys and real chance: ``mock(profile, rules, ra)``; ``changes`` are of its profile."""
    hosts: list[ServerHost] = []

    def start(profile: str, rules: str = "[]", ra: str = "none", **changes: object) -> Mock:
        problems = Problems()
        parsed = read_script(load_text(rules, "rules"), problems)
        problems.raise_if_any()
        clock = SystemClock()
        service = ScepService(
            profile=replace(profile_named(profile), **changes),  # type: ignore[arg-type]
            clock=clock,
            entropy=Entropy(None),
            keys=GeneratedKeys(),
            challenge=StaticChallenge(CHALLENGE),
            script=Script(parsed, ZoneInfo("UTC"), clock.now()),
            ra=ra,  # type: ignore[arg-type]
        )
        host = ServerHost(service)
        host.start()
        hosts.append(host)
        return Mock(f"{host.url}/scep", service)

    yield start
    for host in hosts:
        host.stop()
