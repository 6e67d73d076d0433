"""The values of options: each function reads one from its text, and the error says what it has to be."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["count", "long_time", "port", "rate", "seconds", "seed", "seeds", "shard", "speed", "up_to"]


def _whole(low: int, high: float, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 4000 else -1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return number

    return read


def up_to(most: int) -> Callable[[str], int]:
    """A count from 1 to ``most``, of something that takes time or memory."""
    return _whole(1, most, f"a count from 1 to {most}")


def _number(low: float, high: float, what: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return number

    return read


_ANY, _LEAST = float("inf"), 5e-324
_MOST_SEEDS = 10_000
count = _whole(1, _ANY, "a count from 1")
seed = _whole(0, _ANY, "a whole number from 0")
port = _whole(0, 65535, "a port from 0 to 65535")
seconds = _number(0.1, 3600, "a time from 0.1 to 3600 seconds")
rate = _number(_LEAST, 10_000, "a rate from above 0 to 10000 a second")
speed = _number(_LEAST, 1_000_000, "a speed from above 0 to 1000000")


def long_time(text: str) -> float:
    """A duration such as 10m, in seconds."""
    from mfp_sim.shared.documents import duration  # noqa: PLC0415 - only explore has it
    from mfp_sim.shared.errors import UsageError  # noqa: PLC0415 - only explore has it

    try:
        return duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def shard(text: str) -> tuple[int, int]:
    """The number of a shard, and the number of all."""
    number, slash, total = text.partition("/")
    if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shard such as 1/4")
    return int(number), int(total)


def seeds(text: str) -> range:
    """A range of seeds; the last one is included. It has at most 10,000."""
    first, dots, last = text.partition("..")
    digits = first.isdecimal() and last.isdecimal() and text.isascii() and len(text) <= 4000
    if not (dots and digits and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of seeds such as 0..49")
    if int(last) - int(first) >= _MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{text!r} has more than {_MOST_SEEDS} seeds")
    return range(int(first), int(last) + 1)
