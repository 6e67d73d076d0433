"""What is kept of one thing, read back: each value of the kind that was written, or an error that says which is not.

A person may have changed the file, so that a row may be anything that JSON has. No error repeats a value: it may be a
challenge or a key.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

__all__ = [
    "COUNT",
    "FLAG",
    "OCTETS",
    "SECONDS",
    "TEXT",
    "TIME",
    "Column",
    "list_of",
    "maybe",
    "one_of",
    "read_row",
    "record",
]

Column = Callable[[Any], Any]
"""Gives the value, or raises ValueError with the end of a sentence: ``is not text``."""
_MOST = 2**63
_FIRST_YEAR, _LAST_YEAR = 1900, 9000


class _Misfit(ValueError):
    """What is wrong, and where in the row."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path or 'the row'} {text}")
        self.path, self.text = path, text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise ValueError("is not a number to count with")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError("is not a number of seconds")
    return value


def _time(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise ValueError("is not a time with its zone")
    return moment


def _octets(value: object) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("is not base64") from None


TEXT: Column = _text
FLAG: Column = _flag
COUNT: Column = _count
SECONDS: Column = _seconds
TIME: Column = _time
OCTETS: Column = _octets


def maybe(kind: Column) -> Column:
    """That, or nothing."""
    return lambda value: None if value is None else kind(value)


def one_of(*words: str) -> Column:
    """One of these words."""

    def read(value: object) -> object:
        if value not in words:
            raise ValueError("is none of the words that are known")
        return value

    return read


def list_of(kind: Column) -> Column:
    """A list of such values, as a tuple."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("is not a list")
        return tuple(_named(str(place), kind, one) for place, one in enumerate(value, 1))

    return read


def record(**kinds: Column) -> Column:
    """An object with exactly these values."""
    return lambda value: read_row(value, **kinds)


def read_row(row: object, **kinds: Column) -> dict[str, Any]:
    """The values of a row that has these and no others.

    Raises:
        ValueError: the row is something else; the sentence says where.
    """
    if not isinstance(row, dict):
        raise _Misfit("", "is not an object")
    missing, strange = kinds.keys() - row.keys(), row.keys() - kinds.keys()
    if missing:
        raise _Misfit("", f"has no {min(missing)}")
    if strange:
        raise _Misfit("", f"has {len(strange)} value{'s' * (len(strange) > 1)} that nobody writes")
    return {name: _named(name, kind, row[name]) for name, kind in kinds.items()}


def _named(name: str, kind: Column, value: object) -> Any:
    try:
        return kind(value)
    except _Misfit as misfit:
        raise _Misfit(f"{name}.{misfit.path}".rstrip("."), misfit.text) from None
    except ValueError as error:
        raise _Misfit(name, str(error)) from None
