"""The parts of a printer, and what each does when the machine starts, loses its power, commits, or goes back.

The only place that knows all parts; it decides nothing. Serves MFP-RESTART-*, F-K07.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from mfp_sim.device.configuration import Configuration
from mfp_sim.device.keyring import Keyring
from mfp_sim.device.machine import Machine
from mfp_sim.device.outside import Factory, Listeners, Outside
from mfp_sim.device.plan import Plan
from mfp_sim.device.profile import Profile
from mfp_sim.device.requests import Requests
from mfp_sim.device.transfer import Transfers

__all__ = ["PrinterFirmware"]


class PrinterFirmware:
    """A :class:`~mfp_sim.device.machine.Firmware`. A part is handed the machine and the parts that it calls."""

    def __init__(self, profile: Profile, outside: Outside, factory: Factory, listeners: Listeners) -> None:
        self.zone = ZoneInfo(factory.timezone)
        self.machine = Machine(profile, outside, factory, self)
        self.keyring = Keyring(self.machine)
        self.plan = Plan(self.machine, self.zone, self._begin_automatic)
        self.configuration = Configuration(self.machine, factory, self.plan)
        self.transfers = Transfers(self.machine, factory, self.plan)
        self.requests = Requests(self.machine, self.configuration, self.keyring, self.plan, outside, listeners)

    def _begin_automatic(self) -> None:
        self.requests.begin_automatic()

    def forget(self) -> None:
        self.requests.forget()
        self.transfers.forget()
        self.keyring.forget()

    def wake(self, *, first: bool) -> None:
        state = self.machine.state
        if first:
            self.keyring.make_factory_key(self.requests.outside.keys)
        else:
            self.requests.take_up()
            for key in state.store.entries:
                # The power may have failed between the commit and the word of it.
                self.requests.listeners.installed(key.certificate)
        self.keyring.load(state.functions)

    def revert(self) -> None:
        self.requests.forget()
        self.transfers.forget()
        self.requests.take_up()
        self.keyring.revert()

    def rebook(self, not_before: datetime) -> None:
        self.requests.rebook(not_before)
        self.plan.rebook(not_before)

    def break_off(self) -> None:
        self.transfers.break_off()

    def refuse_while_busy(self) -> None:
        self.transfers.refuse_while_busy()

    def save(self) -> None:
        self.requests.save()

    def saved(self) -> None:
        self.keyring.saved()
