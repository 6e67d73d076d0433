"""The printer as people use it: every action needs rights, and is done completely or not at all.

Connects the `Machine` and its parts, and makes no decisions itself.
All public methods raise `mfp_sim.shared.errors.Refused` and change nothing if the printer refuses the action.
Serves MFP-ADMIN-01, MFP-COMM-04, MFP-REQ-08…10, MFP-AUTO-*, MFP-BUNDLE-*; A-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from mfp_sim.device.bundle import CATEGORY
from mfp_sim.device.configuration import Configuration
from mfp_sim.device.current_request import Requests
from mfp_sim.device.keyring import Keyring
from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.machine import ADMINISTRATOR, Machine
from mfp_sim.device.outside import Factory, Listeners, Outside
from mfp_sim.device.plan import Plan
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, ShownSentence
from mfp_sim.device.status import AuditEntry, StatusRow
from mfp_sim.device.transfer import Transfer, Transfers
from mfp_sim.shared.errors import Refused, UsageError

__all__ = ["SCREENS", "Factory", "Listeners", "Outside", "Printer"]

SCREENS: Final = (
    "Communication Settings",
    "Certificate Issuance Request",
    "Settings for Certificate Issuance Auto Request",
    "Certificate Issuance Request Status",
    "Key and Certificate List",
    "Import/Export",
)


class Printer:
    """A simulated multifunction printer, initially switched off.

    Args:
        profile: the model.
        outside: its surroundings.
        factory: its state on delivery.
        listeners: callbacks for what it does.

    Raises:
        UsageError: more IPSec policies than the model has.
    """

    def __init__(
        self,
        profile: Profile,
        outside: Outside,
        factory: Factory = Factory(),  # noqa: B008 - frozen
        listeners: Listeners = Listeners(),  # noqa: B008 - frozen
    ) -> None:
        if len(factory.policies) > profile.policy_limit:
            text = f"{profile.name} has at most {profile.policy_limit} IPSec policies, not {len(factory.policies)}"
            raise UsageError(text, remedy="leave some out, or set policy_limit")
        self._given = (outside, factory, listeners)
        self.zone = ZoneInfo(factory.timezone)
        """The time zone of its wall clock."""
        self.profile, self.serial, self.policies = profile, factory.serial, factory.policies
        # Its parts, for code that inspects the printer; users call the methods.
        self.machine = machine = Machine(profile, outside, factory)
        self.keyring = Keyring(machine, outside.keys)
        self.plan = Plan(machine, self.zone, self._begin_automatic)
        self.configuration = Configuration(machine, factory, self.plan)
        self.transfers = Transfers(machine, factory, self.plan)
        self.requests = Requests(machine, self.configuration, self.keyring, self.plan, outside, listeners)
        machine.parts = (self.requests, self.transfers, self.keyring, self.plan)
        self.clock, self.points, self.recorder = machine.clock, outside.points, outside.recorder

    def _begin_automatic(self) -> None:
        self.requests.begin_automatic()

    # --- power and time -----------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        return self.machine.powered

    @property
    def comes_back(self) -> bool:
        """Whether it is off, and starts by itself when its restart or a timed power failure is over."""
        return self.machine.comes_back

    def power_on(self) -> None:
        """Boot from storage: functions load their keys; a request in progress and the timer continue.

        Raises:
            UsageError: the stored state is not usable.
        """
        self.machine.power_on()

    def power_off(self) -> None:
        """Switch off: the audit log records it, and uncommitted changes are lost.

        Raises:
            PowerLost: the power failed before that.
        """
        self.machine.power_off()

    def power_cut(self, off_seconds: float | None = None) -> None:
        """The power fails now; it comes back after ``off_seconds``, or with `power_on`."""
        self.machine.power_cut(off_seconds)

    def restart(self, *, role: str = ADMINISTRATOR) -> None:
        """Switch off, and on again after the model's restart time."""
        self.machine.needs(role)
        self.machine.restart("restart")

    def set_clock(self, instant: datetime | None) -> None:
        """Set the printer's clock to an aware instant, or to the true time (None). Planned events follow it (F-C08)."""
        self.machine.set_clock(instant)

    @property
    def stored(self) -> Mapping[str, object] | None:
        """The state of the last commit, including secrets; None before the first commit."""
        return self.machine.stored

    @property
    def audit(self) -> tuple[AuditEntry, ...]:
        """The audit log, oldest first."""
        return self.machine.state.audit

    def at_rest(self) -> Printer:
        """The printer as stored, to inspect while it is off; no function is running.

        Raises:
            UsageError: the stored state is not usable.
        """
        other = Printer(self.profile, *self._given)
        if other.machine.load():
            other.requests.take_up()
        other.clock = self.clock
        other.configuration.advice = self.advice
        other.transfers.exported, other.transfers.report = self.exported, self.import_report
        return other

    # --- settings -----------------------------------------------------------------------------------------

    @property
    def communication(self) -> CommunicationSettings | None:
        """[Communication Settings] as stored."""
        return self.machine.state.communication

    @property
    def auto_request(self) -> AutoRequestSettings:
        """[Settings for Certificate Issuance Auto Request] as stored."""
        return self.machine.state.auto

    @property
    def functions(self) -> frozenset[str]:
        """The functions that are switched on."""
        return self.machine.state.functions

    @property
    def dns(self) -> bool:
        """Whether a DNS server is configured."""
        return self.machine.state.dns

    @property
    def ip(self) -> str:
        """The printer's address, which the CA sees."""
        return self.configuration.ip

    @property
    def advice(self) -> tuple[ShownSentence, ...]:
        """Help texts that applied to the key entered last (MFP-REQ-04)."""
        return self.configuration.advice

    def update_communication(
        self, *, url: str, port: int = 80, timeout: int | None = None, role: str = ADMINISTRATOR
    ) -> None:
        """[Update] on the communication settings; ``timeout`` in seconds (MFP-COMM-04, MFP-COMM-05)."""
        with self.machine.work(role):
            self.configuration.set_communication(url, port, timeout)
            self.machine.commit("settings")

    def update_auto_request(self, settings: AutoRequestSettings, *, role: str = ADMINISTRATOR) -> None:
        """[Update] on the automatic request: stores it and plans the request (MFP-AUTO-05)."""
        with self.machine.work(role):
            self.configuration.set_auto_request(settings)
            self.machine.commit("settings")

    def set_dns(self, dns: bool, *, role: str = ADMINISTRATOR) -> None:
        """Configure or remove the DNS server."""
        with self.machine.work(role):
            self.machine.state.dns = dns
            self.machine.commit("settings")

    def set_ip(self, ip: str, *, role: str = ADMINISTRATOR) -> None:
        """Give the printer another IPv4 or IPv6 address; the CA sees it from the next request on."""
        with self.machine.work(role):
            self.configuration.set_ip(ip)
            self.machine.commit("settings")

    def set_function(self, use: str, on: bool, *, role: str = ADMINISTRATOR) -> None:
        """Switch a function on, with the key of its use location, or off. A request never does this (MFP-REQ-07)."""
        with self.machine.work(role):
            self.keyring.set_function(use, on)
            self.machine.note("settings changed", "OK", f"{use} {'on' if on else 'off'}")
            self.machine.commit("settings")

    # --- requests -----------------------------------------------------------------------------------------

    def send_request(self, key: KeySettings, *, role: str = ADMINISTRATOR) -> StatusRow:
        """[Send Request], and wait until the request has ended.

        Raises:
            Refused: as `begin_request`, or the printer lost power or was switched off meanwhile.
        """
        self.begin_request(key, role=role)
        request = self.requests.current
        while request is not None and self.requests.current is request:
            if not self.requests.outside.scheduler.run_next():
                raise RuntimeError("a request is processed, and nothing is booked that could end it")
        if not self.powered:
            raise self.machine.lost or Refused("powered-off", "the printer was switched off in the meantime")
        return self.machine.state.history[-1]

    def begin_request(self, key: KeySettings, *, role: str = ADMINISTRATOR) -> None:
        """[Send Request]: begin the manual request. ``key`` is not kept as settings (MFP-REQ-09)."""
        with self.machine.work(role):
            self.requests.begin_manual(key)

    # --- batch export and import --------------------------------------------------------------------------

    @property
    def transfer(self) -> Transfer | None:
        """The export or import in progress."""
        return self.transfers.current

    @property
    def exported(self) -> bytes | None:
        """The file of the last completed export."""
        return self.transfers.exported

    @property
    def import_report(self) -> tuple[ShownSentence, ...]:
        """What the last completed import did."""
        return self.transfers.report

    def begin_export(self, password: str, *, category: str = CATEGORY, role: str = ADMINISTRATOR) -> None:
        """Begin an export of the settings; when it ends, ``exported`` has the file (MFP-BUNDLE-01)."""
        with self.machine.work(role):
            self.transfers.begin_export(password, category)

    def begin_import(self, octets: bytes, password: str, *, role: str = ADMINISTRATOR) -> None:
        """Begin an import of settings; when it ends, ``import_report`` lists the changes.

        Raises:
            Refused: the bundle cannot be opened or its settings are refused. Nothing has changed.
        """
        with self.machine.work(role):
            self.transfers.begin_import(octets, password)

    # --- what is shown ------------------------------------------------------------------------------------

    def open_screen(self, screen: str, *, role: str = ADMINISTRATOR) -> None:
        """Raise Refused unless that role may see the screen (one of ``SCREENS``) now (A-20)."""
        if screen not in SCREENS:
            raise UsageError(f"the printer has no screen {screen!r}", remedy=f"use one of {', '.join(SCREENS)}")
        self.machine.needs(role)

    def status(self) -> tuple[StatusRow, ...]:
        """[Certificate Issuance Request Status]: the request in progress or planned, then the others, newest first."""
        return self.requests.status()

    @property
    def next_request(self) -> datetime | None:
        """[Next Request Date/Time] as an instant, or None if no request is planned (A-33)."""
        return self.plan.next_request

    def key_list(self) -> tuple[KeyEntry, ...]:
        """The key and certificate list in the order of registration."""
        return self.machine.state.store.entries

    def delete_key(self, name: str, *, key_id: int | None = None, role: str = ADMINISTRATOR) -> None:
        """Delete the newest key of that name by hand, or the one with that id."""
        with self.machine.work(role):
            self.keyring.delete(name, key_id)
            self.machine.note("key deleted", "OK", name)
            self.machine.commit("key-deleted")

    def functions_in_use(self) -> Mapping[str, str]:
        """The key that each running function uses, loaded at the last start (MFP-REQ-10).

        The keys of the mapping are use locations; for IPSec, ``IPSec/<policy>``.
        """
        return self.keyring.in_use
