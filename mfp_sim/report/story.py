"""The story of a run as rows: what happened, when, and on which side. The console, transcripts and diagrams show it.

It reads the events of a trace, or the exchanges of a check, which has no trace. It knows no markup. A report may come
from anyone, so its events are read leniently (`mfp_sim.events.read`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache, partial
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mfp_sim.events import (
    BY_HAND,
    AuditNote,
    Event,
    ExchangeCut,
    ExchangeLost,
    ExchangeReply,
    ExchangeRequest,
    MockRequest,
    PollBooked,
    PowerFailed,
    StatusRowAdded,
    StepBegun,
    StepRefused,
    Unknown,
    content,
    read,
)
from mfp_sim.report.labels import Say
from mfp_sim.report.messages import answered
from mfp_sim.report.model import ExchangeReport
from mfp_sim.shared.simtime import local

__all__ = ["StoryRow", "instant", "off_spans", "stamp", "story_of_exchanges", "story_of_trace", "zone_named"]

Lane = Literal["clock", "printer", "network", "ca"]
Tone = Literal["plain", "good", "bad", "warn"]


class StoryRow(NamedTuple):
    """One thing that happened. `at` and `ended` are aware. An exchange has a `reply` or was `lost`; `sent` says whether
    its request had left by then. `rule` is the number of the rule of the CA's script that matched the request, `faults`
    are those of its faults that had an effect, and `changes` what they changed in the reply. `power` says that the
    printer went `off` or came back `on`. In `text`, `{due}` stands for the instant `due`.

    `printer` is the serial number of a printer other than the first, or None for a row about no printer. `step` is the
    number of a step. `event` and `end` are the indexes of its first and last events. `alone` replaces `reply` where
    `text` is not shown beside it. `again` marks a row that repeats another row in other words.
    """

    at: datetime
    kind: Literal["step", "exchange", "mark"]
    lane: Lane
    text: str
    tone: Tone = "plain"
    ended: datetime | None = None
    reply: str = ""
    alone: str = ""
    lost: bool = False
    sent: bool = True
    rule: int | None = None
    faults: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    power: Literal["", "off", "on"] = ""
    due: datetime | None = None
    printer: str | None = None
    step: int | None = None
    event: int = -1
    end: int | None = None
    again: bool = False

    def words(self, clock: Callable[[datetime], str]) -> str:
        """The text, with its instant as `clock` formats it."""
        return self.text.replace("{due}", clock(self.due) if self.due else "?")

    def named(self, clock: Callable[[datetime], str]) -> str:
        """The same text, with the name of the printer in front unless it is the first one."""
        return f"{self.printer or ''} {self.words(clock)}".lstrip()


def instant(text: object) -> datetime | None:
    """An ISO 8601 instant, aware; None for anything else, or for an instant outside the calendar in UTC."""
    try:
        found = datetime.fromisoformat(str(text))
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found


def zone_named(name: str) -> tzinfo:
    """The time zone of a report; UTC if the name is not that of a time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=4096)  # a page shows most instants several times
def stamp(at: datetime, zone: tzinfo) -> str:
    """The date and the time of an instant in a zone, to the second: ``2026-03-02 07:00:00``."""
    return local(at, zone).isoformat(" ", "seconds")[:19]


def _effective(event: MockRequest) -> tuple[str, ...]:
    """The faults of the rule that matched the request, except those that had no effect on it."""
    found = list(event.faults)
    for slug in event.without_effect:
        if slug in found:
            found.remove(slug)
    return tuple(found)


def story_of_exchanges(exchanges: Sequence[ExchangeReport], say: Say) -> tuple[StoryRow, ...]:
    """The rows of a check."""
    rows = []
    for exchange in exchanges:
        at = instant(exchange.begun)
        if at is None:
            continue
        row = StoryRow(at, "exchange", "network", f"{exchange.operation} ({exchange.request.line.partition(' ')[0]})")
        ended = instant(exchange.ended)
        if exchange.reply is None:
            row = row._replace(lost=True, tone="bad", reply=exchange.error or say("no-reply"), ended=ended,
                          sent=exchange.sent)  # fmt: skip
        else:
            row = row._replace(reply=_reply_line(exchange), ended=ended)
        rows.append(row)
    return tuple(rows)


def _reply_line(exchange: ExchangeReport) -> str:
    assert exchange.reply is not None
    facts = answered(exchange).facts()
    words = [facts[key] for key in ("messageType", "pkiStatus", "failInfo") if key in facts]
    return " ".join(words) or exchange.reply.line.partition(" ")[2]


def story_of_trace(trace: Sequence[Mapping[str, object]], say: Say) -> tuple[StoryRow, ...]:
    """The rows of a scenario."""
    return tuple(_Reader(say).rows(trace))


class _Reader:
    """Combines the events of an exchange into one row, at the place where the exchange began."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._rows: list[StoryRow] = []
        self._under_way: dict[str, tuple[int, str]] = {}  # by printer: the row of its exchange, and the operation

    def rows(self, trace: Sequence[Mapping[str, object]]) -> list[StoryRow]:
        """One row per event, except that an exchange has a single row."""
        for index, entry in enumerate(trace):
            at = instant(entry.get("time"))
            if at is not None:
                event, printer = read(str(entry.get("kind", "")), entry), str(entry.get("printer", ""))
                self._add(
                    event, partial(StoryRow, at=at, kind="mark", lane="printer", text="", printer=printer, event=index)
                )
        for printer in tuple(self._under_way):
            self._left_open(printer)
        return self._rows

    def _add(self, event: Event, bare: partial[StoryRow]) -> None:
        """Add an event; `bare` makes a row with the fields that the row of any event has."""
        printer = str(bare.keywords["printer"])
        match event:
            case MockRequest():
                self._took(event)
            case ExchangeReply() | ExchangeLost() | ExchangeCut() if printer in self._under_way:
                number, operation = self._under_way.pop(printer)
                closed = self._closed(event)
                alone = closed.alone or f"{operation}: {closed.reply}"
                self._rows[number] = self._rows[number]._replace(
                    reply=closed.reply, alone=alone, tone=closed.tone, lost=closed.lost, sent=closed.sent,
                    ended=bare.keywords["at"], end=bare.keywords["event"],
                )  # fmt: skip
            case ExchangeRequest():
                self._left_open(printer)
                operation = event.operation or "?"
                self._under_way[printer] = len(self._rows), operation
                text = f"{operation} ({event.method or '?'})"
                self._rows.append(bare(kind="exchange", lane="network", text=text))
            case _:
                found = self._row(event, bare)
                self._rows.append(found._replace(power="") if printer else found)

    def _took(self, event: MockRequest) -> None:
        """The CA received a request: it belongs to the printer that sent this operation last, if any did."""
        for row, operation in sorted(self._under_way.values(), reverse=True):
            if operation == event.name or len(self._under_way) == 1:
                faults = _effective(event)
                rule = None if event.faults and not faults else event.rule
                self._rows[row] = self._rows[row]._replace(rule=rule, faults=faults, changes=event.changes)
                return

    def _left_open(self, printer: str) -> None:
        """The trace does not show how the exchange ended."""
        if printer in self._under_way:
            row, _ = self._under_way.pop(printer)
            found = self._rows[row]
            self._rows[row] = found._replace(lost=True, tone="bad", reply=self._say("no-reply"), ended=found.at)

    def _closed(self, event: ExchangeReply | ExchangeLost | ExchangeCut) -> _End:
        match event:
            case ExchangeCut():
                return _End(self._say("cut"), "bad", lost=True)
            case ExchangeLost():
                return _End(event.error, "bad", lost=True, sent=event.sent)
        if (message := event.message) is not None:
            words = [str(message[key]) for key in ("messageType", "pkiStatus", "failInfo") if key in message]
            text = " ".join(words)
            return _End(text, "bad" if "FAILURE" in words else "good" if "SUCCESS" in words else "warn", text)
        text = event.unreadable or f"HTTP {event.status} {event.media_type or ''}".rstrip()
        return _End(text, "plain" if event.status == 200 else "bad")

    def _row(self, event: Event, bare: partial[StoryRow]) -> StoryRow:
        say = self._say
        match event:
            case StepBegun():
                text = f"{event.number}. {event.text}"
                return bare(kind="step", lane="clock", text=text, step=event.number, printer=None)
            case StepRefused():
                return bare(text=f"{say('refused')}: {event.text}", tone="warn", printer=None)
            case AuditNote():
                text = event.operation + (f": {event.diagnosis}" if event.diagnosis else "")
                tone: Tone = "plain" if event.result in ("OK", "") else "bad"
                return bare(text=text, tone=tone, power=event.power)
            case PowerFailed():
                text = say("power-cut") if event.point == BY_HAND else f"{say('power-lost')}: {event.point}"
                return bare(text=text, tone="bad", power="off")
            case PollBooked():
                text = f"{say('asks-again')} {{due}} ({say('poll')} {event.poll})"
                return bare(lane="clock", text=text, due=instant(event.due))
            case StatusRowAdded():
                text = f"{say('status')}: {event.state}" + (f", {event.details}" if event.details else "")
                return bare(text=text, tone="bad" if event.state == "error" else "good", again=True)
            case Unknown(kind, data):
                rest = {key: value for key, value in data.items() if key not in ("time", "kind", "printer")}
            case _:
                kind, rest = event.kind, content(event)
        text = f"{kind}: {', '.join(f'{key} {value}' for key, value in rest.items())}"[:200]
        return bare(lane="ca" if kind.startswith("mock.") else "printer", text=text, again=True)


@dataclass(frozen=True)
class _End:
    """How an exchange ended."""

    reply: str
    tone: Tone
    alone: str = ""
    lost: bool = False
    sent: bool = True


def off_spans(rows: Sequence[StoryRow]) -> tuple[tuple[datetime, datetime], ...]:
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
