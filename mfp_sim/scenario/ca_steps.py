"""Steps of the CA's operator, and expectations about waiting requests and orphans. They need the mock.

One class per step, in the table of `mfp_sim.scenario.steps`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from mfp_sim.events import MockRequest
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.shapes import SomeText
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, OneWay, Schema, Within, Words
from mfp_sim.shared.documents.records import Length, described, document, kind_of, map_of
from mfp_sim.shared.scep.crl import REASONS
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.policy import IN_ORDER, Rollover

__all__ = ["CA_LOOKS", "OPERATOR_ACTS", "OperatorActs"]


_Act = Callable[[World, Mapping[str, object]], Missing | None]


@dataclass(frozen=True)
class CaOperatorStep:
    """One act of the operator; ``values`` are its arguments."""

    kind: str
    values: Mapping[str, object] = field(repr=False)

    def act(self, world: World, role: str) -> Missing | None:  # noqa: ARG002 - every step has a role
        return None if world.ca is None else _ACTS[self.kind](world, self.values)

    def text(self) -> str:
        shown = {key: value for key, value in self.values.items() if key != "secret" and value is not None}
        words = ", ".join(f"{key} {value}" for key, value in shown.items())
        return f"the CA's operator: {self.kind.replace('_', ' ')}{f' ({words})' if words else ''}"


def _roll_over(world: World, values: Mapping[str, object]) -> Missing:
    """A next CA concerns later requests: its premise is a request after it has taken over."""
    assert world.ca is not None
    begun = world.clock.now()
    publish, switch = (_instant(world, values[name]) for name in ("publish", "switch"))
    overlap = values.get("overlap")
    assert overlap is None or isinstance(overlap, timedelta)
    identifier = values.get("identifier")
    world.ca.operator.roll_over(publish, switch, overlap, None if identifier is None else str(identifier))
    before = len(world.recorder.events)

    def missing() -> str | None:
        came = any(e.of(MockRequest) and e.time >= switch for e in world.recorder.events[before:])
        since = max(switch, begun).astimezone(world.zone)
        return None if came else f"no request came after {since:%Y-%m-%d %H:%M:%S}, when the next CA takes over"

    return missing


def _instant(world: World, when: object) -> datetime:
    assert isinstance(when, timedelta | datetime)
    return world.clock.now() + when if isinstance(when, timedelta) else when.replace(tzinfo=world.zone)


def _give_challenge(world: World, values: Mapping[str, object]) -> Missing:
    """A challenge concerns later requests: its premise is a request that presents it, accepted or not."""
    assert world.ca is not None
    world.recorder.redactor.add(str(values["secret"]))
    subject = values.get("subject")
    world.ca.operator.give_challenge(None if subject is None else str(subject), secret=str(values["secret"]))
    given = world.ca.operator.given(str(values["secret"]))
    return lambda: None if given.presented else "no request came with this challenge"


def _counted(nothing: str, act: Callable[..., int]) -> _Act:
    """An act that returns the number of things that it changed; ``nothing`` is the message for 0."""

    def do(world: World, values: Mapping[str, object]) -> Missing:
        assert world.ca is not None
        count = act(world.ca.operator, **values)
        return lambda: None if count else nothing

    return do


def _hold(world: World, values: Mapping[str, object]) -> Missing:
    """Holding concerns later requests: its premise is a request that is held."""
    assert world.ca is not None
    pattern, journal = str(values["pattern"]), world.ca.journal
    before = journal.count
    if not world.ca.operator.hold(pattern):
        return lambda: "new requests with this pattern are held already"

    def missing() -> str | None:
        entries = journal.entries  # of the trace, a subject may be masked
        subjects = [entry.subject for entry in entries[len(entries) - (journal.count - before) :]]
        held = any(subject is not None and fnmatch.fnmatchcase(subject, pattern) for subject in subjects)
        return None if held else "no later request had a subject that matches"

    return missing


_ACTS: Mapping[str, _Act] = {
    "approve": _counted("no waiting request matches", CaOperator.approve),
    "reject": _counted("no waiting request matches", CaOperator.reject),
    "hold": _hold,
    "release": _counted("no requests with this pattern are held", CaOperator.release),
    "revoke": _counted("no certificate matches", CaOperator.revoke),
    "roll_over": _roll_over,
    "replace_ra": _counted("the CA has no RA", CaOperator.replace_ra),
    "give_challenge": _give_challenge,
    "forget": _counted("there is no transaction to forget", CaOperator.forget),
}


# --- what is written --------------------------------------------------------------------------------------


@document(whole=True)
@dataclass(frozen=True)
class _Pattern:
    pattern: str


@document(shorthand="pattern")
@dataclass(frozen=True)
class _Reject:
    pattern: str | None = None
    text: str | None = None
    fail_info: Annotated[int | None, Within(0, 4)] = None


@document(shorthand="pattern")
@dataclass(frozen=True)
class _Revoke:
    pattern: str
    reason: Annotated[str | None, Words(lambda: REASONS)] = None


@document("", IN_ORDER)
@dataclass(frozen=True)
class _RollOver(Rollover):
    identifier: str | None = None


@dataclass(frozen=True)
class _ReplaceRa:
    identifier: str


@document(shorthand="secret")
@dataclass(frozen=True)
class _Challenge:
    secret: SomeText = field(repr=False)
    subject: str | None = None


OPERATOR_ACTS: Mapping[str, tuple[Any, str]] = {
    "approve": (
        _Pattern,
        "approve waiting requests whose subject or transactionID matches: their next poll is granted",
    ),
    "reject": (_Reject, "reject matching waiting requests: a pattern, or {pattern, fail_info, text}"),
    "hold": (_Pattern, "make new requests whose subject matches wait for approval"),
    "release": (_Pattern, "end a hold: new requests with this pattern no longer wait"),
    "revoke": (
        _Revoke,
        "revoke certificates whose subject or serial number matches: a pattern, or {pattern, reason}",
    ),
    "roll_over": (_RollOver, "prepare a next CA: {publish, switch, overlap, identifier}, from now or at local times"),
    "replace_ra": (
        Literal["now"] | _ReplaceRa,
        "give the RA new keys and certificates, and keep the CA: now, or {identifier}",
    ),
    "give_challenge": (_Challenge, "accept this challenge password once: the challenge, or {secret, subject}"),
    "forget": (Literal["transactions"], "transactions: make the CA forget all of them"),
}


class OperatorActs(OneWay):
    """How an act of the operator is written: a map with exactly one of them."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        given = problems.map(node, OPERATOR_ACTS, what)
        if node.kind == "map" and len(given) != 1:
            problems.add(node, f"{what} has exactly one of {', '.join(OPERATOR_ACTS)}")
        found = [(kind, kind_of(OPERATOR_ACTS[kind][0]).read(inner, problems, kind)) for kind, inner in given.items()]
        if len(found) != 1 or len(node.pairs) != 1 or found[0][1] is WRONG:
            return WRONG
        kind, value = found[0]
        said = {} if isinstance(value, str) else {key: inner for key, inner in vars(value).items() if inner is not None}
        return CaOperatorStep(kind, said)

    def schema(self, found: Definitions) -> Schema:
        acts = {name: described(kind_of(act).schema(found), says) for name, (act, says) in OPERATOR_ACTS.items()}
        return {**map_of(acts), "minProperties": 1, "maxProperties": 1}


# --- expectations -----------------------------------------------------------------------------------------


def _waiting(
    wanted: Annotated[list[SomeText], Length(0, "nothing waits")], world: World
) -> Iterator[tuple[str, str, str]]:
    assert world.ca is not None
    got = [waiting.subject for waiting in world.ca.operator.waiting]
    if got != wanted:
        yield "waiting", str(wanted), str(got)


def _orphans(
    wanted: Annotated[list[SomeText], Length(0, "there is no orphan")], world: World
) -> Iterator[tuple[str, str, str]]:
    assert world.ca is not None
    got = [str(entry.cause) for entry in world.ca.ledger.orphans]
    if len(got) != len(wanted) or any(w not in g for w, g in zip(wanted, got, strict=True)):
        yield "orphans", str(wanted), str(got)


CA_LOOKS: Mapping[str, tuple[Callable[[Any, World], Iterator[tuple[str, str, str]]], str, str]] = {
    "waiting": (_waiting, "the subjects that wait for the CA's operator, in order", '["CN=192.0.2.10"]'),
    "orphans": (_orphans, "certificates that no client has, in order: a part of the cause of each", "[nonce-mismatch]"),
}
