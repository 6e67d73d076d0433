"""How long a client has to wait after wrong passwords: longer after each, so that trying them all takes too long.

Knows neither passwords nor pages. It guards the Remote UI's PIN and the password of NDES's page.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.shared.simtime import Clock

__all__ = ["Attempts"]

FREE = 3
"""The number of failures without a wait: people mistype."""
LONGEST = 300.0
"""The longest wait, in seconds."""
_MOST = 1000


@dataclass(frozen=True)
class _Failures:
    count: int
    until: datetime


class Attempts:
    """Counts failures per client. The fourth failure brings a wait of one second; each further one doubles the wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._by_name: dict[str, _Failures] = {}

    def wait(self, who: str) -> float:
        """Seconds until ``who`` may try again; 0 means now. Do not look at an attempt before that."""
        with self._lock:
            found = self._by_name.get(who)
            return 0.0 if found is None else max(0.0, (found.until - self._clock.now()).total_seconds())

    def failed(self, who: str) -> None:
        """Count one more wrong password of ``who``."""
        with self._lock:
            before = self._by_name.pop(who, None)
            count = 1 if before is None else before.count + 1
            seconds = 0.0 if count <= FREE else min(LONGEST, 2.0 ** min(count - FREE - 1, 20))
            while len(self._by_name) >= _MOST:  # drop the client whose last failure is oldest
                del self._by_name[next(iter(self._by_name))]
            self._by_name[who] = _Failures(count, self._clock.now() + timedelta(seconds=seconds))

    def succeeded(self, who: str) -> None:
        """Forget the failures of ``who`` after a right password."""
        with self._lock:
            self._by_name.pop(who, None)
