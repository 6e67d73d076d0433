"""Records which values of a frozen dataclass are read."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

__all__ = ["noting"]

T = TypeVar("T")


def noting(record: T, read: set[str]) -> T:
    """The same record, which adds the name of each field to ``read`` when its value is read."""
    plain: Any = type(record)
    kind, names = _noting(plain)
    copy = object.__new__(kind)
    for name in names:
        object.__setattr__(copy, name, getattr(record, name))
    object.__setattr__(copy, "_read", read)
    found: T = copy
    return found


@cache
def _noting(kind: Any) -> tuple[Any, frozenset[str]]:
    """A subclass that records the reading of these fields."""
    names = frozenset(field.name for field in fields(kind))

    def get(self: object, name: str) -> object:
        if name in names:
            object.__getattribute__(self, "_read").add(name)
        return object.__getattribute__(self, name)

    return type(f"Noting{kind.__name__}", (kind,), {"__getattribute__": get}), names
