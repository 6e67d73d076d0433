"""The CA of a fleet: a number of workers behind one queue, outages, and requests that wait for approval.

It has no messages. Requests are served in order of arrival, and the end of each is known on arrival, so an exchange is
one event. Times are in seconds from the beginning of the plan.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Sequence
from heapq import heapreplace
from math import inf

from mfp_sim.fleet.histogram import bucket_of
from mfp_sim.fleet.plan import FleetPlan, ServiceTimes

__all__ = [
    "BIN", "CAPS", "CA_CERT", "CLOSED", "CODES", "EXPIRED", "ISSUED", "LOST", "PENDING", "POLL", "SUBMIT",
    "UNANSWERED", "CaQueue", "Draws",
]  # fmt: skip

TAKEN, CLOSED, PENDING, ISSUED, LOST, UNANSWERED, EXPIRED, UNKNOWN = range(8)
CODES = ("taken", "closed", "pending", "issued", "lost", "unanswered", "expired", "unknown")
"""The results of an exchange. ``expired`` is a FAILURE for the challenge password, ``unknown`` one for a CertPoll
about a request that never arrived. A higher code is an HTTP status in `CaQueue.statuses`."""
CAPS, CA_CERT, SUBMIT, POLL = range(4)
BIN = 10.0
"""The width in seconds of the bins for counts over time."""
_UNKNOWN, _WAITS, _DONE = range(3)
_MASK = (1 << 64) - 1


class Draws:
    """Random numbers by printer and occasion: a printer's draws depend neither on other printers nor on a variation.

    A generator for each printer would take more time than the rest of an exchange; this is splitmix64.
    """

    def __init__(self, seed: int) -> None:
        self._seed = (seed + 1) * 0x9E3779B97F4A7C15

    def number(self, printer: int, occasion: int) -> int:
        """64 bits."""
        x = self._seed + printer * 0xD1B54A32D192ED03 + occasion * 0x8CB92BA72F3D8DD7 & _MASK
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
        return x ^ x >> 31

    def fraction(self, printer: int, occasion: int) -> float:
        """From 0 up to, but not including, 1."""
        return (self.number(printer, occasion) >> 11) / 9007199254740992.0

    def integer(self, low: int, high: int, printer: int, occasion: int) -> int:
        """From ``low`` to ``high``, both included."""
        return low + self.number(printer, occasion) % (high - low + 1)


class CaQueue:
    """The CA and the network to it."""

    def __init__(self, plan: FleetPlan, draws: Draws) -> None:
        ca = plan.ca
        self.statuses = tuple(sorted({*(int(o.looks) for o in plan.outages if o.looks.isdecimal()), 503}))
        self._draws, self._latency, self._loss = draws, plan.network.latency, plan.network.loss
        self._free, self._times = [0.0] * ca.workers, _service(ca.service)
        self._fixed = [times[0] if len(times) == 1 else None for times in self._times]
        self._length = inf if ca.queue.length is None else ca.queue.length
        self._beyond = LOST if ca.queue.beyond == "refused" else self._status(503)
        self._dropped = ca.queue.given_up == "dropped"
        self._pending, self._lifetime = ca.pending, inf if ca.challenge_lifetime is None else ca.challenge_lifetime
        outages = sorted((plan.seconds_at(o.begins), o.lasts, o.looks) for o in plan.outages)
        self._outages = deque((begins, begins + lasts, looks) for begins, lasts, looks in outages)
        self._troubled = bool(self._outages or self._loss)
        self._waiting: deque[float] = deque()
        # by printer: the state of its transaction at the CA, and when that is approved
        self._known, self._approved = bytearray(plan.total), array("d", bytes(8 * plan.total))
        self.asked: Counter[int] = Counter()
        """Requests that were sent, by bin."""
        self.unserved: Counter[int] = Counter()
        """The requests among them that no worker served, because of an outage, a loss or a full queue."""
        self.queue: Counter[int] = Counter()
        """The largest number of requests that waited at once, by bin."""
        self._waits: Counter[int] = Counter()
        self.busy = self.wasted = 0.0
        """Seconds of work, and how many of them were for printers that had given up."""
        self.minted = self.at_once = 0
        """The number of certificates, and of requests that did not wait for a worker."""

    def _status(self, status: int) -> int:
        return len(CODES) + self.statuses.index(status)

    def forget(self, printer: int) -> None:
        """Forget the printer's transaction; its next request begins another one."""
        self._known[printer] = _UNKNOWN

    def take(
        self, now: float, timeout: float, operation: int, printer: int, number: int, planned: float
    ) -> tuple[int, float]:
        """The result of a request that arrives now, and the time at which the printer has it.

        Args:
            timeout: of the exchange, which began one latency ago.
            operation: CAPS, CA_CERT, SUBMIT or POLL.
            number: of the exchange, for its draws.
            planned: the unadjusted start of the request, at which the validity of the challenge password begins.
        """
        self.asked[int(now // BIN)] += 1
        latency, free = self._latency, self._free
        deadline = now - latency + timeout
        if self._troubled:
            met = self._on_its_way(now, deadline, printer, number)
            if met is not None:
                return met
        begins = free[0]
        if begins > now:
            if self._queues(now, begins):
                return self._beyond, now + latency
            if self._dropped and begins > deadline:
                return UNANSWERED, deadline
        else:
            begins = now
            self.at_once += 1
        work = self._fixed[operation]
        if work is None:
            times = self._times[operation]
            work = times[int(self._draws.fraction(printer, number * 8 + 2) * len(times))]
        ends = begins + work
        heapreplace(free, ends)
        self.busy += work
        code = TAKEN if operation < SUBMIT else self.decide(ends, operation, printer, number, planned)
        if ends + latency > deadline:
            self.wasted += work
            return UNANSWERED, deadline
        return code, ends + latency

    def _queues(self, now: float, begins: float) -> bool:
        """Count a request that has to wait. Return whether the queue is full."""
        waiting, bin_ = self._waiting, int(now // BIN)
        while waiting and waiting[0] <= now:
            waiting.popleft()
        if len(waiting) >= self._length:
            self.unserved[bin_] += 1
            return True
        waiting.append(begins)
        self.queue[bin_] = max(self.queue[bin_], len(waiting))
        self._waits[bucket_of(begins - now)] += 1
        return False

    @property
    def waits(self) -> Counter[int]:
        """The waiting times for a worker, by `bucket_of`."""
        return self._waits + Counter({0: self.at_once})

    @property
    def longest(self) -> int:
        """The largest number of requests that waited at once."""
        return max(self.queue.values(), default=0)

    def _on_its_way(self, now: float, deadline: float, printer: int, number: int) -> tuple[int, float] | None:
        """The result of a request that does not reach a worker; None if it does."""
        met = self._outage(now, deadline) if self._outages and self._outages[0][0] <= now else None
        if met is None and self._loss and self._draws.fraction(printer, number * 8 + 1) < self._loss:
            met = UNANSWERED, deadline
        if met is not None:
            self.unserved[int(now // BIN)] += 1
        return met

    def _outage(self, now: float, deadline: float) -> tuple[int, float] | None:
        while self._outages and self._outages[0][1] <= now:
            self._outages.popleft()
        if not self._outages or self._outages[0][0] > now:
            return None
        match self._outages[0][2]:
            case "silent":
                return LOST, deadline
            case "hangs":
                return UNANSWERED, deadline
            case "refused":
                return LOST, now - self._latency
            case "closed":
                return CLOSED, now + self._latency
            case status:
                return self._status(int(status)), now + self._latency

    def decide(self, now: float, operation: int, printer: int, number: int, planned: float) -> int:
        """The CA's reply to a PKIOperation that is served by ``now``: PENDING, ISSUED, EXPIRED or UNKNOWN."""
        known = self._known[printer]
        if known == _DONE:
            return ISSUED
        if known == _WAITS:
            if now < self._approved[printer]:
                return PENDING
        elif operation == POLL:
            return UNKNOWN
        elif now > planned + self._lifetime:
            return EXPIRED
        elif self._pending is not None and self._draws.fraction(printer, number * 8 + 3) < self._pending.share:
            after = self._pending.approved_after
            self._approved[printer] = now + after.least + after.width * self._draws.fraction(printer, number * 8 + 4)
            self._known[printer] = _WAITS
            return PENDING
        self._known[printer] = _DONE
        self.minted += 1
        return ISSUED


def _service(times: ServiceTimes) -> Sequence[Sequence[float]]:
    """The service time, by operation."""
    return times.caps, times.ca_cert, times.pki, times.poll
