"""How many requests the CA serves at the same time, and how long each takes: where more come, a queue forms.

The CA decides when a request arrives, in the order of arrival, and its reply leaves when a worker is done with it. What
a client that has gone away asked for is worked on all the same, as servers do.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Capacity", "Workers"]


@dataclass(frozen=True)
class Capacity:
    """``workers`` requests are served at the same time; ``times`` says how long one takes, in seconds by operation or
    message type, and ``seconds`` how long any other takes."""

    workers: int = 1
    seconds: float = 0.0
    times: Mapping[str, float] = field(default_factory=dict)

    def time_of(self, operation: str, message_type: str = "") -> float:
        """Seconds that a request takes: the message type's own, else the operation's, else any."""
        return self.times.get(message_type, self.times.get(operation, self.seconds))


class Workers:
    """The queue before the workers, first come, first served; thread-safe."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._free: list[datetime] = []  # when each worker that has worked is done
        self._lock = threading.Lock()

    def take(self, now: datetime, operation: str, message_type: str = "") -> float:
        """A request arrives ``now``: the seconds until its reply leaves."""
        span = timedelta(seconds=self._capacity.time_of(operation, message_type))
        with self._lock:
            begins = now
            if len(self._free) >= self._capacity.workers:
                begins = max(now, heapq.heappop(self._free))
            heapq.heappush(self._free, begins + span)
        return (begins + span - now).total_seconds()
