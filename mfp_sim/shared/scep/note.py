"""A tolerated deviation, as a value. Readers of every layer collect notes; the code that judges interprets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Note", "notes_of"]


@dataclass(frozen=True)
class Note:
    """A tolerated deviation: the requirement, where it was seen, and a sentence."""

    requirement: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.requirement} {self.path}: {self.text}"


NoteRow: TypeAlias = tuple[str, str, str] | Literal[False, "", b""] | None


def notes_of(*rows: NoteRow) -> list[Note]:
    """The notes of ``rows``. A row is ``wrong and (requirement, path, text)``: the text is only made if needed."""
    return [Note(*row) for row in rows if row]
