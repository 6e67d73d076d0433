"""Reads stored rows: each value has the type that was written, or an error names the value that has not.

Someone may have edited the file, so a row may be any JSON value. An error never repeats a value, which may be a
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
"""Returns the value, or raises ValueError with the end of a sentence: `is not text`."""
_MOST = 2**63
_FIRST_YEAR, _LAST_YEAR = 1900, 9000


class _Misfit(ValueError):
    """An error with the problem and its place in the row."""

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
        raise ValueError("is not a whole number of at least 0")
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
    """That type, or None."""
    return lambda value: None if value is None else kind(value)


def one_of(*words: str) -> Column:
    """One of the given words."""

    def read(value: object) -> object:
        if value not in words:
            raise ValueError("is not one of the known words")
        return value

    return read


def list_of(kind: Column) -> Column:
    """A list of values of one type, as a tuple."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("is not a list")
        return tuple(_named(str(place), kind, one) for place, one in enumerate(value, 1))

    return read


def record(**kinds: Column) -> Column:
    """An object with exactly the given values."""
    return lambda value: read_row(value, **kinds)


def read_row(row: object, **kinds: Column) -> dict[str, Any]:
    """The values of a row that has exactly these keys.

    Raises:
        ValueError: the row differs; the sentence says where.
    """
    if not isinstance(row, dict):
        raise _Misfit("", "is not an object")
    missing, strange = kinds.keys() - row.keys(), row.keys() - kinds.keys()
    if missing:
        raise _Misfit("", f"has no {min(missing)}")
    if strange:
        raise _Misfit("", f"has {len(strange)} value{'s' * (len(strange) > 1)} with an unknown name")
    return {name: _named(name, kind, row[name]) for name, kind in kinds.items()}


def _named(name: str, kind: Column, value: object) -> Any:
    try:
        return kind(value)
    except _Misfit as misfit:
        raise _Misfit(f"{name}.{misfit.path}".rstrip("."), misfit.text) from None
    except ValueError as error:
        raise _Misfit(name, str(error)) from None
