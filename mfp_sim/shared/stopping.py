"""What a process does about SIGINT, SIGTERM and SIGHUP: serve until one arrives, or end its work properly.

Python runs signal handlers only in the main thread. A signal that the system delivers to another thread, or between two
steps of the interpreter, does not interrupt a wait that has begun. So every wait here has a limit.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

__all__ = ["ended_as_interrupted", "ignore_signals", "signals_later", "stop_on_signals", "wait_for"]

_LOOK_AGAIN: Final = 0.5
"""The longest time, in seconds, until a signal that did not interrupt a wait is noticed."""
_SIGNALS: Final = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)
"""Ctrl-C, the end that another process requests, and a terminal that closes, as far as the system has them."""


def wait_for(stop: threading.Event) -> None:
    """Return once ``stop`` is set."""
    while not stop.wait(_LOOK_AGAIN):
        pass


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that a signal sets; restore the previous handlers at the end.

    An ignored SIGHUP (``nohup``) stays ignored.
    """
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        if not (number == getattr(signal, "SIGHUP", None) and before[number] is signal.SIG_IGN):
            signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class Interruption:
    """Whether further signals are ``ignored``. It is a field, and not a function: Python handles a signal that has
    arrived when a function begins.
    """

    ignored: bool = False


@contextmanager
def ended_as_interrupted(*, for_good: bool = False) -> Iterator[Interruption]:
    """Raise KeyboardInterrupt on SIGTERM, and on SIGHUP when a terminal closes, as on Ctrl-C, to end work properly.

    An ignored signal (``nohup``) stays ignored. At the end, the previous handlers are restored; ``for_good``: the
    process ends then, too, and signals are ignored.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():  # no other thread may set a handler
        yield interruption
        return

    def interrupt(*_: object) -> None:
        if not interruption.ignored:
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        if before[number] in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)
    try:
        yield interruption
    finally:
        interruption.ignored = True
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if for_good else handler)


def ignore_signals() -> None:
    """Ignore further signals, so that they do not disturb an end that has begun."""
    if threading.current_thread() is threading.main_thread():  # no other thread may set a handler
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


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
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    held = [number for number in _SIGNALS if callable(before[number])]
    for number in held:
        signal.signal(number, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        for number in held:
            signal.signal(number, before[number])
        for number in arrived:
            signal.raise_signal(number)
