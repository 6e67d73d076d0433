"""The smallest CA that loses nobody, and the cliff before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.plan import FleetPlan
from mfp_sim.fleet.result import FleetRun
from mfp_sim.shared.errors import UsageError

__all__ = ["smallest"]

_MOST = 4096


@dataclass(frozen=True)
class SmallestCa:
    """``workers`` is the smallest number with which no request fails, None where none of those tried is enough;
    ``tried`` has the runs by their number of workers."""

    workers: int | None
    tried: tuple[FleetRun, ...]


def smallest(plan: FleetPlan, progress: Callable[[int, float], None] = lambda *_: None) -> SmallestCa:
    """Search for it: doubled until nothing fails, then halved; one fewer and one more are looked at too, since more
    workers need not always be better.

    Args:
        plan: whose number of workers is varied.
        progress: is handed the number that is tried, and the share of its time that has passed.

    Raises:
        UsageError: requests fail with any number, and with the same outcomes: not the workers are what is missing.
    """
    runs: dict[int, FleetRun] = {}

    def fails(workers: int) -> int:
        if workers not in runs:
            tried = replace(plan, ca=replace(plan.ca, workers=workers), compare=())
            runs[workers] = run_fleet(tried, progress=lambda share: progress(workers, share))
        return runs[workers].failed

    high = 1
    while fails(high) and high < _MOST:
        high *= 2
        if high > 8 and runs[high // 2].outcomes == runs[high // 4].outcomes:
            text = f"{runs[high // 2].failed} requests fail with {high // 4} workers, and with {high // 2} the same"
            raise UsageError(text, remedy="look at outages, approvals and polling: more workers do not help")
    low = high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fails(middle) else (low, middle)
    for beside in (high - 1, high + 1):
        if beside >= 1:
            fails(beside)
    tried = tuple(runs[workers] for workers in sorted(runs))
    return SmallestCa(None if fails(high) else high, tried)
