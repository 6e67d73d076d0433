"""Serving until SIGINT or SIGTERM, whenever they arrive.

Python runs signal handlers only in the main thread. A signal that the system delivers to another thread, or between two
steps of the interpreter, does not interrupt a wait that has begun. So every wait here has a limit.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["ended_as_interrupted", "signals_later", "stop_on_signals", "wait_for"]

_LOOK_AGAIN: Final = 0.5
"""The longest time, in seconds, until a signal that did not interrupt a wait is noticed."""


def wait_for(stop: threading.Event) -> None:
    """Return once ``stop`` is set."""
    while not stop.wait(_LOOK_AGAIN):
        pass


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set; restore the previous handlers at the end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM, and on SIGHUP when a terminal closes, as on Ctrl-C, to end work properly.

    An ignored signal (``nohup``) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # no other thread may set a handler
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


@contextmanager
def signals_later() -> Iterator[None]:
    """Handle signals that arrive inside only at the end, to start a process that must not be lost.

    `subprocess.Popen` waits until the program has begun. A KeyboardInterrupt in that wait would leave a process that no
    one knows. A process that is started inside does not inherit the delay.
    """
    if threading.current_thread() is not threading.main_thread():  # no other thread is interrupted
        yield
        return
    arrived: list[int] = []
    numbers = [
        number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
    ]
    before = {number: signal.getsignal(number) for number in numbers}
    held = [number for number in numbers if callable(before[number])]
    for number in held:
        signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number in held:
            signal.signal(number, before[number])
        for number in arrived:
            signal.raise_signal(number)
