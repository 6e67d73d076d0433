"""Calls in worker processes: for ``run``, ``fleet`` and ``check --assumptions`` with ``--jobs``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.processes import worker_processes

__all__ = ["in_processes", "scenario_of", "scenarios_of"]

T = TypeVar("T")


@contextmanager
def in_processes(
    count: int, call: Callable[..., T], arguments: Sequence[tuple[object, ...]]
) -> Iterator[list[Future[T]]]:
    """One future for each tuple of ``arguments``, in order, run by at most ``count`` `worker_processes`."""
    with worker_processes(min(count, len(arguments))) as pool:
        yield [pool.submit(call, *given) for given in arguments]


def scenario_of(file: str, name: str) -> Scenario:
    """One scenario of a file; a process reads a file once for consecutive scenarios."""
    return scenarios_of(file)[name]


@lru_cache(maxsize=4)
def scenarios_of(file: str, changes: tuple[str, ...] = ()) -> Mapping[str, Scenario]:
    """The scenarios of a file by name, with the changes of ``--set`` made in it."""
    return {scenario.name: scenario for scenario in load_file(Path(file), changes)}
