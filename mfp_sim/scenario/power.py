"""Power failures at every point of a scenario: lists the points, and checks the printer after a failure at each.

A point is between two actions of the printer. While an exchange takes time, the power can also fail at any instant.

A run with a failure ignores the scenario's expectations: it carries out the steps, lets the power fail at one point,
restores it, continues to the end, and then checks that the printer is sound (F-K07): it boots from the last commit, key
and certificate fit, no old key was deleted before its successor was stored, a request in progress is still the same,
and each issued certificate is installed or has a cause why not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.device.machine import ADMINISTRATOR
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.storage import MemoryStorage, Storage
from mfp_sim.events import BY_HAND, ExchangeCut, ExchangeLost, ExchangeReply, ExchangeRequest, PowerFailed
from mfp_sim.scenario.expectations import Expectation
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import frozen
from mfp_sim.scenario.world import Storages, World, build
from mfp_sim.shared.errors import BoundExceeded, Refused, UsageError

__all__ = ["PowerInstant", "PowerPoint", "cut_at", "cut_everywhere", "power_instants", "power_points"]

OFF_SECONDS = 60.0
AFTERWARDS = timedelta(hours=2)
_RULES = frozenset({"printer-sound", "commits-in-order", "orphans-explained", "installed-is-stored"})
"""The rules of `mfp_sim.scenario.always.rules` that say whether a printer is sound."""


@dataclass(frozen=True)
class PowerPoint:
    """The ``number``-th point that a printer passes; ``name`` is what ``power_cut: {at: …}`` takes, ``printer`` its
    serial number."""

    number: int
    name: str
    nth: int
    printer: str

    def __str__(self) -> str:
        return f"{self.number}: {self.name} (time {self.nth})"


@dataclass(frozen=True)
class PowerInstant:
    """The ``number``-th instant at which an exchange of a printer is under way; ``name`` is its operation."""

    number: int
    name: str
    at: datetime
    printer: str

    def __str__(self) -> str:
        return f"{self.number}: {self.at:%Y-%m-%d %H:%M:%S.%f} (during {self.name})"


@dataclass(frozen=True)
class CutResult:
    """The state after a failure at ``point``: ``broken`` is empty if the printer is sound."""

    point: PowerPoint | PowerInstant
    broken: tuple[str, ...]
    ended: datetime


def in_memory(number: int, points: PowerPoints) -> Storage:  # noqa: ARG001 - one of many ways to make a storage
    """The storage of a printer, which ends with the run."""
    return MemoryStorage()


def power_points(
    scenario: Scenario, *, seed: int | None = None, flips: Sequence[str] = (), storages: Storages = in_memory
) -> tuple[PowerPoint, ...]:
    """The points that the scenario's printers pass after their set-up, in order for each printer.

    Raises:
        UsageError: a flip that does not exist.
    """
    world = build(scenario, seed=scenario.seed if seed is None else seed, flips=flips, storages=storages)
    before = {serial: len(printer.points.passed) for serial, printer in world.printers.items()}
    machines = tuple(world.printers.values())
    with frozen(world):
        _carry_out(scenario, world)
    found = []
    for printer in machines:
        names = printer.points.passed[before[printer.serial] :]
        found += [PowerPoint(n, name, names[:n].count(name), printer.serial) for n, name in enumerate(names, 1)]
    return tuple(found)


def power_instants(
    scenario: Scenario, every: timedelta, *, seed: int | None = None, flips: Sequence[str] = ()
) -> tuple[PowerInstant, ...]:
    """The instants during exchanges that take time, ``every`` seconds apart from the start of each.

    Raises:
        UsageError: a flip that does not exist, or a span that is not positive.
    """
    if every <= timedelta(0):
        raise UsageError("the span between two instants has to be longer than 0", remedy="write 250ms, for example")
    world = build(scenario, seed=scenario.seed if seed is None else seed, flips=flips)
    with frozen(world):
        _carry_out(scenario, world)
    found: list[tuple[datetime, str, str]] = []
    begun: dict[str, datetime] = {}
    for event in world.recorder.events:
        printer = event.printer or scenario.printer.serial
        match event.event:
            case ExchangeRequest():
                begun[printer] = event.time
            case ExchangeReply(operation=name) | ExchangeLost(operation=name) | ExchangeCut(operation=name):
                at = begun.pop(printer)
                while at < event.time:
                    found.append((at, name, printer))
                    at += every
    return tuple(PowerInstant(number, name, at, printer) for number, (at, name, printer) in enumerate(sorted(found), 1))


def cut_at(
    scenario: Scenario,
    point: PowerPoint | PowerInstant,
    *,
    seed: int | None = None,
    flips: Sequence[str] = (),
    storages: Storages = in_memory,
) -> CutResult:
    """Run the scenario with a power failure at ``point``; the power returns a minute later."""
    number = scenario.seed if seed is None else seed
    world = build(scenario, seed=number, flips=flips, storages=storages, rules=_RULES)
    found: list[str] = []
    machine = world.printers[point.printer]
    assert world.watch is not None
    before = world.watch.begin()
    with frozen(world):
        if isinstance(point, PowerPoint):
            machine.points.off_seconds = OFF_SECONDS
            machine.points.arm_number(point.number)
            where = point.name
        else:
            world.scheduler.at(point.at, lambda: machine.power_cut(OFF_SECONDS), "power cut")
            where = BY_HAND
        try:
            _carry_out(scenario, world)
            for printer in (machine, world.printer):
                printer.power_on()
            _run(world, world.clock.now() + AFTERWARDS)
        except UsageError as error:
            found.append(f"the run ended early: {error}")
    with world.about(point.printer):
        lost = [event.point for _, event in world.happened(PowerFailed)]
    if where not in lost:
        found.append("the power did not fail at this point")
    if not machine.powered or not world.printer.powered:
        found.append("the printer did not start again")
    world.watch.end(before, kind="run", role=ADMINISTRATOR, serial=point.printer, begun=scenario.clock, refused=None)
    found += [violation.text for violation in world.watch.violations()]
    return CutResult(point, tuple(found), world.clock.now())


def cut_everywhere(
    scenario: Scenario, *, seed: int | None = None, flips: Sequence[str] = (), storages: Storages = in_memory
) -> Iterator[CutResult]:
    """A run for each point of the scenario."""
    for point in power_points(scenario, seed=seed, flips=flips, storages=storages):
        yield cut_at(scenario, point, seed=seed, flips=flips, storages=storages)


def _carry_out(scenario: Scenario, world: World) -> None:
    """All steps except the expectations; steps that fail because the power failed are skipped."""
    for step in scenario.steps:
        if isinstance(step.act, Expectation):
            continue
        try:
            with world.about(step.printer):
                step.act.act(world, step.role)
        except (Refused, UsageError):  # the start at the end reports a state that cannot be loaded
            continue
        except BoundExceeded:
            return


def _run(world: World, instant: datetime) -> None:
    try:
        world.run_until(instant)
    except BoundExceeded:
        return
