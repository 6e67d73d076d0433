"""Power failures at every point of a scenario: which points it has, and what is left after a failure at each.

A run with a failure does not keep the scenario's expectations: it carries out the steps, lets the power fail at one
point, brings it back, goes on to the end, and then looks whether the printer is sound (F-K07).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.device.invariants import broken
from mfp_sim.errors import BoundExceeded, Refused
from mfp_sim.scenario.expectations import Expectation
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import frozen
from mfp_sim.scenario.world import World, build

__all__ = ["CutResult", "PowerPoint", "cut_at", "cut_everywhere", "power_points"]

OFF_SECONDS = 60.0
AFTERWARDS = timedelta(hours=2)


@dataclass(frozen=True)
class PowerPoint:
    """The ``number``-th point that the printer passes; ``name`` is what ``power_cut: {at: …}`` takes."""

    number: int
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.number}: {self.name} (time {self.nth})"


@dataclass(frozen=True)
class CutResult:
    """What was left after a failure at ``point``: ``broken`` is empty when the printer is sound."""

    point: PowerPoint
    broken: tuple[str, ...]
    ended: datetime


def power_points(scenario: Scenario, *, seed: int | None = None, flips: Sequence[str] = ()) -> tuple[PowerPoint, ...]:
    """The points that the scenario passes after its printer has been set up, in order.

    Raises:
        UsageError: a flip that does not exist.
    """
    world = build(scenario, seed=scenario.seed if seed is None else seed, flips=flips)
    before = len(world.printer.points.passed)
    with frozen(world):
        first = world.printer
        _carry_out(world)
    names = first.points.passed[before:]
    return tuple(PowerPoint(n, name, names[:n].count(name)) for n, name in enumerate(names, 1))


def cut_at(scenario: Scenario, point: PowerPoint, *, seed: int | None = None, flips: Sequence[str] = ()) -> CutResult:
    """Run the scenario with a power failure at ``point``; power is back a minute later."""
    world = build(scenario, seed=scenario.seed if seed is None else seed, flips=flips)
    before = frozenset(entry.id for entry in world.printer.key_list())
    with frozen(world):
        world.printer.points.off_seconds = OFF_SECONDS
        world.printer.points.arm_number(point.number)
        _carry_out(world)
        world.printer.power_on()
        _run(world, world.clock.now() + AFTERWARDS)
    found = broken(world.printer)
    if not world.printer.powered:
        found.append("the machine did not start again")
    if not before & {entry.id for entry in world.printer.key_list()}:
        found.append("all keys that were there before are gone")
    if world.ca is not None:
        counts = world.ca.ledger.counts
        if counts["installed"] > counts["minted"]:
            found.append(f"{counts['installed']} certificates installed, {counts['minted']} issued")
    return CutResult(point, tuple(found), world.clock.now())


def cut_everywhere(scenario: Scenario, *, seed: int | None = None, flips: Sequence[str] = ()) -> Iterator[CutResult]:
    """A run for each point of the scenario."""
    for point in power_points(scenario, seed=seed, flips=flips):
        yield cut_at(scenario, point, seed=seed, flips=flips)


def _carry_out(world: World) -> None:
    """All steps but the expectations; what is refused because the power is off is passed over."""
    for step in world.scenario.steps:
        if isinstance(step.act, Expectation):
            continue
        try:
            step.act.act(world, step.role)
        except Refused:
            continue
        except BoundExceeded:
            return


def _run(world: World, instant: datetime) -> None:
    try:
        world.run_until(instant)
    except BoundExceeded:
        return
