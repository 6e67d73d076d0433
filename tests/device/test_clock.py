"""A clock that is wrong: what it shows, and when it really is (F-C08)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.device.clock import DeviceClock
from mfp_sim.shared.simtime import FrozenClock

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("skew", [HOUR, -HOUR])
def test_a_wrong_clock_goes_on_with_the_true_one(skew: timedelta) -> None:
    true = FrozenClock(START)
    clock = DeviceClock(true)
    assert clock.now() == START
    clock.set(START + skew)
    true.move_to(clock.true_instant(START + skew + HOUR))
    assert (true.now(), clock.now()) == (START + HOUR, START + HOUR + skew)
    clock.set(None)
    assert clock.now() == true.now()
