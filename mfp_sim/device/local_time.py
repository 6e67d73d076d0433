"""Local wall-clock time of the printer and its change of daylight saving (A-14, A-17)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.shared.simtime import local

__all__ = ["following_start", "instant_of", "local_of", "next_start"]

Period = Literal["local-days", "seconds"]


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a local time without a zone.

    A local time that does not exist moves forward by the gap. For a local time that occurs twice, ``fold`` selects one
    (A-14: a time entered by a person means the first).
    """
    try:
        return local.replace(tzinfo=zone).astimezone(timezone.utc)
    except OverflowError:  # at the very end of the calendar
        return local.replace(tzinfo=timezone.utc)


def local_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """The local time of an instant, without a zone; ``fold`` is 1 for the second of two equal times."""
    return local(instant, zone).replace(tzinfo=None)


def following_start(
    start: datetime | None, days: int | None, zone: ZoneInfo, now: datetime, period: Period
) -> datetime | None:
    """``start`` if it is in the future; otherwise the next start of the period, or None without a period."""
    if start is None or instant_of(start, zone) >= now:
        return start
    return None if days is None else next_start(start, days, zone, now, period)


def next_start(local: datetime, days: int, zone: ZoneInfo, now: datetime, period: Period) -> datetime:
    """The next local start after ``now``: ``local`` plus whole periods.

    ``local-days``: 09:00 stays 09:00 over a change of daylight saving; ``seconds``: periods of 86,400 s (A-17).
    """
    while True:
        if period == "local-days":
            local += timedelta(days=days)
        else:
            later = instant_of(local, zone) + timedelta(days=days)
            local = local_of(later, zone)
        if instant_of(local, zone) > now:
            return local
