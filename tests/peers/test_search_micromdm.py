"""The search at micromdm's scepserver: it forgets transactions, and clients at the same time get one serial number."""

from __future__ import annotations

import pytest

from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.target import Permissions, target_of
from mfp_sim.exploration.server.search import search_server
from mfp_sim.shared.simtime import Entropy, GeneratedKeys, KeysAhead, SystemClock
from mfp_sim.transport import SocketClient

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("micromdm_server", [()], indirect=True)
def test_what_the_search_finds_at_micromdm(micromdm_server) -> None:
    clock = SystemClock()
    with KeysAhead(GeneratedKeys()) as keys:
        session = Client(
            target_of(micromdm_server.url),
            SocketClient(clock),
            clock=clock,
            entropy=Entropy(None),
            keys=keys,
            challenges=Static(micromdm_server.challenge),
            policy=Permissions(budget=400),
        )
        result = search_server(session, seed=1, cases=40, keep_going=True)
    found = {failure.rule.slug: failure for failure in result.failures}
    # Under load it refuses some right requests, and grants them when they are repeated.
    assert {"one-certificate", "transaction-taken", "serial-once"} == set(found) - {"refused-stays-refused"}
    for slug in ("one-certificate", "transaction-taken"):
        assert (found[slug].repeated, len(found[slug].history)) == (True, 2)
    race = found["serial-once"]
    assert len({entry.act.round for entry in race.history}) < len(race.history)
    assert result.last is None
    assert len(result.minted) + len(result.untold) <= 400
    assert micromdm_server.challenge not in "\n".join(result.lines())
