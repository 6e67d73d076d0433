"""Searches for the smallest number of CA workers with which no request fails, and shows the cliff below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.plan import FleetPlan
from mfp_sim.fleet.result import FleetRun

__all__ = ["smallest"]

_MOST = 4096


@dataclass(frozen=True)
class SmallestCa:
    """The result of the search.

    ``workers`` is the smallest number with which every printer's request ends and none fails, or None if the largest
    is too small. ``tried`` has the runs by number of workers. ``hopeless`` says why more workers do not help.
    """

    workers: int | None
    tried: tuple[FleetRun, ...]
    hopeless: str = ""


def smallest(plan: FleetPlan, progress: Callable[[int, float], None] = lambda *_: None) -> SmallestCa:
    """Double the number of workers until nothing fails, then bisect: so one fewer is tried, and fails.

    One more is tried too, because more workers are not always better.

    Args:
        plan: whose number of workers is varied.
        progress: called with the number being tried, and the share of its time that has passed.
    """
    runs: dict[int, FleetRun] = {}

    def fails(workers: int) -> int:
        if workers not in runs:
            tried = replace(plan, ca=replace(plan.ca, workers=workers), compare=())
            runs[workers] = run_fleet(tried, progress=lambda share: progress(workers, share))
        return runs[workers].failed + runs[workers].unended

    most = min(plan.total, _MOST)
    if fails(most):
        waits = any(count for bucket, count in runs[most].waits.items() if bucket)
        text = f"{_lost(runs[most])} even with {most} workers, with which no request waits: more workers do not help"
        return SmallestCa(None, (runs[most],), "" if waits else text)
    low = high = 1
    while fails(high):
        low, high = high + 1, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fails(middle) else (low, middle)
    fails(high + 1)
    return SmallestCa(high, tuple(runs[workers] for workers in sorted(runs)))


def _lost(run: FleetRun) -> str:
    if not run.failed:
        return f"the first request of {run.unended} printer{'s' * (run.unended != 1)} does not end in {run.days:g} d"
    return f"{run.failed} request{'s' * (run.failed != 1)} fail{'s' * (run.failed == 1)}"
