"""How often each fault has applied in a transaction, stored across restarts, so that a fault of the first reply stays
one.

Everything else that faults remember (keys of strangers, the bytes of an earlier reply) is created again after a
restart.
"""

from __future__ import annotations

import json

from mock_scep_server.faults.base import Memory
from mock_scep_server.rows import COUNT, TEXT, list_of, read_row
from mock_scep_server.store import Row, Store

__all__ = ["KeptMemory"]


class KeptMemory(Memory):
    """The memory of the faults of one service, stored in `store`."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._turns.update(store.rows("turns", _read))

    def turn(self, slug: str, scope: str) -> int:
        with self._lock:
            oldest = next(iter(self._turns), None)
            count = super().turn(slug, scope)
            newest = next(reversed(self._turns))
            if oldest is not None and oldest not in self._turns:
                self._store.remove("turns", json.dumps(oldest))
            self._store.put("turns", json.dumps(newest), lambda: {"count": self._turns.get(newest, 0)})
            return count


def _read(key: str, row: Row) -> tuple[tuple[str, str], int]:
    pair = json.loads(key)
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError("its key is not a fault and a transaction")
    slug, scope = list_of(TEXT)(pair)
    return (slug, scope), read_row(row, count=COUNT)["count"]
