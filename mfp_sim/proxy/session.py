"""A session of the proxy: its exchanges, its lines, its summary, and its end.

Keeps the newest exchanges and counts all. Prints nothing itself.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.proxy.explaining import SeenEnrolment, enrolments, story_of
from mfp_sim.proxy.observing import SeenExchange
from mfp_sim.shared.scep.vocabulary import PkiStatus

__all__ = ["Session", "line_of"]

MOST: Final = 5000
"""The number of exchanges that are kept."""


class Session:
    """Thread-safe. ``over`` is set after ``exchanges`` exchanges, or with ``once`` when a request was decided."""

    def __init__(self, *, exchanges: int | None = None, once: bool = False) -> None:
        self.over = threading.Event()
        self.count = 0
        self._wanted, self._once, self._lock = exchanges, once, threading.Lock()
        self._seen: deque[SeenExchange] = deque(maxlen=MOST)

    def add(self, one: SeenExchange) -> None:
        """Keep an exchange."""
        with self._lock:
            self._seen.append(one)
            self.count += 1

    def told(self, number: int, *, cut: bool) -> None:
        """The delivery of an exchange is over, or was ``cut`` off by the client."""
        found = None
        with self._lock:
            for index, one in enumerate(self._seen):
                if one.number == number:
                    found = self._seen[index] = replace(one, cut=cut)
        decided = found is not None and found.transaction is not None and found.pki_status != PkiStatus.PENDING
        if (self._wanted is not None and self.count >= self._wanted) or (self._once and decided):
            self.over.set()

    @property
    def exchanges(self) -> tuple[SeenExchange, ...]:
        """The kept exchanges, in order."""
        with self._lock:
            return tuple(sorted(self._seen, key=lambda one: one.number))

    def enrolments(self) -> tuple[SeenEnrolment, ...]:
        """The outcome of each transaction."""
        return tuple(enrolments(self.exchanges))

    @property
    def failed(self) -> bool:
        """Whether an enrolment was not granted, or no client requested a certificate."""
        found = self.enrolments()
        return not found or any(one.outcome != "granted" for one in found)

    def summary(self) -> Iterator[str]:
        """Lines: the number of exchanges, each client with its enrolments and findings, then the server's findings."""
        exchanges = self.exchanges
        if not exchanges:
            yield "the proxy saw no exchange"
            return
        kept = "" if len(exchanges) == self.count else f", details for the last {len(exchanges)}"
        yield f"{self.count} exchange{'s' * (self.count != 1)}{kept}"
        found = self.enrolments()
        for client in dict.fromkeys(one.client for one in exchanges):
            own = [one for one in exchanges if one.client == client]
            yield f"client {client}: {len(own)} exchange{'s' * (len(own) != 1)}"
            for enrolment in (e for e in found if e.client == client):
                polls = f", {enrolment.polls} poll{'s' * (enrolment.polls != 1)}" if enrolment.polls else ""
                name = (enrolment.transaction or "without transactionID")[:40]
                yield f"  enrolment {name}: {enrolment.outcome}{polls}{f'. {enrolment.why}' if enrolment.why else ''}"
            story = story_of(own)
            if story is not None:
                yield f"  {story}"
            yield from _counted("  client: ", [f for one in own for f in one.client_findings])
        yield from _counted("server: ", [f for one in exchanges for f in one.server_findings])
        judged = sum(one.judged for one in exchanges)
        yield f"server: {judged} verdicts of checks that send nothing; mfp-sim conform runs all checks"

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON-able object."""
        exchanges = self.exchanges
        clients = []
        for client in dict.fromkeys(one.client for one in exchanges):
            own = [one for one in exchanges if one.client == client]
            counts = Counter(str(f.verdict) for one in own for f in one.client_findings)
            clients.append({
                "client": client, "exchanges": len(own), "story": story_of(own), "judgement": dict(counts),
                "enrolments": [e.to_json() for e in self.enrolments() if e.client == client],
            })  # fmt: skip
        server = Counter(f.verdict.word for one in exchanges for f in one.server_findings)
        return {"exchanges": self.count, "clients": clients, "server": dict(server)}


def line_of(one: SeenExchange) -> Iterator[str]:
    """An exchange on the terminal: one line, and one more if there is an explanation."""
    line = f"#{one.number} {one.time:%H:%M:%S} {one.client} {one.method} {one.name} -> {one.came} ({one.seconds:.2f} s)"
    if one.changes:
        line += f" faults: {one.changes[0]}{f' and {len(one.changes) - 1} more' if len(one.changes) > 1 else ''}"
    worst = min(one.client_findings, key=lambda f: ("fail", "warn", "note").index(f.verdict), default=None)
    if worst is not None and worst.verdict != "note":
        line += f" | client: {worst}"
    if one.server_findings and one.server_findings[0].verdict > CheckVerdict.FINDING:
        line += f" | server: {one.server_findings[0]}"
    yield line
    if one.why is not None:
        yield f"   {one.why}"


def _counted(begin: str, found: list[Any]) -> Iterator[str]:
    """Findings, each once with its count; the worst first."""
    words = ("fail", "warn", "finding", "note")
    for text, times in sorted(
        Counter(str(finding) for finding in found).items(), key=lambda item: words.index(item[0].partition(" ")[0])
    ):
        yield f"{begin}{text}{f' ({times} times)' if times > 1 else ''}"
