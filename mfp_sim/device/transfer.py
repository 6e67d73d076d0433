"""Batch export and import of settings on the printer. What an import changes is decided before it begins.

`mfp_sim.device.bundle` defines the file's format. Serves MFP-BUNDLE-01, MFP-BUNDLE-02; A-18, A-28, A-30.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from mfp_sim.device.bundle import CATEGORIES, CATEGORY, Bundle, check_password, open_bundle, seal_bundle
from mfp_sim.device.machine import Machine, Part
from mfp_sim.device.outside import Factory
from mfp_sim.device.plan import Plan
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, ShownSentence
from mfp_sim.device.state import DeviceState
from mfp_sim.shared.errors import Refused

__all__ = ["Transfer", "Transfers"]

_SCEP = "Settings for Certificate Issuance Request (SCEP)"
_DNS_IMPORTED = ShownSentence("dns-imported", "DNS server: imported")
_SCEP_IMPORTED = ShownSentence("scep-imported", f"{_SCEP}: imported")
_SCEP_ABSENT = ShownSentence("scep-absent", f"{_SCEP}: not in the bundle, unchanged")
_SCEP_UNSUPPORTED = ShownSentence("scep-unsupported", f"{_SCEP}: not supported by this model, unchanged")


@dataclass(frozen=True)
class ImportPlan:
    """What an import changes, and what it skips with the reason."""

    dns: bool
    communication: CommunicationSettings | None
    auto: AutoRequestSettings | None
    left_alone: tuple[ShownSentence, ...] = ()

    @property
    def report(self) -> tuple[ShownSentence, ...]:
        """One sentence for each item of the category."""
        scep = () if self.auto is None else (_SCEP_IMPORTED,)
        return (_DNS_IMPORTED, *scep, *self.left_alone)


@dataclass(frozen=True)
class Transfer:
    """An export or import in progress; the printer cannot be operated until ``ends``."""

    kind: Literal["export", "import"]
    ends: datetime
    plan: ImportPlan | None = None


def plan_import(
    bundle: Bundle, state: DeviceState, profile: Profile, serial: str, policies: Collection[str]
) -> ImportPlan:
    """Decide what an import would change.

    Raises:
        Refused: ``bundle-other-machine`` (A-30), ``timer-on`` (A-28), ``no-communication-settings``, or a
            reason from the rules of the settings.
    """
    fits = {
        "other-models": True,
        "same-model": bundle.model == profile.name,
        "same-machine": (bundle.model, bundle.serial) == (profile.name, serial),
    }
    if not fits[profile.import_scope]:
        text = f"the bundle is from {bundle.model}, but these settings can go only to the {profile.import_scope}"
        raise Refused("bundle-other-machine", text)
    if bundle.auto is None:
        return ImportPlan(bundle.dns, None, None, (_SCEP_ABSENT,))
    if not profile.bundle_has_scep:
        return ImportPlan(bundle.dns, None, None, (_SCEP_UNSUPPORTED,))
    if state.auto.timer and profile.import_while_timer == "refuse":
        raise Refused("timer-on", "the timer is on; these settings cannot be imported")
    auto = bundle.auto
    present = state.auto.key
    if auto.key is not None and present is not None:
        # A bundle never has a challenge password, so the printer keeps its own.
        auto = replace(auto, key=replace(auto.key, challenge=present.challenge))
    auto.validate(profile, dns=bundle.dns, policies=policies)
    if bundle.communication is not None:
        bundle.communication.validate(profile)
    elif auto.timer:
        raise Refused("no-communication-settings", "the bundle has the timer on, but no SCEP server")
    return ImportPlan(bundle.dns, bundle.communication, auto)


class Transfers(Part):
    """The exports and imports of ``machine``, one at a time. ``plan`` plans an imported automatic request."""

    def __init__(self, machine: Machine, factory: Factory, plan: Plan) -> None:
        self._machine, self._factory, self._plan = machine, factory, plan
        self.current: Transfer | None = None
        """The export or import in progress."""
        self.exported: bytes | None = None
        """The file of the last completed export."""
        self.report: tuple[ShownSentence, ...] = ()
        """What the last import did."""

    def forget(self) -> None:
        self.current = None

    revert = forget

    def break_off(self) -> None:
        if self.current is not None:
            partial = self._machine.profile.import_cut == "partial"
            kept = "the settings applied so far stay" if partial else "nothing was changed"
            text = f"interrupted by switching off or a restart; {kept}"
            self._machine.note(f"{self.current.kind} of settings", "NG", text)

    def refuse_while_busy(self) -> None:
        if self.current is not None:
            text = f"an {self.current.kind} of settings is running"
            raise Refused("import-export-running", text, remedy="wait until it has ended")

    def begin_export(self, password: str, category: str) -> None:
        """Begin an export of the settings; at its end, ``exported`` has the file."""
        if not CATEGORIES.get(category):
            raise Refused("category-not-offered", f"the simulator does not offer {category!r}", remedy=CATEGORY)
        check_password(password)
        self.exported = None
        self._begin(Transfer("export", self._after(1)), lambda: self._end_export(password))

    def begin_import(self, octets: bytes, password: str) -> None:
        """Begin an import of settings; at its end, ``report`` lists the changes."""
        machine = self._machine
        try:
            bundle = open_bundle(octets, password)
            plan = plan_import(bundle, machine.state, machine.profile, self._factory.serial, self._factory.policies)
        except Refused as refusal:
            machine.log("import of settings", "NG", f"{refusal.reason}: {refusal.message}")
            raise
        self.report = ()
        if machine.profile.import_cut == "partial":
            machine.book(self._after(1 / 2), lambda: self._apply_first(plan), "import")
        self._begin(Transfer("import", self._after(1), plan), lambda: self._end_import(plan))

    def _after(self, part: float) -> datetime:
        """The instant at which a part of a transfer that begins now ends."""
        return self._machine.clock.now() + timedelta(seconds=self._machine.profile.transfer_seconds * part)

    def _begin(self, transfer: Transfer, end: Callable[[], None]) -> None:
        self.current = transfer
        self._machine.log(f"{transfer.kind} of settings", "OK", "begun")
        self._machine.book(transfer.ends, end, transfer.kind)

    def _end_export(self, password: str) -> None:
        machine, state = self._machine, self._machine.state
        scep = (state.communication, state.auto) if machine.profile.bundle_has_scep else (None, None)
        bundle = Bundle(machine.profile.name, self._factory.serial, state.dns, *scep)
        sealed = seal_bundle(bundle, password, machine.stream("bundle"))
        self.current = None
        machine.log("export of settings", "OK", "done")
        self.exported = sealed

    def _apply_first(self, plan: ImportPlan) -> None:
        """Apply the first half of an import, for a model whose imports are not all-or-nothing (A-18)."""
        state = self._machine.state
        state.dns = plan.dns
        state.communication = plan.communication or state.communication
        self._machine.commit("import")

    def _end_import(self, plan: ImportPlan) -> None:
        state = self._machine.state
        state.dns = plan.dns
        if plan.auto is not None:
            state.communication, state.auto = plan.communication, plan.auto
            self._plan.take_over(plan.auto)
        self.current = None
        self._machine.note("import of settings", "OK", "; ".join(map(str, plan.report)))
        self._machine.commit("import")
        self.report = plan.report
