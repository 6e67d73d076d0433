"""The machine as far as power, time, rights, storage and audit log go; it knows nothing of settings or requests.

It never sleeps: it books events on the scheduler. What was not committed is gone after a restart. What there is to be
forgotten, loaded, booked and committed is the printer's matter, which is built on it.
Serves MFP-ADMIN-01, MFP-RESTART-01, F-K07, F-C08.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

from mfp_sim.device.clock import DeviceClock
from mfp_sim.device.power import Commit, PowerPoints
from mfp_sim.device.profile import Profile
from mfp_sim.device.state import DeviceState
from mfp_sim.device.status import AuditEntry
from mfp_sim.device.storage import Storage
from mfp_sim.errors import PowerLost, Refused
from mfp_sim.simtime import Booking, Scheduler
from mfp_sim.trace import BY_HAND, Recorder

__all__ = ["ADMINISTRATOR", "ROLES", "Machine"]

ADMINISTRATOR: Final = "administrator"
AGAIN_AFTER: Final = timedelta(minutes=1)
"""When what an error broke off is taken up again."""
ROLES: Final = (ADMINISTRATOR, "device-admin", "network-admin", "user", "logged-out")


class Machine(ABC):
    """Switched off at first. Arguments as in :class:`~mfp_sim.device.printer.Printer`."""

    def __init__(
        self, profile: Profile, scheduler: Scheduler, storage: Storage, recorder: Recorder, points: PowerPoints
    ) -> None:
        self.profile, self.points = profile, points
        self.clock = DeviceClock(scheduler.clock)
        self._scheduler, self._storage, self._recorder = scheduler, storage, recorder
        self._bookings: list[Booking] = []
        self._boot: Booking | None = None
        self.powered = False
        self._lost: PowerLost | None = None
        self._state: DeviceState
        self._kept: Mapping[str, object] = {}
        self._forget()

    # --- what the printer makes of it ---------------------------------------------------------------------

    @abstractmethod
    def _forget(self) -> None:
        """Know what a machine knows that has no power: nothing."""

    @abstractmethod
    def _wake(self, stored: Mapping[str, object] | None) -> None:
        """Take up the stored state, or the one fresh from the factory."""

    @abstractmethod
    def _revert(self, stored: Mapping[str, object]) -> None:
        """Know what is stored, and nothing that came after it, without a restart."""

    @abstractmethod
    def _rebook(self, not_before: datetime | None = None) -> None:
        """Book what is to come, by the printer's clock; nothing of it ``not_before`` that instant."""

    @abstractmethod
    def _break_off(self) -> None:
        """Tell the audit log what is cut off by switching off."""

    @abstractmethod
    def _refuse_while_busy(self) -> None:
        """Raise Refused while nobody can operate the machine."""

    @abstractmethod
    def _to_store(self) -> Mapping[str, object]:
        """What a commit holds; later changes do not touch it."""

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
        stored = self._storage.load()
        self._wake(stored)
        self._note("start", "OK")
        self._commit("factory" if stored is None else "start")
        self._rebook()

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
                self._break_off()
                self._log("shutdown", "OK")
        finally:
            self._go_dark()  # a log that cannot be kept keeps no machine on

    def power_cut(self, off_seconds: float | None = None) -> None:
        """The power fails now; it comes back after ``off_seconds``, or with :meth:`power_on`."""
        if self.powered:
            self._go_dark(PowerLost(BY_HAND, off_seconds))

    def _go_dark(self, lost: PowerLost | None = None) -> None:
        if not self.powered:
            return
        self.powered, self._lost = False, lost
        self._cancel(*{booking.label for booking in self._bookings})
        self._forget()
        if lost is not None:
            self._recorder.record("printer.power-lost", point=lost.point)
            self._return_power(lost.off_seconds)

    def _return_power(self, seconds: float | None) -> None:
        if seconds is not None:
            self._boot = self._scheduler.after(seconds, self.power_on, "power on")

    def restart(self, *, role: str = ADMINISTRATOR) -> None:
        """Off now, on again after the model's restart time."""
        self._needs(role)
        self._restart("restart")

    def _restart(self, why: str) -> None:
        self._note(why, "OK")
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
                self._log("clock set", "OK")
                self._rebook()

    # --- people -------------------------------------------------------------------------------------------

    def _needs(self, role: str) -> None:
        if not self.powered:
            raise Refused("powered-off", "the machine is off")
        if role == "logged-out":
            raise Refused("login-required", "nobody is logged in", remedy="log in as the administrator")
        if role != ADMINISTRATOR:
            raise Refused("not-administrator", "administrator rights are needed")
        self._refuse_while_busy()

    @contextmanager
    def _work(self, role: str) -> Iterator[None]:
        """What a person does on the machine: with rights, and wholly or not at all."""
        self._needs(role)
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
        self._recorder.record("printer.undone", error=f"{type(error).__name__}: {error}")
        self._cancel(*{booking.label for booking in self._bookings})
        self._revert(self._kept)
        self._rebook(self.clock.now() + AGAIN_AFTER)

    # --- bookings -----------------------------------------------------------------------------------------

    def _book(self, due: datetime, action: Callable[[], None], label: str) -> None:
        def run() -> None:
            self._bookings.remove(booking)
            self._as_an_event(action)

        booking = self._scheduler.at(self.clock.true_instant(due), run, label)
        self._bookings = [other for other in self._bookings if not other.cancelled]
        self._bookings.append(booking)

    def _as_an_event(self, action: Callable[[], None]) -> None:
        """What happens by itself: a power failure ends it, and there is nobody who could be refused."""
        with suppress(PowerLost), self._whole():
            action()

    def _cancel(self, *labels: str) -> None:
        for booking in self._bookings:
            if booking.label in labels:
                booking.cancel()

    # --- audit log and storage ----------------------------------------------------------------------------

    @property
    def stored(self) -> Mapping[str, object] | None:
        """What the last commit left, secrets included; None before the first one."""
        return self._storage.load()

    @property
    def audit(self) -> tuple[AuditEntry, ...]:
        """The audit log, oldest first."""
        return self._state.audit.entries

    def _note(self, operation: str, result: str, diagnosis: str = "") -> None:
        """An entry of the audit log that goes in with the commit of what it tells of."""
        self._state.audit.add(AuditEntry(self.clock.now(), "SYSTEM", operation, result, diagnosis))
        self._recorder.record("printer.audit", operation=operation, result=result, diagnosis=diagnosis or None)

    def _committed(self, state: Mapping[str, object]) -> None:
        """Remember what is stored now."""
        self._kept = state

    def _log(self, operation: str, result: str, diagnosis: str = "") -> None:
        """An entry of the audit log that is committed for its own sake: nothing else of it has to be kept."""
        self._note(operation, result, diagnosis)
        self._commit("audit")

    def _commit(self, what: Commit, then: Callable[[], None] | None = None) -> None:
        """Everything at once; between the two points it is done, whatever comes after. ``then`` is told so."""
        self.points.reach(f"commit-{what}.before")
        state = self._to_store()
        self._storage.commit(state)
        self._committed(state)
        if then is not None:
            then()
        self.points.reach(f"commit-{what}.after")
