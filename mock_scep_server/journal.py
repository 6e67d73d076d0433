"""The journal: one entry per request, with what matched, what was decided and what was sent. Contains no challenge or
key."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any

from mock_scep_server.rows import COUNT, SECONDS, TEXT, TIME, Column, list_of, maybe, one_of, read_row
from mock_scep_server.store import MemoryStore, Row, Store

__all__ = ["MOST_LETTERS", "MOST_TEXTS", "Journal", "JournalEntry", "severity_of"]

MOST_LETTERS, MOST_TEXTS = 1000, 50
"""The number of characters kept of a text, and of texts kept of a list, so that no client fills the memory with one
request."""
_ENTRY = 700
"""The approximate memory of an entry besides its texts, in bytes."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One request and its result. `name` is the operation, or the message type of a PKIOperation.

    `rule` is the rule that applied; `overruled` is a rule that matched but whose answer the CA did not give, because it
    refused by itself or had decided before. `changes` lists what each fault changed, layer by layer; `without_effect`
    lists those of `faults` that neither changed nor decided anything for this request. `takes` is the number of seconds
    until the reply leaves, if the CA has a capacity. `judgement` is about the client: `fail`, `warn` or `note`, a
    requirement, and a sentence. `exchange` is its number among the saved exchanges of this run.
    """

    time: datetime
    client: str
    method: str
    name: str
    transaction: str | None = None
    subject: str | None = None
    rule: int | None = None
    overruled: int | None = None
    decision: str = ""
    faults: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()
    status: int | None = None
    sent: str = ""
    notes: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = field(default=())
    changes: tuple[str, ...] = field(default=())
    judgement: tuple[str, ...] = ()
    takes: float | None = None
    exchange: int | None = None

    @property
    def by_rule(self) -> str:
        """The part that a rule played, for the end of a line; empty if none."""
        if self.overruled is not None:
            return f" [overrules rule {self.overruled}]"
        return "" if self.rule is None else f" [rule {self.rule}]"

    @property
    def size(self) -> int:
        """Its approximate size in memory, in bytes."""
        texts = chain(filter(None, _TEXTS(self)), chain.from_iterable(_LISTS(self)))
        return _ENTRY + sum(map(len, texts))

    @property
    def told(self) -> dict[str, Any]:
        """Its fields except the time and the number of its exchange, which belongs to the files of one run."""
        return {name: getattr(self, name) for name in _NAMES[1:]}

    def bounded(self) -> JournalEntry:
        """A copy with each text and each list cut to the limits."""
        if self.size <= _ENTRY + MOST_LETTERS and max(map(len, _LISTS(self))) <= MOST_TEXTS:
            return self  # as in most entries
        changed: dict[str, Any] = {}
        for name, value in self.told.items():
            changed[name] = (
                _cut(value) if isinstance(value, str) else _cut_all(value) if isinstance(value, tuple) else value
            )
        return replace(self, **changed)

    def to_row(self) -> Row:
        """The entry as a row for storage."""
        return {**self.told, "time": self.time.isoformat()}

    @classmethod
    def from_row(cls, row: Row) -> JournalEntry:
        """Read an entry from its row.

        Raises:
            ValueError: the row is not one of `to_row`.
        """
        return cls(**read_row(row, **_ROW))

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON-able object; empty fields are left out."""
        found = {key: value for key, value in asdict(self).items() if value not in (None, "", ())}
        return {**found, "time": self.time.isoformat()}


_NAMES = tuple(part.name for part in fields(JournalEntry) if part.name != "exchange")
_TEXTS = attrgetter("client", "method", "name", "transaction", "subject", "decision", "sent")
_LISTS = attrgetter("faults", "without_effect", "notes", "near_misses", "changes", "judgement")


def _numbered(key: str, row: Row) -> tuple[int, JournalEntry]:
    if not re.fullmatch("[0-9]{1,18}", key):
        raise ValueError("its key is not a number")
    return int(key), JournalEntry.from_row(row)


def _finding(value: object) -> str:
    words = TEXT(value).partition(" ")[0]
    one_of(*_SEVERITIES)(words)
    return str(value)


_SEVERITIES = ("fail", "warn", "note")
_ROW: dict[str, Column] = {
    "time": TIME, "client": TEXT, "method": TEXT, "name": TEXT, "transaction": maybe(TEXT), "subject": maybe(TEXT),
    "rule": maybe(COUNT), "overruled": maybe(COUNT), "decision": TEXT, "faults": list_of(TEXT),
    "without_effect": list_of(TEXT), "status": maybe(COUNT), "sent": TEXT, "notes": list_of(TEXT),
    "near_misses": list_of(TEXT), "changes": list_of(TEXT), "judgement": list_of(_finding), "takes": maybe(SECONDS),
}  # fmt: skip


def severity_of(finding: str) -> int:
    """The severity of a finding of `JournalEntry.judgement`; 0 is the worst."""
    return _SEVERITIES.index(finding.partition(" ")[0])


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}… ({len(text)} characters)"


def _cut_all(texts: tuple[object, ...]) -> tuple[object, ...]:
    more = len(texts) - MOST_TEXTS
    kept = tuple(_cut(text) if isinstance(text, str) else text for text in texts[:MOST_TEXTS])
    return kept if more <= 0 else (*kept, f"… and {more} more")


class Journal:
    """The newest entries, as many as fit into `limit` bytes, and the count of all. Thread-safe."""

    def __init__(self, limit: int = 15 * 1024 * 1024, store: Store | None = None) -> None:
        self._lock, self._limit, self._store = threading.Lock(), limit, store or MemoryStore()
        self._entries: deque[JournalEntry] = deque()
        self._size = 0
        self.count = 0
        for number, entry in self._store.rows("journal", _numbered):
            self._entries.append(entry)
            self._size += entry.size
            self.count = number

    def add(self, entry: JournalEntry) -> JournalEntry:
        """Add an entry, cut to the limits, and return it."""
        entry = entry.bounded()
        with self._lock:
            self.count += 1
            self._entries.append(entry)
            self._size += entry.size
            self._store.put("journal", str(self.count), entry.to_row)
            while self._size > self._limit:
                self._store.remove("journal", str(self.count - len(self._entries) + 1))
                self._size -= self._entries.popleft().size
        return entry

    def clear(self) -> None:
        """Delete all entries and start the count again."""
        with self._lock:
            self.count = self._size = 0
            self._entries.clear()
            self._store.clear("journal")

    @property
    def dropped(self) -> int:
        """The number of oldest entries that have been dropped."""
        with self._lock:
            return self.count - len(self._entries)

    def judgement(self) -> dict[str, int]:
        """How often each finding about a client occurred, worst first."""
        counts = Counter(finding for entry in self.entries for finding in entry.judgement)
        return dict(sorted(counts.items(), key=lambda item: (severity_of(item[0]), item[0])))

    @property
    def numbered(self) -> tuple[tuple[int, JournalEntry], ...]:
        """The entries in order of arrival, each with its number; the first request ever has 1."""
        with self._lock:
            return tuple(enumerate(self._entries, self.count - len(self._entries) + 1))

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """The entries in order of arrival."""
        with self._lock:
            return tuple(self._entries)
