"""What happened, as events with virtual times: recorded once, read by reports, comparisons and people.

Owns recording, JSON lines and comparison. Events hold decoded content, never ciphertext. Everything passes the
:class:`~mfp_sim.redaction.Redactor` on its way in. The messages as octets lie beside the events as attachments, when
somebody wants them; no comparison of traces looks at them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

from mfp_sim.redaction import Redactor
from mfp_sim.scep.http import HttpReply, HttpRequest
from mfp_sim.simtime import Clock

__all__ = [
    "BY_HAND",
    "OWN_WORDS",
    "Attachment",
    "Recorder",
    "TraceEvent",
    "compare",
    "from_json_lines",
    "to_json_lines",
]

BY_HAND = "by hand"
"""The ``point`` of a ``printer.power-lost`` that no power point caused: somebody pulled the plug."""

OWN_WORDS: Mapping[str, frozenset[str]] = {
    "exchange.cut": frozenset({"operation"}),
    "exchange.lost": frozenset({"operation"}),
    "exchange.reply": frozenset({"operation"}),
    "exchange.request": frozenset(
        {
            *("operation", "method", "digest", "cipher", "transaction"),
            *("csr.signature", "csr.challenge", "csr.challenge_type"),
        }
    ),
    "mock.request": frozenset({"sent"}),
    "printer.audit": frozenset({"operation", "result"}),
    "printer.poll-booked": frozenset({"due"}),
    "printer.power-lost": frozenset({"point"}),
    "printer.status": frozenset({"state", "details", "shown", "transaction"}),
    "step.refused": frozenset({"reason"}),
}
"""The fields of each kind of event that hold words of the product's own: names of operations, algorithms, states and
reasons, times, and what it has drawn. Whatever people, clients or servers say stands in the other fields."""


@dataclass(frozen=True)
class TraceEvent:
    """One event: when (aware, UTC), what kind (``exchange.request``, ``printer.restart`` …), and its content."""

    time: datetime
    kind: str
    data: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """The event as one JSON object."""
        return {"time": self.time.isoformat(), "kind": self.kind, **self.data}


@dataclass(frozen=True)
class Attachment:
    """One exchange as it was on the wire. ``event`` is the index of the event it belongs to, -1 without one; ``begun``
    and ``ended`` are aware, UTC; without a reply ``error`` says why, and ``sent`` whether the request had left."""

    event: int
    begun: datetime
    ended: datetime
    request: HttpRequest
    reply: HttpReply | None = None
    error: str | None = None
    sent: bool = True


class Recorder:
    """Collects the events of one run, and the messages that are attached beside them.

    What is masked is decided by its place. The names of fields and the words in those of :data:`OWN_WORDS` come from
    the product and are never a secret, so that a challenge that is spelled alike (``CACert``) hides nothing that
    expectations look at. All other text is masked.

    With ``limit``, the newest events only, for what runs for years.
    """

    def __init__(self, clock: Clock, redactor: Redactor | None = None, *, limit: int | None = None) -> None:
        self._clock = clock
        self.redactor = redactor or Redactor()
        self._events: deque[TraceEvent] = deque(maxlen=limit)
        self._attachments: list[Attachment] = []
        self._mark: dict[str, object] = {}

    def of(self, printer: str) -> Recorder:
        """The same recorder for another printer than the first, whose events name it."""
        other = copy(self)
        other._mark = {"printer": printer}
        return other

    def record(self, kind: str, **data: object) -> None:
        """Add an event at the present instant; ``data`` has to be JSON-able, None entries are left out."""
        kept = {key: self.as_recorded(kind, key, value) for key, value in data.items() if value is not None}
        self._events.append(TraceEvent(self._clock.now(), kind, self._mark | kept))

    def as_recorded(self, kind: str, path: str, value: object) -> object:
        """What the trace shows of a value in a field (``csr.subject``) of that kind of event."""
        if path in OWN_WORDS.get(kind, ()):
            return value
        if isinstance(value, dict):
            return {key: self.as_recorded(kind, f"{path}.{key}", entry) for key, entry in value.items()}
        return self.redactor.value(value)

    @property
    def events(self) -> tuple[TraceEvent, ...]:
        """The events so far, in order."""
        return tuple(self._events)

    def attach(self, attachment: Attachment) -> None:
        """Keep a message; no event, and no part of any comparison."""
        self._attachments.append(attachment)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The messages so far, in the order in which they were sent; every secret that is known by now is overwritten
        in them."""
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
    """One JSON object a line, keys in a fixed order."""
    return "".join(json.dumps(event.to_json(), ensure_ascii=False, sort_keys=True) + "\n" for event in events)


def from_json_lines(text: str) -> tuple[TraceEvent, ...]:
    """Read what :func:`to_json_lines` wrote."""
    events = []
    for line in text.split("\n"):  # never splitlines: a string may hold U+0085 or U+2028 as it is
        if line.strip():
            entry = json.loads(line)
            time, kind = datetime.fromisoformat(entry.pop("time")), entry.pop("kind")
            events.append(TraceEvent(time, kind, entry))
    return tuple(events)


def compare(first: Iterable[TraceEvent], second: Iterable[TraceEvent]) -> list[str]:
    """The differences of two traces, a sentence each; empty when they are the same."""
    left, right = list(first), list(second)
    differences = [
        f"event {index}: {json.dumps(a.to_json(), sort_keys=True)} != {json.dumps(b.to_json(), sort_keys=True)}"
        for index, (a, b) in enumerate(zip(left, right, strict=False))
        if a.to_json() != b.to_json()
    ]
    if len(left) != len(right):
        differences.append(f"{len(left)} events != {len(right)} events")
    return differences
