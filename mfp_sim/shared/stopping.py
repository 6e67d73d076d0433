"""Serving until SIGINT or SIGTERM, at whatever moment they come.

Python runs a handler in the main thread alone. A signal that the system gives to another thread, or that comes between
two steps of the interpreter, does not end a wait that has begun: so no wait here is without an end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["ended_as_interrupted", "stop_on_signals", "wait_for"]

_LOOK_AGAIN: Final = 0.5
"""Seconds after which a signal that ended no wait is seen at the latest."""


def wait_for(stop: threading.Event) -> None:
    """Return once ``stop`` is set."""
    while not stop.wait(_LOOK_AGAIN):
        pass


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM set what is given; the handlers from before come back at the end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that closes, raise KeyboardInterrupt as Ctrl-C does: what was begun is ended
    too. A signal that is ignored (``nohup``) stays so."""
    if threading.current_thread() is not threading.main_thread():  # no other may set a handler
        yield
        return
    numbers = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
