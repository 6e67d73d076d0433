"""Worker processes. They end with this process, and at once when it is interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from mfp_sim.shared.stopping import ignore_signals, signals_later

__all__ = ["worker_processes"]


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """An executor with at most ``count`` processes.

    At the end of the ``with``, calls that have not begun are cancelled, and calls that run are awaited. A
    KeyboardInterrupt ends them at once. A process that dies breaks the pool: unfinished futures raise
    `concurrent.futures.process.BrokenProcessPool`.
    """
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - most runs need no pool
    from multiprocessing import active_children, get_context  # noqa: PLC0415 - most runs need no pool

    others = active_children()
    # Spawned, not forked: a fork would copy threads' locks and a frozen clock.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_follow_the_parent)

    def end_now() -> None:
        with signals_later():
            for worker in active_children():
                if worker not in others:
                    worker.kill()
            pool.shutdown(cancel_futures=True)

    try:
        try:
            _start(pool, count)
            yield pool
        except KeyboardInterrupt:
            raise
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:  # of the calls, or of waiting for their end
        try:
            end_now()
        except KeyboardInterrupt:  # a second signal, which may have come before the first step
            end_now()
        raise


def _start(pool: Executor, count: int) -> None:
    """Start the processes. Signals wait until all have begun, so that none is lost.

    Ctrl-C at a terminal reaches all processes: a process inherits that it is ignored until `_follow_the_parent` runs.
    """
    with signals_later():
        main = threading.current_thread() is threading.main_thread()  # no other thread may set a handler
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
        try:
            for _ in range(count):
                pool.submit(int)
        finally:
            if main:
                signal.signal(signal.SIGINT, heard)


def _follow_the_parent() -> None:
    """Let only the parent react to signals, which reach all processes of a terminal; end when it ends or is killed."""
    from multiprocessing import parent_process  # noqa: PLC0415 - only a worker needs it

    ignore_signals()
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(130)

    threading.Thread(target=follow, daemon=True).start()
