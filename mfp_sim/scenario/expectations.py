"""What has to hold at a step: typed fields, one table. A field that cannot be observed is said, never passed over.

Each reader turns YAML into a plain value; each comparison yields the differences as (path, expected, got).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.status import STATE_LABELS, StatusRow
from mfp_sim.documents import Node, Problems, plain
from mfp_sim.errors import SignatureInvalid
from mfp_sim.scenario.ca_steps import CA_LOOKS
from mfp_sim.scenario.machine_looks import EMPTY_LOOKS, LOOKS
from mfp_sim.scenario.model import Failure
from mfp_sim.scenario.reading import moment, shown_like
from mfp_sim.scenario.world import World
from mfp_sim.scep.certificate import name_pairs

__all__ = ["EXPECTATIONS", "Expectation", "Expected", "check", "read_expectation"]

Difference = tuple[str, str, str]


@dataclass(frozen=True)
class Expected:
    """One field of an ``expect``: its value, and where it stands."""

    name: str
    value: object
    place: str


@dataclass(frozen=True)
class Expectation:
    """The ``expect`` step."""

    fields: tuple[Expected, ...]

    def act(self, world: World, role: str) -> None:
        """Nothing is done; :func:`check` looks."""

    def text(self) -> str:
        return f"expect {', '.join(expected.name for expected in self.fields)}"


def check(expectation: Expectation, world: World, step: int) -> Iterator[Failure]:
    """The fields that do not hold."""
    for expected in expectation.fields:
        kind = EXPECTATIONS[expected.name]
        if kind.needs_mock and world.ca is None:
            world.unobserved.append(f"{expected.place}: {expected.name}")
            continue
        for path, wanted, got in kind.compare(expected.value, world):
            if world.ca is None and _only_simulated(path, wanted, world):
                world.unobserved.append(f"{expected.place}: {path}")
                continue
            yield Failure(step, expected.place, path, wanted, got)


def _only_simulated(path: str, wanted: str, world: World) -> bool:
    """Whether a real server cannot make it hold: the mock's own signature, and a fixed date that has passed."""
    if path.endswith(".signed_by_ca"):
        return True
    return path.endswith(".time") and wanted < _local(world.clock.now(), world, wanted)


# --- comparisons ------------------------------------------------------------------------------------------


def _local(instant: datetime, world: World, like: str) -> str:
    """An instant as the printer's local time, as precise as ``like``."""
    return shown_like(instant, world.zone, like)


def _row(wanted: Mapping[str, object], row: StatusRow | None, world: World, path: str) -> Iterator[Difference]:
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


def _status(wanted: object, world: World) -> Iterator[Difference]:
    rows = world.shown.status()
    if wanted == "none":
        if rows:
            yield "status", "no row", str(rows[0].state)
        return
    assert isinstance(wanted, Mapping)
    yield from _row(wanted, rows[0] if rows else None, world, "status")


def _statuses(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, list)
    rows = world.shown.status()
    if len(rows) != len(wanted):
        yield "statuses", f"{len(wanted)} rows", f"{len(rows)}: {', '.join(row.state for row in rows)}"
        return
    for index, (value, row) in enumerate(zip(wanted, rows, strict=True)):
        yield from _row(value, row, world, f"statuses[{index}]")


def _counts(path: str, wanted: object, actual: Mapping[str, object]) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
    for name, value in wanted.items():
        if actual.get(name, 0) != value:
            yield f"{path}.{name}", str(value), str(actual.get(name, 0))


def _history(wanted: object, world: World) -> Iterator[Difference]:
    states = Counter(row.state for row in world.shown.status())
    total = states["error"] + states["successful"]
    yield from _counts("history", wanted, {"count": total, **states})


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
    """Of a certificate, by the printer's clock."""
    now = world.printer.clock.now()
    if now < entry.certificate.not_before:
        return "not-yet-valid"
    return "expired" if now > entry.certificate.not_after else "valid"


def _keys(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, list)
    wants_default = any(isinstance(value, Mapping) and value.get("default") for value in wanted)
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


def _key_count(wanted: object, world: World) -> Iterator[Difference]:
    if len(world.shown.key_list()) != wanted:
        yield "key_count", str(wanted), str(len(world.shown.key_list()))


def asked(world: World) -> list[str]:
    """What the printer has sent, in order: operations, and message types of PKIOperation."""
    return [str(event.data["operation"]) for event in world.events if event.kind == "exchange.request"]


def _requests(wanted: object, world: World) -> Iterator[Difference]:
    if asked(world) != wanted:
        yield "requests", str(wanted), str(asked(world))


def _request_count(wanted: object, world: World) -> Iterator[Difference]:
    yield from _counts("request_count", wanted, Counter(asked(world)))


def _messages_at(wanted: object, world: World) -> Iterator[Difference]:
    sent = [e.time for e in world.events if e.kind == "exchange.request" and "transaction" in e.data]
    yield from _times("messages_at", wanted, sent, world)


def _sent_at(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
    for name, times in wanted.items():
        events = (e for e in world.events if e.kind == "exchange.request" and e.data["operation"] == name)
        yield from _times(f"sent_at.{name}", times, [event.time for event in events], world)


def _times(path: str, wanted: object, got: Sequence[datetime], world: World) -> Iterator[Difference]:
    """Each time is compared as precisely as it is written; where there are too many, as the last one."""
    assert isinstance(wanted, list)
    likes = [str(time) for time in wanted] or ["0 00:00:00"]
    shown = [_local(time, world, likes[min(index, len(likes) - 1)]) for index, time in enumerate(got)]
    if shown != wanted:
        yield path, str(wanted), str(shown)


def _transactions(wanted: object, world: World) -> Iterator[Difference]:
    found = {
        event.data["transaction"]
        for event in world.events
        if event.kind == "exchange.request" and "transaction" in event.data
    }
    if len(found) != wanted:
        yield "transactions", str(wanted), str(len(found))


def _ledger(wanted: object, world: World) -> Iterator[Difference]:
    assert world.ca is not None
    ledger = world.ca.ledger
    yield from _counts("ledger", wanted, {**ledger.counts, "keys": ledger.keys})


def _next_request(wanted: object, world: World) -> Iterator[Difference]:
    instant = world.shown.next_request
    got = "none" if instant is None else _local(instant, world, str(wanted))
    if got != wanted:
        yield "next_request", str(wanted), got


def _next_request_within(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
    instant = world.shown.next_request
    low, high = (str(wanted[name]) for name in ("from", "to"))
    first, last = (moment(datetime.fromisoformat(text), world.zone) for text in (low, high))
    if instant is None or not first <= instant.replace(microsecond=0) <= last:
        got = "none" if instant is None else _local(instant, world, low)
        yield "next_request_within", f"from {low} to {high}", got


def _audit(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, list)
    lines = [f"{entry.operation} {entry.result}: {entry.diagnosis}" for entry in world.shown.audit]
    for index, text in enumerate(wanted):
        if not any(str(text) in line for line in lines):
            yield f"audit[{index}]", f"an entry with {text!r}", "; ".join(lines[-4:])


def _powered(wanted: object, world: World) -> Iterator[Difference]:
    if world.printer.powered != wanted:
        yield "powered", str(wanted), str(world.printer.powered)


def _communication(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
    settings = world.shown.communication
    for name, value in wanted.items():
        got = getattr(settings, name) if settings is not None else None
        if got != value:
            yield f"communication.{name}", str(value), str(got)


def _signed_by_ca(entry: KeyEntry, world: World) -> bool | None:
    """Whether the mock signed it; None where there is no mock, so that neither can be expected."""
    if world.ca is None:
        return None
    try:
        entry.certificate.verify_issued_by(world.ca.ca.ca.certificate)
    except SignatureInvalid:
        return False
    return True


# --- reading ----------------------------------------------------------------------------------------------


def _check_row(node: Node, problems: Problems, what: str) -> None:
    fields = problems.map(node, ("state", "details", "time", "key", "method"), what)
    if "state" in fields:
        problems.choice(fields["state"], STATE_LABELS, "state")
    if "details" in fields:
        _check_detail(fields["details"], problems)
    if "time" in fields:
        _check_time(fields["time"], problems, "time")
    if "method" in fields:
        problems.choice(fields["method"], ("manual", "automatic"), "method")


DETAILS = (
    "none",
    "deferred",
    "registration-limit",
    "top-error",
    "scep-error",
    *(f"fail-info-{number}" for number in range(5)),
)


def _check_detail(node: Node, problems: Problems) -> None:
    text = str(node.value)
    if text.startswith("top-error-") and text[10:].isdigit() and len(text) == 13:
        return
    problems.choice(node, (*DETAILS, "top-error-503"), "details")


def _check_time(node: Node, problems: Problems, what: str) -> None:
    problems.moment(node, what, offset=True)


def _r_status(node: Node, problems: Problems) -> None:
    if node.value != "none":
        _check_row(node, problems, "status")


def _r_statuses(node: Node, problems: Problems) -> None:
    for entry in problems.list(node, "statuses"):
        _check_row(entry, problems, "a row")


def _numbers(*names: str) -> Callable[[Node, Problems], None]:
    def read(node: Node, problems: Problems) -> None:
        for name, value in problems.map(node, names, "the counts").items():
            problems.integer(value, name, 0)

    return read


KEY_NAMES = ("name", "use", "policy", "assigned", "default", "certificate")
CERTIFICATE_NAMES = ("common_name", "organization", "fits_key", "key_length", "issuer", "signed_by_ca", "validity")


def _r_keys(node: Node, problems: Problems) -> None:
    for entry in problems.list(node, "keys"):
        fields = problems.map(entry, KEY_NAMES, "a key")
        if "certificate" in fields:
            problems.map(fields["certificate"], CERTIFICATE_NAMES, "certificate")


OPERATIONS = ("GetCACaps", "GetCACert", "PKCSReq", "RenewalReq", "CertPoll")


def _r_requests(node: Node, problems: Problems) -> None:
    for entry in problems.list(node, "requests"):
        problems.choice(entry, OPERATIONS, "a request")


def _r_times(node: Node, problems: Problems) -> None:
    for entry in problems.list(node, "messages_at"):
        _check_time(entry, problems, "a time")


def _r_sent_at(node: Node, problems: Problems) -> None:
    for name, times in problems.map(node, OPERATIONS, "sent_at").items():
        for entry in problems.list(times, name):
            _check_time(entry, problems, "a time")


def _r_number(node: Node, problems: Problems) -> None:
    problems.integer(node, "the number", 0)


def _r_time(node: Node, problems: Problems) -> None:
    if node.value != "none":
        _check_time(node, problems, "next_request")


def _r_within(node: Node, problems: Problems) -> None:
    fields = problems.map(node, ("from", "to"), "next_request_within", required=("from", "to"))
    for name, value in fields.items():
        time = problems.moment(value, name, offset=True)
        if time is not None and str(value.value)[16:17] != ":":
            problems.add(value, f"{name} needs seconds")


def _r_texts(node: Node, problems: Problems) -> None:
    for entry in problems.list(node, "audit"):
        problems.text(entry, "an entry")


def _r_boolean(node: Node, problems: Problems) -> None:
    problems.boolean(node, "powered")


def _r_communication(node: Node, problems: Problems) -> None:
    problems.map(node, ("url", "port", "timeout"), "communication")


@dataclass(frozen=True)
class _Kind:
    """A line of the table of expectations.

    ``empty`` says what an empty list (or ``null``) asserts, where it does: of the field itself (``""``), or of a part
    by its path. Anything else that is empty expects nothing, and does not load.
    """

    read: Callable[[Node, Problems], None]
    compare: Callable[[object, World], Iterator[Difference]]
    sentence: str
    needs_mock: bool = False
    empty: Mapping[str, str] = field(default_factory=dict)


EXPECTATIONS: dict[str, _Kind] = {
    "status": _Kind(_r_status, _status, "the first row of the status page, or none"),
    "statuses": _Kind(
        _r_statuses, _statuses, "all rows of the status page, the newest first", empty={"": "there is no row"}
    ),
    "history": _Kind(_numbers("count", "successful", "error"), _history, "how many finished rows there are"),
    "keys": _Kind(
        _r_keys,
        _keys,
        "the keys in order of registration; the default key only if one says default",
        empty={
            "": "there is no key but the default one",
            "[].policy": "it has none",
            "[].certificate.common_name": "it has none",
            "[].certificate.organization": "it has none",
        },
    ),
    "key_count": _Kind(_r_number, _key_count, "how many keys there are, the default key included"),
    "requests": _Kind(
        _r_requests,
        _requests,
        "what the printer has sent since the start, in order",
        empty={"": "it has sent nothing"},
    ),
    "request_count": _Kind(_numbers(*OPERATIONS), _request_count, "how often it sent what"),
    "messages_at": _Kind(
        _r_times,
        _messages_at,
        "the local times of all PKIOperations",
        empty={"": "there was no PKIOperation"},
    ),
    "sent_at": _Kind(
        _r_sent_at,
        _sent_at,
        "the local times at which each of these was sent, in order",
        empty=dict.fromkeys(OPERATIONS, "it was never sent"),
    ),
    "transactions": _Kind(_r_number, _transactions, "how many different transactionIDs were used"),
    "ledger": _Kind(
        _numbers("minted", "delivered", "installed", "orphaned", "keys"),
        _ledger,
        "the CA's certificates and their fate; keys: of how many public keys they are",
        True,
    ),
    "next_request": _Kind(_r_time, _next_request, "[Next Request Date/Time], or none"),
    "next_request_within": _Kind(_r_within, _next_request_within, "the span it has to lie in, both ends included"),
    "audit": _Kind(_r_texts, _audit, "texts that the audit log has to hold"),
    "powered": _Kind(_r_boolean, _powered, "whether the machine is on"),
    "communication": _Kind(_r_communication, _communication, "the stored communication settings"),
    **{name: _Kind(*look, empty=EMPTY_LOOKS.get(name, {})) for name, look in LOOKS.items()},
    **{name: _Kind(*look, empty=EMPTY_LOOKS.get(name, {})) for name, look in CA_LOOKS.items()},
}


def read_expectation(node: Node, problems: Problems) -> Expectation | None:
    """Read the argument of ``expect``; a field that expects nothing is a mistake."""
    fields = problems.map(node, EXPECTATIONS, "expect")
    if node.kind == "map" and not node.pairs:
        problems.add(node, "expect expects nothing")
    for name, value in fields.items():
        before = len(problems.found)
        EXPECTATIONS[name].read(value, problems)
        if len(problems.found) == before:
            _check_says_something(name, value, "", problems)
    return Expectation(tuple(Expected(name, plain(value), value.place) for name, value in fields.items()))


def _check_says_something(name: str, node: Node, path: str, problems: Problems) -> None:
    """Report what is empty and asserts nothing: a map, a list, a text, nothing at all."""
    if node.kind == "map":
        inner = [(value, f"{path}.{key.value}".lstrip(".")) for key, value in node.pairs]
    else:
        inner = [(entry, f"{path}[]") for entry in node.items] if node.kind == "list" else []
    nothing = node.value is None if node.kind == "scalar" else not inner
    if node.value == "" or (nothing and path not in EXPECTATIONS[name].empty):
        where = f"{name}.{path}" if path and not path.startswith("[") else f"{name}{path}"
        problems.add(node, f"{where} expects nothing", "say what has to be there, or leave it out")
    for value, place in inner:
        _check_says_something(name, value, place, problems)
