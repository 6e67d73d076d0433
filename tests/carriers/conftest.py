"""A CA behind both carriers: in process on a frozen clock, and behind real sockets on the system's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing import Bench
from mfp_sim.transport import SocketClient, Transport
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService

Carrier = Callable[[str], AbstractContextManager[tuple[Transport, str, int]]]


@contextmanager
def in_process(rules: str) -> Iterator[tuple[Transport, str, int]]:
    """The CA in process."""
    yield Bench(script=rules, challenge=None).transport, "127.0.0.1", 80


@contextmanager
def over_sockets(rules: str) -> Iterator[tuple[Transport, str, int]]:
    """The CA on loopback."""
    bench = Bench(script=rules, challenge=None, clock=SystemClock())
    with ServerHost(bench.ca) as host:
        yield SocketClient(bench.clock), host.host, host.port


@pytest.fixture(params=[in_process, over_sockets], ids=["in-process", "sockets"])
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """One of the two."""
    return request.param


@pytest.fixture
def carriers() -> tuple[Carrier, Carrier]:
    """Both."""
    return in_process, over_sockets


@pytest.fixture
def frozen_service() -> Callable[..., ScepService]:
    """Makes a CA on a frozen clock."""
    return lambda rules="[]": Bench(script=rules, challenge=None).ca
