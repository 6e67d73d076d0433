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

    ``workers`` is the smallest number with which every printer's request ends and none fails, or None if every number
    tried is too small. ``tried`` has the runs by number of workers. ``hopeless`` says why more workers do not help.
    """

    workers: int | None
    tried: tuple[FleetRun, ...]
    hopeless: str = ""


def smallest(plan: FleetPlan, progress: Callable[[int, float], None] = lambda *_: None) -> SmallestCa:
    """Double the number of workers until nothing fails, then bisect.

    One fewer and one more are tried too, because more workers are not always better.

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

    high, most = 1, min(plan.total, _MOST)
    if fails(most) and not any(runs[most].waits[bucket] for bucket in runs[most].waits if bucket):
        text = f"{_lost(runs[most])} even with {most} workers, with which no request waits: more workers do not help"
        return SmallestCa(None, (runs[most],), text)
    if fails(most):
        high = most
    while fails(high) and high < most:
        high = min(2 * high, most)
    low = high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fails(middle) else (low, middle)
    for beside in (high - 1, high + 1) if not fails(high) else ():
        if beside >= 1:
            fails(beside)
    tried = tuple(runs[workers] for workers in sorted(runs))
    return SmallestCa(None if fails(high) else high, tried)


def _lost(run: FleetRun) -> str:
    if not run.failed:
        return f"{run.unended} printers do not end their first request in {run.days:g} d"
    return f"{run.failed} requests fail"
