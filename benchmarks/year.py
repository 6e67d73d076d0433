"""A simulated year of daily requests: does the three hundredth enrolment cost what the first one does?

A year runs in months; after each month as many single enrolments run, each in a world of its own that was set up
outside the measurement. The year keeps its key store, history, audit log, trace, journal and ledger throughout. Each
world has a seed of its own: worlds of one seed send the same bytes, and this process remembers what it read of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from time import perf_counter

from benchmarks.stage import Stage, daily, no_collection

__all__ = ["MONTHS", "Year", "measure"]

MONTHS = 12
DAYS = 30


@dataclass(frozen=True)
class Year:
    """Sums over the whole run in seconds, and what had piled up at the end of the year."""

    ratio: float
    last_over_first: float
    year_seconds: float
    single_seconds: float
    enrolments: int
    kept: Mapping[str, int]


def measure(months: int = MONTHS) -> Year:
    """A month of the year and as many single days, in turn."""
    seeds = count(1)
    _month(daily(next(seeds)))
    _singles(seeds)
    stage = daily(next(seeds))
    year: list[float] = []
    single: list[float] = []
    for _ in range(months):
        year.append(_month(stage))
        single.append(_singles(seeds))
    stage.expect_certificates(months * DAYS)
    # Each quarter is set against the singles of the same quarter: the machine's own ups and downs cancel out.
    quarter = max(1, months // 4)
    first = sum(year[:quarter]) / sum(single[:quarter])
    last = sum(year[-quarter:]) / sum(single[-quarter:])
    return Year(
        ratio=sum(year) / sum(single),
        last_over_first=last / first,
        year_seconds=sum(year),
        single_seconds=sum(single),
        enrolments=months * DAYS,
        kept={
            "keys": len(stage.printer.key_list()),
            "history rows": len(stage.printer.status()),
            "audit entries": len(stage.printer.audit),
            "trace events": len(stage.recorder.events),
            "journal entries": stage.ca.journal.count,
            "certificates in the ledger": len(stage.ca.ledger.entries),
        },
    )


def _month(stage: Stage) -> float:
    with no_collection():
        begun = perf_counter()
        stage.pass_days(DAYS)
        return perf_counter() - begun


def _singles(seeds: Iterator[int]) -> float:
    """The same count of enrolments, each the first one of its own world."""
    stages = [daily(next(seeds)) for _ in range(DAYS)]
    with no_collection():
        begun = perf_counter()
        for stage in stages:
            stage.pass_days(1)
        seconds = perf_counter() - begun
    for stage in stages:
        stage.expect_certificates(1)
    return seconds
