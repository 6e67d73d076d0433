"""The ledger: every certificate that the CA issued and its fate: delivered, installed, or orphaned and why. The only
count.

An orphan is an issued certificate that no client has; `cause` is the known reason. A CA that runs for a long time
forgets the oldest certificates when the others fill its memory, and only counts them. Certificates are stored as bytes,
which are decoded on access.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from mfp_sim.shared.scep.certificate import Certificate, folded_name
from mfp_sim.shared.scep.http_messages import Fate
from mock_scep_server.rows import COUNT, FLAG, OCTETS, TEXT, TIME, list_of, maybe, read_row
from mock_scep_server.store import MemoryStore, Row, Store

__all__ = ["Ledger", "LedgerEntry"]

_FATES: dict[Fate, tuple[str, ...]] = {
    "ended": (),
    "cut": ("the client broke off the connection",),
    "late": ("the client's timeout passed before its end",),
    "lost": ("the network lost it",),
}
_ENTRY = 1000
"""The approximate memory of an entry besides its bytes, with its places in the tables."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One certificate, its bytes in `der`. `delivered` means that a SUCCESS with it arrived complete and in time, as
    far as the CA can know; `installed`, that the client has it in its key store. `sent` lists how each reply with it
    left and what happened to it, in order; `given_up` is why the client abandoned its transaction."""

    der: bytes
    transaction_id: str
    minted_at: datetime
    delivered: bool = False
    installed: bool = False
    sent: tuple[str, ...] = ()
    given_up: str | None = None

    @property
    def certificate(self) -> Certificate:
        """The certificate."""
        return Certificate.from_der(self.der)

    @property
    def size(self) -> int:
        """Its approximate size in memory, in bytes."""
        return _ENTRY + len(self.der) + len(self.transaction_id) + sum(map(len, self.sent))

    @property
    def counts(self) -> Counter[str]:
        """The kinds under which it is counted."""
        return Counter(minted=1, delivered=self.delivered, installed=self.installed, orphaned=not self.installed)

    @property
    def cause(self) -> str | None:
        """Why it is an orphan, as far as the CA can know; None if it is installed."""
        if self.installed:
            return None
        if self.given_up is not None:
            return (
                f"abandoned by the client: {self.given_up} "
                f"({self.sent[-1] if self.sent else 'no reply has contained it'})"
            )
        if not self.sent:
            return "no reply has contained it"
        if self.delivered:
            return f"delivered, but not installed by the client ({self.sent[-1]})"
        return f"no reply arrived complete ({self.sent[-1]})"

    @property
    def explained(self) -> bool:
        """Whether it is installed, or the reason is known: the client reported it, or a reply was changed."""
        return self.installed or self.given_up is not None or any(how != "HTTP 200" for how in self.sent)

    def to_row(self) -> Row:
        """The entry as a row for storage."""
        kept = {name: getattr(self, name) for name in ("transaction_id", "delivered", "installed", "sent", "given_up")}
        return {**kept, "der": base64.b64encode(self.der).decode(), "minted_at": self.minted_at.isoformat()}

    @classmethod
    def from_row(cls, row: Row) -> LedgerEntry:
        """Read an entry from its row.

        Raises:
            ValueError: the row is not one of `to_row`.
        """
        return cls(**read_row(row, **_ROW))

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON-able object."""
        certificate = self.certificate
        return {
            "serial": f"{certificate.serial:x}",
            "subject": certificate.subject_text,
            "transaction": self.transaction_id,
            "minted": self.minted_at.isoformat(),
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
            "delivered": self.delivered,
            "installed": self.installed,
            "cause": self.cause,
        }


_ROW = {
    "der": OCTETS, "transaction_id": TEXT, "minted_at": TIME, "delivered": FLAG, "installed": FLAG,
    "sent": list_of(TEXT), "given_up": maybe(TEXT),
}  # fmt: skip


class Ledger:
    """The newest certificates, as many as fit into `limit` bytes, and the count of all. Thread-safe.

    The certificates are the keys: a fault may make two with the same serial number, and both count.
    """

    def __init__(self, limit: int = 30 * 1024 * 1024, store: Store | None = None) -> None:
        self._lock, self._limit, self._store = threading.Lock(), limit, store or MemoryStore()
        self._entries: dict[bytes, LedgerEntry] = {}
        self._by_serial: dict[int, bytes] = {}
        self._by_subject: dict[bytes, list[bytes]] = {}
        self._by_key: dict[bytes, list[bytes]] = {}
        self._size = 0
        self._forgotten: Counter[str] = Counter()
        for entry, certificate in self._store.rows("ledger", _read):
            self._enter(entry, certificate)
        for counts in self._store.rows("forgotten", lambda _, row: _counted(row)):
            self._forgotten = counts

    def mint(self, certificate: Certificate, transaction_id: str, now: datetime) -> None:
        """Record a new certificate."""
        with self._lock:
            entry = LedgerEntry(certificate.der, transaction_id, now)
            self._enter(entry, certificate)
            self._keep(entry)
            while self._size > self._limit and len(self._entries) > 1:
                self._forget(next(iter(self._entries)))

    def _enter(self, entry: LedgerEntry, certificate: Certificate) -> None:
        octets = entry.der
        places = () if octets in self._entries else self._places(certificate)  # issued again with identical bytes
        self._put(entry)
        self._by_serial[certificate.serial] = octets
        for table, place in places:
            table.setdefault(place, []).append(octets)

    def _keep(self, entry: LedgerEntry) -> None:
        self._store.put("ledger", _digest(entry.der).hex(), entry.to_row)

    def _change(self, entry: LedgerEntry) -> None:
        """Replace the entry of the same certificate."""
        self._put(entry)
        self._keep(entry)

    def _places(self, certificate: Certificate) -> tuple[tuple[dict[bytes, list[bytes]], bytes], ...]:
        """Its places in the tables that have several entries per key."""
        return (self._by_subject, _subject(certificate.subject)), (self._by_key, _digest(certificate.spki))

    def _put(self, entry: LedgerEntry) -> None:
        before = self._entries.get(entry.der)
        self._size += entry.size - (before.size if before is not None else 0)
        self._entries[entry.der] = entry

    def _forget(self, octets: bytes) -> None:
        entry = self._entries.pop(octets)
        certificate = entry.certificate
        self._size -= entry.size
        self._forgotten += entry.counts
        self._store.remove("ledger", _digest(octets).hex())
        self._store.put("forgotten", "ledger", lambda: dict(self._forgotten))
        if self._by_serial.get(certificate.serial) == octets:
            del self._by_serial[certificate.serial]
        for table, place in self._places(certificate):
            table[place].remove(octets)
            if not table[place]:
                del table[place]

    @property
    def forgotten(self) -> int:
        """The number of oldest certificates that are only counted."""
        return self._forgotten["minted"]

    def record_sending(self, certificate: Certificate, *, whole: bool, how: str, fate: Fate = "ended") -> None:
        """Record that a reply with this certificate left: whether it is `whole`, `how` in words, and its `fate`."""
        with self._lock:
            entry = self._entries.get(certificate.der)
            if entry is not None:
                sent = (*entry.sent[-9:], sys.intern("; ".join([how, *_FATES[fate]])))
                delivered = entry.delivered or (whole and fate == "ended")
                self._change(replace(entry, delivered=delivered, sent=sent))

    def report_installed(self, certificate: Certificate) -> None:
        """Record that the client has it (reported by the simulation, since a CA cannot know)."""
        with self._lock:
            entry = self._entries.get(certificate.der)
            if entry is not None:
                self._change(replace(entry, installed=True))

    def clear(self) -> None:
        """Start again: certificates issued before are no longer certificates of this CA."""
        with self._lock:
            for table in (self._entries, self._by_serial, self._by_subject, self._by_key, self._forgotten):
                table.clear()
            self._size = 0
            for book in ("ledger", "forgotten"):
                self._store.clear(book)

    def report_abandoned(self, transaction_id: str, why: str) -> None:
        """Record that the client abandoned the transaction (reported by the simulation): the certificates that it did
        not install.

        A certificate that is installed or was abandoned before belongs to an earlier operation with the same
        transactionID.
        """
        with self._lock:
            for entry in tuple(self._entries.values()):
                if entry.transaction_id == transaction_id and not entry.installed and entry.given_up is None:
                    self._change(replace(entry, given_up=why))

    def find(self, serial: int) -> LedgerEntry | None:
        """The newest entry with a serial number, or None."""
        with self._lock:
            octets = self._by_serial.get(serial)
            return None if octets is None else self._entries[octets]

    def own(self, certificate: Certificate) -> Certificate | None:
        """The certificate's entry, if this CA issued it."""
        entry = self.find(certificate.serial)
        return certificate if entry is not None and entry.der == certificate.der else None

    def of_subject(self, subject: bytes) -> tuple[LedgerEntry, ...]:
        """The entries for a subject, regardless of string types, case and spaces."""
        with self._lock:
            return tuple(self._entries[octets] for octets in self._by_subject.get(_subject(subject), ()))

    def of_key(self, spki: bytes) -> tuple[LedgerEntry, ...]:
        """The entries for a public key."""
        with self._lock:
            return tuple(self._entries[octets] for octets in self._by_key.get(_digest(spki), ()))

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All stored entries, in the order of issuing."""
        with self._lock:
            return tuple(self._entries.values())

    @property
    def orphans(self) -> tuple[LedgerEntry, ...]:
        """The entries whose certificate no client has; each has a cause."""
        return tuple(entry for entry in self.entries if not entry.installed)

    @property
    def keys(self) -> int:
        """The number of public keys in the stored certificates."""
        return len(self._by_key)

    @property
    def counts(self) -> dict[str, int]:
        """The counts `minted`, `delivered`, `installed` and `orphaned`, including forgotten certificates."""
        with self._lock:
            entries, found = tuple(self._entries.values()), self._forgotten.copy()
        installed = sum(entry.installed for entry in entries)
        return {
            "minted": found["minted"] + len(entries),
            "delivered": found["delivered"] + sum(entry.delivered for entry in entries),
            "installed": found["installed"] + installed,
            "orphaned": found["orphaned"] + len(entries) - installed,
        }


def _read(_: str, row: Row) -> tuple[LedgerEntry, Certificate]:
    entry = LedgerEntry.from_row(row)
    return entry, entry.certificate


def _counted(row: Row) -> Counter[str]:
    kinds = dict.fromkeys(("minted", "delivered", "installed", "orphaned"), COUNT)
    return Counter(read_row(row, **{name: kind for name, kind in kinds.items() if name in row}))


def _digest(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def _subject(subject: bytes) -> bytes:
    """A value that is equal for equal names."""
    return _digest(repr(folded_name(subject)).encode())
