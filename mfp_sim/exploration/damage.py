"""Damages what a run kept in files, one value at a time: reading it again has to fail, and to name the place.

A value gets another JSON type, or a time loses its zone, as after a slip of an editor or of another version.
"""

from __future__ import annotations

import copy
import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from mfp_sim.device.state import DeviceState
from mfp_sim.exploration.draws import Draw
from mfp_sim.shared.errors import UsageError

__all__ = ["accepted_in_rows", "accepted_in_state"]

_Path = tuple[str | int, ...]
_WRONG: Mapping[type, object] = {str: 5, int: "x", float: "x", bool: "x", list: "x", dict: "x"}
"""A value of another type. A value that may be absent can have several types, so None stays."""


def _values(value: object, above: _Path = ()) -> Iterator[tuple[_Path, object]]:
    """All values inside a value, with their paths."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        if entry is not None:
            yield (*above, key), entry
        yield from _values(entry, (*above, key))


def _damaged(whole: Any, draw: Draw) -> tuple[_Path, Any]:
    """A copy with one wrong value, and the path of that value."""
    path, value = draw.one_of(list(_values(whole)))
    wrong = _WRONG[type(value)]
    if isinstance(value, str) and (local := _without_zone(value)) and draw.chance(50):
        wrong = local
    owner = other = copy.deepcopy(whole)
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = wrong
    return path, other


def _without_zone(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.replace(tzinfo=None).isoformat()


def accepted_in_state(state: Mapping[str, Any], draw: Draw) -> Iterator[str]:
    """Damages the stored state of a printer; a sentence if it is read regardless, or the error has another place."""
    path, other = _damaged(dict(state), draw)
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]
    yield from _unless_refused(
        f"the state of a printer with a wrong value at '{place}'",
        lambda: DeviceState.from_stored(other),
        lambda text: (found := re.search(r"\((.+?)\)", text)) is not None and f"{place}.".startswith(f"{found[1]}."),
    )


def accepted_in_rows(
    base: sqlite3.Connection, read: Callable[[], object], draw: Draw, skip: Collection[str]
) -> Iterator[str]:
    """Damages a row of a CA's file, in a book that is not to ``skip``, and repairs it; a sentence as for a state.
    ``read`` reads the file as the next process would."""
    rows = base.execute("SELECT place, book, row FROM kept ORDER BY place")
    place, book, row = draw.one_of(
        [(place, book, row) for place, book, row in rows if book not in skip and row != "{}"]
    )
    path, other = _damaged(json.loads(row), draw)
    put = "UPDATE kept SET row = ? WHERE place = ?"
    base.execute(put, (json.dumps(other), place))
    try:
        yield from _unless_refused(
            f"the file of a CA with a wrong value at '{book}.{'.'.join(map(str, path))}'",
            read,
            lambda text: f"in its {book}, at place {place}: {path[0]}" in text,
        )
    finally:
        base.execute(put, (row, place))


def _unless_refused(what: str, read: Callable[[], object], fits: Callable[[str], bool]) -> Iterator[str]:
    try:
        read()
    except UsageError as error:
        if not fits(str(error)):
            yield f"{what} is refused for another place: {error}"
    except Exception as error:  # noqa: BLE001 - a bug in the product is what is searched for
        yield f"{what} ends in {type(error).__name__}: {error}"
    else:
        yield f"{what} is accepted"
