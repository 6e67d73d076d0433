"""The kinds of events: a class each, with its name in a trace, its fields, and whose words they hold.

The code that does something makes an event; reports and expectations read it. The class is the one description of the
kind: the table in the documentation is made from it too. A trace that is read back may come from anyone, so reading is
lenient: an unknown kind becomes `Unknown`, and a missing or odd field gets its default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

__all__ = [
    "BY_HAND",
    "KINDS",
    "SHUTDOWN",
    "START",
    "AuditNote",
    "Event",
    "ExchangeCut",
    "ExchangeLost",
    "ExchangeReply",
    "ExchangeRequest",
    "MockRequest",
    "PollBooked",
    "PowerFailed",
    "ShownCsr",
    "StatusRowAdded",
    "StepBegun",
    "StepRefused",
    "Undone",
    "Unknown",
    "content",
    "own_words",
    "read",
]

BY_HAND = "by hand"
"""The ``point`` of a power failure outside the power points: the plug was pulled."""
START, SHUTDOWN = "start", "shutdown"
"""The operations in the audit log when the printer is switched on and off."""

_OWN = "own words"
Own = Annotated[str, _OWN]
"""A word of the product's own: the name of an operation, an algorithm, a state or a reason, a time, or what it has
drawn. It is never a secret, so that nothing masks it. What people, clients or servers say stands in the other texts."""


KINDS: dict[str, type[Event]] = {}
"""Every kind by its name."""


class Event:
    """Something that happened. ``kind`` is its name in a trace."""

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, *, kind: str = "") -> None:
        cls.kind = kind
        if kind:
            KINDS[kind] = cls


@dataclass(frozen=True)
class Unknown(Event):
    """An event of a kind that this version does not know."""

    name: str
    data: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class StepBegun(Event, kind="step"):
    """A step of the scenario begins."""

    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class StepRefused(Event, kind="step.refused"):
    """The printer refused the action of the step."""

    reason: Own
    text: str


@dataclass(frozen=True, kw_only=True)
class ShownCsr:
    """The contents of a CSR; of the challenge password only whether there is one."""

    subject: str
    signature: Own | None
    length: int
    challenge: Own
    challenge_type: Own


@dataclass(frozen=True, kw_only=True)
class ExchangeRequest(Event, kind="exchange.request"):
    """The printer sends a request. ``transaction``, ``digest`` and ``cipher`` are of a PKIOperation, ``csr`` is what
    a PKCSReq requests."""

    operation: Own
    method: Own
    transaction: Own | None = None
    digest: Own | None = None
    cipher: Own | None = None
    host: str
    port: int
    path: str
    csr: ShownCsr | None = None


@dataclass(frozen=True, kw_only=True)
class ExchangeReply(Event, kind="exchange.reply"):
    """A reply has arrived. ``message`` has the contents of a CertRep, ``unreadable`` why it cannot be read."""

    operation: Own
    status: int
    media_type: str | None = None
    unreadable: str | None = None
    message: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class ExchangeLost(Event, kind="exchange.lost"):
    """No reply has come; ``sent``: the request had been sent."""

    operation: Own
    sent: bool = True
    error: str


@dataclass(frozen=True, kw_only=True)
class ExchangeCut(Event, kind="exchange.cut"):
    """The printer broke off the exchange."""

    operation: Own


@dataclass(frozen=True, kw_only=True)
class MockRequest(Event, kind="mock.request"):
    """The mock has received a request: an entry of its journal."""

    client: str
    method: str
    name: str
    transaction: str | None = None
    subject: str | None = None
    rule: int | None = None
    overruled: int | None = None
    decision: str = ""
    faults: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()
    status: int | None = None
    sent: Own = ""
    notes: tuple[str, ...] = ()
    near_misses: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    judgement: tuple[str, ...] = ()
    takes: float | None = None
    exchange: int | None = None


@dataclass(frozen=True, kw_only=True)
class AuditNote(Event, kind="printer.audit"):
    """An entry of the audit log."""

    operation: Own
    result: Own
    diagnosis: str = ""

    @property
    def power(self) -> Literal["", "off", "on"]:
        """Whether the entry is about switching on or off."""
        return {START: "on", SHUTDOWN: "off"}.get(self.operation, "")  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class StatusRowAdded(Event, kind="printer.status"):
    """A request has ended, with its row in the status."""

    state: Own
    details: Own | None = None
    shown: Own
    diagnosis: str = ""
    key: str
    transaction: Own | None = None


@dataclass(frozen=True, kw_only=True)
class PollBooked(Event, kind="printer.poll-booked"):
    """The printer will poll: for the ``poll``-th time, at the instant ``due``."""

    poll: int
    due: Own


@dataclass(frozen=True, kw_only=True)
class PowerFailed(Event, kind="printer.power-lost"):
    """The power failed at a point (``mfp-sim power-points``), or ``by hand``."""

    point: Own


@dataclass(frozen=True, kw_only=True)
class Undone(Event, kind="printer.undone"):
    """An exception reset the printer to its last commit."""

    error: str


# --- what a class says of its fields ----------------------------------------------------------------------


def own_words(kind: type[Event]) -> frozenset[str]:
    """The fields of a kind that contain only mfp-sim's own words; ``csr.challenge`` is a field within a field."""
    return _SHAPES[kind].own


def content(event: Event) -> dict[str, object]:
    """The fields as in a trace, without absent ones."""
    may_be_empty = _SHAPES[type(event)].may_be_empty
    return {
        name: vars(value) if isinstance(value, ShownCsr) else value
        for name, value in vars(event).items()
        if value is not None and (value or name not in may_be_empty)
    }


def read(name: str, data: Mapping[str, object]) -> Event:
    """The event of that kind with that content; accepts anything."""
    kind = KINDS.get(name)
    return Unknown(name, data) if kind is None else _read(kind, data)


def _read(of: type[Any], data: Mapping[str, object]) -> Any:
    return of(**{name: reader(data.get(name)) for name, reader in _SHAPES[of].readers.items()})


@dataclass(frozen=True)
class _Shape:
    own: frozenset[str]
    may_be_empty: frozenset[str]
    readers: Mapping[str, Callable[[object], object]]


def _shape(of: type[Any]) -> _Shape:
    hints = _hints(of)
    empty = {part.name for part in dataclasses.fields(of) if part.default in ("", ())}
    return _Shape(frozenset(_own(hints, "")), frozenset(empty), {name: _reader(hint) for name, hint in hints.items()})


def _hints(of: type[Any]) -> Mapping[str, Any]:
    found = get_type_hints(of, include_extras=True)
    return {part.name: found[part.name] for part in dataclasses.fields(of)}


def _own(hints: Mapping[str, Any], within: str) -> list[str]:
    found = []
    for name, hint in hints.items():
        for part in (hint, *get_args(hint)):
            if get_origin(part) is Annotated and _OWN in part.__metadata__:
                found.append(f"{within}{name}")
            elif isinstance(part, type) and dataclasses.is_dataclass(part):
                found += _own(_hints(part), f"{name}.")
    return found


def _reader(hint: Any) -> Callable[[object], object]:
    """A reader of any value as that type; a missing or odd value becomes the type's default."""
    optional = type(None) in get_args(hint)
    (kind, *_) = get_args(hint) if optional else (hint,)
    if dataclasses.is_dataclass(kind):
        return lambda value: _read(kind, value) if isinstance(value, Mapping) else None  # type: ignore[arg-type]
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else get_origin(kind) or kind
    read, missing = _PLAIN[plain]
    return lambda value: (None if optional else missing) if value is None else read(value)


_PLAIN: Mapping[Any, tuple[Callable[[object], object], object]] = {
    str: (str, ""),
    int: (lambda value: value if isinstance(value, int) else 0, 0),
    float: (lambda value: value if isinstance(value, int | float) else 0.0, 0.0),
    bool: (lambda value: value is not False, True),
    tuple: (lambda value: tuple(map(str, value)) if isinstance(value, list | tuple) else (), ()),
    Mapping: (lambda value: value if isinstance(value, Mapping) else None, None),
}
"""By type: how a value is read, and the default for a missing one."""
_SHAPES: Mapping[type, _Shape] = {of: _shape(of) for of in (*KINDS.values(), ShownCsr)}
