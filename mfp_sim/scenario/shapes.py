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
"""A difference: the path of the field, the expected value, and the actual value."""
SOMETHING = some("has no expectation", hint=REMEDY)
"""The expected value must not be empty."""


def moment(time: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a written time: with an offset, just that; without one, the first such local time in `zone`."""
    return instant_of(time, zone) if time.tzinfo is None else time


def shown_like(instant: datetime, zone: ZoneInfo, like: str) -> str:
    """An instant as local time with the precision of `like`: with seconds, and with an offset, if `like` has them."""
    clock = like.partition(" ")[2]
    seconds, offset = clock[5:6] == ":", "+" in clock or "-" in clock
    local = instant.astimezone(zone)
    text = f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"
    shift = f"{local:%z}"
    return f"{text}{shift[:3]}:{shift[3:5]}" if offset else text
