"""Summaries of the journal for each client: its requests, how many were granted, and the findings about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mock_scep_server.journal import JournalEntry, severity_of

__all__ = ["accounts"]


@dataclass(frozen=True)
class ClientAccount:
    """One client; `findings` says how often each occurred, worst first."""

    client: str
    requests: int
    granted: int
    findings: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        """Return the summary as a JSON-able object."""
        findings = [{"finding": finding, "times": times} for finding, times in self.findings.items()]
        return {**vars(self), "findings": findings}


def accounts(entries: Iterable[JournalEntry]) -> list[ClientAccount]:
    """The clients in order of their first request."""
    by_client: dict[str, list[JournalEntry]] = {}
    for entry in entries:
        by_client.setdefault(entry.client, []).append(entry)
    return [_account(client, own) for client, own in by_client.items()]


def _account(client: str, entries: list[JournalEntry]) -> ClientAccount:
    counts = Counter(finding for entry in entries for finding in entry.judgement)
    sorted_counts = dict(sorted(counts.items(), key=lambda item: (severity_of(item[0]), item[0])))
    granted = sum(entry.decision.startswith("SUCCESS") for entry in entries)
    return ClientAccount(client, len(entries), granted, sorted_counts)
