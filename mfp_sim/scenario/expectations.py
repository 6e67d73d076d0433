"""Expectations of a step: typed fields in one table. A field that cannot be observed is reported, never skipped.

A comparison yields the differences as (path, expected, got). The type of its argument ``wanted`` defines what a file
may contain: loader, JSON schema and documentation follow from it. An expectation without content does not load.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.printer_profile import ALL_USES
from mfp_sim.device.status import STATE_LABELS, StatusRow
from mfp_sim.events import ExchangeRequest
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.ca_steps import CA_LOOKS
from mfp_sim.scenario.machine_looks import LOOKS, LOOKS_FOR_TEXTS
from mfp_sim.scenario.operators import Operator, comparable
from mfp_sim.scenario.premises import Failure
from mfp_sim.scenario.shapes import SOMETHING, Count, Mismatch, SomeText, Texts, Time, moment, shown_like
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Either, Kind, Leaf, LocalTime, Schema, Text, Word, Words
from mfp_sim.shared.documents.records import Doc, Length, ListOf, MapOf, Record, described, document, kind_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.certificate import name_pairs

__all__ = [
    "DETAILS",
    "EXPECTATIONS",
    "Expectation",
    "check",
    "expectation_schema",
    "read_expectation",
    "rules_of",
]


@dataclass(frozen=True)
class ExpectedField:
    """One field of an `expect`: its value, and its place in the file."""

    name: str
    value: object
    place: str


@dataclass(frozen=True)
class Expectation:
    """The ``expect`` step."""

    fields: tuple[ExpectedField, ...]

    def act(self, world: World, role: str) -> None:
        """Do nothing; `check` compares."""

    def text(self) -> str:
        return f"expect {', '.join(expected.name for expected in self.fields)}"


def check(expectation: Expectation, world: World, step: int) -> Iterator[Failure]:
    """The fields that differ."""
    for expected in expectation.fields:
        kind = EXPECTATIONS[expected.name]
        if kind.needs_mock and world.ca is None:
            world.unobserved.append(f"{expected.place}: {expected.name}")
            continue
        unseen = 0
        for path, wanted, got in kind.compare(expected.value, world):
            if world.ca is None and _only_simulated(path, wanted, got, world):
                world.unobserved.append(f"{expected.place}: {path}")
                unseen += _parts(_about(expected, path))
                continue
            yield _masked(Failure(step, expected.place, path, wanted, got), world.recorder.redactor)
        world.observed += unseen < _parts(expected.value)


def _masked(failure: Failure, redactor: Redactor) -> Failure:
    """Without secrets. Two different ones would look the same, so that is said."""
    wanted, got = redactor.text(failure.expected), redactor.text(failure.got)
    if wanted == got != failure.got:
        got += " (different, but a secret is masked)"
    return replace(failure, expected=wanted, got=got)


def _parts(value: object) -> int:
    """How many values an expectation compares; an empty list is one."""
    if is_dataclass(value) and not isinstance(value, Operator):
        value = vars(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(map(_parts, inner)) or 1


def _about(expected: ExpectedField, path: str) -> object:
    """The part of an expectation that a difference is about: a whole list or span of dates, elsewhere one value."""
    if expected.name not in _DATED:
        return None
    key = path.partition(".")[2]
    return expected.value[key] if key else expected.value  # type: ignore[index]


def _only_simulated(path: str, wanted: str, got: str, world: World) -> bool:
    """Whether a real server cannot fulfil it: the mock's own signature, or a fixed date that has passed. Another number
    of dates is a difference that it can show."""
    if path.endswith(".signed_by_ca"):
        return True
    name, now, dates = path.partition(".")[0], world.clock.now(), _DATE.findall(wanted)
    alike = len(dates) == len(_DATE.findall(got)) * (2 if name == "next_request_within" else 1)
    dated = path.endswith(".time") or (name in _DATED and alike)
    return dated and any(date < _local(now, world, date) for date in dates)


_DATED = frozenset({"messages_at", "sent_at", "next_request", "next_request_within"})
"""Expectations that are dates themselves."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?")


# --- comparisons ------------------------------------------------------------------------------------------


def _local(instant: datetime, world: World, like: str) -> str:
    """An instant as the printer's local time, with the precision of `like`."""
    return shown_like(instant, world.zone, like)


DETAILS = ("none", "deferred", "registration-limit", "top-error", "scep-error", *(f"fail-info-{n}" for n in range(5)))


class _Detail(Leaf):
    """A detail of the status page: one of a fixed set of words, or the TOP error of an HTTP status."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        if isinstance(node.value, str) and re.fullmatch(r"top-error-\d{3}", node.value, re.ASCII):
            return node.value
        return problems.choice(node, (*DETAILS, "top-error-503"), what)

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind is asked the same
        return {"type": "string", "pattern": f"^({'|'.join(DETAILS)}|top-error-[0-9]{{3}})$"}


@document("", SOMETHING)
class StatusLook(TypedDict, total=False):
    """A row of the status page."""

    state: Annotated[str, Words(lambda: STATE_LABELS)]
    details: Annotated[str, _Detail()]
    time: Time
    key: SomeText
    method: Literal["manual", "automatic"]


def _row(wanted: StatusLook, row: StatusRow | None, world: World, path: str) -> Iterator[Mismatch]:
    if row is None:
        yield path, str(dict(wanted)), "no row"
        return
    actual: dict[str, object] = {
        "state": row.state,
        "details": row.details.slug if row.details else "none",
        "key": row.key_name,
        "method": row.method,
    }
    for name, value in wanted.items():
        got = _local(row.time, world, str(value)) if name == "time" else actual[name]
        if got != value:
            yield f"{path}.{name}", str(value), str(got)


def _status(wanted: StatusLook | Literal["none"], world: World) -> Iterator[Mismatch]:
    rows = world.shown.status()
    if wanted == "none":
        if rows:
            yield "status", "no row", str(rows[0].state)
        return
    yield from _row(wanted, rows[0] if rows else None, world, "status")


def _statuses(wanted: Annotated[list[StatusLook], Length(0, "there is no row")], world: World) -> Iterator[Mismatch]:
    rows = world.shown.status()
    if len(rows) != len(wanted):
        yield "statuses", f"{len(wanted)} rows", f"{len(rows)}: {', '.join(row.state for row in rows)}"
        return
    for index, (value, row) in enumerate(zip(wanted, rows, strict=True)):
        yield from _row(value, row, world, f"statuses[{index}]")


def _counts(path: str, wanted: Mapping[Any, object], actual: Mapping[str, object]) -> Iterator[Mismatch]:
    for name, value in wanted.items():
        if actual.get(name, 0) != value:
            yield f"{path}.{name}", str(value), str(actual.get(name, 0))


@document("", SOMETHING)
class History(TypedDict, total=False):
    """How many finished rows there are."""

    count: Count
    successful: Count
    error: Count


def _history(wanted: History, world: World) -> Iterator[Mismatch]:
    states = Counter(row.state for row in world.shown.status())
    total = states["error"] + states["successful"]
    yield from _counts("history", wanted, {"count": total, **states})


OrNone = Annotated[str | None, Text(), Word(None, None, "it is absent")]


@document("", SOMETHING)
class CertificateLook(TypedDict, total=False):
    """The certificate of a key."""

    common_name: OrNone
    organization: OrNone
    fits_key: bool
    key_length: Count
    issuer: SomeText
    signed_by_ca: bool
    validity: Literal["valid", "expired", "not-yet-valid"]


@document("a key", SOMETHING)
class KeyLook(TypedDict, total=False):
    """A key of the key list."""

    name: SomeText
    use: Annotated[str, Words(lambda: ALL_USES)]
    policy: OrNone
    assigned: bool
    default: bool
    certificate: CertificateLook


Keys = Annotated[list[KeyLook], Length(0, "there is only the default key")]


def _key_values(entry: KeyEntry, world: World) -> dict[str, object]:
    pairs = dict(name_pairs(entry.certificate.subject))
    return {
        "name": entry.name,
        "use": entry.use,
        "policy": entry.policy,
        "assigned": entry.assigned,
        "default": entry.default,
        "certificate.common_name": pairs.get("CN"),
        "certificate.organization": pairs.get("O"),
        "certificate.fits_key": entry.fits,
        "certificate.key_length": getattr(entry.certificate.public_key(), "key_size", 0),
        "certificate.issuer": entry.certificate.issuer_text,
        "certificate.signed_by_ca": _signed_by_ca(entry, world),
        "certificate.validity": _validity(entry, world),
    }


def _validity(entry: KeyEntry, world: World) -> str:
    """The validity of a certificate, by the printer's clock."""
    now = world.printer.clock.now()
    if now < entry.certificate.not_before:
        return "not-yet-valid"
    return "expired" if now > entry.certificate.not_after else "valid"


def _keys(wanted: Keys, world: World) -> Iterator[Mismatch]:
    wants_default = any(value.get("default") for value in wanted)
    entries = [entry for entry in world.shown.key_list() if wants_default or not entry.default]
    if len(entries) != len(wanted):
        yield "keys", f"{len(wanted)} keys", f"{len(entries)}: {', '.join(entry.name for entry in entries) or 'none'}"
        return
    for index, (value, entry) in enumerate(zip(wanted, entries, strict=True)):
        actual = _key_values(entry, world)
        flat = {name: inner for name, inner in value.items() if name != "certificate"}
        flat |= {f"certificate.{name}": inner for name, inner in value.get("certificate", {}).items()}
        for name, inner in flat.items():
            if actual[name] != inner:
                yield f"keys[{index}].{name}", str(inner), str(actual[name])


def _key_count(wanted: Count, world: World) -> Iterator[Mismatch]:
    if len(world.shown.key_list()) != wanted:
        yield "key_count", str(wanted), str(len(world.shown.key_list()))


OperationName = Literal["GetCACaps", "GetCACert", "PKCSReq", "RenewalReq", "CertPoll"]


def asked(world: World) -> list[str]:
    """What the printer has sent, in order: operations, and message types of PKIOperation."""
    return [event.operation for _, event in world.happened(ExchangeRequest)]


def _requests(
    wanted: Annotated[list[OperationName], Length(0, "the printer has sent nothing")], world: World
) -> Iterator[Mismatch]:
    if asked(world) != wanted:
        yield "requests", str(wanted), str(asked(world))


def _request_count(wanted: Annotated[Mapping[OperationName, Count], Length(1)], world: World) -> Iterator[Mismatch]:
    yield from _counts("request_count", wanted, Counter(asked(world)))


def _messages_at(
    wanted: Annotated[list[Time], Length(0, "there was no PKIOperation")], world: World
) -> Iterator[Mismatch]:
    sent = [time for time, event in world.happened(ExchangeRequest) if event.transaction is not None]
    yield from _times("messages_at", wanted, sent, world)


SentAt = Annotated[Mapping[OperationName, Annotated[list[Time], Length(0, "the message was never sent")]], Length(1)]


def _sent_at(wanted: SentAt, world: World) -> Iterator[Mismatch]:
    for name, times in wanted.items():
        sent = [time for time, event in world.happened(ExchangeRequest) if event.operation == name]
        yield from _times(f"sent_at.{name}", times, sent, world)


def _times(path: str, wanted: list[str], got: Sequence[datetime], world: World) -> Iterator[Mismatch]:
    """The differences of two lists of times. Each is compared with the precision in which it is written; surplus times
    are compared with the precision of the last one."""
    likes = wanted or ["0 00:00:00"]
    shown = [_local(time, world, likes[min(index, len(likes) - 1)]) for index, time in enumerate(got)]
    if shown != wanted:
        yield path, str(wanted), str(shown)


def _transactions(wanted: Count, world: World) -> Iterator[Mismatch]:
    found = {event.transaction for _, event in world.happened(ExchangeRequest)} - {None}
    if len(found) != wanted:
        yield "transactions", str(wanted), str(len(found))


@document("", SOMETHING)
class LedgerCounts(TypedDict, total=False):
    """The CA's certificates and their fate; `keys` is the number of different public keys in them."""

    minted: Count
    delivered: Count
    installed: Count
    orphaned: Count
    keys: Count


def _ledger(wanted: LedgerCounts, world: World) -> Iterator[Mismatch]:
    assert world.ca is not None
    ledger = world.ca.ledger
    yield from _counts("ledger", wanted, {**ledger.counts, "keys": ledger.keys})


def _next_request(wanted: Time | Literal["none"], world: World) -> Iterator[Mismatch]:
    instant = world.shown.next_request
    got = "none" if instant is None else _local(instant, world, wanted)
    if got != wanted:
        yield "next_request", wanted, got


Second = Annotated[str, LocalTime(offset=True, seconds=True, as_text=True)]


@dataclass(frozen=True)
class TimeSpan:
    """A span of time, both ends included."""

    low: Annotated[Second, Doc(key="from")]
    high: Annotated[Second, Doc(key="to")]


def _next_request_within(wanted: TimeSpan, world: World) -> Iterator[Mismatch]:
    instant, low, high = world.shown.next_request, wanted.low, wanted.high
    first, last = (moment(datetime.fromisoformat(text), world.zone) for text in (low, high))
    if instant is None or not first <= instant.replace(microsecond=0) <= last:
        got = "none" if instant is None else _local(instant, world, low)
        yield "next_request_within", f"from {low} to {high}", got


def _audit(wanted: Texts, world: World) -> Iterator[Mismatch]:
    lines = [f"{entry.operation} {entry.result}: {entry.diagnosis}" for entry in world.shown.audit]
    for index, text in enumerate(wanted):
        if not any(text in line for line in lines):
            yield f"audit[{index}]", f"an entry with {text!r}", "; ".join(lines[-4:])


_ALL = "all"
_Always = Annotated[list[Annotated[str, Words(lambda: ALWAYS)]], Length(1)] | Literal["all"]


def rules_of(acts: Iterable[object]) -> frozenset[str]:
    """The rules that the ``always`` of some steps name; a run is watched for them from its start."""
    wanted: set[str] = set()
    for act in acts:
        for expected in act.fields if isinstance(act, Expectation) else ():
            if expected.name == "always":
                wanted |= set(ALWAYS if expected.value == _ALL else expected.value)  # type: ignore[call-overload]
    return frozenset(wanted)


def _always(wanted: _Always, world: World) -> Iterator[Mismatch]:
    assert world.watch is not None
    for violation in world.watch.violations():
        if wanted == _ALL or violation.rule in wanted:
            yield f"always.{violation.rule}", ALWAYS[violation.rule].sentence, violation.text


def _powered(wanted: bool, world: World) -> Iterator[Mismatch]:
    if world.printer.powered != wanted:
        yield "powered", str(wanted), str(world.printer.powered)


@document("", SOMETHING)
class StoredCommunication(TypedDict, total=False):
    """The communication settings; ``timeout`` in seconds."""

    url: SomeText
    port: Count
    timeout: Count


def _communication(wanted: StoredCommunication, world: World) -> Iterator[Mismatch]:
    settings = world.shown.communication
    for name, value in wanted.items():
        got = getattr(settings, name) if settings is not None else None
        if got != value:
            yield f"communication.{name}", str(value), str(got)


def _signed_by_ca(entry: KeyEntry, world: World) -> bool | None:
    """Whether the mock signed it; None without a mock, so that neither can be expected."""
    if world.ca is None:
        return None
    return entry.certificate.was_issued_by(world.ca.authority.issuer.certificate)


# --- the table --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """One line of the table of expectations."""

    compare: Callable[[Any, World], Iterator[Mismatch]]
    sentence: str
    example: str
    needs_mock: bool = False

    @cached_property
    def shape(self) -> Kind:
        """The allowed values in a file."""
        kind = kind_of(get_type_hints(self.compare, include_extras=True)["wanted"])
        return kind if self.compare in _EXACT else comparable(kind)

    @property
    def empty(self) -> Mapping[str, str]:
        """The meaning of an empty list (or null), for the field itself (``""``) or for a part by its path."""
        return dict(_empty(self.shape, ""))


def _empty(kind: Kind, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(kind, Either) and kind.word.says:
        yield path, kind.word.says
    elif isinstance(kind, ListOf):
        if kind.says:
            yield path, kind.says
        yield from _empty(kind.entry, f"{path}[]")
    elif isinstance(kind, Record):
        for entry in kind.fields:
            yield from _empty(entry.kind, f"{path}.{entry.key}".lstrip("."))
    elif isinstance(kind, MapOf) and isinstance(kind.key, Words):
        for word in kind.key.table():
            yield from _empty(kind.value, f"{path}.{word}".lstrip("."))


_EXACT = (
    _always, _audit, CA_LOOKS["orphans"][0], _messages_at, _sent_at, _next_request, _next_request_within,
    *LOOKS_FOR_TEXTS,
)  # fmt: skip
"""Comparisons that name rules or search for a text or for times, and so accept no operator."""

EXPECTATIONS: dict[str, _Kind] = {
    "status": _Kind(
        _status,
        "the first row of the status page, or none",
        "{state: error, details: top-error-503, time: 2026-03-02 09:00, key: tls, method: automatic}",
    ),
    "statuses": _Kind(
        _statuses, "all rows of the status page, the newest first", "[{state: to-be-processed}, {state: successful}]"
    ),
    "history": _Kind(_history, "the number of finished rows", "{count: 2, successful: 1, error: 1}"),
    "keys": _Kind(
        _keys,
        "the keys in order of registration; the default key only if one says default",
        "[{name: tls, use: TLS, assigned: true, certificate: {common_name: 192.0.2.10, fits_key: true}}]",
    ),
    "key_count": _Kind(_key_count, "the number of keys, including the default key", "2"),
    "requests": _Kind(
        _requests, "what the printer has sent since the start, in order", "[GetCACaps, GetCACert, PKCSReq, CertPoll]"
    ),
    "request_count": _Kind(_request_count, "how many times the printer sent each message", "{PKCSReq: 1, CertPoll: 2}"),
    "messages_at": _Kind(_messages_at, "the local times of all PKIOperations", "[2026-03-02 09:00, 2026-03-02 09:10]"),
    "sent_at": _Kind(
        _sent_at,
        "the local times at which each of these was sent, in order",
        "{GetCACaps: [2026-03-02 09:00], GetCACert: []}",
    ),
    "transactions": _Kind(_transactions, "the number of different transactionIDs", "1"),
    "ledger": _Kind(
        _ledger,
        "the CA's certificates by fate; keys: the number of different public keys",
        "{minted: 1, delivered: 1, installed: 1, orphaned: 0}",
        True,
    ),
    "next_request": _Kind(_next_request, "[Next Request Date/Time], or none", "2026-04-01 09:00"),
    "next_request_within": _Kind(
        _next_request_within,
        "the span in which [Next Request Date/Time] lies, including both ends",
        '{from: "2026-03-02 09:00:01", to: "2026-03-02 09:10:00"}',
    ),
    "audit": _Kind(_audit, "texts that the audit log must contain", "[certificate registered]"),
    "always": _Kind(
        _always,
        "rules that hold in every run held at each step so far: all, or some by name",
        "all",
    ),
    "powered": _Kind(_powered, "whether the printer is on", "true"),
    "communication": _Kind(
        _communication, "the stored communication settings", "{url: http://ca.example/scep, port: 80, timeout: 30}"
    ),
    **{name: _Kind(*look) for name, look in LOOKS.items()},
    **{name: _Kind(*look, needs_mock=True) for name, look in CA_LOOKS.items()},
}


def read_expectation(node: Node, problems: Problems) -> Expectation | None:
    """Read the argument of ``expect``; mistakes go to ``problems``."""
    fields = problems.map(node, EXPECTATIONS, "expect")
    if node.kind == "map" and not node.pairs:
        problems.add(node, "expect has no expectation")
    values = [
        (name, EXPECTATIONS[name].shape.read(value, problems, name), value.place) for name, value in fields.items()
    ]
    right = node.kind == "map" and all(value is not WRONG for _, value, _ in values)
    return Expectation(tuple(ExpectedField(*value) for value in values)) if right else None


def expectation_schema(found: Definitions) -> Schema:
    """The JSON schema of ``expect``."""
    fields = {name: described(entry.shape.schema(found), entry.sentence) for name, entry in EXPECTATIONS.items()}
    return {"type": "object", "properties": fields, "additionalProperties": False, "minProperties": 1}
