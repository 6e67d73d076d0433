"""Small readers that steps and expectations share, and times as they are written and compared."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from mfp_sim.device.calendar import instant_of
from mfp_sim.documents import Node, Problems

__all__ = ["moment", "shown_like", "whole"]


def whole(node: Node, problems: Problems, what: str, unit: int, name: str) -> int | None:
    """A duration that is a whole number of ``unit`` seconds, in those."""
    seconds = problems.seconds(node, what)
    if seconds is not None and seconds % unit:
        problems.add(node, f"{what} has to be whole {name}")
        return None
    return None if seconds is None else int(seconds // unit)


def moment(time: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a time as it was read: of a local time in ``zone`` the first, with an offset just that one."""
    return instant_of(time, zone) if time.tzinfo is None else time


def shown_like(instant: datetime, zone: ZoneInfo, like: str) -> str:
    """An instant as local time, as precise as ``like``: with seconds, and with an offset, where that has them."""
    clock = like.partition(" ")[2]
    seconds, offset = clock[5:6] == ":", "+" in clock or "-" in clock
    local = instant.astimezone(zone)
    text = f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"
    shift = f"{local:%z}"
    return f"{text}{shift[:3]}:{shift[3:5]}" if offset else text
