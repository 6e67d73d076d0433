"""The mock on a socket, with defects where asked for; the command line in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from mfp_sim.cli.main import main
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing import Bench
from mock_scep_server.faults.defects import Gate
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService
from mock_scep_server.setup import CaSetup

CHALLENGE = "conf0rm-secret"


@dataclass(frozen=True)
class Server:
    """A mock on loopback."""

    url: str
    service: ScepService

    @property
    def serials(self) -> set[str]:
        """Of everything that was minted and asked for by us."""
        return {f"{entry.certificate.serial:x}" for entry in self.service.ledger.entries}


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Starts a mock: ``server("defect", policy=CaPolicy(...), profile fields)``."""
    hosts: list[ServerHost] = []

    def start(*defects: str, policy: CaPolicy | None = None, static: bool = True, **changes: object) -> Server:
        bench = Bench(
            CaSetup(policy=policy or CaPolicy()),
            profile=replace(profile_named("rfc8894"), **changes),  # type: ignore[arg-type]
            clock=SystemClock(),
            challenge=CHALLENGE if static else None,
        )
        host = ServerHost(Gate(bench.ca, defects, bench.entropy.fork("gate").octets))
        host.start()
        hosts.append(host)
        return Server(f"{host.url}/scep", bench.ca)

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture
def conform(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs ``mfp-sim conform``: the exit code, and all that was printed."""

    def run(*words: object) -> tuple[int, str]:
        try:
            code = main(["conform", *map(str, words)])
        except SystemExit as end:
            code = int(str(end.code))
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


@pytest.fixture(autouse=True)
def pooled_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback only: making keys anew for every request would take most of the time."""
    source = PooledKeys(Entropy(9), side=0)
    monkeypatch.setattr("mfp_sim.cli.conform.GeneratedKeys", lambda: source)
