"""The wire to one server: exchanges at the allowed rate, a record of each, and what the server says about itself.

Owns no request for a certificate, and does not judge the server. Time, chance and wire are injected; against a real
server they are the system's. RFC 8894, 3.5 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from threading import Lock

from mfp_sim.conformance.answers import Exchange
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.personas import Persona, persona_named
from mfp_sim.conformance.target import Permissions, Target
from mfp_sim.shared.errors import DecodeError, TransportError
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import Capabilities, HttpReply, HttpRequest, read_capabilities, scep_request
from mfp_sim.shared.scep.roles import CaRoles
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import PassingClock, Scheduler
from mfp_sim.transport import Transport

__all__ = ["ServerWire"]


class ServerWire:
    """Exchanges with one server, and what it says about itself."""

    def __init__(self, target: Target, transport: Transport, clock: PassingClock, policy: Permissions) -> None:
        self.target, self.transport, self.clock, self.policy = target, transport, clock, policy
        self.exchanges: list[Exchange] = []
        self.check = "control"
        self._not_before: datetime | None = None
        self._silent = False
        self._lock = Lock()
        self.issued: Certificate | None = None
        """The certificate that the server issued to the positive control: its signer is the issuer."""

    @cached_property
    def persona(self) -> Persona:
        """The check that sends the requests."""
        return persona_named(self.policy.persona)

    def pause(self, span: timedelta) -> None:
        """Wait."""
        Scheduler(self.clock).run_until(self.clock.now() + span)

    # --- HTTP ---------------------------------------------------------------------------------------------

    def http(self, request: HttpRequest, label: str, *, once: bool = False) -> Exchange:
        """Send a request unchanged; if its reply is lost, send it again unless ``once``."""
        version = self.persona.version if request.version == "HTTP/1.1" else request.version
        request = replace(request, scheme=self.target.scheme, version=version)
        send = lambda: self.transport.exchange(  # noqa: E731
            self.target.host, self.target.port, request, self.policy.timeout
        )
        return self._once(send, request, label) if once else self._exchange(send, request, label)

    def raw(self, octets: Sequence[bytes], request: HttpRequest, label: str) -> Exchange:
        """Send bytes unchanged, each after the reply to the previous one, on one connection; the last reply counts.

        Raises:
            Inconclusive: the wire is a function call, which has no bytes, or a proxy rewrites them.
        """
        target, converse = self.target, getattr(self.transport, "converse", None)
        if converse is None:
            raise Inconclusive("this needs a real connection")
        forwarded = getattr(self.transport, "forwarded", None)
        if forwarded is not None and forwarded(target.scheme, target.host, target.port):
            raise Inconclusive("a proxy rewrites each request, so this would test the proxy")

        def send() -> HttpReply:
            replies: list[HttpReply] = converse(
                target.host, target.port, octets, self.policy.timeout, scheme=target.scheme
            )
            return replies[-1]

        return self._exchange(send, replace(request, scheme=target.scheme), label, octets[-1])

    def _exchange(
        self, send: Callable[[], HttpReply], request: HttpRequest, label: str, octets: bytes | None = None
    ) -> Exchange:
        """An exchange; if its reply is lost while the server runs, it is repeated once, since a network may lose one.

        If it is lost twice while the server replies to ordinary requests, the server drops this request.
        """
        silent = self._silent
        first = self._once(send, request, label, octets)
        if first.reply is not None or silent or self.alive().reply is None:
            return first
        again = self._once(send, request, f"{label}, again", octets, repeats=first.number)
        if again.reply is None and self.alive().reply is not None:
            again = replace(again, confirmed=True)
            self.exchanges[again.number - 1] = again
        return again

    def _once(
        self,
        send: Callable[[], HttpReply],
        request: HttpRequest,
        label: str,
        octets: bytes | None = None,
        repeats: int | None = None,
    ) -> Exchange:
        if self._not_before is not None:
            self.pause(self._not_before - self.clock.now())
        begun = self.clock.now()
        if self.policy.rate:
            self._not_before = begun + timedelta(seconds=1 / self.policy.rate)
        reply, error = None, None
        try:
            reply = send()
        except TransportError as failure:
            error = failure
        seconds = (self.clock.now() - begun).total_seconds()
        with self._lock:  # some are sent at the same time, and each has its own number
            self._silent = reply is None
            number = len(self.exchanges) + 1
            exchange = Exchange(number, self.check, label, request, reply, error, begun, seconds, octets, repeats)
            self.exchanges.append(exchange)
        return exchange

    def get(self, operation: Operation | str, message: str | None = None) -> Exchange:
        """A GET of an operation, by its name or by any other text."""
        if isinstance(operation, Operation):
            return self.http(scep_request(self.target.path, operation, message), operation.value)
        base = self.target.path
        target = f"{base}{'&' if '?' in base else '?'}{operation}"
        return self.http(HttpRequest("GET", target), f"GET ?{operation}")

    def alive(self) -> Exchange:
        """The probe for life: GetCACert, sent once."""
        return self.http(scep_request(self.target.path, Operation.GET_CA_CERT), "GetCACert", once=True)

    # --- what the server says about itself ----------------------------------------------------------------

    @cached_property
    def caps_exchange(self) -> Exchange:
        """The first GetCACaps."""
        return self.get(Operation.GET_CA_CAPS)

    @cached_property
    def capabilities(self) -> Capabilities:
        """The keywords; empty if the operation failed."""
        reply = self.caps_exchange.reply
        return read_capabilities(reply.body) if reply is not None and reply.status == 200 else Capabilities()

    @cached_property
    def ca_exchange(self) -> Exchange:
        """The first GetCACert."""
        return self.get(Operation.GET_CA_CERT)

    @cached_property
    def ca_certificates(self) -> tuple[Certificate, ...]:
        """The certificates of GetCACert.

        Raises:
            Inconclusive: there are no certificates.
        """
        reply = self.ca_exchange.reply
        if reply is None or reply.status != 200:
            raise Inconclusive(f"GetCACert returned no certificates: {self.ca_exchange.text}")
        try:
            return messages.read_ca_certificates(reply.body, reply.media_type)[0]
        except DecodeError as error:
            raise Inconclusive(f"GetCACert returned no readable certificates: {error}") from None

    @cached_property
    def _roles(self) -> CaRoles:
        return CaRoles(self.ca_certificates, tolerant=True)

    @property
    def recipient(self) -> Certificate:
        """The certificate to encrypt to, chosen like the printer does.

        Raises:
            Inconclusive: there is no such certificate.
        """
        found = self._roles.recipient
        if found is None:
            raise Inconclusive("GetCACert returned no certificate with an RSA key that allows encryption")
        return found

    @property
    def issuer(self) -> Certificate:
        """The issuing CA: the one that issued to the positive control, otherwise according to GetCACert."""
        named = [c for c in self.ca_certificates if self.issued is not None and self.issued.was_issued_by(c)]
        return named[0] if named else self._roles.issuer

    def need(self, keyword: str) -> None:
        """Continue only if the capability is advertised.

        Raises:
            NotApplicable: it is not.
            Inconclusive: it is unknown, as the reply to GetCACaps was lost.
        """
        if self.caps_exchange.reply is None:
            raise Inconclusive(f"GetCACaps got no reply: {self.caps_exchange.text}")
        if not self.capabilities.has(keyword):
            raise NotApplicable(f"the server does not advertise {keyword}")

    @property
    def trusted(self) -> tuple[Certificate, ...]:
        """The certificates of GetCACert, or an empty tuple."""
        try:
            return self.ca_certificates
        except Inconclusive:
            return ()
