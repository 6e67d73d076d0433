"""Keys and certificates in the printer: slots, limit, use locations, the default key. Values are frozen.

Serves MFP-ENROL-02, MFP-REQ-06, MFP-DELETE-*, MFP-DETAIL-02.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated

from mfp_sim.client.exchange import STORED_CERTIFICATE
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.private import load_private, pkcs8
from mfp_sim.shared.documents.json_values import Hex, Instant, Kept
from mfp_sim.shared.documents.records import document
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import fits_key
from mfp_sim.shared.simtime import KeySource

__all__ = ["KeyEntry", "KeyStore", "factory_key"]


def _readable(octets: bytes) -> bytes:
    load_private(octets)
    return octets


@document("a key", exchanged=True)
@dataclass(frozen=True)
class KeyEntry:
    """One slot. ``private`` is PKCS#8; ``assigned``: whether the use location has this key at present."""

    id: int
    name: str
    use: str
    policy: str | None
    certificate: Annotated[Certificate, STORED_CERTIFICATE]
    created: Annotated[datetime, Instant()]
    private: Annotated[bytes, Hex(_readable)] = field(repr=False)
    default: bool = False
    assigned: bool = False

    @property
    def destination(self) -> tuple[str, str | None]:
        """The use location and, for IPSec, its policy."""
        return self.use, self.policy

    @cached_property
    def fits(self) -> bool:
        """Whether the certificate belongs to the key pair; if not, the store is damaged."""
        return fits_key(self.certificate, load_private(self.private))


@document("the keys", whole=True)
@dataclass(frozen=True)
class KeyStore:
    """All slots in the order of registration."""

    entries: tuple[Annotated[KeyEntry, Kept()], ...] = ()

    @property
    def ids(self) -> frozenset[int]:
        """The ids of all entries."""
        return frozenset(entry.id for entry in self.entries)

    def is_full_for(self, destination: tuple[str, str | None], profile: Profile, *, delete_old: bool) -> bool:
        """Whether a key for ``destination`` would go over the limit.

        With delete-old, if the profile overwrites keys, the new key takes an old key's slot (A-19), unless a pending
        key has its own slot from the start (A-36).
        """
        in_place = delete_old and profile.overwrite == "in-place" and not profile.pending_takes_slot
        freed = len(self.old_keys(destination)) if in_place else 0
        return len(self.entries) - freed + 1 > profile.key_limit

    def old_keys(self, destination: tuple[str, str | None]) -> tuple[KeyEntry, ...]:
        """The keys that delete-old removes: same use location, not the default key. None never matches None (A-19)."""
        if destination[0] == "None":
            return ()
        return tuple(e for e in self.entries if e.destination == destination and not e.default)

    def register(self, entry: KeyEntry, *, delete_old: bool) -> KeyStore:
        """The store with a new key, which takes over its use location from the others."""
        gone = {old.id for old in self.old_keys(entry.destination)} if delete_old else set()
        kept = tuple(
            replace(old, assigned=False) if old.assigned and old.destination == entry.destination else old
            for old in self.entries
            if old.id not in gone
        )
        return KeyStore((*kept, replace(entry, assigned=entry.use != "None")))

    def has_serial(self, certificate: Certificate) -> bool:
        """Whether the store has a certificate with the same issuer and serial number (F-K01)."""
        return any(
            (e.certificate.issuer, e.certificate.serial) == (certificate.issuer, certificate.serial)
            for e in self.entries
        )

    def delete(self, name: str, in_use: Mapping[int, str], *, key_id: int | None = None) -> KeyStore:
        """The store without the newest key of that name, or the one with that id.

        ``in_use`` maps the id of a key to the function that uses it. A use location that loses its key gets the
        Default Key.

        Raises:
            Refused: there is no such key, it is the default key, or a function that is switched on uses it.
        """
        found = [entry for entry in self.entries if entry.name == name and key_id in (None, entry.id)]
        if not found:
            raise Refused("no-such-key", f"there is no key {name!r}")
        entry = found[-1]
        if entry.default:
            raise Refused("default-key", "the default key cannot be deleted")
        if entry.id in in_use:
            text = f"the key is in use by {in_use[entry.id]}"
            raise Refused("key-in-use", text, remedy="turn the function off or give it another key first")
        kept = tuple(other for other in self.entries if other.id != entry.id)
        if entry.assigned:
            kept = tuple(
                replace(e, assigned=True) if e.default and e.destination == entry.destination else e for e in kept
            )
        return KeyStore(kept)

    def assigned_to(self, destination: tuple[str, str | None]) -> KeyEntry | None:
        """The present key of the use location (for IPSec, of the policy)."""
        return next((entry for entry in self.entries if entry.destination == destination and entry.assigned), None)

    def assigned(self) -> tuple[KeyEntry, ...]:
        """All present keys of a use location."""
        return tuple(entry for entry in self.entries if entry.assigned)


def factory_key(profile: Profile, keys: KeySource, now: datetime, key_id: int) -> KeyEntry:
    """The Default Key, which the printer generates when it is first switched on (A-26)."""
    key = keys.rsa(2048)
    certificate = x509.self_signed(
        key,
        subject=x509.name(("CN", profile.default_key_name)),
        serial=1,
        not_before=now,
        not_after=now + timedelta(days=3650),
    )
    return KeyEntry(
        id=key_id,
        name=profile.default_key_name,
        use=profile.default_key_use,
        policy=None,
        certificate=certificate,
        created=now,
        private=pkcs8(key),
        default=True,
    )
