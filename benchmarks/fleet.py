"""The engine of ``mfp-sim fleet``: how many exchanges a second, beside SimPy on the same plan, and how it grows.

SimPy twice: as its manual shows it, with a resource for the workers and a wait for whatever comes first, reply or
time-out; and as it is fastest, with the same queue as ours, where a process only waits. Rounds are interleaved; times
are of the CPU.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from statistics import median
from time import process_time
from typing import Any

from mfp_sim.fleet.engine import Behaviour, run_fleet
from mfp_sim.fleet.plan import FleetPlan, read_plan
from mfp_sim.fleet.queueing import ISSUED, CaQueue, Draws

__all__ = ["FleetSpeed", "measure"]

PLAN = read_plan("""\
format: 1
name: benchmark
days: 351
printers:
  - {name: all, count: 1000, start: 2026-03-02 09:00, every: 30d, adjust: true, polling: {count: 3, interval: 10m}}
ca: {workers: 2, service: {PKCSReq: [5ms]}}
""")
"""Twelve requests of each printer, three exchanges each."""


@dataclass(frozen=True)
class FleetSpeed:
    """``per_second`` exchanges at ten thousand printers; ``beside_simpy`` is how many times as many as SimPy's as its
    manual shows it, ``beside_waiting`` as SimPy's with our queue, both None without SimPy; ``growth`` is the time of an
    exchange at the largest fleet over that at a thousand printers; `seconds` and `octets` are of the largest
    fleet, of ``printers``."""

    per_second: float
    beside_simpy: float | None
    beside_waiting: float | None
    growth: float
    seconds: float
    octets: int
    printers: int


def measure(printers: int = 100_000, rounds: int = 3) -> FleetSpeed:
    """Ten thousand printers beside SimPy, then the growth up to ``printers``."""
    middle = _of(PLAN, 10_000)
    ours, small = list[float](), list[float]()
    manual, waiting = list[float](), list[float]()
    simpy_there = _simpy() is not None
    for _ in range(rounds):
        ours.append(_time(lambda: run_fleet(middle)) / 360_000)
        small.append(_time(lambda: run_fleet(PLAN)) / 36_000)
        if simpy_there:
            waiting.append(_time(lambda: run_simpy(middle)) / 360_000)
            manual.append(_time(lambda: run_simpy_as_in_its_manual(PLAN)) / 36_000)
    large = _of(PLAN, printers)
    seconds = _time(lambda: run_fleet(large))
    return FleetSpeed(
        per_second=1 / median(ours),
        beside_simpy=median(t / o for t, o in zip(manual, small, strict=True)) if simpy_there else None,
        beside_waiting=median(t / o for t, o in zip(waiting, ours, strict=True)) if simpy_there else None,
        growth=seconds / (36 * printers) / median(small),
        seconds=seconds,
        octets=_octets(printers // 10) * 10,
        printers=printers,
    )


def _of(plan: FleetPlan, count: int) -> FleetPlan:
    return replace(plan, printers=tuple(replace(one, count=count) for one in plan.printers))


def _time(call: Callable[[], object]) -> float:
    gc.collect()
    begun = process_time()
    call()
    return process_time() - begun


def _octets(printers: int) -> int:
    """What a run holds at its worst, in bytes of Python's memory."""
    plan = replace(_of(PLAN, printers), days=31)
    tracemalloc.start()
    run_fleet(plan)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def _simpy() -> Any:
    try:
        import simpy
    except ImportError:
        return None
    return simpy


def run_simpy(plan: FleetPlan) -> Counter[str]:
    """The same plan as processes of SimPy, with the same CA and the same draws: requests by outcome."""
    simpy = _simpy()
    draws, horizon = Draws(plan.seed), plan.days * 86400.0
    queue, environment, outcomes = CaQueue(plan, draws), simpy.Environment(), Counter[str]()
    (one,) = plan.printers
    behaviour = Behaviour(one, plan.zone_of(one), plan.begins, horizon, queue.statuses)
    latency = plan.network.latency

    def printer(number: int) -> Generator[Any, None, None]:
        exchanges = 0
        for planned in behaviour.planned:
            stage = polls = 0
            yield environment.timeout(
                planned + behaviour.adjustment(draws, number, planned) + latency - environment.now
            )
            queue.forget(number)
            while True:
                code, when = queue.take(
                    environment.now, behaviour.timeout, behaviour.operation[stage], number, exchanges, planned
                )
                exchanges += 1
                after = behaviour.after[stage][code]
                if after >= 0:
                    stage = after
                    yield environment.timeout(when + latency - environment.now)
                    continue
                if code == ISSUED:
                    outcomes["successful"] += 1
                    break
                follows = behaviour.follows[code][polls]
                if follows.seconds is None:
                    outcomes[follows.detail] += 1
                    break
                polls, stage = polls + 1, behaviour.again[~after]
                yield environment.timeout(when + follows.seconds + latency - environment.now)

    for number in range(plan.total):
        environment.process(printer(number))
    environment.run(until=horizon)
    return outcomes


def run_simpy_as_in_its_manual(plan: FleetPlan) -> Counter[str]:
    """The same plan with a resource for the CA's workers: requests by outcome. Nothing is polled in it, since nothing
    is lost; the printers' starts are ours."""
    simpy = _simpy()
    draws, environment, outcomes = Draws(plan.seed), simpy.Environment(), Counter[str]()
    workers = simpy.Resource(environment, plan.ca.workers)
    (one,) = plan.printers
    behaviour = Behaviour(one, plan.zone_of(one), plan.begins, plan.days * 86400.0, ())
    latency, service = plan.network.latency, plan.ca.service
    times = (service.caps[0], service.ca_cert[0], service.pki[0])

    def served(seconds: float) -> Generator[Any, None, None]:
        yield environment.timeout(latency)
        with workers.request() as worker:
            yield worker
            yield environment.timeout(seconds)
        yield environment.timeout(latency)

    def printer(number: int) -> Generator[Any, None, None]:
        for planned in behaviour.planned:
            yield environment.timeout(planned + behaviour.adjustment(draws, number, planned) - environment.now)
            for seconds in times:
                job, late = environment.process(served(seconds)), environment.timeout(behaviour.timeout)
                came = yield job | late
                if job not in came:
                    outcomes["lost"] += 1
                    break
            else:
                outcomes["successful"] += 1

    for number in range(plan.total):
        environment.process(printer(number))
    environment.run(until=plan.days * 86400.0)
    return outcomes
