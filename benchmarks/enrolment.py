"""A full enrolment in process, both sides, over the time of its own RSA private-key operations.

GetCACaps, GetCACert, PKCSReq and CertRep, with keys from the pool. Each enrolment is followed at once by the same
private-key operations again, with the same keys and the same bytes, so that both sides of the ratio see the same
machine in the same state. What else the machine does can only make a round longer, and it slows Python down more than
RSA: the ratio is that of the fastest tenth of the rounds on either side; the median stands beside it. It still differs
from one machine to the next; what has a limit is the number of function calls, which is the same on all of them.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from benchmarks.stage import Operation, Stage, no_collection

__all__ = ["Enrolment", "calls", "garbage", "measure", "operations", "profile"]


@dataclass(frozen=True)
class Enrolment:
    """``ratio`` and the times (seconds) are of the fastest tenth of the rounds, ``median_ratio`` of all of them."""

    ratio: float
    median_ratio: float
    seconds: float
    rsa_seconds: float
    rounds: int


def operations() -> tuple[Operation, ...]:
    """The private-key operations of one enrolment, in order, with their callers."""
    stage = Stage(witnessed=True)
    stage.log.tracing = True
    stage.enrol()
    return tuple(stage.log.operations)


def measure(rounds: int) -> Enrolment:
    """Enrolment and its private-key operations, in turn."""
    stage = Stage(witnessed=True)
    whole: list[float] = []
    rsa: list[float] = []
    with no_collection():  # once for all rounds: a collection before each would cool the caches for the enrolment alone
        for number in range(-5, rounds):  # the first ones fill caches and do not count
            stage.log.operations.clear()
            begun = perf_counter()
            stage.enrol()
            between = perf_counter()
            for operation in stage.log.operations:
                operation.again()
            ended = perf_counter()
            stage.forget()
            if number >= 0:
                whole.append(between - begun)
                rsa.append(ended - between)
    ratios = [a / b for a, b in zip(whole, rsa, strict=True)]
    fast_whole, fast_rsa = _fastest_tenth(whole), _fastest_tenth(rsa)
    return Enrolment(fast_whole / fast_rsa, median(ratios), fast_whole, fast_rsa, rounds)


def calls(rounds: int = 50) -> float:
    """How many function calls an enrolment makes, those of the standard library and of C among them, for one version
    of Python."""
    return pstats.Stats(_profiled(rounds)).total_calls / rounds  # type: ignore[attr-defined]


def garbage(rounds: int = 50) -> float:
    """How many objects an enrolment leaves that only the garbage collector can free."""
    stage = Stage(seed=13)
    with no_collection():
        for _ in range(rounds):
            stage.enrol()
            stage.forget()
        return gc.collect() / rounds


def _fastest_tenth(seconds: list[float]) -> float:
    """The median of the fastest tenth."""
    return median(sorted(seconds)[: max(1, len(seconds) // 10)])


def profile(rounds: int) -> str:
    """Where the time goes that is not RSA: own time by function, from cProfile (which slows Python down, not RSA)."""
    import io

    text = io.StringIO()
    pstats.Stats(_profiled(rounds), stream=text).strip_dirs().sort_stats("tottime").print_stats(25)
    return text.getvalue()


def _profiled(rounds: int) -> cProfile.Profile:
    """So many enrolments under the profiler, after the first ones, which fill caches and the history."""
    stage = Stage(seed=11)  # certificates that no other measurement has left in a cache
    for _ in range(25):
        stage.enrol()
        stage.forget()
    profiler = cProfile.Profile()
    for _ in range(rounds):
        profiler.enable()
        stage.enrol()
        profiler.disable()
        stage.forget()
    return profiler
