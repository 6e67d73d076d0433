"""Where the printer's state survives a restart: one atomic commit of everything, and one load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["MemoryStorage", "Storage"]


class Storage(Protocol):
    """Keeps one JSON-able state."""

    def commit(self, state: Mapping[str, object]) -> None:
        """Replace the stored state at once, wholly or not at all. The caller never changes ``state`` afterwards."""
        ...

    def load(self) -> Mapping[str, object] | None:
        """The last committed state, or None for a machine fresh from the factory."""
        ...


class MemoryStorage:
    """Lives as long as the object; a restart of the printer does not touch it."""

    def __init__(self) -> None:
        self._state: Mapping[str, object] | None = None

    def commit(self, state: Mapping[str, object]) -> None:
        self._state = dict(state)

    def load(self) -> Mapping[str, object] | None:
        return self._state
