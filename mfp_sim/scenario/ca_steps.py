"""Steps of the CA's operator, and expectations of what waits for one. They need the mock: a real server has its own.

One class a step, as in :mod:`mfp_sim.scenario.steps`, whose table it stands in.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from mfp_sim.documents import Node, Problems
from mfp_sim.documents.records import Length
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.shapes import SomeText
from mfp_sim.scenario.world import World
from mfp_sim.scep.crl import REASONS
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.policy import When, read_when

__all__ = ["CA_LOOKS", "OPERATOR_ACTS", "CaOperatorStep", "read_ca_operator"]


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


def _roll_over(world: World, values: Mapping[str, object]) -> None:
    assert world.ca is not None
    publish, switch = (_instant(world, values[name]) for name in ("publish", "switch"))
    overlap = values.get("overlap")
    assert overlap is None or isinstance(overlap, timedelta)
    identifier = values.get("identifier")
    world.ca.operator.roll_over(publish, switch, overlap, None if identifier is None else str(identifier))


def _instant(world: World, when: object) -> datetime:
    assert isinstance(when, timedelta | datetime)
    return world.clock.now() + when if isinstance(when, timedelta) else when.replace(tzinfo=world.zone)


def _give_challenge(world: World, values: Mapping[str, object]) -> None:
    assert world.ca is not None
    world.recorder.redactor.add(str(values["secret"]))
    subject = values.get("subject")
    world.ca.operator.give_challenge(None if subject is None else str(subject), secret=str(values["secret"]))


def _counted(nothing: str, act: Callable[..., int]) -> _Act:
    """An act that gives how many things it was done to; ``nothing`` says that there were none."""

    def do(world: World, values: Mapping[str, object]) -> Missing:
        assert world.ca is not None
        count = act(world.ca.operator, **values)
        return lambda: None if count else nothing

    return do


def _hold(world: World, values: Mapping[str, object]) -> Missing:
    """Holding is for requests to come: one has to come."""
    assert world.ca is not None
    pattern, before = str(values["pattern"]), len(world.recorder.events)
    world.ca.operator.hold(pattern)

    def missing() -> str | None:
        subjects = (e.data.get("subject") for e in world.recorder.events[before:] if e.kind == "mock.request")
        held = any(subject is not None and fnmatch.fnmatchcase(str(subject), pattern) for subject in subjects)
        return None if held else "no request came after that whose subject fits"

    return missing


_ACTS: Mapping[str, _Act] = {
    "approve": _counted("no request that waits fits", CaOperator.approve),
    "reject": _counted("no request that waits fits", CaOperator.reject),
    "hold": _hold,
    "release": _counted("this pattern is not held", CaOperator.release),
    "revoke": _counted("no certificate fits", CaOperator.revoke),
    "roll_over": _roll_over,
    "replace_ra": _counted("the CA has no RA", CaOperator.replace_ra),
    "give_challenge": _give_challenge,
    "forget": _counted("there is no transaction to forget", CaOperator.forget),
}


# --- reading ----------------------------------------------------------------------------------------------

Reader = Callable[[Node, Problems], Mapping[str, object] | None]


def _pattern(node: Node, problems: Problems) -> Mapping[str, object] | None:
    text = problems.text(node, "a pattern")
    return None if text is None else {"pattern": text}


def _reject(node: Node, problems: Problems) -> Mapping[str, object] | None:
    if node.kind != "map":
        return _pattern(node, problems)
    fields = problems.map(node, ("pattern", "fail_info", "text"), "reject")
    values: dict[str, object] = {}
    for name in ("pattern", "text"):
        if name in fields:
            values[name] = problems.text(fields[name], name)
    if "fail_info" in fields:
        values["fail_info"] = problems.integer(fields["fail_info"], "fail_info", 0, 4)
    return values


def _revoke(node: Node, problems: Problems) -> Mapping[str, object] | None:
    if node.kind != "map":
        return _pattern(node, problems)
    fields = problems.map(node, ("pattern", "reason"), "revoke", required=("pattern",))
    values: dict[str, object] = {}
    if "pattern" in fields:
        values["pattern"] = problems.text(fields["pattern"], "pattern")
    if "reason" in fields:
        values["reason"] = problems.choice(fields["reason"], REASONS, "reason")
    return values


def _read_roll_over(node: Node, problems: Problems) -> Mapping[str, object] | None:
    names = ("publish", "switch", "overlap", "identifier")
    fields = problems.map(node, names, "roll_over", required=("publish", "switch"))
    found: dict[str, When | str | None] = {n: read_when(fields[n], problems, n) for n in names[:2] if n in fields}
    if "overlap" in fields:
        seconds = problems.seconds(fields["overlap"], "overlap")
        found["overlap"] = None if seconds is None else timedelta(seconds=seconds)
    if "identifier" in fields:
        found["identifier"] = problems.text(fields["identifier"], "identifier")
    publish, switch = (found.get(name) for name in ("publish", "switch"))
    if type(publish) is type(switch) and publish is not None and switch < publish:  # type: ignore[operator]
        problems.add(fields["switch"], "the next CA is to be published before it takes over")
    return found if None not in (found.get("publish"), found.get("switch")) else None


def _read_replace_ra(node: Node, problems: Problems) -> Mapping[str, object] | None:
    if node.kind != "map":
        return None if problems.choice(node, ("now",), "replace_ra") is None else {}
    fields = problems.map(node, ("identifier",), "replace_ra", required=("identifier",))
    return {name: problems.text(value, name) for name, value in fields.items()}


def _read_challenge(node: Node, problems: Problems) -> Mapping[str, object] | None:
    if node.kind != "map":
        text = problems.text(node, "the challenge")
        return None if text is None else {"secret": text}
    fields = problems.map(node, ("secret", "subject"), "give_challenge", required=("secret",))
    values: dict[str, object] = {n: problems.text(fields[n], n) for n in ("secret", "subject") if n in fields}
    return values if values.get("secret") else None


def _forget(node: Node, problems: Problems) -> Mapping[str, object] | None:
    problems.choice(node, ("transactions",), "forget")
    return {}


OPERATOR_ACTS: Mapping[str, tuple[Reader, str]] = {
    "approve": (_pattern, "waiting requests whose subject or transactionID fits pass when they are asked about again"),
    "reject": (_reject, "they are refused: a pattern, or {pattern, fail_info, text}"),
    "hold": (_pattern, "new requests whose subject fits wait for approval"),
    "release": (_pattern, "they do not any longer"),
    "revoke": (
        _revoke,
        "certificates whose subject or serial number fits are revoked: a pattern, or {pattern, reason}",
    ),
    "roll_over": (_read_roll_over, "a next CA: {publish, switch, overlap, identifier}, from now or at local times"),
    "replace_ra": (
        _read_replace_ra,
        "the RA has new keys and certificates from now on, and the CA stays: now, or {identifier}",
    ),
    "give_challenge": (_read_challenge, "this challenge counts once: the challenge, or {secret, subject}"),
    "forget": (_forget, "transactions: the CA forgets them all"),
}


def read_ca_operator(node: Node, problems: Problems) -> CaOperatorStep | None:
    """One act with its argument."""
    fields = problems.map(node, OPERATOR_ACTS, "ca_operator")
    if len(fields) != 1:
        if node.kind == "map":
            problems.add(node, f"ca_operator has exactly one of {', '.join(OPERATOR_ACTS)}")
        return None
    ((kind, inner),) = fields.items()
    before = len(problems.found)
    values = OPERATOR_ACTS[kind][0](inner, problems)
    return None if values is None or len(problems.found) > before else CaOperatorStep(kind, values)


# --- expectations -----------------------------------------------------------------------------------------


def _waiting(
    wanted: Annotated[list[SomeText], Length(0, "nothing waits")], world: World
) -> Iterator[tuple[str, str, str]]:
    assert world.ca is not None
    got = [waiting.subject for waiting in world.ca.operator.waiting]
    if got != wanted:
        yield "waiting", str(wanted), str(got)


def _orphans(
    wanted: Annotated[list[SomeText], Length(0, "there is none")], world: World
) -> Iterator[tuple[str, str, str]]:
    assert world.ca is not None
    got = [str(entry.cause) for entry in world.ca.ledger.orphans]
    if len(got) != len(wanted) or any(w not in g for w, g in zip(wanted, got, strict=True)):
        yield "orphans", str(wanted), str(got)


CA_LOOKS: Mapping[str, tuple[Callable[[Any, World], Iterator[tuple[str, str, str]]], str]] = {
    "waiting": (_waiting, "the subjects that wait for the CA's operator, in order"),
    "orphans": (_orphans, "certificates that no client has, in order: a part of each one's cause"),
}
