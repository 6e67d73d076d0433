"""Writes the advice about a run: sentences, each with a setting to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, Literal, TypeAlias

from mfp_sim.device.polling import PollReply, Polls, counted_at_first, detail_of, what_follows
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.settings import Polling
from mfp_sim.fleet.plan import FleetPlan, Outage, PrinterClass
from mfp_sim.fleet.result import DAY, SUCCESSFUL, FleetRun

__all__ = ["Advice", "advice_on", "lasting_of", "unmet"]

_USUAL_MINUTES = 10
"""The interval of polls that is advised to printers without polling."""


@dataclass(frozen=True)
class Advice:
    """One sentence, and what to change; ``weight`` is ``bad`` if certificates were lost, ``warn`` if they may be."""

    weight: Literal["bad", "warn", "good"]
    text: str
    remedy: str = ""


_Cause: TypeAlias = tuple[str, Advice]
"""Advice about why requests failed, and the detail with which they did."""
_DEFERRED, _REFUSED, _UNHEARD = "deferred", "fail-info-2", "top-error"


def lasting_of(seconds: float) -> str:
    """A duration in its two largest units: ``31 min 30 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    left, parts = round(seconds), []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def advice_on(plan: FleetPlan, runs: Sequence[FleetRun]) -> tuple[Advice, ...]:
    """The advice from the runs of the plan without variations, most costly first. ``runs`` have different seeds."""
    causes = [cause for of in (_outages, _approvals, _challenges, _overload) for cause in of(plan, runs)]
    explained, found = {detail for detail, _ in causes}, [advice for _, advice in causes]
    found += [*_herd(plan, runs), *_waste(runs), *_periods(plan, runs)]
    order = ("bad", "warn", "good")
    failed = sum((run.by_outcome for run in runs), Counter[str]()) - Counter(
        {SUCCESSFUL: sum(r.requests for r in runs)}
    )
    others = Counter({detail: count for detail, count in failed.items() if detail not in explained})
    if others:
        told = ", ".join(f"{count:,} {detail}" for detail, count in others.most_common())
        these = _many(others.total(), "other request" if explained else "request")
        found.append(Advice("bad", f"{these} ended in Error: {told}."))
    found += [*_unended(plan, runs), *_gaps(plan, runs)]
    lacking, lost = max(run.lacking for run in runs), max(run.lost for run in runs)
    if (lacking or lost) and not any(advice.weight == "bad" for advice in found):
        were = f"{_many(lacking, 'printer')} {'was' if lacking == 1 else 'were'}"
        found.append(Advice("bad", f"{were} without a valid certificate at some time, and {lost:,} at the end."))
    requests = sum(run.requests for run in runs)
    if not requests:
        found.append(Advice("bad", "No request ended, so the run has no result."))
    elif not failed and not any(run.unended for run in runs):
        found.append(Advice("good", f"Every request ended with a certificate: {requests:,} of them."))
    return tuple(sorted(found, key=lambda advice: order.index(advice.weight)))


# --- outages ----------------------------------------------------------------------------------------------


def _waits(one: PrinterClass, outage: Outage) -> float:
    """The seconds that a request waits without a reply during the outage."""
    return one.seconds if outage.looks in ("silent", "hangs") else 0.0


def _reply(outage: Outage) -> PollReply:
    """What an inquiry during the outage brings."""
    return PollReply("http", int(outage.looks)) if outage.looks.isdecimal() else PollReply("lost")


def _may_poll(profile: Profile, outage: Outage) -> bool:
    """Whether a printer of this model polls during the outage, if polling is on."""
    return isinstance(what_follows(_reply(outage), 0, Polling(1, 1), profile), Polls)


def _patience(one: PrinterClass, outage: Outage) -> float:
    """The seconds from a first attempt during the outage to the end of the last poll."""
    waits = _waits(one, outage)
    profile, polling = one.model, one.polls
    polls, spent = counted_at_first(polling, profile), waits
    while isinstance(follows := what_follows(_reply(outage), polls, polling, profile), Polls):
        polls, spent = polls + 1, spent + follows.minutes * 60 + waits
    return spent


def _outages(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[_Cause]:
    """Advice on outages that can include both the first attempt and the last poll of a printer of a class."""
    for outage in plan.outages:
        begins = plan.seconds_at(outage.begins)
        ends, detail = begins + outage.lasts, detail_of(_reply(outage)).slug
        for one in plan.printers:
            if not any(detail in run.outcomes.get(one.name, ()) for run in runs):
                continue
            least, most = _spread(one)
            met = next((max(at + least, begins) for at in _starts(plan, one) if begins <= at + most), inf)
            bears = _patience(one, outage)
            if ends <= met + bears - _waits(one, outage):
                continue
            when = f"{outage.begins:%Y-%m-%d %H:%M}"
            text = (
                f"The outage of {lasting_of(outage.lasts)} from {when} is longer than class {one.name} can bridge: "
                f"{_polling_of(one, outage)} {_after_first(bears)}. {_afterwards(one)}"
            )
            yield detail, Advice("bad", text, _longer(one, outage, ends - met))


def _starts(plan: FleetPlan, one: PrinterClass) -> list[float]:
    """The planned starts of a class during the plan; only the first if it does not follow the calendar."""
    from mfp_sim.fleet.engine import Behaviour  # noqa: PLC0415

    horizon = plan.days * DAY
    return [at for at in Behaviour(one, plan.zone_of(one), plan.begins, horizon, ()).planned if at < horizon]


def _spread(one: PrinterClass) -> tuple[float, float]:
    """The shortest and the longest time in seconds from a planned start to the first attempt."""
    least, most = one.model.adjustment_range if one.adjust else (0, 0)
    return least + one.key_time.least, most + one.key_time.least + one.key_time.width


def _polling_of(one: PrinterClass, outage: Outage) -> str:
    polling = one.polls
    if polling is None:
        return "without polling a request ends"
    if not _may_poll(one.model, outage):
        return f"this model does not poll after HTTP {outage.looks}, and a request ends"
    if polling.count == 1:
        return f"one poll after {lasting_of(polling.minutes * 60)} ends"
    return f"{polling.count} polls {lasting_of(polling.minutes * 60)} apart end"


def _after_first(seconds: float) -> str:
    return f"{lasting_of(seconds)} after the first attempt" if seconds else "with the first attempt"


def _afterwards(one: PrinterClass) -> str:
    if one.model.renewal_trigger != "calendar":
        return f"The next attempt comes {one.model.renewal_retry_days} d later."
    return (
        "There is no next attempt." if one.every_days is None else f"The next attempt comes {one.every_days} d later."
    )


def _longer(one: PrinterClass, outage: Outage, needed: float) -> str:
    """The polling that would outlast the outage, in words."""
    enough = _enough(one, _waits(one, outage), needed)
    if enough is None:
        return "this model cannot poll long enough"
    instead = "" if _may_poll(one.model, outage) else "make the outage a failing connection; "
    return f"{instead}polling: {{count: {enough.count}, interval: {enough.minutes}m}} would outlast it"


def _enough(one: PrinterClass, waits: float, needed: float) -> Polling | None:
    """Polling of which the last poll leaves after ``needed`` seconds: the interval stays unless the model has too few
    polls for it; None if the model's ranges are too small."""
    profile = one.model
    (fewest, most), (shortest, longest) = profile.poll_count_range, profile.poll_minutes_range
    first = int(profile.first_request_counts)
    polls = most - first
    if needed > polls * (longest * 60 + waits):
        return None
    usual = one.polls.minutes if one.polls else sorted((shortest, _USUAL_MINUTES, longest))[1]
    minutes = max(usual, ceil((needed / polls - waits) / 60))
    return Polling(max(fewest, first + ceil(needed / (minutes * 60 + waits))), minutes)


# --- the CA -----------------------------------------------------------------------------------------------


def _count(runs: Sequence[FleetRun], detail: str) -> int:
    return sum(run.by_outcome[detail] for run in runs)


def _approvals(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[_Cause]:
    deferred, pending = _count(runs, _DEFERRED), plan.ca.pending
    if deferred and pending is not None:
        longest = pending.approved_after.least + pending.approved_after.width
        text = (
            f"{_many(deferred, 'request')} ended as Deferred: the operator takes up to {lasting_of(longest)}, "
            "and the printers had stopped polling by then."
        )
        remedy = "poll longer (count times interval), approve sooner, or approve automatically"
        yield _DEFERRED, Advice("bad", text, remedy)


def _challenges(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[_Cause]:
    refused, lifetime = _count(runs, _REFUSED), plan.ca.challenge_lifetime
    if refused and lifetime is not None:
        were = f"{_many(refused, 'request')} {'was' if refused == 1 else 'were'}"
        text = f"{were} refused: the challenge password is valid for only {lasting_of(lifetime)}."
        yield _REFUSED, Advice("bad", text, "a longer lifetime; the adjustment and the queue use up a part of it")


def _overload(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[_Cause]:
    """Advice on requests that ended without a reply, if an outage cannot be the cause."""
    unheard = _count(runs, _UNHEARD)
    if not unheard or plan.outages or plan.network.loss:
        return
    longest = max(run.waiting(1) or 0.0 for run in runs)
    timeout = min(one.seconds for one in plan.printers)
    if longest > timeout:
        text = (
            f"{_many(unheard, 'request')} ended without a reply in time: the longest wait was {lasting_of(longest)}, "
            f"and a printer gives up after {lasting_of(timeout)}."
        )
        yield _UNHEARD, Advice("bad", text, "a larger CA (--find workers shows how large), or a spread of the starts")


def _herd(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[Advice]:
    times = plan.ca.service.pki
    longest, mean = max(run.longest for run in runs), sum(times) / len(times)
    if not longest or not mean:
        return
    capacity = plan.ca.workers / mean
    for one in plan.printers:
        width = max(one.key_time.width, 1.0)
        if one.adjust or one.count <= max(capacity * width, 1) or not _starts(plan, one):
            continue
        peak = max(wave.peak for run in runs for wave in run.waves)
        when = "in the same second" if width == 1.0 else f"within {lasting_of(width)}"
        text = (
            f"All {one.count:,} printers of class {one.name} send requests {when}; "
            f"the CA serves {capacity:.3g} a second. "
            f"At the peak, {longest:,} requests waited at once ({peak:,.0f} requests a second over ten seconds)."
        )
        low, high = one.model.adjustment_range
        yield Advice("warn", text, f"adjust: true spreads the start over {low} to {high} s")


def _waste(runs: Sequence[FleetRun]) -> Iterator[Advice]:
    share = max(run.wasted_share or 0.0 for run in runs)
    if share > 0.05:
        text = f"{share:.0%} of the CA's work was for printers that had given up before it was done."
        yield Advice("warn", text, "more workers, a longer timeout, or a spread of the starts")


def _periods(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[Advice]:
    if not any(run.failed for run in runs):
        return
    for one in plan.printers:
        if one.every_days is None or not one.every_days * DAY <= plan.ca.validity < 2 * one.every_days * DAY:
            continue  # with less than one period, a certificate is missing even without failures
        gap = 2 * one.every_days * DAY - plan.ca.validity
        text = (
            f"A request of class {one.name} that fails is repeated {one.every_days} d later, and a certificate is "
            f"valid for {lasting_of(plan.ca.validity)}: one failure leaves a printer without one for {lasting_of(gap)}."
        )
        yield Advice("warn", text, _two_periods(plan.ca.validity, one.every_days))


def _two_periods(validity: float, every: int) -> str:
    """Two ways in which a certificate outlasts a failed request, and the adjustment of the next one."""
    shorter, longer = ceil(validity / DAY / 2) - 1, f"a validity of {2 * every + 1}d"
    return f"every: {shorter}d, or {longer}" if shorter else longer


def _unended(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[Advice]:
    """Advice on printers without a completed request, about which the run shows nothing."""
    unended = max(run.unended for run in runs)
    if unended:
        told = f"The first request of {_many(unended, 'printer')} had not ended after {plan.days} d"
        text = f"{told}: the run does not show how it ends."
        yield Advice("bad", text, "more days, counted from the first start of all classes")


def _gaps(plan: FleetPlan, runs: Sequence[FleetRun]) -> Iterator[Advice]:
    """Advice on certificates that expire before the next request, even if no request fails."""
    validity = plan.ca.validity
    for one in plan.printers if any(run.lacking or run.lost for run in runs) else ():
        if one.model.renewal_trigger != "calendar" or not (starts := _starts(plan, one)):
            continue
        every = one.every_days
        if every is None and plan.days * DAY > starts[0] + validity:
            valid = lasting_of(validity)
            text = f"Printers of class {one.name} request only one certificate, which is valid for {valid}."
            yield Advice("bad", text, "set every to an interval below the validity")
        elif every is not None and validity < every * DAY and plan.days * DAY > starts[0] + validity:
            text = (
                f"A certificate is valid for {lasting_of(validity)}, and printers of class {one.name} request one "
                f"every {every} d: each is without one for {lasting_of(every * DAY - validity)} of every period."
            )
            yield Advice("bad", text, _two_periods(validity, every))


# --- expectations ---------------------------------------------------------------------------------------


_Ways: TypeAlias = Sequence[Callable[[Any], str]]
"""How a value can be written, the shortest way first."""
_COUNT: _Ways = (str,)
_DAYS: _Ways = ("{:.1f}".format, "{:.3f}".format, "{:.15g}".format)
_TIME: _Ways = (lasting_of, "{:.3f} s".format, "{:.15g} s".format)
_SHARE: _Ways = ("{:.1%}".format, "{:.3%}".format, lambda share: f"{share * 100:.15g}%")


def _told_apart(ways: _Ways, got: float, limit: float) -> tuple[str, str]:
    """Two values, written in the first way in which they do not round to the same."""
    words = [(way(got), way(limit)) for way in ways]
    return next((pair for pair in words if pair[0] != pair[1]), words[-1])


def unmet(plan: FleetPlan, run: FleetRun) -> tuple[str, ...]:
    """The expectations of the plan that a run did not meet, one sentence each. Without a value none is met."""
    limits, ended = plan.expect, run.requests
    if limits is None:
        return ()
    share = run.by_outcome[SUCCESSFUL] / ended if ended else None
    no_request, no_exchange = "no request ended", "the CA served no exchange"
    rows: tuple[tuple[str, str, float | None, float | None, str, _Ways], ...] = (
        ("failed", "at most", limits.failed, run.failed if ended else None, no_request, _COUNT),
        ("lost", "at most", limits.lost, run.lost if ended else None, no_request, _COUNT),
        ("without_certificate", "at most", limits.without_certificate, run.without / DAY if ended else None,
         no_request, _DAYS),
        ("waiting_p99", "at most", limits.waiting_p99, run.waiting(0.99), no_exchange, _TIME),
        ("successful", "at least", limits.successful, share, no_request, _SHARE),
    )  # fmt: skip
    found = []
    for name, bound, limit, got, lacks, ways in rows:
        if limit is None:
            continue
        if got is None:
            found.append(f"{name}: {bound} {ways[0](limit)}, but {lacks}")
        elif (got > limit) if bound == "at most" else (got < limit):
            said, most = _told_apart(ways, got, limit)
            found.append(f"{name}: {bound} {most}, got {said}")
    if run.unended:
        first = f"the first request of {_many(run.unended, 'printer')}"
        found.append(f"{first} had not ended when the time of the plan was over")
    return tuple(found)
