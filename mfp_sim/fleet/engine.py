"""Runs a plan in virtual time: one heap of exchanges and, for every printer, a stage, a count of polls, a certificate.

The next action of a printer follows from the printer's own tables (`mfp_sim.client.stages`, `mfp_sim.device.polling`,
`mfp_sim.device.local_time`). They are evaluated once for each class of printers; an event looks up the result. Times
are in seconds from the beginning of the plan. A run is deterministic for a plan and a seed.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from mfp_sim.client.stages import GOES_ON, Stage, StageResult, State
from mfp_sim.device.local_time import instant_of, local_of, next_start
from mfp_sim.device.polling import Ends, PollReply, counted_at_first, what_follows
from mfp_sim.device.printer_profile import Profile
from mfp_sim.fleet.plan import FleetPlan, PrinterClass
from mfp_sim.fleet.queueing import CODES, ISSUED, CaQueue, Draws
from mfp_sim.fleet.result import FleetRun, Tally
from mfp_sim.shared.scep.vocabulary import FailInfo

__all__ = ["Behaviour", "occasion_of", "run_fleet"]

_OPERATIONS = {State.CAPS: 0, State.CA_CERT: 1, State.SUBMIT: 2, State.POLL: 3}
_EVERY = 65_536
_NEVER = (inf, -1)
_RESULTS: dict[str, StageResult] = {
    "taken": "taken", "closed": "closed", "pending": "pending", "issued": "decided", "lost": "lost",
    "unanswered": "unanswered", "expired": "decided", "unknown": "decided",
}  # fmt: skip


@dataclass(frozen=True)
class Follows:
    """The consequence of an inquiry's end: the seconds to the next poll, or the end of the request."""

    seconds: float | None
    anew: bool = False
    detail: str = ""
    keep: bool = False


class Behaviour:
    """The behaviour of one class of printers, as tables. Stages are numbers; a negative stage ends the inquiry."""

    def __init__(
        self, one: PrinterClass, zone: ZoneInfo, begins: datetime, horizon: float, statuses: Sequence[int]
    ) -> None:
        self.profile: Profile = one.model
        self.timeout, self._key_time = one.seconds, one.key_time
        self._adjustment = self.profile.adjustment_range if one.adjust else None
        self.first = counted_at_first(one.polls, self.profile)
        self._zone, self._begins, self._since = zone, begins, begins.timestamp()
        codes = [*CODES, *(f"http {status}" for status in statuses)]
        stages = [Stage()]
        self.operation: list[int] = []
        self.after: list[list[int]] = []
        self.again: list[int] = []
        for stage in stages:  # the list grows
            self.operation.append(_OPERATIONS.get(stage.state, -1))
            self.again.append(_number(stages, stage.again(self.profile.resend)))
            row = []
            for code in codes:
                result = _result(stage, code)
                number = _number(stages, stage.after(result))
                row.append(number if result in GOES_ON else ~number)
            self.after.append(row)
        highest = (one.polls.count if one.polls else 0) + 1
        self.follows = [[self._follows(one, code, polls) for polls in range(highest + 1)] for code in codes]
        self.planned, self._days = self._table(one, horizon), one.every_days

    def _follows(self, one: PrinterClass, code: str, polls: int) -> Follows:
        follows = what_follows(_reply(code), polls, one.polls, self.profile)
        if isinstance(follows, Ends):
            return Follows(None, detail=follows.detail.slug, keep=follows.keep)
        return Follows(follows.minutes * 60.0, anew=follows.anew)

    def _table(self, one: PrinterClass, horizon: float) -> list[float]:
        """The planned starts of the calendar, up to the first one beyond the horizon."""
        local, found = one.start, [self._seconds(one.start)]
        if self.profile.renewal_trigger == "calendar" and one.every_days is not None:
            while found[-1] < horizon:
                local = next_start(
                    local, one.every_days, self._zone, instant_of(local, self._zone), self.profile.period
                )
                found.append(self._seconds(local))
        return found

    def _seconds(self, local: datetime) -> float:
        return (instant_of(local, self._zone) - self._begins).total_seconds()

    def next_planned(self, planned: float, now: float, issued: float | None, validity: float) -> float:
        """The start that follows, without its adjustment, once a request has ended; ``inf`` if there is none."""
        profile = self.profile
        if profile.renewal_trigger == "calendar":
            place = bisect_right(self.planned, now)
            return self.planned[place] if place < len(self.planned) else inf
        if issued is not None:
            before = profile.renewal_value * 86400.0
            by_days = profile.renewal_trigger == "days-before-expiry"
            due = int(issued) + (validity - before if by_days else validity * profile.renewal_value / 100)
            if due > now:
                return due
        local = local_of(self._instant(planned), self._zone)
        later = next_start(local, profile.renewal_retry_days, self._zone, self._instant(now), profile.period)
        return self._seconds(later)

    def _instant(self, seconds: float) -> datetime:
        return self._begins + timedelta(seconds=seconds)

    def adjustment(self, draws: Draws, printer: int, planned: float) -> int:
        """The seconds added to a planned start."""
        if self._adjustment is None:
            return 0
        return draws.integer(*self._adjustment, printer, occasion_of(self._since + planned))

    def key_time(self, draws: Draws, printer: int, exchanges: int) -> float:
        """The time that the printer takes for the key of a new transaction, after a number of exchanges."""
        span = self._key_time
        return span.least + (span.width * draws.fraction(printer, exchanges * 8 + 5) if span.most else 0.0)


def occasion_of(instant: float) -> int:
    """The number that identifies the draw for the adjustment of a planned start (seconds since 1970, UTC)."""
    return int(instant) * 8


def _number(stages: list[Stage], stage: Stage) -> int:
    if stage not in stages:
        stages.append(stage)
    return stages.index(stage)


def _result(stage: Stage, code: str) -> StageResult:
    """The stage result of an exchange.

    Every reply to GetCACaps is accepted. Only there does a connection closed without a reply have a meaning.
    """
    if code == "closed" and stage.state is not State.CAPS:
        return "unanswered"
    if code.startswith("http"):
        return "taken" if stage.state is State.CAPS else "unusable"
    return _RESULTS[code]


_FAILURES = {"expired": FailInfo.BAD_REQUEST, "unknown": FailInfo.BAD_CERT_ID}


def _reply(code: str) -> PollReply:
    """The reply, for the rules of polling, of an inquiry that ended with this code."""
    if code.startswith("http"):
        return PollReply("http", int(code.removeprefix("http ")))
    if code in _FAILURES:
        return PollReply("failure", _FAILURES[code])
    return PollReply("pending") if code == "pending" else PollReply("lost")


def run_fleet(plan: FleetPlan, seed: int | None = None, progress: Callable[[float], None] = lambda _: None) -> FleetRun:
    """Run a plan.

    Args:
        plan: the plan to run.
        seed: replaces the plan's seed.
        progress: called from time to time with the share of the time that has passed.
    """
    fleet = _Fleet(plan, plan.seed if seed is None else seed)
    fleet.go(progress)
    return fleet.result()


class _Fleet:
    """All printers as arrays, and the CA."""

    def __init__(self, plan: FleetPlan, seed: int) -> None:
        self.draws, self.horizon = Draws(seed), plan.days * 86400.0
        self.latency, self.validity = plan.network.latency, plan.ca.validity
        begins, total = plan.begins, plan.total
        self.queue = queue = CaQueue(plan, self.draws)
        self.behaviours = [
            Behaviour(one, plan.zone_of(one), begins, self.horizon, queue.statuses) for one in plan.printers
        ]
        self.of = array("H", (number for number, one in enumerate(plan.printers) for _ in range(one.count)))
        self.stages, self.polls, self.exchanges = (
            array("H", bytes(2 * total)),
            array("H", bytes(2 * total)),
            array("L", [0]) * total,
        )
        self.planned = array("d", (self.behaviours[one].planned[0] for one in self.of))
        self.begun = array("d", self.planned)
        self.later: list[tuple[float, int]] = []
        """The exchanges after all those that `go` holds, in any order."""
        self.tally = Tally(plan, seed)
        for printer, one in enumerate(self.of):
            self.polls[printer] = self.behaviours[one].first
            self.later.append((self._begin(printer, self.behaviours[one]), printer))

    def _begin(self, printer: int, behaviour: Behaviour) -> float:
        """The time at which the first exchange of the planned request reaches the CA."""
        at = self.planned[printer]
        at += behaviour.adjustment(self.draws, printer, at)
        self.begun[printer] = at
        return at + behaviour.key_time(self.draws, printer, self.exchanges[printer]) + self.latency

    def go(self, progress: Callable[[float], None]) -> None:
        """Run all exchanges up to the horizon, in order of time and then of printers.

        Most printers wait for days while few are busy. The heap therefore holds only the busy printers. The others are
        in a sorted list; later ones are collected in `later` until that list is used up.
        """
        of, behaviours, stages, exchanges = self.of, self.behaviours, self.stages, self.exchanges
        take, latency, planned, horizon = self.queue.take, self.latency, self.planned, self.horizon
        push, replace, pop, ended, news = heapq.heappush, heapq.heapreplace, heapq.heappop, self._ended, _EVERY
        waiting, heap, last = [_NEVER], [_NEVER], -inf
        while True:
            if waiting[-1] < heap[0]:
                push(heap, waiting.pop())
            now, printer = heap[0]
            if now > last and self.later:
                waiting, self.later = [_NEVER, *sorted(self.later, reverse=True)], []
                last = waiting[1][0]
                continue
            if now >= horizon:
                break
            behaviour, stage, number = behaviours[of[printer]], stages[printer], exchanges[printer]
            code, when = take(now, behaviour.timeout, behaviour.operation[stage], printer, number, planned[printer])
            exchanges[printer] = number + 1
            after = behaviour.after[stage][code]
            if after >= 0:
                stages[printer] = after
                replace(heap, (when + latency, printer))
            elif (arrives := ended(printer, behaviour, ~after, code, when)) <= last:
                replace(heap, (arrives, printer))
            else:
                pop(heap)
                if arrives < inf:
                    self.later.append((arrives, printer))
            news -= 1
            if not news:
                news = _EVERY
                progress(now / horizon)

    def _ended(self, printer: int, behaviour: Behaviour, stage: int, code: int, when: float) -> float:
        """Handle the end of an inquiry. Return when the printer's next exchange reaches the CA; inf for never."""
        if code == ISSUED:
            self.tally.issued(printer, self.of[printer], when, when - self.begun[printer])
            return self._next(printer, behaviour, when, when)
        polls = self.polls[printer]
        follows = behaviour.follows[code][polls]
        if follows.seconds is None:
            self.tally.failed(printer, self.of[printer], when, follows.detail)
            return self._next(printer, behaviour, when, None, behaviour.again[stage] if follows.keep else None)
        self.polls[printer] = polls + 1
        if not follows.anew:
            self.stages[printer] = behaviour.again[stage]
            return when + follows.seconds + self.latency
        self.stages[printer] = 0
        self.queue.forget(printer)
        key_time = behaviour.key_time(self.draws, printer, self.exchanges[printer])
        return when + follows.seconds + key_time + self.latency

    def _next(
        self, printer: int, behaviour: Behaviour, now: float, issued: float | None, kept: int | None = None
    ) -> float:
        """Begin the next automatic request. ``kept`` is the stage of a transaction that it asks about again (A-23)."""
        self.planned[printer] = planned = behaviour.next_planned(self.planned[printer], now, issued, self.validity)
        self.polls[printer], self.stages[printer] = behaviour.first, kept or 0
        if planned == inf:
            return inf
        if kept is None:
            self.queue.forget(printer)
        return self._begin(printer, behaviour)

    def result(self) -> FleetRun:
        """The result of the run."""
        return self.tally.result(self.queue, sum(self.exchanges))
