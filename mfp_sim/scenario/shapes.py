"""The types that steps and expectations share, and how times are written and compared."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import instant_of
from mfp_sim.shared.documents.kinds import REMEDY, LocalTime, Text, Within
from mfp_sim.shared.documents.records import Length, some

__all__ = ["SOMETHING", "Count", "Mismatch", "SomeText", "Texts", "Time", "moment", "shown_like"]

Count = Annotated[int, Within(0)]
SomeText = Annotated[str, Text()]
Texts = Annotated[list[SomeText], Length(1)]
Time = Annotated[str, LocalTime(offset=True, as_text=True)]
Mismatch = tuple[str, str, str]
"""What does not hold: the path of the field, what was expected, what there is."""
SOMETHING = some("has no expectation", hint=REMEDY)
"""What is expected is not empty."""


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
