"""A CA behind both carriers: in process on a frozen clock, and behind real sockets on the system's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.simtime import Clock, Entropy, FrozenClock, PooledKeys, SystemClock
from mfp_sim.transport import InProcess, Sequential, SocketClient, Transport
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script import Script
from mock_scep_server.script_file import read_script
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def make_service(clock: Clock, rules: str = "[]") -> ScepService:
    """A CA with that script; its keys are of the pool, since nobody but the test sees it."""
    problems = Problems()
    script = Script(read_script(load_text(rules, "script.yaml"), problems), ZoneInfo("UTC"), clock.now())
    problems.raise_if_any()
    entropy = Entropy(5)
    return ScepService(
        profile=profile_named("rfc8894"), clock=clock, entropy=entropy, keys=PooledKeys(entropy, side=1), script=script
    )


Carrier = Callable[[str], AbstractContextManager[tuple[Transport, str, int]]]


@contextmanager
def in_process(rules: str) -> Iterator[tuple[Transport, str, int]]:
    """The CA in process."""
    clock = FrozenClock(NOON)
    handle = make_service(clock, rules).handle
    yield Sequential(clock, lambda scheduler: InProcess(scheduler, handle)), "127.0.0.1", 80


@contextmanager
def over_sockets(rules: str) -> Iterator[tuple[Transport, str, int]]:
    """The CA on loopback."""
    clock = SystemClock()
    with ServerHost(make_service(clock, rules)) as host:
        yield SocketClient(clock), host.host, host.port


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
    return lambda rules="[]": make_service(FrozenClock(NOON), rules)
