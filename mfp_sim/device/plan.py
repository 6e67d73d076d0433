"""The times of automatic requests: the planned date, its adjustment, and the next date after a request.

It does not begin requests: it calls ``start`` at the date. Serves MFP-AUTO-05, MFP-PERIOD-*, A-15, A-33, F-K05.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import following_start, instant_of, local_of, next_start
from mfp_sim.device.machine import Machine, Part
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.settings import AutoRequestSettings
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["Plan", "renewal_instant"]

_LABEL = "automatic request"


class Plan(Part):
    """The plan of ``machine``, whose wall clock is in ``zone``."""

    def __init__(self, machine: Machine, zone: ZoneInfo, start: Callable[[], None]) -> None:
        self._machine, self._zone, self._start = machine, zone, start

    @property
    def next_request(self) -> datetime | None:
        """The instant that the printer shows, or None if no request is planned (A-33)."""
        state = self._machine.state
        if state.due is None or state.planned is None:
            return None
        nominal = self._machine.profile.shown_time == "nominal"
        return instant_of(state.planned, self._zone) if nominal else state.due

    def rebook(self, not_before: datetime) -> None:
        self._machine.cancel(_LABEL)
        if (due := self._machine.state.due) is not None:
            self._machine.book(max(due, not_before), self._start, _LABEL)

    def refuse_past(self, local: datetime) -> None:
        """Raise Refused if that local time has passed."""
        if instant_of(local, self._zone) < self._machine.clock.now():
            raise Refused("start-in-the-past", "the request start date/time has passed")

    def set(self, local: datetime | None) -> None:
        """Book the automatic request for a local time; the adjustment is drawn again each time (A-15)."""
        machine, state = self._machine, self._machine.state
        machine.cancel(_LABEL)
        state.planned, state.due = local, None
        if local is None:
            return
        due = instant_of(local, self._zone)
        if state.auto.adjust:
            stream = machine.entropy.fork(f"adjust/{local.isoformat()}")
            due += timedelta(seconds=stream.integer(*machine.profile.adjustment_range))
        state.due = due
        machine.book(due, self._start, _LABEL)

    def take_over(self, settings: AutoRequestSettings) -> None:
        """Plan an imported automatic request; a date in the past moves to the next one."""
        profile = self._machine.profile
        by_expiry = profile.renewal_trigger != "calendar"  # no interval: the retry interval after an error applies
        days = profile.renewal_retry_days if by_expiry else settings.every_days
        start = settings.start if settings.timer else None
        self.set(following_start(start, days, self._zone, self._machine.clock.now(), profile.period))

    def skip(self) -> None:
        """Skip the due request and plan the next one."""
        self.set(self._following(None))

    def ended(self, installed: Certificate | None, *, automatic: bool) -> None:
        """Handle the end of a request: begin the waiting one, or plan the next automatic request."""
        state, machine = self._machine.state, self._machine
        if state.due is not None and state.due <= machine.clock.now():
            machine.cancel(_LABEL)
            machine.book(state.due, self._start, _LABEL)
        elif automatic and state.due is None:
            self.set(self._following(installed))

    def _following(self, installed: Certificate | None) -> datetime | None:
        """The next local start after a request has ended, by the calendar or by the certificate's expiry."""
        planned, days = self._machine.state.planned, self._machine.state.auto.every_days
        now, profile = self._machine.clock.now(), self._machine.profile
        if planned is None:  # the timer is off
            return None
        if profile.renewal_trigger != "calendar":
            if installed is not None and (instant := renewal_instant(installed, profile)) > now:
                return local_of(instant, self._zone)
            # Refused, or valid for less than that span: asking again at once would never end.
            return next_start(planned, profile.renewal_retry_days, self._zone, now, profile.period)
        return None if days is None else next_start(planned, days, self._zone, now, profile.period)


def renewal_instant(certificate: Certificate, profile: Profile) -> datetime:
    """The instant at which a model that renews before expiry renews a certificate (F-K05)."""
    if profile.renewal_trigger == "days-before-expiry":
        return certificate.not_after - timedelta(days=profile.renewal_value)
    return certificate.not_before + (certificate.not_after - certificate.not_before) * profile.renewal_value / 100
