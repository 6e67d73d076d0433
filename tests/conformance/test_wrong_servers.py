"""Each wrong server is wrong in the way it says, and serves right requests all the same."""

from __future__ import annotations

import pytest
from wrong_servers import SERVERS, WrongServer

from mfp_sim.testing import Bench

each = pytest.mark.parametrize("server", SERVERS.values(), ids=lambda server: server.name)


@each
def test_it_is_wrong_and_the_mock_is_not(server: WrongServer) -> None:
    right, spoilt = Bench(), Bench()
    server.spoil(spoilt.ca)
    assert server.shows(spoilt)
    assert not server.shows(right)


@each
def test_it_serves_right_requests(server: WrongServer) -> None:
    bench = Bench()
    server.spoil(bench.ca)
    client = bench.client()
    answers = [client.ask(client.order(method=method)) for method in ("POST", "GET")]
    assert any(answer.granted and answer.issued is not None for answer in answers) == server.serves
