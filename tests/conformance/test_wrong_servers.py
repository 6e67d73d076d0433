"""Each wrong server is wrong in the way it says, and serves right requests; what the checks caught, they still catch."""

from __future__ import annotations

from pathlib import Path

import pytest
from wrong_servers import SERVERS, WrongServer
from wrong_servers.examined import known, look, shapes_of
from wrong_servers.verdicts import CAUGHT, MISSED

from mfp_sim.testing import Bench

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "wrong_servers.md").read_text("utf-8")
REMEDY = "python -m tools.wrong_server_table"

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


# --- and the checks ---------------------------------------------------------------------------------------------------


def test_the_page_has_a_verdict_on_each() -> None:
    assert sorted([*CAUGHT, *MISSED]) == sorted(SERVERS)
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    assert sorted(row[0].strip("| `") for row in rows) == sorted(SERVERS)
    assert all(any(row[0] == f"| `{name}`" for row in rows) for name in SERVERS)


@pytest.mark.parametrize("name", CAUGHT)
def test_what_is_caught_stays_caught_for_that_reason(name: str) -> None:
    wanted = CAUGHT[name]
    check, _, fact = wanted.partition(":")
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` ")]
    caught, verdict = row.rstrip(" |").split(" | ")[-2:]
    assert caught == f"`{check}`: {fact}", REMEDY
    only = ("self-signed-bare", check)  # the first issues something to somebody else meanwhile
    found = [shape for shape in shapes_of(name) if look(name, shape, only).facts.get(wanted) == verdict]
    assert found, REMEDY
    assert all(wanted not in known(shape, only) for shape in found)
