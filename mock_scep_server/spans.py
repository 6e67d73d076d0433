"""Time spans and times in the files of a CA. Both become values of `datetime`; no clock is read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import Definitions, Duration, Leaf, LocalTime, Schema

__all__ = ["Moment", "Span", "SpanOrTime"]

Moment = timedelta | datetime


class Span(Duration):
    """A duration, as a timedelta."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        seconds = problems.seconds(node, what)
        return None if seconds is None else timedelta(seconds=seconds)

    def write(self, value: Any) -> object:
        return super().write(value.total_seconds())


class SpanOrTime(Leaf):
    """A time span from the start, `30d`, or a local time, `2026-06-01 09:00`."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        is_time = isinstance(node.value, str) and re.match(r"\d{4}-", node.value)
        return (LocalTime() if is_time else Span()).value(node, problems, what)

    def schema(self, found: Definitions) -> Schema:
        return {"anyOf": [Span().schema(found), LocalTime().schema(found)]}

    def write(self, value: Any) -> object:
        return (LocalTime() if isinstance(value, datetime) else Span()).write(value)
