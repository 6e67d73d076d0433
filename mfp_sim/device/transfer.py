"""What an import of a bundle would change on this machine, decided before anything is touched.

Serves MFP-BUNDLE-01, MFP-BUNDLE-02; A-18, A-28, A-30. Applies nothing: the printer does, in ``stages``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from mfp_sim.device.bundle import Bundle
from mfp_sim.device.profile import Profile
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings
from mfp_sim.device.state import DeviceState
from mfp_sim.errors import Refused

__all__ = ["ImportPlan", "Transfer", "plan_import"]

DNS_ITEM = "DNS server"
SCEP_ITEM = "Settings for Certificate Issuance Request (SCEP)"


@dataclass(frozen=True)
class ImportPlan:
    """What is taken over, and what is left alone with the reason."""

    dns: bool
    communication: CommunicationSettings | None
    auto: AutoRequestSettings | None
    left_alone: tuple[str, ...] = ()

    @property
    def report(self) -> tuple[str, ...]:
        """A sentence for each item of the category."""
        scep = () if self.auto is None else (f"{SCEP_ITEM}: imported",)
        return (f"{DNS_ITEM}: imported", *scep, *self.left_alone)


@dataclass(frozen=True)
class Transfer:
    """An export or import that is running; nobody can operate the machine until ``ends``."""

    kind: Literal["export", "import"]
    ends: datetime
    plan: ImportPlan | None = None


def plan_import(
    bundle: Bundle, state: DeviceState, profile: Profile, serial: str, policies: Collection[str]
) -> ImportPlan:
    """What importing would do.

    Raises:
        Refused: ``bundle-other-machine`` (A-30), ``timer-on`` (A-28), ``no-communication-settings``, or whatever the
            settings' own rules refuse.
    """
    fits = {
        "other-models": True,
        "same-model": bundle.model == profile.name,
        "same-machine": (bundle.model, bundle.serial) == (profile.name, serial),
    }
    if not fits[profile.import_scope]:
        text = f"the bundle is from {bundle.model}, and these settings go to the {profile.import_scope} only"
        raise Refused("bundle-other-machine", text)
    if bundle.auto is None:
        return ImportPlan(bundle.dns, None, None, (f"{SCEP_ITEM}: not in the bundle, left alone",))
    if not profile.bundle_has_scep:
        return ImportPlan(bundle.dns, None, None, (f"{SCEP_ITEM}: not supported by this model, left alone",))
    if state.auto.timer and profile.import_while_timer == "refuse":
        raise Refused("timer-on", "the timer is on; these settings cannot be imported")
    auto = bundle.auto
    present = state.auto.key
    if auto.key is not None and present is not None:
        # No bundle has a challenge password: the machine's own stays.
        auto = replace(auto, key=replace(auto.key, challenge=present.challenge))
    auto.validate(profile, dns=bundle.dns, policies=policies)
    if bundle.communication is not None:
        bundle.communication.validate(profile)
    elif auto.timer:
        raise Refused("no-communication-settings", "the bundle has the timer on, but no SCEP server")
    return ImportPlan(bundle.dns, bundle.communication, auto)
