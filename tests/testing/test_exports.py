"""What other people's tests import keeps its names and its parameters: a change here is a change for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import mfp_sim.testing
from mfp_sim.testing import Bench, MockScepServer, script_of
from mfp_sim.testing.container import MockScepContainer

EXPORTS = {"Bench", "CHALLENGE", "KEY", "MockScepServer", "START", "ScepClient", "script_of"}
PARAMETERS: dict[Callable[..., object], str] = {
    Bench: "ca profile ra script challenge model flips values factory url storage start clock seed vault",
    MockScepServer: "ca profile ra script challenge port tls seed",
    MockScepContainer: "image challenge options",
    script_of: "text name",
}
SERVER = {"asked", "ca", "ca_certificate", "challenge", "journal", "ledger", "operator", "port", "script",
          "tls_ca_certificate", "url", "write_ca"}  # fmt: skip


def test_the_names_and_parameters_that_are_promised() -> None:
    assert set(mfp_sim.testing.__all__) == EXPORTS
    assert {found: " ".join(inspect.signature(found).parameters) for found in PARAMETERS} == PARAMETERS


def test_what_a_server_shows() -> None:
    with MockScepServer(seed=7) as server:
        assert {name for name in dir(server) if not name.startswith("_")} == SERVER
