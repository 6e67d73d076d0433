"""GetCACaps, GetCACert and GetNextCACert: what a CA publishes about itself. RFC 8894, 3.5, 4.2 and 4.7.

Makes a publication of `publishing.py`, lets the faults change it, and encodes it. Decides nothing about clients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mfp_sim.shared.scep.http_messages import HttpReply, ScepQuery
from mfp_sim.shared.scep.vocabulary import Operation
from mock_scep_server.authorities import Lineage
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.faults.base import On
from mock_scep_server.faults.strangers import coming
from mock_scep_server.judgement import Finding
from mock_scep_server.publishing import CaCapabilities, CaCertificates, NextCaCertificates
from mock_scep_server.work import Work, text_reply

__all__ = ["CaOperations"]

_NO_OPERATION = "SCEP-4.1-03"


class CaOperations:
    """Answers every query except PKIOperation, based on the profile and the current CAs."""

    def __init__(self, parts: CaParts) -> None:
        self._parts, self._profile, self._clock = parts, parts.profile, parts.clock
        self._publications: dict[str, Callable[[Work, Lineage], HttpReply]] = {
            Operation.GET_CA_CAPS: self._capabilities,
            Operation.GET_CA_CERT: self._certificates,
            Operation.GET_NEXT_CA_CERT: self._next,
        }

    def reply(self, work: Work, query: ScepQuery) -> HttpReply:
        """Return the HTTP reply to one query.

        Raises:
            EarlyReply: a rule answers the query with an HTTP status.
        """
        with self._parts.lock:
            work.take(self._parts.script)
        identifier = query.message.decode("utf-8", "replace") if query.message else None
        lineage = self._parts.authorities.named(identifier)
        reply = self._publish(work, query, identifier, lineage)
        if query.operation == Operation.GET_CA_CAPS and self._profile.caps_reply == "close":
            work.decision, work.closes = "the connection is closed, as in this product", True
        advertised = "GetNextCACert" in self._words(self._parts.authorities.default)
        if (
            identifier is None or lineage is None or lineage.identifier != identifier
        ):  # a request that has to name one of several CAs
            work.findings += self._parts.judge.noted(query.notes)
        work.findings += self._parts.judge.operation(work.request, query, next_advertised=advertised)
        return replace(reply, body=work.altered(On.BYTES, reply.body))

    def _publish(self, work: Work, query: ScepQuery, identifier: str | None, lineage: Lineage | None) -> HttpReply:
        if lineage is None:
            work.decision = "no such CA"
            return text_reply(404, f"There is no CA {identifier!r}." if identifier else "The request has to name a CA.")
        publication = self._publications.get(query.operation or "")
        if publication is not None:
            return publication(work, lineage)
        work.decision, text = "unknown operation", f"This server has no operation {query.operation or '(none)'}."
        work.findings += (Finding(_NO_OPERATION, text),)
        return text_reply(self._profile.unreadable_status, text)

    def _capabilities(self, work: Work, lineage: Lineage) -> HttpReply:
        work.decision = "capabilities"
        if self._profile.caps_reply == "404":
            return text_reply(404, "This server has no GetCACaps.")
        return work.altered(On.CAPABILITIES, CaCapabilities.of(self._words(lineage), self._profile.caps_lines)).reply()

    def _certificates(self, work: Work, lineage: Lineage) -> HttpReply:
        work.decision = "certificates"
        return CaCertificates(work.altered(On.AUTHORITY, lineage.current(self._clock.now())).certificates).reply()

    def _next(self, work: Work, lineage: Lineage) -> HttpReply:
        now = self._clock.now()
        successor = lineage.next(now)
        if successor is None and not work.has(On.NEXT_CA):
            work.decision = "no next CA"
            return text_reply(self._profile.next_ca_status, "No next CA certificate is published.")
        work.decision = "next CA certificates"
        plan = NextCaCertificates.of(lineage.current(now), successor or coming(work.context))
        return work.altered(On.NEXT_CA, plan).reply()

    def _words(self, lineage: Lineage) -> tuple[str, ...]:
        """The current capabilities, with GetNextCACert while a next CA is published (SCEP-4.7-04)."""
        words = self._profile.capabilities
        if lineage.next(self._clock.now()) is None or "GetNextCACert" in words:
            return words
        return (*words, "GetNextCACert")
