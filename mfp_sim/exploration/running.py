"""Runs one case, watched: what violated a rule, and what the run reached, as features for the search.

The expectations of a case are not checked, and its premises need not come true: the rules decide.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from mfp_sim.events import (
    ExchangeCut,
    ExchangeLost,
    ExchangeReply,
    ExchangeRequest,
    MockRequest,
    PowerFailed,
    StatusRowAdded,
)
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.exploration.ways import CaseWay
from mfp_sim.run_trace import TraceEvent
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.always.watching import Course, StepSeen, Violation
from mfp_sim.scenario.expectations import Expectation
from mfp_sim.scenario.model import Scenario, StepRecord
from mfp_sim.scenario.premises import broken_premises, premises_of
from mfp_sim.scenario.runner import carry_out, frozen
from mfp_sim.scenario.world import World, build
from mfp_sim.shared.errors import MfpSimError

__all__ = ["NO_CRASH", "CaseOutcome", "carried_out", "observed"]

NO_CRASH = "no-crash"
"""The rule that no step ends in an internal error and every case ends."""


@dataclass(frozen=True)
class CaseOutcome:
    """The result of one case. ``reached`` are the *sometimes* properties that came true; ``features`` are abstract
    states and edges of the run; ``missing`` counts the premises that did not come true; ``seen`` is what the run shows
    from outside; ``refused`` gives the reason of each step, by its number, that the printer refused; ``read`` are the
    values of models that the run read: `printer` or `ca`, and the name. ``endless``: the case used all its CPU time,
    and what it reached is not known."""

    violations: tuple[Violation, ...]
    reached: frozenset[str]
    features: frozenset[str]
    events: tuple[TraceEvent, ...]
    missing: int
    seen: Mapping[str, object]
    refused: Mapping[int, str] = field(default_factory=dict)
    read: frozenset[tuple[str, str]] = frozenset()
    endless: bool = False


_USUAL = CaseWay()
_LONGEST = 60.0
"""Seconds of CPU time after which a case counts as endless."""
_AGAIN = 1.0
"""Seconds of CPU time after which it is ended again, if something went on after the first time."""


class _EndlessCase(BaseException):
    """A case used more CPU time than any case needs. It is not an `Exception`, which the product turns into an error of
    a request and goes on."""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """End a case that does not end by itself; only the main thread can receive the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _EndlessCase(f"the case did not end within {_LONGEST:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, _LONGEST, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def carried_out(scenario: Scenario, *, seed: int = 1, way: CaseWay = _USUAL) -> CaseOutcome:
    """Run a scenario in that way, watched for every rule."""
    try:
        with _limited():
            return _carried_out(scenario, seed, way)
    except _EndlessCase as endless:
        text = str(endless)
        broken = (Violation(NO_CRASH, text, len(scenario.steps)),)
        seen = {"events": [], "error": text}
        return CaseOutcome(broken, frozenset(), frozenset(), (), 0, seen, endless=True)


def _carried_out(scenario: Scenario, seed: int, way: CaseWay) -> CaseOutcome:
    read: Mapping[str, set[str]] = {"printer": set(), "ca": set()}
    try:
        world = build(
            scenario, seed=seed, rules=ALWAYS, storages=way.storages, vault=way.vault, served=way.served,
            read=read["printer"], read_of_ca=read["ca"],
        )  # fmt: skip
    except MfpSimError:
        return CaseOutcome((), frozenset(), frozenset({"refused"}), (), 0, {"events": []})
    except Exception as error:  # noqa: BLE001 - a bug in the product is what is searched for
        text = f"set-up: {type(error).__name__}: {error}"
        return CaseOutcome(
            (Violation(NO_CRASH, text, 0),), frozenset(), frozenset(), (), 0, {"events": [], "error": text}
        )
    records: list[StepRecord] = []
    with frozen(world):
        crashed = _steps(scenario, world, records)
        assert world.watch is not None
        course = world.watch.course
        asked = frozenset((whose, name) for whose, names in read.items() for name in names)  # the rules read more
        violations = [*crashed, *world.watch.violations()]
        missing = sum(1 for _ in broken_premises(world.premises))
        violations += [Violation(way.rule, text, len(scenario.steps)) for text in way.wrong(world)]
        seen = {"events": [event.to_json() for event in world.recorder.events], **_looks(world)}
    reached = frozenset(name for name, one in SOMETIMES.items() if one.holds(course))
    refused = {step.number: step.refused for step in course.steps if step.refused is not None}
    features = frozenset(_features(course))
    return CaseOutcome(
        tuple(violations), reached, features, world.recorder.events, missing, seen, refused,
        asked,
    )  # fmt: skip


def observed(scenario: Scenario) -> Mapping[str, object]:
    """What a run shows from outside: its trace, and the screens at its end as an ``expect`` writes them."""
    return carried_out(scenario).seen


def _looks(world: World) -> dict[str, object]:
    try:
        shown = world.shown
        rows, keys = shown.status(), shown.key_list()
    except Exception as error:  # noqa: BLE001 - a bug in the product is what is searched for
        return {"error": f"{type(error).__name__}: {error}"}
    looks: dict[str, object] = {
        "statuses": [
            {"state": row.state, "details": row.details.slug if row.details else "none", "key": row.key_name}
            for row in rows
        ],
        "requests": [
            event.operation for _, event in world.happened(ExchangeRequest) if event.operation != "GetNextCACert"
        ],
        "key_count": len(keys),
        "powered": world.printer.powered,
        "keys in use": dict(world.printer.functions_in_use()) if world.printer.powered else {},
        "keys": [(key.name, key.use, key.policy, key.assigned, key.default) for key in keys],
        "audit": [(entry.time.isoformat(), entry.operation, entry.result, entry.diagnosis) for entry in shown.audit],
        "next request": str(shown.next_request),
        "advice": [str(said) for said in shown.advice],
        "power points": {serial: list(printer.points.passed) for serial, printer in world.printers.items()},
    }
    if world.ca is not None:
        looks["ledger"] = {**world.ca.ledger.counts, "keys": world.ca.ledger.keys}
        looks["waiting"] = [waiting.subject for waiting in world.ca.operator.waiting]
        looks["orphans"] = [entry.cause for entry in world.ca.ledger.orphans]
        looks["certificates"] = [entry.to_json() for entry in world.ca.ledger.entries]
    return looks


def _steps(scenario: Scenario, world: World, records: list[StepRecord]) -> list[Violation]:
    if world.ca is not None:
        world.premises.extend(premises_of(world.ca.script, len(scenario.steps)))
    for number, step in enumerate(scenario.steps, 1):
        if isinstance(step.act, Expectation):
            continue
        goes_on = carry_out(world, step, number, records)
        if not goes_on:
            failure = world.failures[-1]
            wrong = "internal error" in failure.got or failure.path == "bounds"
            return [Violation(NO_CRASH, f"{step.kind}: {failure.got}", number)] if wrong else []
    return []


# --- features ---------------------------------------------------------------------------------------------


def _features(course: Course) -> Iterator[str]:
    last: dict[str, str] = {}
    for one in course.happenings:
        word = _word(one.event)
        if word is None:
            continue
        yield f"{last.get(one.printer, 'begin')} > {word}"
        last[one.printer] = word
        if isinstance(one.event, MockRequest):
            for fault in one.event.faults:
                yield f"fault {fault} at {one.event.name}"
            for note in one.event.notes:
                yield f"note {note[:40]}"
    for step in course.steps:
        yield from _of_step(step)


def _word(event: Any) -> str | None:
    match event:
        case ExchangeRequest(operation=operation):
            return operation
        case ExchangeReply(status=200, unreadable=None, message=message) if message:
            return f"{message.get('pkiStatus')} {message.get('failInfo') or ''}"
        case ExchangeReply(status=status, unreadable=unreadable):
            return f"{status}{' unreadable' if unreadable else ''}"
        case ExchangeLost(sent=sent):
            return f"lost {sent}"
        case ExchangeCut():
            return "cut"
        case PowerFailed(point=point):
            return f"power fails at {point}"
        case StatusRowAdded(state=state, details=details):
            return f"row {state} {details or ''}"
    return None


def _of_step(step: StepSeen) -> Iterator[str]:
    before, after = step.before.get(step.serial), step.after.get(step.serial)
    if before is None or after is None:
        return
    states = [
        "off"
        if not seen.powered
        else f"{'busy' if seen.busy else 'idle'}{' timer' if seen.timer else ''}{' transfer' if seen.transfer else ''}"
        for seen in (before, after)
    ]
    yield f"{step.kind}: {states[0]} -> {states[1]}"
    yield f"{step.kind} refused: {step.refused}"
    yield f"keys {len(after.keys)}"
    yield f"rows {_rows(after.kept)}"


def _rows(kept: Mapping[str, Any] | None) -> str:
    count = len(kept["history"]) if kept else 0
    return str(count) if count < 5 else "5 or more" if count < 20 else "20"
