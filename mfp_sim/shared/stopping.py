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

__all__ = ["stop_on_signals", "wait_for"]

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
