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
from typing import Annotated

from mfp_sim.shared.documents.kinds import Duration, Within, Words
from mfp_sim.shared.documents.records import document, some
from mfp_sim.shared.scep.vocabulary import MessageType, Operation

__all__ = ["Capacity", "Workers"]


_Seconds = Annotated[float, Duration()]
_MESSAGES = tuple(kind.label for kind in MessageType if kind is not MessageType.CERT_REP)
_SERVED = (*(operation.value for operation in Operation), *_MESSAGES)


@document("capacity", some("says how long a request takes: with time, times, or both", "time", "times"))
@dataclass(frozen=True)
class Capacity:
    """``workers`` requests are served at the same time; ``times`` says how long one takes, in seconds by operation or
    message type, and ``time`` how long any other takes."""

    workers: Annotated[int, Within(1)]
    time: _Seconds = 0.0
    times: Mapping[Annotated[str, Words(lambda: _SERVED)], _Seconds] = field(default_factory=dict)

    def time_of(self, operation: str, message_type: str = "") -> float:
        """Seconds that a request takes: the message type's own, else the operation's, else any."""
        return self.times.get(message_type, self.times.get(operation, self.time))


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
