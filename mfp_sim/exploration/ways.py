"""Another way to carry out a case, with what is wrong at its end; by default, the usual way, with nothing wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mfp_sim.scenario.world import Storages, World
from mfp_sim.shared.scep.http_messages import Serve
from mock_scep_server.vault import Vault

__all__ = ["CaseWay"]


@dataclass(frozen=True)
class CaseWay:
    """Where a run keeps the states of its printers and the books of its CA: by default in memory. ``rule`` is the rule
    that `wrong` checks."""

    rule: ClassVar = "as-usual"
    storages: Storages | None = None
    vault: Vault | None = None

    def served(self, serve: Serve) -> Serve:
        """How the CA of the run handles requests."""
        return serve

    def wrong(self, world: World) -> Iterable[str]:  # noqa: ARG002 - other ways look at it
        """What is wrong at the end of a run, one sentence each."""
        return ()
