"""How many requests the CA serves at the same time, and how long each takes; further requests wait in a queue.

The CA decides requests in order of arrival, as they arrive; a reply leaves when a worker is done with it. A request is
worked on even if its client has disconnected, as in real servers.
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


@document("capacity", some("must say how long a request takes, with time, times, or both", "time", "times"))
@dataclass(frozen=True)
class Capacity:
    """The CA serves `workers` requests at the same time. `times` is the duration in seconds by operation or message
    type, and `time` that of all others."""

    workers: Annotated[int, Within(1)]
    time: _Seconds = 0.0
    times: Mapping[Annotated[str, Words(lambda: _SERVED)], _Seconds] = field(default_factory=dict)

    def time_of(self, operation: str, message_type: str = "") -> float:
        """The seconds that a request takes: by message type, else by operation, else the general time."""
        return self.times.get(message_type, self.times.get(operation, self.time))


class Workers:
    """The queue of the workers, first come, first served; thread-safe."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._free: list[datetime] = []  # the time at which each used worker is done
        self._lock = threading.Lock()

    def take(self, now: datetime, operation: str, message_type: str = "") -> float:
        """Add a request that arrives `now`; return the seconds until its reply leaves."""
        span = timedelta(seconds=self._capacity.time_of(operation, message_type))
        with self._lock:
            begins = now
            if len(self._free) >= self._capacity.workers:
                begins = max(now, heapq.heappop(self._free))
            heapq.heappush(self._free, begins + span)
        return (begins + span - now).total_seconds()
