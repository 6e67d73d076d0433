"""Keys and certificates in the machine: slots, limit, use locations, the default key. Frozen; one way to change it.

Serves MFP-ENROL-02, MFP-REQ-06, MFP-DELETE-*, MFP-DETAIL-02.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from mfp_sim.device.profile import Profile
from mfp_sim.errors import Refused
from mfp_sim.scep.certificate import Certificate

__all__ = ["KeyEntry", "KeyStore"]


@dataclass(frozen=True)
class KeyEntry:
    """One slot. ``private`` is PKCS#8; ``assigned`` tells whether the use location has this key at present."""

    id: int
    name: str
    use: str
    policy: str | None
    certificate: Certificate
    created: datetime
    private: bytes = field(repr=False)
    default: bool = False
    assigned: bool = False

    @property
    def destination(self) -> tuple[str, str | None]:
        """Use location and, with IPSec, its policy."""
        return self.use, self.policy

    @cached_property
    def stored(self) -> dict[str, object]:
        """The entry as it is committed; made once, since entries never change."""
        return {
            "id": self.id,
            "name": self.name,
            "use": self.use,
            "policy": self.policy,
            "certificate": self.certificate.der.hex(),
            "created": self.created.isoformat(),
            "private": self.private.hex(),
            "default": self.default,
            "assigned": self.assigned,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, object]) -> KeyEntry:
        """The entry as it was committed."""
        return cls(
            id=int(str(stored["id"])),
            name=str(stored["name"]),
            use=str(stored["use"]),
            policy=None if stored["policy"] is None else str(stored["policy"]),
            certificate=Certificate.from_der(bytes.fromhex(str(stored["certificate"]))),
            created=datetime.fromisoformat(str(stored["created"])),
            private=bytes.fromhex(str(stored["private"])),
            default=bool(stored["default"]),
            assigned=bool(stored["assigned"]),
        )


@dataclass(frozen=True)
class KeyStore:
    """All slots in the order of registration."""

    entries: tuple[KeyEntry, ...] = ()

    def is_full_for(self, destination: tuple[str, str | None], profile: Profile, *, delete_old: bool) -> bool:
        """Whether a key for ``destination`` would go over the limit.

        With delete-old, and the profile overwriting in place, an old key's slot is taken over (A-19).
        """
        freed = len(self.old_keys(destination)) if delete_old and profile.overwrite == "in-place" else 0
        return len(self.entries) - freed + 1 > profile.key_limit

    def old_keys(self, destination: tuple[str, str | None]) -> tuple[KeyEntry, ...]:
        """What delete-old removes: same use location, never the default key; None never matches None (A-19)."""
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

    def delete(self, name: str, enabled: frozenset[str]) -> KeyStore:
        """The store without the newest key of that name.

        Raises:
            Refused: there is none, it is the default key, or an enabled function has it.
        """
        found = [entry for entry in self.entries if entry.name == name]
        if not found:
            raise Refused("no-such-key", f"there is no key {name!r}")
        entry = found[-1]
        if entry.default:
            raise Refused("default-key", "the default key cannot be deleted")
        if entry.assigned and entry.use in enabled:
            text = f"the key is in use by {entry.use}"
            raise Refused("key-in-use", text, remedy="turn the function off or give it another key first")
        return KeyStore(tuple(other for other in self.entries if other.id != entry.id))

    def assigned_to(self, use: str) -> KeyEntry | None:
        """The key that the use location has at present."""
        found = [entry for entry in self.entries if entry.use == use and entry.assigned]
        return found[-1] if found else None
