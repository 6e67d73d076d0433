"""The machine: power, time, rights, storage and audit log; it knows nothing about settings or requests.

It never sleeps: it books events on the scheduler. It holds the state, which is committed and loaded as a whole:
uncommitted changes are lost after a restart. The parts that run on it decide what else is forgotten, started or booked.
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
from mfp_sim.device.status import AuditEntry
from mfp_sim.events import BY_HAND, SHUTDOWN, START, AuditNote, PowerFailed, Undone
from mfp_sim.shared.errors import PowerLost, Refused
from mfp_sim.shared.simtime import Booking, Entropy

__all__ = ["ADMINISTRATOR", "ROLES", "Machine", "Part"]

ADMINISTRATOR: Final = "administrator"
AGAIN_AFTER: Final = timedelta(minutes=1)
"""When what an error broke off is taken up again."""
_AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)
ROLES: Final = (ADMINISTRATOR, "device-admin", "network-admin", "user", "logged-out")


class Part:
    """What runs on the machine, which calls these methods. A part does something in those that concern it."""

    def forget(self) -> None:
        """Know what a machine knows that has no power: nothing beside the state."""

    def wake(self, *, first: bool) -> None:
        """Start with the state as it is now: the stored one, or, at the ``first`` start, the one from the factory."""

    def revert(self) -> None:
        """Go on with the state as it is now, which is the one of the last commit, without a restart."""

    def rebook(self, not_before: datetime) -> None:
        """Book what is to come, by the machine's clock; nothing of it ``not_before`` that instant."""

    def break_off(self) -> None:
        """Note in the audit log what is cut off by switching off."""

    def refuse_while_busy(self) -> None:
        """Raise Refused while the printer cannot be operated."""

    def save(self) -> None:
        """Put into the state what is to be committed with it."""

    def saved(self) -> None:
        """The state is committed."""


class Machine:
    """Switched off at first.

    Args:
        profile: the model.
        outside: what it works with; its scheduler's clock is the true time.
        factory: what its state is like fresh from the factory.
    """

    def __init__(self, profile: Profile, outside: Outside, factory: Factory) -> None:
        self.profile, self.points, self.recorder = profile, outside.points, outside.recorder
        self.clock = DeviceClock(outside.scheduler.clock)
        self.state: DeviceState = factory.state()
        """What the machine knows at present; another one after each start."""
        self.parts: tuple[Part, ...] = ()
        """What runs on it, to be set before it is switched on; each is called in this order."""
        self.powered = False
        self.lost: PowerLost | None = None
        """Why the power went off last, when it failed."""
        self._scheduler, self._storage, self.entropy = outside.scheduler, outside.storage, outside.entropy
        self._factory = factory
        self._bookings: list[Booking] = []
        self._boot: Booking | None = None
        self._kept: Mapping[str, object] = {}
        self._streams = 0

    def stream(self, name: str) -> Entropy:
        """A stream of chance that nothing else on this machine has, not even under the same name."""
        self._streams += 1
        return self.entropy.fork(f"{name}{self._streams}")

    # --- power --------------------------------------------------------------------------------------------

    @property
    def comes_back(self) -> bool:
        """Whether it is off, and starts by itself when its restart or a timed power failure is over."""
        return not self.powered and self._boot is not None and not self._boot.cancelled

    def power_on(self) -> None:
        """Boot from storage: functions load their keys, a request under way and the timer go on.

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
        """Take up the stored state, if there is one.

        Raises:
            UsageError: the stored state is not usable.
        """
        stored = self._storage.load()
        if stored is not None:
            self.state = DeviceState.from_stored(stored)
        return stored is not None

    def power_off(self) -> None:
        """Switch off: the audit log says so, and what was not committed is gone.

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
            self._go_dark()  # a log that cannot be kept keeps no machine on

    def power_cut(self, off_seconds: float | None = None) -> None:
        """The power fails now; it comes back after ``off_seconds``, or with :meth:`power_on`."""
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
        """Off now, on again after the model's restart time; the audit log says ``why``."""
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
        """Set the printer's clock to an aware instant, or right (None): what is planned follows it (F-C08)."""
        self.clock.set(instant)
        if self.powered:
            with self._whole():
                self.log("clock set", "OK")
                self._rebook(_AT_ONCE)

    # --- people -------------------------------------------------------------------------------------------

    def needs(self, role: str) -> None:
        """Raise Refused unless a person of that role can operate the machine now."""
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
        """What a person does on the machine: with rights, and wholly or not at all."""
        self.needs(role)
        with self._whole():
            yield

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What is done within is done up to its last commit, whatever ends it.

        After a power failure the machine is off. After any other exception, such as a full disk, it is as it was after
        the last commit, page and plan too; what was going on is taken up again a minute later, as after a restart.
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
        """Book ``action`` for ``due`` by the machine's clock, as an event of its own."""

        def run() -> None:
            self._bookings.remove(booking)
            self.as_an_event(action)

        booking = self._scheduler.at(self.clock.true_instant(due), run, label)
        self._bookings = [other for other in self._bookings if not other.cancelled]
        self._bookings.append(booking)

    def as_an_event(self, action: Callable[[], None]) -> None:
        """Do what no person has asked for at this moment: a power failure ends it, and is not reported to a caller."""
        with suppress(PowerLost), self._whole():
            action()

    def cancel(self, label: str) -> None:
        """Take back what is booked under that label."""
        for booking in self._bookings:
            if booking.label == label:
                booking.cancel()

    def _cancel_all(self) -> None:
        for booking in self._bookings:
            booking.cancel()

    # --- audit log and storage ----------------------------------------------------------------------------

    @property
    def stored(self) -> Mapping[str, object] | None:
        """What the last commit left, secrets included; None before the first one."""
        return self._storage.load()

    def note(self, operation: str, result: str, diagnosis: str = "") -> None:
        """An entry of the audit log that is committed together with what it reports."""
        self.state.audit.add(AuditEntry(self.clock.now(), "SYSTEM", operation, result, diagnosis))
        self.recorder.record(AuditNote(operation=operation, result=result, diagnosis=diagnosis))

    def log(self, operation: str, result: str, diagnosis: str = "") -> None:
        """An entry of the audit log that is committed at once, since nothing else is to be committed with it."""
        self.note(operation, result, diagnosis)
        self.commit("audit")

    def commit(self, what: Commit, then: Callable[[], None] | None = None) -> None:
        """Commit everything at once; between the two power points it is done, and ``then`` is called."""
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
