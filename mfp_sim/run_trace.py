"""The trace of a run: events with virtual times, recorded once and read by reports, comparisons and people.

Owns recording, JSON lines and comparison. Events hold decoded content, never ciphertext. Everything passes the
`mfp_sim.shared.redaction.Redactor` when it is recorded. On request, the messages as bytes are kept beside the events,
as attachments; a comparison of traces ignores them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from mfp_sim.events import Event, content, own_words, read
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.simtime import Clock

__all__ = [
    "Attachment",
    "Recorder",
    "TraceEvent",
    "compare",
    "from_json_lines",
    "to_json_lines",
]

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class TraceEvent:
    """One event as it is written: its time (aware, UTC), its kind (`mfp_sim.events`), and its content, which names
    the `printer` unless that is the first one."""

    time: datetime
    kind: str
    data: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """The event as one JSON object."""
        return {"time": self.time.isoformat(), "kind": self.kind, **self.data}

    @property
    def printer(self) -> str:
        """The serial number of a printer other than the first; otherwise empty."""
        return str(self.data.get("printer", ""))

    @property
    def event(self) -> Event:
        """What happened."""
        return read(self.kind, self.data)

    def of(self, kind: type[E]) -> E | None:
        """What happened, if the event is of that kind."""
        found = self.event if self.kind == kind.kind else None
        return found if isinstance(found, kind) else None


@dataclass(frozen=True)
class Attachment:
    """One exchange as it was on the wire. ``event`` is the index of the event it belongs to, -1 without one; ``begun``
    and ``ended`` are aware, UTC; without a reply ``error`` says why, and ``sent`` whether the request had been sent."""

    event: int
    begun: datetime
    ended: datetime
    request: HttpRequest
    reply: HttpReply | None = None
    error: str | None = None
    sent: bool = True


class Recorder:
    """Collects the events of one run, and the messages that are attached to them.

    The place of a text decides whether it is masked. The names of fields and the product's own words
    (`mfp_sim.events.own_words`) are never masked, so a challenge with the same spelling (`CACert`) hides nothing that
    expectations read. All other text is masked.

    With `limit`, it keeps only the newest events, for a run that lasts years.
    """

    def __init__(self, clock: Clock, redactor: Redactor | None = None, *, limit: int | None = None) -> None:
        self._clock = clock
        self.redactor = redactor or Redactor()
        self._events: deque[TraceEvent] = deque(maxlen=limit)
        self._attachments: list[Attachment] = []
        self._mark: dict[str, object] = {}

    def of(self, printer: str) -> Recorder:
        """The same recorder for a printer other than the first; its events name that printer."""
        other = copy(self)
        other._mark = {"printer": printer}
        return other

    def record(self, event: Event) -> None:
        """Add an event at the present instant."""
        own = own_words(type(event))
        kept = {
            name: value if name in own else self._as_recorded(own, name, value)
            for name, value in content(event).items()
        }
        self._events.append(TraceEvent(self._clock.now(), event.kind, self._mark | kept))

    def _as_recorded(self, own: Collection[str], path: str, value: object) -> object:
        if path in own:
            return value
        if isinstance(value, dict):
            return {key: self._as_recorded(own, f"{path}.{key}", entry) for key, entry in value.items()}
        return self.redactor.value(value)

    @property
    def events(self) -> tuple[TraceEvent, ...]:
        """The events so far, in order."""
        return tuple(self._events)

    def attach(self, attachment: Attachment) -> None:
        """Keep a message. It is not an event, and comparisons ignore it."""
        self._attachments.append(attachment)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The messages so far, in the order in which they were sent. Every secret known at the time of the call is
        overwritten in them."""
        in_order = sorted(self._attachments, key=lambda attachment: attachment.event)
        return tuple(_masked(attachment, self.redactor) for attachment in in_order)


def _masked(attachment: Attachment, redactor: Redactor) -> Attachment:
    def headers(given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((redactor.text(name), redactor.text(value)) for name, value in given)

    request, reply = attachment.request, attachment.reply
    return replace(
        attachment,
        request=replace(
            request,
            target=redactor.text(request.target),
            headers=headers(request.headers),
            body=redactor.octets(request.body),
        ),
        reply=None
        if reply is None
        else replace(
            reply,
            reason=redactor.text(reply.reason),
            headers=headers(reply.headers),
            body=redactor.octets(reply.body),
        ),
        error=None if attachment.error is None else redactor.text(attachment.error),
    )


def to_json_lines(events: Iterable[TraceEvent]) -> str:
    """One JSON object per line, with keys in a fixed order."""
    return "".join(json.dumps(event.to_json(), ensure_ascii=False, sort_keys=True) + "\n" for event in events)


def from_json_lines(text: str) -> tuple[TraceEvent, ...]:
    """Read the lines that `to_json_lines` wrote."""
    events = []
    for line in text.split("\n"):  # not splitlines: a string may contain U+0085 or U+2028 unescaped
        if line.strip():
            entry = json.loads(line)
            time, kind = datetime.fromisoformat(entry.pop("time")), entry.pop("kind")
            events.append(TraceEvent(time, kind, entry))
    return tuple(events)


def compare(first: Iterable[TraceEvent], second: Iterable[TraceEvent]) -> list[str]:
    """The differences between two traces, one sentence each; empty if they are the same."""
    left, right = list(first), list(second)
    differences = [
        f"event {index}: {json.dumps(a.to_json(), sort_keys=True)} != {json.dumps(b.to_json(), sort_keys=True)}"
        for index, (a, b) in enumerate(zip(left, right, strict=False))
        if a.to_json() != b.to_json()
    ]
    if len(left) != len(right):
        differences.append(f"{len(left)} events != {len(right)} events")
    return differences
