"""Runs a scenario step by step and reports each step to a listener; the result lists the failures.

Anything that ends a run early (an exception, a refused set-up, an exceeded bound) is an error of that scenario, with
its place; other scenarios are not affected.

In process, freezegun follows the scenario's clock, so that all code that reads the wall clock sees scenario time; our
own code reads only the injected clock.
"""

from __future__ import annotations

import contextlib
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from freezegun import freeze_time

from mfp_sim.device.local_time import instant_of
from mfp_sim.events import StepBegun, StepRefused
from mfp_sim.scenario.examined import basis_of, changing
from mfp_sim.scenario.expectations import Expectation, check, rules_of
from mfp_sim.scenario.model import Scenario, ScenarioResult, StepRecord
from mfp_sim.scenario.premises import Failure, Premise, broken_premises, premises_of
from mfp_sim.scenario.steps import STEPS, AutoRequest, CaScript, Step
from mfp_sim.scenario.world import World, build, directories, redactor_of
from mfp_sim.shared.errors import BoundExceeded, MfpSimError, Refused
from mfp_sim.shared.reaching import DIRECTLY, Reach
from mfp_sim.shared.simtime import FrozenClock, SystemClock
from mock_scep_server.setup import CaSetup

__all__ = ["StepDone", "carry_out", "frozen", "one_freeze", "run"]

_IGNORED = ["_pytest", "xdist", "execnet", "hypothesis", "concurrent", "rich", "docker", "testcontainers"]
"""Modules that keep the real time, or that act when their attributes are read: Docker's search for an engine."""


@dataclass(frozen=True)
class StepDone:
    """Passed to the listener after each step."""

    scenario: Scenario
    record: StepRecord
    failures: tuple[Failure, ...]


StepListener = Callable[[StepDone], None]


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    flips: Sequence[str] = (),
    ca_url: str | None = None,
    challenge: str | None = None,
    listener: StepListener | None = None,
    keep_messages: bool = False,
    state_dir: Path | None = None,
    reach: Reach = DIRECTLY,
    read: set[str] | None = None,
) -> ScenarioResult:
    """Run one scenario. Exceptions in the run are not raised: they are failures of the result, marked ``error``.

    Args:
        scenario: what to run.
        seed: used instead of the scenario's own.
        flips: other readings of assumptions, ``A-22`` or ``A-22=5xx``.
        ca_url: a real server instead of the in-process mock; the run then uses the system clock.
        challenge: replaces the scenario's challenge password, for a real server.
        listener: called after each step.
        keep_messages: also keep the messages as bytes, for a report; the trace is the same.
        state_dir: where the printers keep their state, instead of in memory. In process it must be new; against a real
            server, the printers continue from the stored state.
        reach: how the real server is reached.
        read: collects the names of the model's values that the run reads.
    """
    begun = SystemClock().now()
    chosen = scenario.seed if seed is None else seed
    reason = _not_for_a_real_server(scenario, begun) if ca_url or scenario.ca.url else None
    nothing = ScenarioResult(scenario, chosen, tuple(flips), basis_of(scenario, None), skipped=reason)
    if reason is not None:
        return nothing
    in_process = (ca_url or scenario.ca.url) is None
    records: list[StepRecord] = []
    with directories(state_dir, fresh=in_process) if state_dir else contextlib.nullcontext() as storages:
        try:
            world = build(
                scenario,
                seed=chosen,
                flips=flips,
                ca_url=ca_url,
                challenge=challenge,
                keep_messages=keep_messages,
                storages=storages,
                reach=reach,
                read=read,
                rules=rules_of(step.act for step in scenario.steps),
            )
        except Exception as error:  # noqa: BLE001 - it is this scenario's result, whatever it is
            place = scenario.printer.place or f"{scenario.file}:1:1"
            return replace(
                nothing,
                failures=(_error(0, place, "set-up", error),),
                real_seconds=(SystemClock().now() - begun).total_seconds(),
                redactor=redactor_of(scenario, challenge, reach),
            )
        start = world.clock.now()
        with frozen(world):
            _all_steps(scenario, world, records, listener)
            ended = world.clock.now()
    as_measured = in_process and not flips and chosen == scenario.seed and not world.failures
    return replace(
        nothing,
        basis=basis_of(scenario, changing(scenario)) if as_measured else nothing.basis,
        failures=tuple(world.failures),
        skipped=None if in_process or world.observed or world.failures else _UNSEEN,
        steps=tuple(records),
        events=world.recorder.events,
        virtual_seconds=(ended - start).total_seconds(),
        real_seconds=(SystemClock().now() - begun).total_seconds(),
        unobserved=tuple(world.unobserved),
        attachments=world.recorder.attachments,
        ledger=world.ca.ledger.entries if world.ca is not None else (),
        redactor=world.recorder.redactor,
    )


def _all_steps(scenario: Scenario, world: World, records: list[StepRecord], listener: StepListener | None) -> None:
    if world.ca is not None:
        world.premises.extend(premises_of(world.ca.script, len(scenario.steps)))
    for number, step in enumerate(scenario.steps, 1):
        before = len(world.failures)
        goes_on = carry_out(world, step, number, records)
        if listener is not None:
            listener(StepDone(scenario, records[-1], tuple(world.failures[before:])))
        if not goes_on:
            return
    world.failures.extend(broken_premises(world.premises))


_UNSEEN = "none of its expectations can be observed on a real server"


def _not_for_a_real_server(scenario: Scenario, now: datetime) -> str | None:
    if scenario.ca.script or any(step.kind in ("ca_script", "ca_operator") for step in scenario.steps):
        return "it scripts the CA, which is impossible with a real server"
    set_up = [f"ca.{key}" for key in scenario.ca.given if not _can_be_met(key, scenario.ca)]
    if set_up:
        return f"it sets {', '.join(set_up)}, which is impossible with a real server"
    if any(step.kind in ("network", "advance_to") for step in scenario.steps):
        return "it changes the network or needs a fixed date, which is only possible in the simulation"
    zone = ZoneInfo(scenario.printer.timezone)
    for step in scenario.steps:
        start = step.act.settings.start if isinstance(step.act, AutoRequest) else None
        if start is not None and step.refused is None and instant_of(start, zone) < now:
            return f"its automatic request starts at {start:%Y-%m-%d %H:%M}, which has passed (use start_in)"
    return None


def _can_be_met(key: str, ca: CaSetup) -> bool:
    """Whether a server that we did not set up meets a key of `ca:`: a default, or a value given by another option."""
    return {
        "url": True,
        "script": True,  # an empty one: any other has been refused before
        "profile": ca.profile == CaSetup.profile,
        "challenge": ca.policy.challenge.kind == "none",  # a static one, which --challenge-file replaces, or none
    }.get(key, False)


def carry_out(world: World, step: Step, number: int, records: list[StepRecord]) -> bool:
    """Do one step; False when the run cannot go on, which is an error of the scenario."""
    begun, before = world.clock.now(), len(world.failures)
    seen = world.watch.begin() if world.watch is not None else {}
    world.recorder.record(StepBegun(number=number, text=step.text()))
    goes_on = True
    refused: str | None = None
    try:
        with world.about(step.printer):
            refused = _act(world, step, number)
    except Exception as error:  # noqa: BLE001 - as for the set-up
        world.failures.append(_error(number, step.place, step.kind, error))
        goes_on = False
    if world.watch is not None:
        world.watch.end(
            seen,
            kind=step.kind,
            role=step.role,
            serial=step.printer or world.printer.serial,
            begun=begun,
            refused=refused,
        )
    if step.printer is not None:  # several printers have a status
        named = [replace(failure, path=f"{step.printer}: {failure.path}") for failure in world.failures[before:]]
        world.failures[before:] = named
    records.append(StepRecord(number, step.text(), step.place, begun, world.clock.now()))
    return goes_on


def _act(world: World, step: Step, number: int) -> str | None:
    """Do a step; returns the reason if the printer refused it."""
    try:
        missing = step.act.act(world, step.role)
    except Refused as refusal:
        _judge_refusal(world, step, number, refusal)
        return refusal.reason
    if step.refused is not None:
        world.observed += 1
        world.failures.append(Failure(number, step.place, "refused", step.refused, "it was not refused"))
    if isinstance(step.act, Expectation):
        world.failures.extend(check(step.act, world, number))
        return None
    if missing is not None and not step.optional:
        expected = STEPS[step.kind].premise
        world.premises.append(Premise(number, step.place, step.kind, expected, missing))
    if isinstance(step.act, CaScript) and world.ca is not None:
        world.premises.extend(premises_of(world.ca.script, number))
    return None


def _error(step: int, place: str, path: str, error: Exception) -> Failure:
    """The error that ended the run early; an unexpected exception is reported with its place.

    If `MFP_SIM_DEBUG` is set, it is raised again for its whole traceback.
    """
    if isinstance(error, BoundExceeded):
        return Failure(step, place, "bounds", "the scenario ends within its bounds", str(error), error=True)
    if isinstance(error, MfpSimError):
        return Failure(step, place, path, "the step is carried out", str(error), error=True)
    if os.environ.get("MFP_SIM_DEBUG"):
        raise error
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    told = f"internal error: {type(error).__name__}: {error} ({where}; please report it; MFP_SIM_DEBUG=1 shows all)"
    return Failure(step, place, path, "the step is carried out", told, error=True)


def _judge_refusal(world: World, step: Step, number: int, refusal: Refused) -> None:
    world.recorder.record(StepRefused(reason=refusal.reason, text=refusal.message))
    world.observed += 1
    if step.refused is None:
        got = f"refused: {refusal.reason} ({refusal.message})"
        world.failures.append(Failure(number, step.place, step.kind, "the step is carried out", got))
    elif refusal.reason != step.refused:
        world.failures.append(Failure(number, step.place, "refused", step.refused, refusal.reason))


@contextlib.contextmanager
def frozen(world: World) -> Iterator[None]:
    """freezegun at the scenario's clock, while the scenario runs on a frozen clock."""
    if not isinstance(world.clock, FrozenClock):
        yield
        return
    with _freezegun(world.clock.now()) as followed:
        world.clock.listener = followed.move_to
        try:
            yield
        finally:
            world.clock.listener = None


@contextlib.contextmanager
def one_freeze() -> Iterator[None]:
    """freezegun for consecutive scenarios: it walks over all modules once, and each scenario only moves its time.

    Between scenarios the wall clock also stands still, except for `mfp_sim.shared.simtime.SystemClock`. Code within the
    context must not use sockets, because their timeouts use the real time.
    """
    with _freezegun(SystemClock().now()):
        yield


@contextlib.contextmanager
def _freezegun(instant: datetime) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # freezegun walks over modules whose lazy attributes warn
        freezer = freeze_time(instant, ignore=_IGNORED)
        followed = freezer.start()
    try:
        yield followed
    finally:
        freezer.stop()
