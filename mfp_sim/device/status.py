"""Certificate Issuance Request Status: rows, states and details as values; labels are for people.

Serves MFP-STATUS-*, MFP-DETAIL-*, MFP-HIST-01.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

__all__ = ["AUDIT_LIMIT", "AuditEntry", "AuditLog", "Detail", "StatusRow"]

AUDIT_LIMIT = 1000
"""How many entries of the audit log a machine keeps."""

STATE_LABELS = {
    "to-be-processed": "To Be Processed",
    "processing": "Processing...",
    "error": "Error",
    "successful": "Successful",
}
_DETAIL_LABELS = {
    "deferred": "Deferred",
    "registration-limit": "Key and Certificate Registration Limit Error",
    "top-error": "Communication Error (TOP ERROR)",
    "http": "Communication Error (TOP ERROR {number})",
    "fail-info": "Communication Error (SCEP ERROR Fail Info {number})",
    "scep-error": "Communication Error (SCEP ERROR)",
}


@dataclass(frozen=True)
class Detail:
    """Why a request ended in error. ``scep-error`` is the simulator's own (A-24): the manual has no text for it."""

    kind: str
    number: int | None = None

    @property
    def slug(self) -> str:
        """The word that scenarios use: ``deferred``, ``top-error``, ``top-error-503``, ``fail-info-2`` …"""
        prefix = "top-error" if self.kind == "http" else self.kind
        return prefix if self.number is None else f"{prefix}-{self.number}"

    @property
    def label(self) -> str:
        """The printer's words."""
        return _DETAIL_LABELS[self.kind].format(number=self.number)


@dataclass(frozen=True)
class StatusRow:
    """One row. ``time`` is an aware instant in UTC; ``method`` is manual or automatic."""

    state: str
    time: datetime
    details: Detail | None
    key_name: str
    method: str

    @property
    def label(self) -> str:
        """The state in the printer's words."""
        return STATE_LABELS[self.state]

    @cached_property
    def stored(self) -> dict[str, object]:
        """The row as it is committed."""
        return {
            "state": self.state,
            "time": self.time.isoformat(),
            "kind": self.details.kind if self.details else None,
            "number": self.details.number if self.details else None,
            "key_name": self.key_name,
            "method": self.method,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, object]) -> StatusRow:
        """The row as it was committed."""
        number = stored["number"]
        detail = Detail(str(stored["kind"]), None if number is None else int(str(number))) if stored["kind"] else None
        return cls(
            str(stored["state"]),
            datetime.fromisoformat(str(stored["time"])),
            detail,
            str(stored["key_name"]),
            str(stored["method"]),
        )


@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit log. ``result`` is OK or NG; ``diagnosis`` is a sentence for whoever looks for a cause."""

    time: datetime
    user: str
    operation: str
    result: str
    diagnosis: str

    @property
    def stored(self) -> dict[str, object]:
        """The entry as it is committed."""
        return {
            "time": self.time.isoformat(),
            "user": self.user,
            "operation": self.operation,
            "result": self.result,
            "diagnosis": self.diagnosis,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, object]) -> AuditEntry:
        """The entry as it was committed."""
        names = ("user", "operation", "result", "diagnosis")
        return cls(datetime.fromisoformat(str(stored["time"])), *(str(stored[name]) for name in names))


class AuditLog:
    """The newest entries, and beside them what is committed of each: made once, since an entry never changes."""

    def __init__(self, entries: Iterable[AuditEntry] = ()) -> None:
        self._entries: deque[AuditEntry] = deque(maxlen=AUDIT_LIMIT)
        self._stored: deque[dict[str, object]] = deque(maxlen=AUDIT_LIMIT)
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: AuditEntry) -> None:
        """The newest entry; the oldest goes when there is no room."""
        self._entries.append(entry)
        self._stored.append(entry.stored)

    @property
    def entries(self) -> tuple[AuditEntry, ...]:
        """All entries, oldest first."""
        return tuple(self._entries)

    @property
    def stored(self) -> list[dict[str, object]]:
        """What is committed, oldest first."""
        return list(self._stored)
