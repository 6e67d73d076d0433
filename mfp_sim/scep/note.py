"""A tolerated deviation, as a value. Readers of every layer collect them; what they mean is decided by who judges."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Note"]


@dataclass(frozen=True)
class Note:
    """A tolerated deviation: the requirement, where it was seen, and a sentence."""

    requirement: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.requirement} {self.path}: {self.text}"
