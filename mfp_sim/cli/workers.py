"""Calls in worker processes, which end with this process: for ``run --jobs`` and ``check --assumptions --jobs``."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.stopping import signals_later

__all__ = ["in_processes", "scenario_of", "scenarios_of"]

T = TypeVar("T")


@contextmanager
def in_processes(
    count: int, call: Callable[..., T], arguments: Sequence[tuple[object, ...]]
) -> Iterator[list[Future[T]]]:
    """One future for each tuple of ``arguments``, in order, run by at most ``count`` processes.

    At the end of the ``with``, calls that have not begun are cancelled. A process that dies breaks the pool: unfinished
    futures raise `concurrent.futures.process.BrokenProcessPool`.
    """
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - most runs need no pool
    from multiprocessing import active_children, get_context  # noqa: PLC0415 - most runs need no pool

    # Spawned, not forked: a fork would copy threads' locks and a frozen clock.
    with ProcessPoolExecutor(min(count, len(arguments)), mp_context=get_context("spawn")) as pool:
        try:
            # Ctrl-C at a terminal reaches all processes: only this one reacts, and ends the workers. Other signals
            # reach this one alone. They wait until all workers have begun, so that it knows them.
            with signals_later():
                heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
                try:
                    futures = [pool.submit(call, *given) for given in arguments]
                finally:
                    signal.signal(signal.SIGINT, heard)
            yield futures
        except KeyboardInterrupt:
            for worker in active_children():
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def scenario_of(file: str, name: str) -> Scenario:
    """One scenario of a file; a process reads a file once for consecutive scenarios."""
    return scenarios_of(file)[name]


@lru_cache(maxsize=4)
def scenarios_of(file: str, changes: tuple[str, ...] = ()) -> Mapping[str, Scenario]:
    """The scenarios of a file by name, with the changes of ``--set`` made in it."""
    return {scenario.name: scenario for scenario in load_file(Path(file), changes)}
