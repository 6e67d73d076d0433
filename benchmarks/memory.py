"""What a mock weighs that is left running: its journal, transactions and ledger after thousands of enrolments.

Distinct requests, one an enrolment, go to the mock as they would come over a socket; what is reachable from it is
weighed at the start, when the caps on its books are reached, and half as many enrolments later. With fewer enrolments
the caps are lower in proportion, so that a small run shows the same.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass

from benchmarks.overnight import sizes
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.testing import Bench, ScepClient
from mock_scep_server import ca, judgement
from mock_scep_server.policy import CaPolicy

__all__ = ["COUNT", "Weight", "measure"]

COUNT = 20_000
"""So many enrolments reach the caps that a mock has without ``memory``."""


@dataclass(frozen=True)
class Weight:
    """Bytes above the start after ``count`` enrolments and after half as many more; how much of each book is gone."""

    count: int
    limit: int
    full: int
    later: int
    dropped: dict[str, int]

    @property
    def growth(self) -> float:
        """Over the last third of the enrolments; Python's tables grow in steps, so that it is not always 1."""
        return self.later / self.full

    @property
    def fine(self) -> bool:
        """Whether it stayed below the limit, and did not grow once the caps were reached."""
        return max(self.full, self.later) <= self.limit and self.growth <= 1.05 and all(self.dropped.values())


def measure(count: int = COUNT) -> Weight:
    """Enrol ``count`` clients, and half as many more."""
    memory = max(1, CaPolicy().memory * count // COUNT)
    for module, name in ((judgement, "REMEMBERED"), (ca, "NEWEST")):
        setattr(module, name, getattr(module, name) * count // COUNT)
    bench = Bench(f"{{memory: {memory}}}")
    client = bench.client()
    _enrol(bench, client, 10)  # what is made once is not growth
    start = _weigh(bench)
    _enrol(bench, client, count)
    full = _weigh(bench) - start
    _enrol(bench, client, count // 2)
    return Weight(count, bench.ca.policy.octets, full, _weigh(bench) - start, dict(bench.ca.dropped))


def _enrol(bench: Bench, client: ScepClient, count: int) -> None:
    target = "/scep?operation=PKIOperation"
    before = bench.ca.ledger.counts["delivered"]
    for _ in range(count):
        order = client.order(key=client.key())
        delivery = bench.ca.handle(HttpRequest("POST", target, body=client.encode(order)), "192.0.2.10")
        delivery.tell("ended")
    if bench.ca.ledger.counts["delivered"] != before + count:
        raise SystemExit(f"{count} certificates were to be delivered, the ledger has {bench.ca.ledger.counts}")


def _weigh(bench: Bench) -> int:
    """The bytes of all that is reachable from the mock, without what the bench has too."""
    gc.collect()
    return sum(sizes([bench.ca], {id(thing) for thing in (bench.clock, bench.scheduler, bench.recorder)}))
