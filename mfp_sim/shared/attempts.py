"""How long somebody has to wait after wrong passwords: longer with each, so that nobody can try them all.

Knows neither passwords nor pages. The Remote UI's PIN and the password of NDES's page are guarded by it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.shared.simtime import Clock

__all__ = ["Attempts"]

FREE = 3
"""So many failures cost nothing: people mistype."""
LONGEST = 300.0
"""The longest wait, in seconds."""
_MOST = 1000


@dataclass(frozen=True)
class _Failures:
    count: int
    until: datetime


class Attempts:
    """Counts failures by who tries; the fourth costs a second, each further one twice the wait before."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._by_name: dict[str, _Failures] = {}

    def wait(self, who: str) -> float:
        """Seconds until ``who`` may try again; 0 for now. A try before that is not to be looked at."""
        with self._lock:
            found = self._by_name.get(who)
            return 0.0 if found is None else max(0.0, (found.until - self._clock.now()).total_seconds())

    def failed(self, who: str) -> None:
        """One more wrong password of ``who``."""
        with self._lock:
            before = self._by_name.pop(who, None)
            count = 1 if before is None else before.count + 1
            seconds = 0.0 if count <= FREE else min(LONGEST, 2.0 ** min(count - FREE - 1, 20))
            while len(self._by_name) >= _MOST:  # the one that failed longest ago has waited longest
                del self._by_name[next(iter(self._by_name))]
            self._by_name[who] = _Failures(count, self._clock.now() + timedelta(seconds=seconds))

    def succeeded(self, who: str) -> None:
        """A right password: what was before is forgotten."""
        with self._lock:
            self._by_name.pop(who, None)
