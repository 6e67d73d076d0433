"""A case with everything kept in files: the states of the printers in directories, the books of the CA in its file.

Nothing that a run shows may depend on that, and what is read back has to be what was kept.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mfp_sim.exploration.damage import accepted_in_rows, accepted_in_state
from mfp_sim.exploration.draws import Draw
from mfp_sim.exploration.ways import CaseWay
from mfp_sim.scenario.world import World, directories
from mfp_sim.shared.simtime import Entropy, GeneratedKeys
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.store import SqliteStore
from mock_scep_server.vault import Vault

__all__ = ["PREFIX", "KeptRun", "kept"]

PREFIX = "mfp-sim-explore-"
_FILES = ("printer.json", "printer.json.new", "printer.lock")
"""The files in the directory of a printer; the second one exists after a power failure."""
_DAMAGES = 4
"""The number of rows of a CA that are damaged, one after the other."""
_COMPARED = ("script", "rules")
"""The books that the next process compares with its script, and ignores if they differ."""


@dataclass(frozen=True)
class KeptRun(CaseWay):
    """A run that keeps everything in the directory ``place``.

    ``damaging``: at the end, what is kept is damaged instead of compared.
    """

    rule: ClassVar = "kept-on-disk"
    place: Path = field(kw_only=True)
    damaging: bool = field(kw_only=True)

    def wrong(self, world: World) -> Iterator[str]:
        """What is wrong with the files at the end of a run, one sentence each."""
        return self._accepted_damage(world) if self.damaging else self._differences(world)

    def _differences(self, world: World) -> Iterator[str]:
        """What is read back at the end of a run and is not what the run knows, one sentence each."""
        assert world.watch is not None
        for serial, storage in world.watch.course.storages.items():
            if storage.read_again() not in storage.possible:
                yield f"{serial}: the state that is read from its directory is not the one that was stored"
        for file in sorted(self.place.glob("printer-*/*")):
            if file.name not in _FILES:
                yield f"{file.name} is not a file of a printer"
        if world.ca is None:
            return
        world.ca.store.commit()
        now, again = _known(world.ca), _known(self._reopened(world))
        if _rules(now["script"]) != _rules(again["script"]):
            del now["script"]  # a step replaced it, and the next process is given its script again
        for name, value in now.items():
            if again[name] != value:
                yield f"the CA's {name}, read from its file: {again[name]!r} instead of {value!r}"[:600]

    def _accepted_damage(self, world: World) -> Iterator[str]:
        """Each damage of a stored value that is not refused when it is read again, one sentence each."""
        assert world.watch is not None
        draw = Draw(Entropy(0).fork(world.setting.digest))
        for storage in world.watch.course.storages.values():
            if (state := storage.read_again()) is not None:
                yield from accepted_in_state(state, draw)
        if world.ca is None:
            return
        world.ca.store.commit()
        with contextlib.closing(sqlite3.connect(self.place / "ca" / SqliteStore.NAME, isolation_level=None)) as base:
            for _ in range(_DAMAGES):
                yield from accepted_in_rows(base, lambda: self._reopened(world), draw, _COMPARED)

    def _reopened(self, world: World) -> ScepService:
        """The CA as its next process would know it."""
        return make_service(
            world.setting.ca, clock=world.clock, entropy=Entropy(None), keys=GeneratedKeys(), zone=world.zone,
            vault=self.vault,
        )  # fmt: skip


@contextlib.contextmanager
def kept(*, damaging: bool = False) -> Iterator[KeptRun]:
    """Files for one run, which are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        place = Path(name)
        with directories(place, fresh=True) as storages, contextlib.closing(SqliteStore(place / "ca")) as store:
            yield KeptRun(storages, Vault(store), place=place, damaging=damaging)


def _rules(script: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """A script without its counts."""
    return [{key: value for key, value in rule.items() if key not in ("fitted", "taken")} for rule in script]


def _known(service: ScepService) -> dict[str, Any]:
    """What a CA knows and would show."""
    return {
        "certificates": [[one.der for one in authority.certificates] for authority in service.authorities.all],
        "ledger": [entry.to_json() for entry in service.ledger.entries],
        "counts": service.ledger.counts,
        "waiting requests": service.operator.waiting,
        "journal": [entry.to_json() for entry in service.journal.entries],
        "revocations": [
            entry.certificate.serial
            for entry in service.ledger.entries
            if service.revocations.is_revoked(entry.certificate.serial)
        ],
        "script": service.script.describe(),
        "dropped entries": service.dropped,
    }
