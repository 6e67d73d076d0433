"""Settings as JSON-able values and back: what a commit holds. The challenge is stored, as in the real machine,
and nowhere else: not in traces, logs or bundles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, Polling

__all__ = [
    "auto_request",
    "communication",
    "entries",
    "key",
    "polling",
    "read_auto_request",
    "read_communication",
    "read_key",
    "read_polling",
]

Stored = dict[str, Any]


def communication(settings: CommunicationSettings | None) -> Stored | None:
    return dict(vars(settings)) if settings else None


def read_communication(stored: Any) -> CommunicationSettings | None:
    return CommunicationSettings(**stored) if stored else None


def key(settings: KeySettings) -> Stored:
    return dict(vars(settings))


def read_key(stored: Any) -> KeySettings:
    return KeySettings(**stored)


def polling(settings: Polling | None) -> Stored | None:
    return dict(vars(settings)) if settings else None


def read_polling(stored: Any) -> Polling | None:
    return Polling(**stored) if stored else None


def auto_request(settings: AutoRequestSettings) -> Stored:
    return {
        **vars(settings),
        "start": settings.start.isoformat() if settings.start else None,
        "polling": polling(settings.polling),
        "key": key(settings.key) if settings.key else None,
    }


def read_auto_request(stored: Any) -> AutoRequestSettings:
    fields = dict(stored)
    fields["start"] = datetime.fromisoformat(fields["start"]) if fields["start"] else None
    fields["key"] = KeySettings(**fields["key"]) if fields["key"] else None
    fields["polling"] = read_polling(fields["polling"])
    return AutoRequestSettings(**fields)


def entries(stored: object) -> list[Stored]:
    """A list of stored entries."""
    if not isinstance(stored, list) or not all(isinstance(entry, Mapping) for entry in stored):
        raise ValueError("a list of entries was expected")
    return stored
