"""Every certificate the CA minted and its fate: delivered, installed, or orphaned. The one place that counts them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from mfp_sim.scep.certificate import Certificate

__all__ = ["Entry", "Ledger"]


@dataclass(frozen=True)
class Entry:
    """One certificate: ``delivered`` means a SUCCESS that carries it was sent whole, ``installed`` that the
    client has it in its key store. Minted and not installed is an orphan; ``causes`` has what may have made it one:
    what was wrong with a reply that carried it, and why the client gave its transaction up."""

    certificate: Certificate
    transaction_id: str
    minted_at: datetime
    delivered: bool = False
    installed: bool = False
    causes: tuple[str, ...] = ()


class Ledger:
    """Thread-safe; serial numbers are the keys."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, Entry] = {}

    def mint(self, certificate: Certificate, transaction_id: str, now: datetime) -> None:
        """Record a new certificate."""
        with self._lock:
            self._entries[certificate.serial] = Entry(certificate, transaction_id, now)

    def mark_delivered(self, serial: int) -> None:
        """A SUCCESS with this certificate went out whole."""
        self._update(serial, delivered=True)

    def report_installed(self, certificate: Certificate) -> None:
        """The client has it (told by the simulation, since no CA can know)."""
        self._update(certificate.serial, installed=True)

    def blame(self, serial: int, cause: str) -> None:
        """A reply with this certificate had something wrong with it."""
        with self._lock:
            self._add_cause(serial, cause)

    def report_abandoned(self, transaction_id: str, why: str) -> None:
        """The client has given the transaction up (told by the simulation)."""
        with self._lock:
            for serial, entry in self._entries.items():
                if entry.transaction_id == transaction_id:
                    self._add_cause(serial, f"given up by the client: {why}")

    def _add_cause(self, serial: int, cause: str) -> None:
        entry = self._entries[serial]
        if cause not in entry.causes:
            self._entries[serial] = replace(entry, causes=(*entry.causes, cause))

    def _update(self, serial: int, *, delivered: bool | None = None, installed: bool | None = None) -> None:
        with self._lock:
            entry = self._entries.get(serial)
            if entry is not None:
                self._entries[serial] = replace(
                    entry,
                    delivered=entry.delivered if delivered is None else delivered,
                    installed=entry.installed if installed is None else installed,
                )

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in the order of minting."""
        with self._lock:
            return tuple(self._entries.values())

    @property
    def counts(self) -> dict[str, int]:
        """``minted``, ``delivered``, ``installed`` and ``orphaned``."""
        entries = self.entries
        return {
            "minted": len(entries),
            "delivered": sum(entry.delivered for entry in entries),
            "installed": sum(entry.installed for entry in entries),
            "orphaned": sum(not entry.installed for entry in entries),
        }
