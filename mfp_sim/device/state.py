"""Everything that a printer knows, as one value that is committed and loaded as a whole.

What is not in here is gone after a restart. Changes nothing by itself: the printer does. Serves MFP-REQ-09: the items
of a manual request are in it only for as long as that request is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mfp_sim.device import persistence
from mfp_sim.device.keystore import KeyEntry, KeyStore
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, read_ip
from mfp_sim.device.status import AuditEntry, AuditLog, StatusRow
from mfp_sim.errors import DecodeError, UsageError

__all__ = ["DeviceState"]


@dataclass
class DeviceState:
    """``planned`` is local time without a zone, ``due`` the adjusted instant by the printer's clock.

    ``ip`` is the address that somebody set, None for the one fresh from the factory. ``request`` is the stored form of
    the request under way, ``kept`` of one that ended while pending (A-23).
    """

    communication: CommunicationSettings | None = None
    auto: AutoRequestSettings = AutoRequestSettings(timer=False)  # noqa: RUF009 - frozen
    planned: datetime | None = None
    due: datetime | None = None
    store: KeyStore = KeyStore()  # noqa: RUF009 - frozen
    history: tuple[StatusRow, ...] = ()
    next_id: int = 1
    requests: int = 0
    functions: frozenset[str] = frozenset()
    dns: bool = False
    ip: str | None = None
    request: Mapping[str, Any] | None = None
    kept: Mapping[str, Any] | None = None
    audit: AuditLog = field(default_factory=AuditLog)

    def stored(self) -> dict[str, object]:
        """A JSON-able value that later changes do not touch."""
        return {
            "communication": persistence.communication(self.communication),
            "auto": persistence.auto_request(self.auto),
            "planned": self.planned.isoformat() if self.planned else None,
            "planned_fold": self.planned.fold if self.planned else 0,
            "due": self.due.isoformat() if self.due else None,
            "keys": [entry.stored for entry in self.store.entries],
            "history": [row.stored for row in self.history],
            "next_id": self.next_id,
            "requests": self.requests,
            "functions": sorted(self.functions),
            "dns": self.dns,
            "ip": self.ip,
            "request": self.request,
            "kept": self.kept,
            "audit": self.audit.stored,
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> DeviceState:
        """The state as it was committed.

        Raises:
            UsageError: it is not what :meth:`stored` gives.
        """
        try:
            planned, due, fold = stored["planned"], stored["due"], stored.get("planned_fold", 0)
            return cls(
                communication=persistence.read_communication(stored["communication"]),
                auto=persistence.read_auto_request(stored["auto"]),
                planned=datetime.fromisoformat(planned).replace(fold=fold) if planned else None,
                due=datetime.fromisoformat(due) if due else None,
                store=KeyStore(tuple(map(KeyEntry.from_stored, persistence.entries(stored["keys"])))),
                history=tuple(map(StatusRow.from_stored, persistence.entries(stored["history"]))),
                next_id=int(stored["next_id"]),
                requests=int(stored["requests"]),
                functions=frozenset(map(str, stored["functions"])),
                dns=bool(stored["dns"]),
                ip=read_ip(stored["ip"]) if stored.get("ip") is not None else None,
                request=stored["request"],
                kept=stored["kept"],
                audit=AuditLog(map(AuditEntry.from_stored, persistence.entries(stored["audit"]))),
            )
        except (KeyError, TypeError, ValueError, DecodeError) as error:
            raise unusable(error) from None


def unusable(error: Exception) -> UsageError:
    """What is told of a stored state that cannot be taken; never with its content."""
    return UsageError(
        f"the stored state of the printer is not usable ({type(error).__name__})",
        remedy="start with an empty state directory",
    )
