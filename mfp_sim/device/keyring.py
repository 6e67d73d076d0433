"""The keys of the printer, and which of them its functions have loaded.

A function loads its key when it starts; a request never makes it load another key, unless the model does so
(MFP-REQ-07, MFP-REQ-10). This module commits nothing. Serves MFP-ENROL-02, MFP-DELETE-*, F-K01.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mfp_sim.device.keystore import KeyEntry, factory_key
from mfp_sim.device.machine import Machine, Part
from mfp_sim.device.purposes import misfit
from mfp_sim.device.request import CertificateRequest, Ended, Registration
from mfp_sim.device.status import Detail
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.simtime import KeySource

__all__ = ["Keyring"]

Destination = tuple[str, str | None]


class Keyring(Part):
    """The key store of ``machine``, and the keys that its functions have loaded. ``keys`` makes the Default Key."""

    def __init__(self, machine: Machine, keys: KeySource) -> None:
        self._machine, self._keys = machine, keys
        self._loaded: dict[Destination, KeyEntry] = {}
        self._kept: dict[Destination, KeyEntry] = {}

    def forget(self) -> None:
        self._loaded, self._kept = {}, {}

    def saved(self) -> None:
        self._kept = dict(self._loaded)

    def revert(self) -> None:
        self._loaded = dict(self._kept)

    def wake(self, *, first: bool) -> None:
        machine, state = self._machine, self._machine.state
        if first:
            entry = factory_key(machine.profile, self._keys, machine.clock.now(), self._take_id())
            state.store = state.store.register(entry, delete_old=False)
        self.load(state.functions)

    def load(self, uses: Iterable[str]) -> None:
        """Load the present keys of these use locations into their functions."""
        wanted = set(uses)
        self._loaded |= {e.destination: e for e in self._machine.state.store.assigned() if e.use in wanted}

    def set_function(self, use: str, on: bool) -> None:
        """Switch a function on or off."""
        state = self._machine.state
        if use not in self._machine.profile.uses[1:]:
            raise Refused("no-such-function", f"this model has no function {use!r}")
        state.functions = state.functions | {use} if on else state.functions - {use}
        self._loaded = {where: entry for where, entry in self._loaded.items() if where[0] != use}
        if on:
            self.load({use})

    @property
    def in_use(self) -> Mapping[str, str]:
        """The key that each running function uses, by use location (for IPSec, ``IPSec/<policy>``)."""
        return {
            use if policy is None else f"{use}/{policy}": entry.name for (use, policy), entry in self._loaded.items()
        }

    def delete(self, name: str, key_id: int | None) -> None:
        """Delete the newest key of that name, or the one with that id."""
        state = self._machine.state
        in_use = {entry.id: where[0] for where, entry in self._loaded.items()}
        in_use |= {entry.id: entry.use for entry in state.store.assigned() if entry.use in state.functions}
        state.store = state.store.delete(name, in_use, key_id=key_id)

    def register(self, registration: Registration, request: CertificateRequest) -> Ended | None:
        """Register key and certificate. If that fails, return why: the store is full (MFP-POLL-03), or F-K01."""
        machine, settings, certificate = self._machine, request.settings, registration.certificate
        profile, store = machine.profile, machine.state.store
        if store.is_full_for(settings.destination, profile, delete_old=request.delete_old):
            return Ended(Detail("registration-limit"), "the store is full")
        if store.has_serial(certificate):
            text = f"duplicate-serial: a certificate of this CA with serial {certificate.serial:x} exists already"
            return Ended(Detail("scep-error"), text)
        if (unfit := misfit(certificate, settings.use)) is not None:
            if profile.unfit_usage == "refuse":
                return Ended(Detail("scep-error"), f"unfit-usage: {unfit}")
            machine.note("finding", "OK", f"{settings.name}: {unfit}")
        entry = KeyEntry(
            id=self._take_id(),
            name=settings.name,
            use=settings.use,
            policy=settings.policy,
            certificate=certificate,
            created=machine.clock.now(),
            private=registration.private,
        )
        machine.state.store = store.register(entry, delete_old=request.delete_old)
        loaded = self._loaded.get(entry.destination)
        for old in store.entries:
            if old.id in machine.state.store.ids:
                continue
            machine.note("key deleted", "OK", f"{old.name} was overwritten")
            if profile.overwritten_in_use == "at-once" and loaded is not None and loaded.id == old.id:
                self.load({entry.use})
        machine.note("certificate registered", "OK", f"{settings.name}, serial {certificate.serial:x}")
        return None

    def _take_id(self) -> int:
        state = self._machine.state
        state.next_id += 1
        return state.next_id - 1
