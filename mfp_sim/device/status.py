"""Certificate Issuance Request Status: rows, states and details as values, and their labels.

Serves MFP-STATUS-*, MFP-DETAIL-*, MFP-HIST-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from mfp_sim.shared.documents.json_values import Instant
from mfp_sim.shared.documents.records import document

__all__ = ["AUDIT_LIMIT", "STATE_LABELS", "AuditEntry", "Detail", "StatusRow"]

AUDIT_LIMIT = 1000
"""The number of audit log entries that a printer keeps."""

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
    """Why a request ended in error. ``scep-error`` is the simulator's (A-24): the manual has no text for it."""

    kind: str
    number: int | None = None

    @property
    def slug(self) -> str:
        """The word that scenarios use: ``deferred``, ``top-error``, ``top-error-503``, ``fail-info-2`` …"""
        prefix = "top-error" if self.kind == "http" else self.kind
        return prefix if self.number is None else f"{prefix}-{self.number}"

    @property
    def label(self) -> str:
        """The printer's text for the detail."""
        return _DETAIL_LABELS[self.kind].format(number=self.number)


@document("a row", exchanged=True)
@dataclass(frozen=True)
class StatusRow:
    """One row. ``time`` is in UTC; ``kind`` and ``number`` are its details; ``method`` is manual or automatic."""

    state: str
    time: Annotated[datetime, Instant()]
    kind: str | None
    number: int | None
    key_name: str
    method: str

    @classmethod
    def of(cls, state: str, time: datetime, details: Detail | None, key_name: str, method: str) -> StatusRow:
        """Make a row with these details."""
        kind, number = (details.kind, details.number) if details else (None, None)
        return cls(state, time, kind, number, key_name, method)

    @property
    def details(self) -> Detail | None:
        """Why the request ended in error."""
        return Detail(self.kind, self.number) if self.kind else None

    @property
    def label(self) -> str:
        """The printer's text for the state."""
        return STATE_LABELS[self.state]


@document("an entry", exchanged=True)
@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit log. ``result`` is OK or NG; ``diagnosis`` is a sentence about the cause."""

    time: Annotated[datetime, Instant()]
    user: str
    operation: str
    result: str
    diagnosis: str
