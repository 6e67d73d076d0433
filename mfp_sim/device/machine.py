"""The base of the printer: power, time, rights, storage and audit log. It does not know settings or requests.

It never sleeps: it books events on the scheduler. It holds the state, which is committed and loaded as a whole;
uncommitted changes are lost in a restart. Its parts decide what else a restart forgets, starts or books.
Serves MFP-ADMIN-01, MFP-RESTART-01, F-K07, F-C08.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from mfp_sim.device.clock import DeviceClock
from mfp_sim.device.outside import Factory, Outside
from mfp_sim.device.power import Commit
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.state import DeviceState
from mfp_sim.device.status import AUDIT_LIMIT, AuditEntry
from mfp_sim.events import BY_HAND, SHUTDOWN, START, AuditNote, PowerFailed, Undone
from mfp_sim.shared.errors import PowerLost, Refused
from mfp_sim.shared.simtime import Booking, Entropy

__all__ = ["ADMINISTRATOR", "ROLES", "Machine", "Part"]

ADMINISTRATOR: Final = "administrator"
AGAIN_AFTER: Final = timedelta(minutes=1)
"""How long after an error the interrupted work continues."""
_AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)
ROLES: Final = (ADMINISTRATOR, "device-admin", "network-admin", "user", "logged-out")


class Part:
    """A part of the printer. `Machine` calls these methods; a part implements those that concern it."""

    def forget(self) -> None:
        """Forget everything except the state, as when the power is off."""

    def wake(self, *, first: bool) -> None:
        """Start with the present state: the stored one or, at the ``first`` start, the factory's."""

    def revert(self) -> None:
        """Continue with the state of the last commit, without a restart."""

    def rebook(self, not_before: datetime) -> None:
        """Book future events by the printer's clock, none of them before ``not_before``."""

    def break_off(self) -> None:
        """Note in the audit log what switching off interrupts."""

    def refuse_while_busy(self) -> None:
        """Raise Refused while the printer cannot be operated."""

    def save(self) -> None:
        """Write this part's values into the state before a commit."""

    def saved(self) -> None:
        """Called after the state is committed."""


class Machine:
    """The base of a printer, initially switched off.

    Args:
        profile: the model.
        outside: its surroundings; the scheduler's clock is the true time.
        factory: its state on delivery.
    """

    def __init__(self, profile: Profile, outside: Outside, factory: Factory) -> None:
        self.profile, self.points, self.recorder = profile, outside.points, outside.recorder
        self.clock = DeviceClock(outside.scheduler.clock)
        self.state: DeviceState = factory.state()
        """The present state; each start replaces the object."""
        self.parts: tuple[Part, ...] = ()
        """The parts, in the order in which they are called. Set them before switching on."""
        self.powered = False
        self.lost: PowerLost | None = None
        """The last power failure, if there was one."""
        self._scheduler, self._storage, self.entropy = outside.scheduler, outside.storage, outside.entropy
        self._factory = factory
        self._bookings: list[Booking] = []
        self._boot: Booking | None = None
        self._kept: Mapping[str, object] = {}
        self._streams = 0

    def stream(self, name: str) -> Entropy:
        """A new stream of random numbers that nothing else on this printer shares, not even under the same name."""
        self._streams += 1
        return self.entropy.fork(f"{name}{self._streams}")

    # --- power --------------------------------------------------------------------------------------------

    @property
    def comes_back(self) -> bool:
        """Whether it is off, and starts by itself when its restart or a timed power failure is over."""
        return not self.powered and self._boot is not None and not self._boot.cancelled

    def power_on(self) -> None:
        """Boot from storage: functions load their keys; a request in progress and the timer continue.

        Raises:
            UsageError: the stored state is not usable.
        """
        if self.powered:
            return
        if self._boot is not None:
            self._boot.cancel()
        self.powered = True
        try:
            self._start()
        except PowerLost as lost:
            self._go_dark(lost)
        except Exception:
            self._go_dark()
            raise

    def _start(self) -> None:
        first = not self.load()
        for part in self.parts:
            part.wake(first=first)
        self.note(START, "OK")
        self.commit("factory" if first else "start")
        self._rebook(_AT_ONCE)

    def load(self) -> bool:
        """Load the stored state, if there is one.

        Raises:
            UsageError: the stored state is not usable.
        """
        stored = self._storage.load()
        if stored is not None:
            self.state = DeviceState.from_stored(stored)
        return stored is not None

    def power_off(self) -> None:
        """Switch off: the audit log records it, and uncommitted changes are lost.

        Raises:
            PowerLost: the power failed before that.
        """
        if not self.powered:
            if self._boot is not None:
                self._boot.cancel()
            return
        try:
            with self._whole():
                for part in self.parts:
                    part.break_off()
                self.log(SHUTDOWN, "OK")
        finally:
            self._go_dark()  # the printer switches off even if the audit log cannot be stored

    def power_cut(self, off_seconds: float | None = None) -> None:
        """The power fails now; it comes back after ``off_seconds``, or with `power_on`."""
        if self.powered:
            self._go_dark(PowerLost(BY_HAND, off_seconds))

    def _go_dark(self, lost: PowerLost | None = None) -> None:
        if not self.powered:
            return
        self.powered, self.lost = False, lost
        self._cancel_all()
        for part in self.parts:
            part.forget()
        self.state = self._factory.state()
        if lost is not None:
            self.recorder.record(PowerFailed(point=lost.point))
            self._return_power(lost.off_seconds)

    def _return_power(self, seconds: float | None) -> None:
        if seconds is not None:
            self._boot = self._scheduler.after(seconds, self.power_on, "power on")

    def restart(self, why: str) -> None:
        """Switch off, and on again after the model's restart time; the audit log records ``why``."""
        self.note(why, "OK")
        try:
            self.power_off()
        except PowerLost:
            raise
        except Exception:
            self._return_power(self.profile.restart_seconds)
            raise
        self._return_power(self.profile.restart_seconds)

    def set_clock(self, instant: datetime | None) -> None:
        """Set the printer's clock to an aware instant, or to the true time (None). Planned events follow it (F-C08)."""
        self.clock.set(instant)
        if self.powered:
            with self._whole():
                self.log("clock set", "OK")
                self._rebook(_AT_ONCE)

    # --- people -------------------------------------------------------------------------------------------

    def needs(self, role: str) -> None:
        """Raise Refused unless a person with that role can operate the printer now."""
        if not self.powered:
            raise Refused("powered-off", "the printer is off")
        if role == "logged-out":
            raise Refused("login-required", "no one is logged in", remedy="log in as the administrator")
        if role != ADMINISTRATOR:
            raise Refused("not-administrator", "administrator rights are needed")
        for part in self.parts:
            part.refuse_while_busy()

    @contextmanager
    def work(self, role: str) -> Iterator[None]:
        """An action of a person on the printer: it needs rights, and is done completely or not at all."""
        self.needs(role)
        with self._whole():
            yield

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Keep the work inside up to its last commit, however it ends.

        After a power failure the printer is off. After any other exception, such as a full disk, its state, page and
        plan are those of the last commit; interrupted work continues a minute later, as after a restart.
        """
        try:
            yield
        except PowerLost as lost:
            self._go_dark(lost)
            raise
        except Refused:
            raise  # nothing has changed
        except Exception as error:
            self._undo(error)
            raise

    def _undo(self, error: Exception) -> None:
        if not self.powered or not self._kept:
            return
        self.recorder.record(Undone(error=f"{type(error).__name__}: {error}"))
        self._cancel_all()
        self.state = DeviceState.from_stored(self._kept)
        for part in self.parts:
            part.revert()
        self._rebook(self.clock.now() + AGAIN_AFTER)

    def _rebook(self, not_before: datetime) -> None:
        for part in self.parts:
            part.rebook(not_before)

    # --- bookings -----------------------------------------------------------------------------------------

    def book(self, due: datetime, action: Callable[[], None], label: str) -> None:
        """Book ``action`` for ``due`` by the printer's clock, as a separate event."""

        def run() -> None:
            self._bookings.remove(booking)
            self.as_an_event(action)

        booking = self._scheduler.at(self.clock.true_instant(due), run, label)
        self._bookings = [other for other in self._bookings if not other.cancelled]
        self._bookings.append(booking)

    def as_an_event(self, action: Callable[[], None]) -> None:
        """Run an action that no person started. A power failure ends it and is not reported to the caller."""
        with suppress(PowerLost), self._whole():
            action()

    def cancel(self, label: str) -> None:
        """Cancel the event booked under that label."""
        for booking in self._bookings:
            if booking.label == label:
                booking.cancel()

    def _cancel_all(self) -> None:
        for booking in self._bookings:
            booking.cancel()

    # --- audit log and storage ----------------------------------------------------------------------------

    @property
    def stored(self) -> Mapping[str, object] | None:
        """The state of the last commit, including secrets; None before the first commit."""
        return self._storage.load()

    def note(self, operation: str, result: str, diagnosis: str = "") -> None:
        """Add an audit log entry that is committed together with what it reports."""
        entry = AuditEntry(self.clock.now(), "SYSTEM", operation, result, diagnosis)
        self.state.audit = (*self.state.audit[1 - AUDIT_LIMIT :], entry)
        self.recorder.record(AuditNote(operation=operation, result=result, diagnosis=diagnosis))

    def log(self, operation: str, result: str, diagnosis: str = "") -> None:
        """Add an audit log entry and commit it at once, for when there is no other change to commit."""
        self.note(operation, result, diagnosis)
        self.commit("audit")

    def commit(self, what: Commit, then: Callable[[], None] | None = None) -> None:
        """Commit the whole state and call ``then``, between the two power points."""
        self.points.reach(f"commit-{what}.before")
        for part in self.parts:
            part.save()
        state = self.state.stored()
        self._storage.commit(state)
        self._kept = state
        for part in self.parts:
            part.saved()
        if then is not None:
            then()
        self.points.reach(f"commit-{what}.after")
