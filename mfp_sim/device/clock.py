"""The printer's own clock: it may be wrong, and it continues while the printer is off.

The printer shows, plans and checks everything in this time; the world's scheduler knows the true time (F-C08).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mfp_sim.shared.simtime import Clock

__all__ = ["DeviceClock"]


class DeviceClock:
    """A clock that is ``skew`` ahead of the true one (behind, when negative)."""

    def __init__(self, true: Clock) -> None:
        self._true = true
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return self._true.now() + self.skew

    def true_instant(self, instant: datetime) -> datetime:
        """The true time at which this clock shows ``instant``."""
        return instant - self.skew

    def set(self, instant: datetime | None) -> None:
        """Set the clock; None sets it to the true time."""
        self.skew = timedelta(0) if instant is None else instant - self._true.now()
