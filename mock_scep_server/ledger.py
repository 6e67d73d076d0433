"""Every certificate the CA minted and its fate: delivered, installed, or orphaned and why. The one place that counts.

An orphan is a certificate that was minted and that no client has. ``cause`` says what is known of it. A CA that is left
running forgets the oldest certificates once the others fill its memory: they are counted, and nothing else is known
of them. What is kept of a certificate is its bytes; they are read when somebody looks.
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
    "cut": ("the client broke it off",),
    "late": ("the client's time-out passed before its end",),
    "lost": ("the network lost it",),
}
_ENTRY = 1000
"""About what an entry takes in memory beside its bytes, with its places in the tables."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One certificate, its bytes in ``der``. ``delivered`` means a SUCCESS that carries it arrived whole and in time,
    as far as the CA can know, ``installed`` that the client has it in its key store. ``sent`` says how each reply with
    it left and what became of it, in order; ``given_up`` why the client gave its transaction up."""

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
        """About what it takes in memory, in bytes."""
        return _ENTRY + len(self.der) + len(self.transaction_id) + sum(map(len, self.sent))

    @property
    def counts(self) -> Counter[str]:
        """What it counts as."""
        return Counter(minted=1, delivered=self.delivered, installed=self.installed, orphaned=not self.installed)

    @property
    def cause(self) -> str | None:
        """Why it is an orphan, as far as the CA can know; None when it is installed."""
        if self.installed:
            return None
        if self.given_up is not None:
            return (
                f"given up by the client: {self.given_up} ({self.sent[-1] if self.sent else 'no reply has carried it'})"
            )
        if not self.sent:
            return "no reply has carried it"
        if self.delivered:
            return f"delivered, and not installed by the client ({self.sent[-1]})"
        return f"no reply arrived whole ({self.sent[-1]})"

    @property
    def explained(self) -> bool:
        """Whether it is installed, or it is known why not: the client said so, or something was done to a reply."""
        return self.installed or self.given_up is not None or any(how != "HTTP 200" for how in self.sent)

    def to_row(self) -> Row:
        """As it is kept."""
        kept = {name: getattr(self, name) for name in ("transaction_id", "delivered", "installed", "sent", "given_up")}
        return {**kept, "der": base64.b64encode(self.der).decode(), "minted_at": self.minted_at.isoformat()}

    @classmethod
    def from_row(cls, row: Row) -> LedgerEntry:
        """As it was kept.

        Raises:
            ValueError: it is not a row of :meth:`to_row`.
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
    """Thread-safe; keeps the newest certificates, as many as fit into ``limit`` bytes, and counts all.

    Certificates are the keys: a fault may make two of one serial, and both count.
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
        places = () if octets in self._entries else self._places(certificate)  # minted anew, byte for byte
        self._put(entry)
        self._by_serial[certificate.serial] = octets
        for table, place in places:
            table.setdefault(place, []).append(octets)

    def _keep(self, entry: LedgerEntry) -> None:
        self._store.put("ledger", _digest(entry.der).hex(), entry.to_row)

    def _change(self, entry: LedgerEntry) -> None:
        """An entry in the place of the one of the same certificate."""
        self._put(entry)
        self._keep(entry)

    def _places(self, certificate: Certificate) -> tuple[tuple[dict[bytes, list[bytes]], bytes], ...]:
        """Where it stands in the tables of several a key, beside others."""
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
        """How many of the oldest are only counted any longer."""
        return self._forgotten["minted"]

    def record_sending(self, certificate: Certificate, *, whole: bool, how: str, fate: Fate = "ended") -> None:
        """A reply with this certificate left, ``whole`` or not, ``how`` in words, and came to its ``fate``."""
        with self._lock:
            entry = self._entries.get(certificate.der)
            if entry is not None:
                sent = (*entry.sent[-9:], sys.intern("; ".join([how, *_FATES[fate]])))
                delivered = entry.delivered or (whole and fate == "ended")
                self._change(replace(entry, delivered=delivered, sent=sent))

    def report_installed(self, certificate: Certificate) -> None:
        """The client has it (told by the simulation, since no CA can know)."""
        with self._lock:
            entry = self._entries.get(certificate.der)
            if entry is not None:
                self._change(replace(entry, installed=True))

    def clear(self) -> None:
        """Begin anew: what was minted before is no certificate of this CA any longer."""
        with self._lock:
            for table in (self._entries, self._by_serial, self._by_subject, self._by_key, self._forgotten):
                table.clear()
            self._size = 0
            for book in ("ledger", "forgotten"):
                self._store.clear(book)

    def report_abandoned(self, transaction_id: str, why: str) -> None:
        """The client has given the transaction up (told by the simulation): what it got and has not installed.

        A certificate that is installed, or was given up before, is of an earlier operation under the transactionID.
        """
        with self._lock:
            for entry in tuple(self._entries.values()):
                if entry.transaction_id == transaction_id and not entry.installed and entry.given_up is None:
                    self._change(replace(entry, given_up=why))

    def find(self, serial: int) -> LedgerEntry | None:
        """The newest entry of a serial number, or None."""
        with self._lock:
            octets = self._by_serial.get(serial)
            return None if octets is None else self._entries[octets]

    def own(self, certificate: Certificate) -> Certificate | None:
        """The certificate, if it was minted here."""
        entry = self.find(certificate.serial)
        return certificate if entry is not None and entry.der == certificate.der else None

    def of_subject(self, subject: bytes) -> tuple[LedgerEntry, ...]:
        """The entries for a subject, whatever its string types, case and blanks."""
        with self._lock:
            return tuple(self._entries[octets] for octets in self._by_subject.get(_subject(subject), ()))

    def of_key(self, spki: bytes) -> tuple[LedgerEntry, ...]:
        """The entries for a public key."""
        with self._lock:
            return tuple(self._entries[octets] for octets in self._by_key.get(_digest(spki), ()))

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All that are kept, in the order of minting."""
        with self._lock:
            return tuple(self._entries.values())

    @property
    def orphans(self) -> tuple[LedgerEntry, ...]:
        """The entries that no client has; each has a cause."""
        return tuple(entry for entry in self.entries if not entry.installed)

    @property
    def keys(self) -> int:
        """How many public keys the certificates are for that are kept."""
        return len(self._by_key)

    @property
    def counts(self) -> dict[str, int]:
        """``minted``, ``delivered``, ``installed`` and ``orphaned``, those that were forgotten among them."""
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
    """The same for names that are the same."""
    return _digest(repr(folded_name(subject)).encode())
