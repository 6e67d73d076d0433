"""What came, what matched, what was decided, what was sent: one entry a request. Holds no challenge and no key."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime

__all__ = ["Journal", "JournalEntry"]


@dataclass(frozen=True)
class JournalEntry:
    """One request and what became of it. ``name`` is the operation, or the message type of a PKIOperation.

    ``changes`` say what each fault changed, layer by layer; ``without_effect`` are those of ``faults`` that changed and
    decided nothing at this request.
    ``judgement`` is about the client: ``fail``, ``warn`` or ``note``, a requirement, and a sentence.
    """

    time: datetime
    client: str
    method: str
    name: str
    transaction: str | None = None
    subject: str | None = None
    rule: int | None = None
    decision: str = ""
    faults: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()
    status: int | None = None
    sent: str = ""
    notes: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = field(default=())
    changes: tuple[str, ...] = field(default=())
    judgement: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON-able object; empty fields are left out."""
        found = {key: value for key, value in asdict(self).items() if value not in (None, "", ())}
        return {**found, "time": self.time.isoformat()}


class Journal:
    """Thread-safe; keeps the newest ``limit`` entries and the count of all."""

    def __init__(self, limit: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._entries: list[JournalEntry] = []
        self.count = 0

    def add(self, entry: JournalEntry) -> None:
        with self._lock:
            self.count += 1
            self._entries.append(entry)
            if len(self._entries) > self._limit:
                del self._entries[0]

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self.count = 0
            self._entries.clear()

    def judgement(self) -> dict[str, int]:
        """How often each finding about a client was made, the worst first."""
        counts = Counter(finding for entry in self.entries for finding in entry.judgement)
        order = ("fail", "warn", "note")
        return dict(sorted(counts.items(), key=lambda item: (order.index(item[0].partition(" ")[0]), item[0])))

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """In the order of arrival."""
        with self._lock:
            return tuple(self._entries)
