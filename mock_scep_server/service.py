"""One HTTP request in, one delivery out: parse, read, ask the script, decide, apply faults layer by layer, record.

HTTP shape, base64 and CMS structure are answered with 400; what a message asks is read by ``requests.py`` and decided
by ``registrar.py``. Faults apply in fixed order: certificates, message, bytes, http, delivery. RFC 8894, 3.3 and 4.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from mfp_sim.errors import DecodeError
from mfp_sim.scep import messages
from mfp_sim.scep.certificate import Certificate, name_text
from mfp_sim.scep.http import (
    PKI_MESSAGE,
    Close,
    Delivery,
    HttpReply,
    HttpRequest,
    Reset,
    ScepQuery,
    Stall,
    delivery_of,
    read_scep_query,
)
from mfp_sim.scep.vocabulary import Operation
from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.admission import Admission
from mock_scep_server.authorities import Lineage
from mock_scep_server.building import make_authorities, make_challenge
from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.challenges import ChallengePolicy
from mock_scep_server.faults import Fault
from mock_scep_server.journal import Journal, JournalEntry
from mock_scep_server.judgement import Finding, Judge
from mock_scep_server.ledger import Ledger
from mock_scep_server.pages import Page, Pages
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.publishing import CaCapabilities, CaCertificates, NextCaCertificates
from mock_scep_server.registrar import Registrar
from mock_scep_server.requests import RequestReader
from mock_scep_server.revocation import Revocations
from mock_scep_server.script import Answer, Facts, Script, Taken

__all__ = ["ScepService"]


@dataclass
class _Work:
    """One request on its way through the layers."""

    facts: Facts
    taken: Taken = field(default_factory=Taken)
    decision: str = ""
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    issued: Certificate | None = None
    closes: bool = False

    def hooks(self, name: str) -> list[Fault]:
        return [fault for _, fault in self.taken.faults if hasattr(fault, name)]


class ScepService:
    """The mock CA behind any carrier; ``handle`` is thread-safe.

    Args:
        profile: the shape of the CA.
        clock, entropy, keys: what it is given from outside.
        challenge: who may enrol.
        script: what deviates from the CA's own policy, which grants whatever passes its checks.
        ra: ``single`` or ``split`` for RA certificates; ``policy`` for all else that an operator decides.
        on_entry: called with each journal entry.
    """

    def __init__(
        self,
        *,
        profile: CaProfile,
        clock: Clock,
        entropy: Entropy,
        keys: KeySource,
        challenge: ChallengePolicy | None = None,
        script: Script | None = None,
        ra: Literal["none", "single", "split"] = "none",
        policy: CaPolicy | None = None,
        on_entry: Callable[[JournalEntry], None] | None = None,
    ) -> None:
        self.profile, self.clock, self._entropy = profile, clock, entropy.fork("replies")
        self.policy = policy or CaPolicy()
        self.script = script or Script()
        self.script.begin(entropy.fork("script"))
        self.challenge = challenge or make_challenge(self.policy, entropy)
        self.authorities = make_authorities(
            profile, self.policy, clock=clock, entropy=entropy, keys=keys, ra=ra, zone=self.script.zone
        )
        self.journal, self.ledger = Journal(), Ledger()
        self.revocations = Revocations(clock, self.policy.crl_lifetime)
        self._keys = keys
        self._on_entry = on_entry
        self._reader = RequestReader(profile, self.policy, self.authorities, clock)
        admission = Admission(
            profile, self.policy, clock, self.authorities, self.challenge, self.ledger, self.revocations
        )
        self._registrar = Registrar(
            profile, self.policy, clock, self._entropy, self.authorities, admission, self.ledger, self.revocations
        )
        wants = self.challenge.wanted and profile.challenge == "checked"
        self.judge = Judge(profile.capabilities, wants_challenge=wants)
        self._admission = admission
        self._pages = Pages(clock, self.authorities, self.revocations, self.challenge, self.policy.admin)
        self._lock = threading.Lock()
        self.operator = CaOperator(
            self._lock, clock, self._registrar, self.authorities, self.ledger, self.revocations, self.challenge
        )

    @property
    def ca(self) -> CertificateAuthority:
        """The CA that GetCACert serves now where none is named."""
        return self.authorities.default.current(self.clock.now())

    def reset(self) -> None:
        """Journal, ledger and transactions are empty again, and the script starts anew; keys and challenges stay."""
        self.operator.forget()
        self.journal.clear()
        self.ledger.clear()
        self.script.restart()

    def publish_at(self, url: str | None) -> None:
        """Where certificates say that their CRL and CA certificate are; for a host that knows its port only now."""
        self.authorities.publish_at(url)

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        page = self._pages.find(request)
        if page is not None:
            return self._page(request, page, client)
        if self.profile.path and request.target.partition("?")[0] != self.profile.path:
            work = _Work(Facts(None, request.method, client=client))
            return self._send(request, work, _text(404, "404 page not found"))
        try:
            query = read_scep_query(request)
        except DecodeError as error:
            work = _Work(Facts(Operation.PKI_OPERATION, request.method, client=client))
            return self._send(request, work, self._unreadable(f"The message is not readable: {error}"))
        if self.profile.tolerance == "strict" and query.notes:
            work = _Work(Facts(query.operation, request.method, client=client), notes=query.notes)
            return self._send(request, work, _text(400, f"An odd form of request: {query.notes[0]}"))
        if query.operation == Operation.PKI_OPERATION:
            return self._pki_operation(request, query, client)
        return self._ca_operation(request, query, client)

    # --- GetCACaps, GetCACert, GetNextCACert, pages -------------------------------------------------------

    def _page(self, request: HttpRequest, page: Page, client: str) -> Delivery:
        work = _Work(Facts(page.name, request.method, client=client))
        work.taken = self.script.take(work.facts, self.clock.now())
        answer = work.taken.answer
        if answer is not None and answer.kind == "http":
            return self._send(request, work, self._http(answer, work))
        reply, work.decision = page.answer()
        return self._send(request, work, reply)

    def _ca_operation(self, request: HttpRequest, query: ScepQuery, client: str) -> Delivery:
        work = _Work(Facts(query.operation, request.method, client=client), notes=query.notes)
        work.taken = self.script.take(work.facts, self.clock.now())
        answer = work.taken.answer
        if answer is not None and answer.kind == "http":
            return self._send(request, work, self._http(answer, work))
        reply = self._publish(query, work)
        work.findings += self.judge.operation(query.operation, next_advertised="GetNextCACert" in self._words())
        if query.operation == Operation.GET_CA_CAPS and self.profile.caps_reply == "close":
            work.decision, work.closes = "the connection is closed, as this product does", True
        return self._send(request, work, reply)

    def _publish(self, query: ScepQuery, work: _Work) -> HttpReply:
        """What the named CA says of itself."""
        identifier = query.message.decode("utf-8", "replace") if query.message else None
        lineage, now = self.authorities.named(identifier), self.clock.now()
        if lineage is None:
            work.decision = "no such CA"
            return _text(404, f"There is no CA {identifier!r} here." if identifier else "The CA has to be named.")
        present, coming = lineage.current(now), lineage.next(now)
        if query.operation == Operation.GET_CA_CAPS:
            work.decision = "capabilities"
            if self.profile.caps_reply == "404":
                return _text(404, "This server has no GetCACaps.")
            return CaCapabilities(self._words(lineage), self.profile.caps_lines).reply()
        if query.operation == Operation.GET_CA_CERT:
            work.decision = "certificates"
            return CaCertificates(present.certificates).reply()
        if query.operation == Operation.GET_NEXT_CA_CERT and coming is not None:
            work.decision = "next CA certificates"
            return NextCaCertificates.of(present, coming).reply()
        work.decision = "no next CA" if query.operation == Operation.GET_NEXT_CA_CERT else "unknown operation"
        if query.operation == Operation.GET_NEXT_CA_CERT:
            return _text(404, "No next CA certificate is published.")
        return self._unreadable(f"This server has no operation {query.operation or '(none)'}.")

    def _words(self, lineage: Lineage | None = None) -> tuple[str, ...]:
        """The capabilities now: GetNextCACert is among them while a next CA is published (SCEP-4.7-04)."""
        words, asked = self.profile.capabilities, lineage or self.authorities.default
        if asked.next(self.clock.now()) is None or "GetNextCACert" in words:
            return words
        return (*words, "GetNextCACert")

    def _unreadable(self, text: str) -> HttpReply:
        return _text(self.profile.unreadable_status, text)

    # --- PKIOperation -------------------------------------------------------------------------------------

    def _pki_operation(self, request: HttpRequest, query: ScepQuery, client: str) -> Delivery:
        work = _Work(Facts(query.operation, request.method, client=client), notes=query.notes)
        if request.method == "POST" and self.profile.post != "served":
            work.decision = "POST is not served, as with this product"
            empty = HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),))
            return self._send(request, work, empty if self.profile.post == "empty-200" else _text(405, "GET only."))
        if not query.message:
            return self._send(request, work, self._unreadable("The PKIOperation has no message."))
        try:
            message = messages.decode(query.message)
        except DecodeError as error:
            return self._send(request, work, self._unreadable(f"The message is not a SCEP message: {error}"))
        asked = self._reader.read(message)
        subject = asked.csr.subject if asked.csr else asked.subject
        noted = (*message.notes, *(asked.csr.notes if asked.csr else ()))
        odd = tuple(str(note) for note in noted)
        work.findings += self.judge.message(
            request,
            message,
            now=self.clock.now(),
            signer=asked.signer,
            csr=asked.csr,
            renews=self._admission.renews(asked) is not None,
            noted=(*work.notes, *odd),
        )
        work.notes += (*odd, *asked.notes)
        work.facts = replace(
            work.facts,
            type=message.label,
            transaction=message.transaction_id,
            subject=name_text(subject) if subject is not None else None,
        )
        # Deciding and remembering is one step: two clients with one transaction must not get two certificates.
        with self._lock:
            work.taken = self.script.take(work.facts, self.clock.now())
            answer = work.taken.answer
            if answer is not None and answer.kind == "http":
                return self._send(request, work, self._http(answer, work))
            decision = self._registrar.decide(asked, answer, lambda template: self._alter(template, work))
        work.decision, work.issued, plan = decision.text, decision.issued, decision.reply
        if decision.status:
            return self._send(request, work, _text(decision.status, "The request is not served."))
        work.notes += tuple(str(note) for note in decision.notes)
        for fault in work.hooks("on_message"):
            plan = fault.on_message(plan)  # type: ignore[union-attr]
        signer = decision.authority.signer
        octets = messages.encode_cert_rep(
            plan, signer_key=signer.key, signer_certificate=signer.certificate, octets=self._entropy.octets
        )
        for fault in work.hooks("on_bytes"):
            octets = fault.on_bytes(octets)  # type: ignore[union-attr]
        return self._send(request, work, HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=octets))

    def _alter(self, template: Template, work: _Work) -> Template:
        for fault in work.hooks("on_template"):
            template = fault.on_template(template, self._keys)  # type: ignore[union-attr]
        return template

    # --- out ----------------------------------------------------------------------------------------------

    def _http(self, answer: Answer, work: _Work) -> HttpReply:
        status = answer.status or 500
        work.decision = f"HTTP {status}"
        reply = _text(status, f"The script answers {status}.")
        if answer.retry_after is not None:
            reply = replace(reply, headers=(*reply.headers, ("Retry-After", str(answer.retry_after))))
        return reply

    def _send(self, request: HttpRequest, work: _Work, reply: HttpReply) -> Delivery:
        server = (("Server", self.profile.server),) if self.profile.server else ()
        reply = replace(reply, headers=(*reply.headers, *server, ("Cache-Control", "no-store")))
        for fault in work.hooks("on_http"):
            reply = fault.on_http(reply)  # type: ignore[union-attr]
        delivery = delivery_of(reply, keep_alive=request.keep_alive, date=self.clock.now())
        answer_none = work.taken.answer is not None and work.taken.answer.kind == "none"
        if answer_none or work.closes:
            delivery = Delivery((Close(),), keep_alive=False)
        for fault in work.hooks("on_delivery"):
            delivery = fault.on_delivery(delivery)  # type: ignore[union-attr]
        broken = any(isinstance(act, Close | Reset | Stall) for act in delivery.acts)
        if work.issued is not None:
            how = ", ".join([f"HTTP {reply.status}", *(slug for slug, _ in work.taken.faults)])
            if answer_none:
                how = "no octet sent, as the script says"
            self.ledger.record_sending(work.issued, whole=not broken and reply.status == 200, how=how)
        entry = JournalEntry(
            time=self.clock.now(),
            client=work.facts.client,
            method=request.method,
            name=work.facts.type or work.facts.operation or "(no operation)",
            transaction=work.facts.transaction,
            subject=work.facts.subject,
            rule=work.taken.rule,
            decision=work.decision or reply.body[:200].decode("utf-8", "replace"),
            faults=tuple(slug for slug, _ in work.taken.faults),
            status=reply.status,
            sent=", ".join(type(act).__name__.lower() for act in delivery.acts),
            notes=work.notes,
            near_misses=work.taken.near_misses,
            judgement=tuple(str(finding) for finding in work.findings),
        )
        self.journal.add(entry)
        if self._on_entry is not None:
            self._on_entry(entry)
        return delivery


def _text(status: int, text: str) -> HttpReply:
    return HttpReply(status, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=(text + "\n").encode())
