"""Turns an HTTP reply into what happens on the connection, and records it.

Applies the faults of HTTP and of the connection, makes the reply wait for a worker, and updates ledger and journal. The
same for every request; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from mfp_sim.shared.scep.http_messages import Close, Delivery, Fate, HttpReply, Reset, Stall, Wait, delivery_of
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.capacity import Workers
from mock_scep_server.faults.base import On
from mock_scep_server.journal import JournalEntry
from mock_scep_server.store import StoreFailed
from mock_scep_server.work import Work

__all__ = ["Outgoing"]


class Outgoing:
    """The output of the CA; `record` receives the journal entry."""

    def __init__(self, parts: CaParts, record: Callable[[JournalEntry], None]) -> None:
        self._parts, self._clock, self._record = parts, parts.clock, record
        self._workers = Workers(parts.policy.capacity) if parts.policy.capacity else None
        own = (("Server", parts.profile.server),) if parts.profile.server else ()
        self._headers = (*own, ("Cache-Control", "no-store"))

    def send(self, work: Work, reply: HttpReply) -> Delivery:
        """Return the delivery of a reply; the request is already in the journal."""
        reply = work.altered(On.HTTP, replace(reply, headers=(*reply.headers, *self._headers)))
        delivery = self._deliver(work, reply)
        takes = self._queue(work)
        if takes is not None:
            delivery = replace(delivery, acts=(Wait(takes), *delivery.acts))
        with self._parts.lock:
            work.end(self._parts.script)
        self._journal(work, reply, delivery, takes)
        return self._watched(work, reply, delivery)

    def _deliver(self, work: Work, reply: HttpReply) -> Delivery:
        """Make the delivery for the connection."""
        delivery = delivery_of(reply, keep_alive=work.request.keep_alive, date=self._clock.now())
        if work.answers_nothing or work.closes:
            delivery = Delivery((Close(),), keep_alive=False)
        return work.altered(On.DELIVERY, delivery)

    def _queue(self, work: Work) -> float | None:
        """The seconds until a worker is done with the request, if the CA has a capacity."""
        if self._workers is None:
            return None
        return self._workers.take(self._clock.now(), work.facts.operation or "", work.facts.type or "")

    def _watched(self, work: Work, reply: HttpReply, delivery: Delivery) -> Delivery:
        """Report the fate of a reply with a certificate to the ledger."""
        issued = work.issued
        if issued is None:
            return delivery
        how = ", ".join([f"HTTP {reply.status}", *work.slugs(effective=True)])
        if work.answers_nothing:
            how = "nothing is sent, as the script says"
        broken = any(isinstance(act, Close | Reset | Stall) for act in delivery.acts)
        whole = work.carried and not broken and reply.status == 200

        def tell(fate: Fate) -> None:
            self._parts.ledger.record_sending(issued, whole=whole, how=how, fate=fate)
            with suppress(StoreFailed):  # the reply has left; the next request is not answered until this is stored
                self._parts.store.commit()

        return replace(delivery, tell=tell)

    def _journal(self, work: Work, reply: HttpReply, delivery: Delivery, takes: float | None) -> None:
        facts = work.facts
        self._record(
            JournalEntry(
                time=self._clock.now(),
                client=facts.client,
                method=work.request.method,
                takes=takes,
                name=facts.type or facts.operation or "(no operation)",
                transaction=facts.transaction,
                subject=facts.subject,
                rule=work.taken.rule,
                overruled=work.taken.overruled,
                decision=work.decision or reply.body[:200].decode("utf-8", "replace"),
                faults=tuple(chosen.slug for chosen in work.taken.faults),
                without_effect=work.slugs(effective=False),
                changes=tuple(work.changes),
                status=reply.status,
                sent=", ".join(type(act).__name__.lower() for act in delivery.acts),
                notes=work.notes,
                near_misses=work.taken.near_misses,
                judgement=tuple(str(finding) for finding in work.findings),
            )
        )
