"""The story of a run as rows: what happened, when, on whose side. Diagrams and transcripts are drawn from it.

Reads the events of a trace, or the exchanges of a check where there is no trace. Knows no markup. A report may come
from anybody, so nothing here relies on an event having the entries it should have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mfp_sim.events import BY_HAND
from mfp_sim.report.model import ExchangeReport

__all__ = ["Lane", "Row", "Say", "Tone", "instant", "off_spans", "story_of_exchanges", "story_of_trace", "zone_named"]

Lane = Literal["clock", "printer", "network", "ca"]
Tone = Literal["plain", "good", "bad", "warn"]
Say = Callable[[str], str]
"""A label by its key, in the language of the report."""


@dataclass(frozen=True)
class Row:
    """One thing that happened. ``at`` and ``ended`` are aware; an exchange has ``reply`` or was ``lost``, after its
    request was ``sent`` or before; ``faults`` are those that the mock was told to play; ``power`` says that the printer
    went ``off`` or came back ``on``."""

    at: datetime
    kind: Literal["step", "exchange", "mark"]
    lane: Lane
    text: str
    tone: Tone = "plain"
    ended: datetime | None = None
    reply: str = ""
    lost: bool = False
    sent: bool = True
    faults: tuple[str, ...] = ()
    power: Literal["", "off", "on"] = ""
    event: int | None = None


def instant(text: object) -> datetime | None:
    """An ISO 8601 instant, aware; None for anything else."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def zone_named(name: str) -> tzinfo:
    """The time zone of a report; UTC for a name that is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _effective(event: Mapping[str, object]) -> tuple[str, ...]:
    """The faults of the rule that took the request, less those that had no effect at it."""
    found = list(_texts(event.get("faults")))
    for slug in _texts(event.get("without_effect")):
        if slug in found:
            found.remove(slug)
    return tuple(found)


def story_of_exchanges(exchanges: Sequence[ExchangeReport], say: Say) -> tuple[Row, ...]:
    """The rows of a check."""
    rows = []
    for exchange in exchanges:
        at = instant(exchange.begun)
        if at is None:
            continue
        row = Row(at, "exchange", "network", f"{exchange.operation} ({exchange.request.line.partition(' ')[0]})")
        ended = instant(exchange.ended)
        if exchange.reply is None:
            row = replace(row, lost=True, tone="bad", reply=exchange.error or say("no-reply"), ended=ended,
                          sent=exchange.sent)  # fmt: skip
        else:
            row = replace(row, reply=_reply_line(exchange), ended=ended)
        rows.append(row)
    return tuple(rows)


def _reply_line(exchange: ExchangeReport) -> str:
    assert exchange.reply is not None
    facts = {element.path: element.value for element in exchange.reply.elements}
    words = [facts[key] for key in ("messageType", "pkiStatus", "failInfo") if key in facts]
    return " ".join(words) or exchange.reply.line.partition(" ")[2]


_ENDS = ("exchange.reply", "exchange.lost", "exchange.cut")


def _printer(event: Mapping[str, object]) -> str:
    """The serial number of another printer than the first, else nothing."""
    return str(event.get("printer", ""))


def story_of_trace(trace: Sequence[Mapping[str, object]], say: Say) -> tuple[Row, ...]:
    """The rows of a scenario."""
    return tuple(_Reader(say).rows(trace))


class _Reader:
    """Puts the events of one exchange together into one row, which stands where the exchange began."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._rows: list[Row] = []
        self._under_way: dict[str, tuple[int, str]] = {}  # by printer: the row of its exchange, and the operation

    def rows(self, trace: Sequence[Mapping[str, object]]) -> list[Row]:
        """One row an event, but one for a whole exchange."""
        for index, event in enumerate(trace):
            at = instant(event.get("time"))
            if at is None:
                continue
            kind, printer = str(event.get("kind", "")), _printer(event)
            if kind == "mock.request":
                self._took(event)
            elif kind in _ENDS and printer in self._under_way:
                row, _ = self._under_way.pop(printer)
                self._rows[row] = self._closed(self._rows[row], kind, event, at)
            elif kind == "exchange.request":
                self._left_open(printer)
                operation = str(event.get("operation", "?"))
                self._under_way[printer] = len(self._rows), operation
                text = f"{operation} ({event.get('method', '?')})"
                self._rows.append(Row(at, "exchange", "network", f"{printer} {text}".lstrip(), event=index))
            elif (found := self._row(kind, event, at)) is not None:
                self._rows.append(replace(found, text=f"{printer} {found.text}", power="") if printer else found)
        for printer in tuple(self._under_way):
            self._left_open(printer)
        return self._rows

    def _took(self, event: Mapping[str, object]) -> None:
        """The CA took a request: that of the printer which has asked last for this, if any did."""
        for row, operation in sorted(self._under_way.values(), reverse=True):
            if operation == event.get("name") or len(self._under_way) == 1:
                self._rows[row] = replace(self._rows[row], faults=_effective(event))
                return

    def _left_open(self, printer: str) -> None:
        """The trace does not show how the exchange ended."""
        if printer in self._under_way:
            row, _ = self._under_way.pop(printer)
            found = self._rows[row]
            self._rows[row] = replace(found, lost=True, tone="bad", reply=self._say("no-reply"), ended=found.at)

    def _closed(self, row: Row, kind: str, event: Mapping[str, object], at: datetime) -> Row:
        if kind == "exchange.cut":
            return replace(row, lost=True, tone="bad", reply=self._say("cut"), ended=at)
        if kind == "exchange.lost":
            sent, error = event.get("sent") is not False, str(event.get("error", ""))
            return replace(row, lost=True, tone="bad", reply=error, ended=at, sent=sent)
        message = event.get("message")
        if isinstance(message, Mapping):
            words = [str(message[key]) for key in ("messageType", "pkiStatus", "failInfo") if key in message]
            tone: Tone = "bad" if "FAILURE" in words else "good" if "SUCCESS" in words else "warn"
            return replace(row, reply=" ".join(words), tone=tone, ended=at)
        status, media_type = event.get("status"), event.get("media_type") or ""
        text = str(event["unreadable"]) if "unreadable" in event else f"HTTP {status} {media_type}".rstrip()
        return replace(row, reply=text, tone="plain" if status == 200 else "bad", ended=at)

    def _row(self, kind: str, event: Mapping[str, object], at: datetime) -> Row | None:
        say = self._say
        if kind == "step":
            return Row(at, "step", "clock", f"{event.get('number', '')}. {event.get('text', '')}")
        if kind == "step.refused":
            return Row(at, "mark", "printer", f"{say('refused')}: {event.get('text', '')}", "warn")
        if kind == "printer.audit":
            operation, diagnosis = str(event.get("operation", "")), event.get("diagnosis")
            text = operation + (f": {diagnosis}" if diagnosis else "")
            power = {"start": "on", "shutdown": "off"}.get(operation, "")
            tone: Tone = "plain" if event.get("result", "OK") == "OK" else "bad"
            return Row(at, "mark", "printer", text, tone, power=power)  # type: ignore[arg-type]
        if kind == "printer.power-lost":
            point = str(event.get("point", ""))
            text = say("power-cut") if point == BY_HAND else f"{say('power-lost')}: {point}"
            return Row(at, "mark", "printer", text, "bad", power="off")
        if kind == "printer.poll-booked":
            due = instant(event.get("due"))
            text = f"{say('asks-again')} {{due}} ({say('poll')} {event.get('poll', '')})"
            return Row(at, "mark", "clock", text, ended=due)
        if kind == "printer.status":
            details = event.get("details")
            text = f"{say('status')}: {event.get('state', '')}" + (f", {details}" if details else "")
            tone = "bad" if event.get("state") == "error" else "good"
            return Row(at, "mark", "printer", text, tone)
        rest = ", ".join(f"{key} {value}" for key, value in event.items() if key not in ("time", "kind", "printer"))
        return Row(at, "mark", "ca" if kind.startswith("mock.") else "printer", f"{kind}: {rest}"[:200])


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list | tuple) else ()


def off_spans(rows: Sequence[Row]) -> tuple[tuple[datetime, datetime], ...]:
    """When the printer was off."""
    spans, since = [], None
    for row in rows:
        if row.power == "off" and since is None:
            since = row.at
        elif row.power == "on" and since is not None:
            spans.append((since, row.at))
            since = None
    if since is not None and rows:
        spans.append((since, max(row.at for row in rows)))
    return tuple(spans)
