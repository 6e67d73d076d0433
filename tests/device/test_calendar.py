"""Local time over the change of daylight saving, in zones on both halves of the earth."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfp_sim.device.local_time import following_start, instant_of, local_of, next_start

OSLO, SYDNEY, LORD_HOWE = ZoneInfo("Europe/Oslo"), ZoneInfo("Australia/Sydney"), ZoneInfo("Australia/Lord_Howe")
UTC = timezone.utc


@pytest.mark.parametrize(
    ("local", "zone", "instant"),
    [
        (datetime(2026, 3, 29, 1, 59), OSLO, datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        (datetime(2026, 3, 29, 2, 30), OSLO, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # does not exist: 03:30
        (datetime(2026, 3, 29, 3, 0), OSLO, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 30), OSLO, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # comes twice: the first
        (datetime(2026, 10, 25, 3, 0), OSLO, datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        (datetime(2026, 10, 4, 2, 30), SYDNEY, datetime(2026, 10, 3, 16, 30, tzinfo=UTC)),
        (datetime(2026, 4, 5, 2, 30), SYDNEY, datetime(2026, 4, 4, 15, 30, tzinfo=UTC)),
        (datetime(2026, 10, 4, 2, 15), LORD_HOWE, datetime(2026, 10, 3, 15, 45, tzinfo=UTC)),  # half an hour
    ],
)
def test_the_instant_of_a_local_time(local: datetime, zone: ZoneInfo, instant: datetime) -> None:
    assert instant_of(local, zone) == instant


@pytest.mark.parametrize(
    ("period", "hour"), [("local-days", 9), ("seconds", 10)], ids=["09:00 stays 09:00", "86,400 s a day"]
)
def test_a_day_over_the_change_in_spring(period: str, hour: int) -> None:
    before = datetime(2026, 3, 28, 9)
    following = next_start(before, 1, OSLO, instant_of(before, OSLO), period)  # type: ignore[arg-type]
    assert following == datetime(2026, 3, 29, hour)


def test_periods_that_were_missed_are_passed_over() -> None:
    now = datetime(2026, 3, 20, 12, tzinfo=UTC)
    assert next_start(datetime(2026, 3, 2, 9), 7, OSLO, now, "local-days") == datetime(2026, 3, 23, 9)


def test_a_start_that_is_to_come_stays_and_one_without_a_period_is_over() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    later, present, earlier = datetime(2026, 3, 2, 14), datetime(2026, 3, 2, 13), datetime(2026, 3, 2, 9)
    assert following_start(later, None, OSLO, now, "local-days") == later
    assert following_start(present, None, OSLO, now, "local-days") == present
    assert following_start(earlier, None, OSLO, now, "local-days") is None
    assert following_start(earlier, 1, OSLO, now, "local-days") == datetime(2026, 3, 3, 9)
    assert following_start(None, 1, OSLO, now, "local-days") is None


@settings(max_examples=200, deadline=None)
@given(
    start=st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2030, 1, 1)),
    days=st.integers(1, 365),
    zone=st.sampled_from([OSLO, SYDNEY, LORD_HOWE, ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")]),
    passed=st.integers(0, 800),
    period=st.sampled_from(["local-days", "seconds"]),
)
def test_the_next_start_is_the_first_after_now(start, days, zone, passed, period) -> None:
    start = start.replace(second=0, microsecond=0)
    now = instant_of(start, zone) + timedelta(days=passed)
    following = next_start(start, days, zone, now, period)
    gap = instant_of(following, zone) - now
    assert timedelta(0) < gap <= timedelta(days=days, hours=2)
    if period == "local-days":
        assert following.time() == start.time()


def test_local_time_has_no_zone() -> None:
    assert local_of(datetime(2026, 7, 1, 7, tzinfo=UTC), OSLO) == datetime(2026, 7, 1, 9)
