"""Runs a scenario step by step and tells a listener; the result says what held and what did not.

In process, freezegun follows the scenario's clock, so that anything in the process that reads the wall clock sees
scenario time; our own code reads the injected clock only.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from freezegun import freeze_time

from mfp_sim.catalogue.registry import requirements
from mfp_sim.device.calendar import instant_of
from mfp_sim.errors import BoundExceeded, Refused
from mfp_sim.scenario.expectations import Expectation, check
from mfp_sim.scenario.model import Failure, Scenario, ScenarioResult, StepRecord
from mfp_sim.scenario.premises import Premise, broken_premises, premises_of
from mfp_sim.scenario.steps import STEPS, AutoRequest, CaScript, Step
from mfp_sim.scenario.world import World, build, directories
from mfp_sim.simtime import FrozenClock, SystemClock

__all__ = ["StepDone", "frozen", "run"]

_IGNORED = ["_pytest", "xdist", "execnet", "hypothesis", "concurrent", "multiprocessing", "rich"]


@dataclass(frozen=True)
class StepDone:
    """Told to the listener after each step."""

    scenario: Scenario
    record: StepRecord
    failures: tuple[Failure, ...]


Listener = Callable[[StepDone], None]


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    flips: Sequence[str] = (),
    ca_url: str | None = None,
    challenge: str | None = None,
    listener: Listener | None = None,
    keep_messages: bool = False,
    state_dir: Path | None = None,
) -> ScenarioResult:
    """Run one scenario.

    Args:
        scenario: what to run.
        seed: instead of the scenario's own.
        flips: other readings of assumptions, ``A-22`` or ``A-22=5xx``.
        ca_url: a real server instead of the in-process mock; the system clock rules then.
        challenge: stands in for the scenario's challenge password, for a real server.
        listener: told of each step as it is done.
        keep_messages: also keep the messages as octets, for a report; the trace is the same.
        state_dir: where the machines keep their state, instead of in memory. In process it must be a new one; against
            a real server the machine goes on from what is there.

    Raises:
        UsageError: a flip that does not exist, a URL that is none, or a directory that cannot be used.
    """
    begun = SystemClock().now()
    chosen = scenario.seed if seed is None else seed
    reason = _not_for_a_real_server(scenario, begun) if ca_url or scenario.ca.url else None
    if reason is not None:
        return ScenarioResult(scenario, chosen, tuple(flips), (), (), (), _rests_on(scenario), 0.0, 0.0, skipped=reason)
    in_process = (ca_url or scenario.ca.url) is None
    records: list[StepRecord] = []
    with directories(state_dir, fresh=in_process) if state_dir else contextlib.nullcontext() as storages:
        world = build(
            scenario,
            seed=chosen,
            flips=flips,
            ca_url=ca_url,
            challenge=challenge,
            keep_messages=keep_messages,
            storages=storages,
        )
        start = world.clock.now()
        with frozen(world):
            _all_steps(world, records, listener)
            ended = world.clock.now()
    return ScenarioResult(
        scenario=scenario,
        seed=chosen,
        flips=tuple(flips),
        failures=tuple(world.failures),
        steps=tuple(records),
        events=world.recorder.events,
        rests_on=_rests_on(scenario),
        virtual_seconds=(ended - start).total_seconds(),
        real_seconds=(SystemClock().now() - begun).total_seconds(),
        unobserved=tuple(world.unobserved),
        attachments=world.recorder.attachments,
        ledger=world.ca.ledger.entries if world.ca is not None else (),
        redactor=world.recorder.redactor,
    )


def _all_steps(world: World, records: list[StepRecord], listener: Listener | None) -> None:
    for number, step in enumerate(world.scenario.steps, 1):
        before = len(world.failures)
        goes_on = carry_out(world, step, number, records)
        if listener is not None:
            listener(StepDone(world.scenario, records[-1], tuple(world.failures[before:])))
        if not goes_on:
            return
    world.failures.extend(broken_premises(world.premises))


def _not_for_a_real_server(scenario: Scenario, now: datetime) -> str | None:
    if scenario.ca.script or any(step.kind in ("ca_script", "ca_operator") for step in scenario.steps):
        return "it scripts the CA, which a real server does not let us do"
    if any(step.kind in ("network", "advance_to") for step in scenario.steps):
        return "it moves the network or a fixed date, which only the simulation has"
    zone = ZoneInfo(scenario.printer.timezone)
    for step in scenario.steps:
        start = step.act.settings.start if isinstance(step.act, AutoRequest) else None
        if start is not None and step.refused is None and instant_of(start, zone) < now:
            return (
                f"its automatic request starts at {start:%Y-%m-%d %H:%M}, which has passed (start_in counts from now)"
            )
    return None


def _rests_on(scenario: Scenario) -> tuple[str, ...]:
    """The assumptions named, and those that the covered statements rest on."""
    derived = {a for covered in scenario.covers if (r := requirements().get(covered)) for a in r.derived}
    return tuple(sorted({*scenario.assumes, *derived}))


def carry_out(world: World, step: Step, number: int, records: list[StepRecord]) -> bool:
    """Do one step; False when the run cannot go on."""
    begun = world.clock.now()
    world.recorder.record("step", number=number, text=step.act.text())
    goes_on = True
    try:
        missing = step.act.act(world, step.role)
    except Refused as refusal:
        _judge_refusal(world, step, number, refusal)
    except BoundExceeded as error:
        world.failures.append(Failure(number, step.place, "bounds", "an end within the bounds", str(error)))
        goes_on = False
    else:
        if step.refused is not None:
            world.failures.append(Failure(number, step.place, "refused", step.refused, "it was not refused"))
        if isinstance(step.act, Expectation):
            world.failures.extend(check(step.act, world, number))
        elif missing is not None and not step.optional:
            expected = STEPS[step.kind].premise
            world.premises.append(Premise(number, step.place, step.kind, expected, missing))
        elif isinstance(step.act, CaScript) and world.ca is not None:
            world.premises.extend(premises_of(world.ca.script, number))
    records.append(StepRecord(number, step.act.text(), step.place, begun, world.clock.now()))
    return goes_on


def _judge_refusal(world: World, step: Step, number: int, refusal: Refused) -> None:
    world.recorder.record("step.refused", reason=refusal.reason, text=refusal.message)
    if step.refused is None:
        got = f"refused: {refusal.reason} ({refusal.message})"
        world.failures.append(Failure(number, step.place, step.kind, "to be carried out", got))
    elif refusal.reason != step.refused:
        world.failures.append(Failure(number, step.place, "refused", step.refused, refusal.reason))


@contextlib.contextmanager
def frozen(world: World) -> Iterator[None]:
    """freezegun at the scenario's clock, for as long as the scenario runs on a frozen one."""
    if not isinstance(world.clock, FrozenClock):
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # freezegun walks over modules whose lazy attributes warn
        freezer = freeze_time(world.clock.now(), ignore=_IGNORED)
        frozen = freezer.start()
    world.clock.listener = frozen.move_to
    try:
        yield
    finally:
        world.clock.listener = None
        freezer.stop()
