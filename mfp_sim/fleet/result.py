"""The result of a run: outcomes, waiting, certificates over time, as values that can be added and as JSON.

Times are in seconds from the beginning of the plan, counts over time in bins of ten seconds. A percentile is the upper
end of a bucket 5 % wide.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Annotated

from mfp_sim.fleet.histogram import Counts, bucket_of, quantile
from mfp_sim.fleet.plan import FleetPlan
from mfp_sim.fleet.queueing import BIN, CaQueue
from mfp_sim.shared.documents.kinds import Within
from mfp_sim.shared.documents.records import Doc, document

__all__ = ["DAY", "SUCCESSFUL", "FleetRun", "Tally"]

SUCCESSFUL = "successful"
DAY = 86400.0
_QUIET = 3600.0
"""The seconds without a request after which a new wave begins."""


@dataclass(frozen=True)
class Wave:
    """A group of requests close in time: its first and last second, and its peaks."""

    begins: float
    ends: float
    requests: int
    peak: float
    """Requests per second in the busiest bin."""
    longest: int
    """The largest number that waited for a worker at once."""


@document("a run", exchanged=True, later=True)
@dataclass(frozen=True)
class FleetRun:
    """One run of a plan, or of a variation of it."""

    label: Annotated[str, Doc("the variation; empty for the plan itself")]
    seed: int
    printers: Annotated[int, Within(1)]
    days: float
    workers: Annotated[int, Within(1)]
    outcomes: Annotated[
        Mapping[str, Mapping[str, int]],
        Doc("requests by class of printers, and by outcome: successful, or the detail of the status page"),
    ]
    exchanges: int
    minted: Annotated[int, Doc("certificates that the CA issued")]
    lost: Annotated[int, Doc("printers without a valid certificate at the end")]
    lacking: Annotated[int, Doc("printers without a valid certificate at some time after their first request")]
    without: Annotated[float, Doc("printer-seconds without a valid certificate after each printer's first request")]
    busy: Annotated[float, Doc("seconds of work of the CA")]
    wasted: Annotated[float, Doc("seconds of work for printers that had given up")]
    longest: Annotated[int, Doc("the largest number of requests that waited at once")]
    waits: Annotated[Mapping[int, int], Counts(), Doc("requests by waiting time: bucket n ends at 1.05^n ms")]
    took: Annotated[Mapping[int, int], Counts(), Doc("successful requests by their duration, in the same buckets")]
    asked: Annotated[Mapping[int, int], Counts(), Doc("exchanges by bin of ten seconds")]
    unserved: Annotated[Mapping[int, int], Counts(), Doc("exchanges that no worker took, by bin")]
    queue: Annotated[Mapping[int, int], Counts(), Doc("the largest number of waiting requests, by bin")]
    holders: Annotated[Mapping[int, int], Counts(), Doc("how the number of valid certificates changes, by bin")]
    unended: Annotated[
        int, Doc("printers whose first request had not ended, or was not due, at the end: they prove nothing")
    ] = 0

    @property
    def requests(self) -> int:
        """The number of completed certificate requests."""
        return sum(self.by_outcome.values())

    @property
    def by_outcome(self) -> Counter[str]:
        """Requests by outcome, over all classes."""
        total: Counter[str] = Counter()
        for counted in self.outcomes.values():
            total.update(counted)
        return total

    @property
    def failed(self) -> int:
        """The number of requests that ended without a certificate."""
        return self.requests - self.by_outcome[SUCCESSFUL]

    @property
    def utilisation(self) -> float | None:
        """The share of the workers' time, during the waves, in which they worked; None without a wave."""
        time = sum(wave.ends - wave.begins for wave in self.waves)
        return min(1.0, self.busy / (self.workers * time)) if time else None

    @property
    def wasted_share(self) -> float | None:
        """The share of the CA's work done for printers that had given up; None if it did not work."""
        return self.wasted / self.busy if self.busy else None

    def waiting(self, share: float) -> float | None:
        """The waiting time for a worker of the CA, in seconds, at this quantile; None if the CA served no exchange."""
        return quantile(self.waits, share) if any(self.waits.values()) else None

    def duration(self, share: float) -> float | None:
        """The seconds from the start of a request to its certificate, at this quantile of the successful requests.

        None if no request was successful.
        """
        return quantile(self.took, share) if any(self.took.values()) else None

    @property
    def waves(self) -> tuple[Wave, ...]:
        """The waves of requests, in order."""
        bins = sorted(self.asked)
        cuts = [0, *(n for n, (a, b) in enumerate(pairwise(bins), 1) if (b - a) * BIN > _QUIET), len(bins)]
        groups = [bins[a:b] for a, b in pairwise(cuts) if b > a]
        return tuple(
            Wave(
                begins=group[0] * BIN,
                ends=(group[-1] + 1) * BIN,
                requests=sum(self.asked[one] for one in group),
                peak=max(self.asked[one] for one in group) / BIN,
                longest=max(self.queue.get(one, 0) for one in group),
            )
            for group in groups
        )


class Tally:
    """Counts during a run. A printer needs a certificate from the end of its first request."""

    def __init__(self, plan: FleetPlan, seed: int) -> None:
        self._plan, self._seed = plan, seed
        self._names = [one.name for one in plan.printers]
        self._successes, self._failures = [0] * len(self._names), Counter[tuple[int, str]]()
        self._validity = plan.ca.validity
        self._until = array("d", [inf]) * plan.total
        self._holds, self._lacks = bytearray(plan.total), bytearray(plan.total)
        self._took: Counter[int] = Counter()
        self._holders: Counter[int] = Counter()
        self._without = 0.0

    def issued(self, printer: int, of: int, now: float, took: float) -> None:
        """Count a registered certificate, which is valid from now."""
        self._successes[of] += 1
        self._took[bucket_of(took)] += 1
        self._lapse(printer, now)
        if not self._holds[printer]:
            self._holds[printer] = 1
            self._holders[int(now // BIN)] += 1
        self._until[printer] = now + self._validity

    def failed(self, printer: int, of: int, now: float, detail: str) -> None:
        """Count a request that has ended in Error."""
        self._failures[of, detail] += 1
        if self._until[printer] == inf:
            self._until[printer] = now

    def _lapse(self, printer: int, now: float) -> None:
        """Add the time without a valid certificate up to now."""
        until = self._until[printer]
        if until >= now:
            return
        self._without += now - until
        self._lacks[printer] = 1
        if self._holds[printer]:
            self._holds[printer] = 0
            self._holders[int(until // BIN)] -= 1

    def result(self, queue: CaQueue, exchanges: int) -> FleetRun:
        """The result at the end of the plan's time."""
        plan, end = self._plan, self._plan.days * DAY
        for printer in range(plan.total):
            self._lapse(printer, end)
        holders = {number: change for number, change in self._holders.items() if change}
        pairs = zip(self._names, self._successes, strict=True)
        outcomes = {name: {SUCCESSFUL: number} if number else {} for name, number in pairs}
        for (of, detail), number in sorted(self._failures.items()):
            outcomes[self._names[of]][detail] = number
        return FleetRun(
            label="", seed=self._seed, printers=plan.total, days=float(plan.days), workers=plan.ca.workers,
            outcomes=outcomes, exchanges=exchanges, minted=queue.minted,
            lost=plan.total - sum(self._holds), lacking=sum(self._lacks), without=self._without,
            busy=queue.busy, wasted=queue.wasted, longest=queue.longest, waits=queue.waits, took=self._took,
            asked=queue.asked, unserved=queue.unserved, queue=queue.queue, holders=holders,
            unended=sum(until == inf for until in self._until),
        )  # fmt: skip
