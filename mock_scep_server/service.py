"""One HTTP request in, one delivery out: parse, read, ask the script, decide, apply faults layer by layer, record.

HTTP shape, base64 and CMS structure are answered with 400; what a message asks is read by ``asked.py`` and decided
by ``registrar.py``. Faults apply in fixed order: decide, certificates, message, bytes, http, delivery; the journal says
what each of them changed. RFC 8894, 3.3 and 4.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.errors import DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.scep import der, messages
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
    Wait,
    delivery_of,
    read_scep_query,
)
from mfp_sim.scep.vocabulary import Operation, PkiStatus
from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.admission import Admission
from mock_scep_server.asked import Asked, RequestReader
from mock_scep_server.authorities import Lineage
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.capacity import Workers
from mock_scep_server.challenges import AskFirst, ChallengePolicy, CommandChallenge, StaticChallenge, Unhurried
from mock_scep_server.faults.base import (
    ON_ANSWER,
    ON_AUTHORITY,
    ON_BYTES,
    ON_CAPABILITIES,
    ON_DELIVERY,
    ON_HTTP,
    ON_MESSAGE,
    ON_NEXT_CA,
    ON_TEMPLATE,
    Context,
    Hook,
    Memory,
    Value,
)
from mock_scep_server.faults.differences import differences
from mock_scep_server.journal import Journal, JournalEntry
from mock_scep_server.judgement import Finding, Judge
from mock_scep_server.ledger import Ledger
from mock_scep_server.pages import Page, Pages
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.publishing import CaCapabilities, CaCertificates, NextCaCertificates
from mock_scep_server.registrar import Decision, Registrar
from mock_scep_server.revocation import Revocations
from mock_scep_server.script import GRANTS, Answer, Facts, Script, Taken
from mock_scep_server.setup import CaSetup, make_authorities, make_challenge

__all__ = ["ScepService", "make_service"]


_NOT_ODD = ("SCEP-3.5.1-01 ", "SCEP-4.2-02 ")
"""A message beside GetCACaps or GetCACert, the identifier of a CA: the form of RFC 8894, 4.1, has it."""


@dataclass
class _Work:
    """One request on its way through the layers."""

    facts: Facts
    context: Context
    taken: Taken = field(default_factory=Taken)
    decision: str = ""
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    issued: Certificate | None = None
    carried: bool = True
    changes: list[str] = field(default_factory=list)
    closes: bool = False
    effective: set[int] = field(default_factory=set)
    answered_by: int | None = None

    def altered(self, hook: Hook[Value], value: Value) -> Value:
        """The value after the faults with that hook; what they changed is remembered for the journal.

        A changed value is an effect of the fault, by its index in the rule. Another answer is one only where it is
        what was decided: see :meth:`decided`.
        """
        for index, chosen in enumerate(self.taken.faults):
            for part in chosen.fault.parts(self.context, chosen.slug):
                before, value = value, hook.call(part, value, self.context)
                changes = [f"{hook.layer}: {change}" for change in differences(before, value)]
                self.changes.extend(changes)
                if changes and hook is ON_ANSWER:
                    self.answered_by = index
                elif changes:
                    self.effective.add(index)
        return value

    def decided(self, kind: str) -> None:
        """The answer is of this kind: a fault that wanted just this has had an effect."""
        answer = self.taken.answer
        if self.answered_by is not None and answer is not None and answer.kind == kind:
            self.effective.add(self.answered_by)

    def slugs(self, *, effective: bool) -> tuple[str, ...]:
        """The faults of the rule that had an effect at this request, or those that had none."""
        faults = enumerate(self.taken.faults)
        return tuple(chosen.slug for index, chosen in faults if (index in self.effective) == effective)

    def has(self, hook: Hook[Value]) -> bool:
        """Whether a fault with that hook applies."""
        parts = (part for c in self.taken.faults for part in c.fault.parts(self.context, c.slug))
        return any(hook.name in part.hooks for part in parts)


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
        self._keys, self._fault_entropy, self._memory = keys, entropy.fork("faults"), Memory()
        self._on_entry = on_entry
        self._workers = Workers(self.policy.capacity) if self.policy.capacity else None
        self._reader = RequestReader(profile, self.policy, self.authorities, clock)
        asked = Unhurried(self.challenge) if isinstance(self.challenge, CommandChallenge) else self.challenge
        admission = Admission(profile, self.policy, clock, self.authorities, asked, self.ledger, self.revocations)
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
    def authority(self) -> CertificateAuthority:
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

    def answer_to(self, names: Iterable[str]) -> None:
        """From now on NDES's page answers under these host names only, and under addresses and localhost."""
        self._pages.names = frozenset({"localhost", *(name.lower() for name in names)})

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request; whatever a client sent, it gets an answer and an entry of the journal."""
        try:
            return self._handle(request, client)
        except _OF_CLIENTS as error:
            return self._refuse(request, None, client, _NO_MESSAGE, f"The request cannot be answered: {error}")
        except Exception as error:
            self._record(self._entry(request.method, client, 500, f"the mock failed: {type(error).__name__}"))
            raise

    def record_refusal(self, client: str, status: int, text: str) -> None:
        """The host has refused, with ``status``, what is not an HTTP request that could be answered."""
        self._record(self._entry("?", client, status, text, Finding(_NO_REQUEST, text)))

    def _handle(self, request: HttpRequest, client: str) -> Delivery:
        page = self._pages.find(request, client)
        if page is not None:
            return self._page(request, page, client)
        if self.profile.path and request.target.partition("?")[0] != self.profile.path:
            work = self._work(request, None, client)
            work.findings = (Finding(_NO_REQUEST, "the path is not the CA's"),)
            return self._send(request, work, _text(404, "404 page not found"))
        try:
            query = read_scep_query(request)
        except DecodeError as error:
            return self._refuse(
                request, Operation.PKI_OPERATION, client, _NOT_BASE64, f"The message is not readable: {error}"
            )
        odd = [note for note in query.notes if not note.startswith(_NOT_ODD)]
        if self.profile.tolerance == "strict" and odd:
            work = self._work(request, query.operation, client, query.notes)
            work.findings = self.judge.noted(query.notes)
            return self._send(request, work, _text(400, f"An odd form of request: {odd[0]}"))
        if query.operation == Operation.PKI_OPERATION:
            return self._pki_operation(request, query, client)
        return self._ca_operation(request, query, client)

    def _work(self, request: HttpRequest, operation: str | None, client: str, notes: tuple[str, ...] = ()) -> _Work:
        context = Context(
            request=request,
            operation=operation,
            now=self.clock.now(),
            authority=self.authority,
            memory=self._memory,
            entropy=self._fault_entropy,
            keys=self._keys,
            revocations=self.revocations,
            ledger=self.ledger,
        )
        return _Work(Facts(operation, request.method, client=client), context, notes=notes)

    def _take(self, work: _Work) -> Answer | None:
        """What the script and the faults of the decide layer want."""
        work.taken = self.script.take(work.facts, self.clock.now())
        answer = work.altered(ON_ANSWER, work.taken.answer)
        work.taken = replace(work.taken, answer=answer)
        return answer

    # --- GetCACaps, GetCACert, GetNextCACert, pages -------------------------------------------------------

    def _page(self, request: HttpRequest, page: Page, client: str) -> Delivery:
        work = self._work(request, page.name, client)
        answer = self._take(work)
        if answer is not None and answer.kind == "http":
            return self._send(request, work, self._http(answer, work))
        reply, work.decision = page.answer()
        return self._send(request, work, reply)

    def _ca_operation(self, request: HttpRequest, query: ScepQuery, client: str) -> Delivery:
        work = self._work(request, query.operation, client, query.notes)
        answer = self._take(work)
        if answer is not None and answer.kind == "http":
            return self._send(request, work, self._http(answer, work))
        reply = self._publish(query, work)
        work.findings += self.judge.operation(query.operation, next_advertised="GetNextCACert" in self._words())
        if query.operation == Operation.GET_CA_CAPS and self.profile.caps_reply == "close":
            work.decision, work.closes = "the connection is closed, as this product does", True
        body = work.altered(ON_BYTES, reply.body)
        return self._send(request, work, reply if body is reply.body else replace(reply, body=body))

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
            plain = CaCapabilities.of(self._words(lineage), self.profile.caps_lines)
            published = work.altered(ON_CAPABILITIES, plain)
            return published.reply()
        if query.operation == Operation.GET_CA_CERT:
            work.decision = "certificates"
            authority = work.altered(ON_AUTHORITY, present)
            return CaCertificates(authority.certificates).reply()
        if query.operation == Operation.GET_NEXT_CA_CERT and (coming is not None or work.has(ON_NEXT_CA)):
            work.decision = "next CA certificates"
            plan = NextCaCertificates.of(present, coming or work.context.coming())
            following = work.altered(ON_NEXT_CA, plan)
            return following.reply()
        work.decision = "no next CA" if query.operation == Operation.GET_NEXT_CA_CERT else "unknown operation"
        if query.operation == Operation.GET_NEXT_CA_CERT:
            return _text(self.profile.next_ca_status, "No next CA certificate is published.")
        text = f"This server has no operation {query.operation or '(none)'}."
        work.findings += (Finding(_NO_OPERATION, text),)
        return self._unreadable(text)

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
        work = self._work(request, query.operation, client, query.notes)
        if request.method == "POST" and self.profile.post != "served":
            work.decision = "POST is not served, as with this product"
            empty = HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),))
            return self._send(request, work, empty if self.profile.post == "empty-200" else _text(405, "GET only."))
        if not query.message:
            return self._refuse(request, query.operation, client, _NO_MESSAGE, "The PKIOperation has no message.")
        try:
            message = messages.decode(query.message)
        except DecodeError as error:
            requirement = _MISSING.get(error.path.rpartition(".")[2], _NO_MESSAGE)
            text = f"The message is not a SCEP message: {error}"
            return self._refuse(request, query.operation, client, requirement, text, query.notes)
        asked = self._reader.read(message)
        odd = tuple(str(note) for note in (*message.notes, *(asked.csr.notes if asked.csr else ())))
        work.findings += self.judge.message(
            request,
            message,
            now=self.clock.now(),
            signer=asked.signer,
            csr=asked.csr,
            renews=self._admission.renews(asked) is not None,
            noted=(*work.notes, *odd),
        )
        work.facts = replace(
            work.facts, type=message.label, transaction=message.transaction_id, subject=_subject(asked)
        )
        context = work.context
        context.name, context.transaction, context.asked = message.label, message.transaction_id, asked
        # Deciding and remembering is one step: two clients with one transaction must not get two certificates.
        with self._lock:
            answer = self._take(work)
            if answer is not None and answer.kind == "http":
                return self._send(request, work, self._http(answer, work))
            authority = work.altered(ON_AUTHORITY, asked.authority)
            altered = authority is not asked.authority
            if altered:
                asked = context.asked = self._reader.read(message, authority)
                work.facts = replace(work.facts, subject=_subject(asked))
            decision = self._decide(asked, answer, work)
            wanted = answer.kind if answer is not None else None
            overruled = wanted in GRANTS and decision.kind != wanted
            if overruled or (decision.kind == "failure" and wanted != "failure"):
                work.taken = self.script.give_back(work.taken, overruled=overruled)
        work.notes += (*odd, *(str(note) for note in decision.notes), *asked.notes)
        work.decision, work.issued, plan = decision.text, decision.issued, decision.reply
        if decision.status:
            work.decided("failure")
            return self._send(request, work, _text(decision.status, "The request is not served."))
        context.status = PkiStatus(plan.status).name
        work.decided(context.status.lower())
        written = answer.written if answer is not None and plan.status == PkiStatus.FAILURE else None
        if written is not None:
            value = der.tlv(der.PRINTABLE_STRING, written.encode())
            plan = replace(plan, oddities=replace(plan.oddities, instead=(("failInfo", (value,)),)))
            work.decision += f" (failInfo as written: {written!r})"
        plan = work.altered(ON_MESSAGE, plan)
        work.carried = work.issued is not None and work.issued.der in plan.certificates
        signer = authority.signer if altered else decision.authority.signer
        octets = messages.encode_cert_rep(
            plan, signer_key=signer.key, signer_certificate=signer.certificate, octets=self._entropy.octets
        )
        sent = work.altered(ON_BYTES, octets)
        self._memory.keep("nonce", message.sender_nonce)
        self._memory.keep(f"CertRep {context.name} {context.status}", octets)
        return self._send(request, work, HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=sent))

    def _decide(self, asked: Asked, answer: Answer | None, work: _Work) -> Decision:
        """Decided under the lock; an external command that has a say is asked while others have it."""

        def decide() -> Decision:
            return self._registrar.decide(asked, answer, lambda template: work.altered(ON_TEMPLATE, template))

        try:
            return decide()
        except AskFirst as first:
            self._lock.release()
            try:
                first.ask()
            finally:
                self._lock.acquire()
            try:
                return decide()
            finally:
                first.forget()

    # --- out ----------------------------------------------------------------------------------------------

    def _refuse(
        self,
        request: HttpRequest,
        operation: str | None,
        client: str,
        requirement: str,
        text: str,
        notes: tuple[str, ...] = (),
    ) -> Delivery:
        """What cannot be read: refused, and judged by the requirement that it misses."""
        work = self._work(request, operation, client, notes)
        work.findings = (*self.judge.noted(notes), Finding(requirement, text))
        return self._send(request, work, self._unreadable(text))

    def _http(self, answer: Answer, work: _Work) -> HttpReply:
        status = answer.status or 500
        work.decided("http")
        work.decision = f"HTTP {status}"
        reply = _text(status, f"The script answers {status}.")
        if answer.retry_after is not None:
            reply = replace(reply, headers=(*reply.headers, ("Retry-After", str(answer.retry_after))))
        return reply

    def _send(self, request: HttpRequest, work: _Work, reply: HttpReply) -> Delivery:
        server = (("Server", self.profile.server),) if self.profile.server else ()
        reply = replace(reply, headers=(*reply.headers, *server, ("Cache-Control", "no-store")))
        reply = work.altered(ON_HTTP, reply)
        delivery = delivery_of(reply, keep_alive=request.keep_alive, date=self.clock.now())
        answer_none = work.taken.answer is not None and work.taken.answer.kind == "none"
        if answer_none or work.closes:
            delivery = Delivery((Close(),), keep_alive=False)
        final = work.altered(ON_DELIVERY, delivery)
        takes = None
        if self._workers is not None:
            takes = self._workers.take(self.clock.now(), work.facts.operation or "", work.facts.type or "")
            final = replace(final, acts=(Wait(takes), *final.acts))
        broken = any(isinstance(act, Close | Reset | Stall) for act in final.acts)
        work.taken.effects.update(work.effective)
        if (issued := work.issued) is not None:
            how = ", ".join([f"HTTP {reply.status}", *work.slugs(effective=True)])
            if answer_none:
                how = "no octet sent, as the script says"
            whole = work.carried and not broken and reply.status == 200
            final = replace(
                final, tell=lambda fate: self.ledger.record_sending(issued, whole=whole, how=how, fate=fate)
            )
        entry = JournalEntry(
            time=self.clock.now(),
            client=work.facts.client,
            method=request.method,
            takes=takes,
            name=work.facts.type or work.facts.operation or "(no operation)",
            transaction=work.facts.transaction,
            subject=work.facts.subject,
            rule=work.taken.rule,
            overruled=work.taken.overruled,
            decision=work.decision or reply.body[:200].decode("utf-8", "replace"),
            faults=tuple(chosen.slug for chosen in work.taken.faults),
            without_effect=work.slugs(effective=False),
            changes=tuple(work.changes),
            status=reply.status,
            sent=", ".join(type(act).__name__.lower() for act in final.acts),
            notes=work.notes,
            near_misses=work.taken.near_misses,
            judgement=tuple(str(finding) for finding in work.findings),
        )
        self._record(entry)
        return final

    def _entry(self, method: str, client: str, status: int, text: str, *findings: Finding) -> JournalEntry:
        """Of what never became a request that could be answered."""
        judgement = tuple(str(finding) for finding in findings)
        return JournalEntry(
            time=self.clock.now(),
            client=client,
            method=method,
            name="(unreadable)",
            decision=text,
            status=status,
            sent="send",
            judgement=judgement,
        )

    def _record(self, entry: JournalEntry) -> None:
        kept = self.journal.add(entry)
        if self._on_entry is not None:
            self._on_entry(kept)


def make_service(
    setup: CaSetup,
    *,
    clock: Clock,
    entropy: Entropy,
    keys: KeySource,
    zone: ZoneInfo,
    challenge: ChallengePolicy | None = None,
    on_entry: Callable[[JournalEntry], None] | None = None,
) -> ScepService:
    """The CA of a section; local times in it are in ``zone``. ``challenge`` stands in for the section's own.

    Raises:
        UsageError: a change of the profile that cannot be.
    """
    if challenge is None and setup.challenge:
        challenge = StaticChallenge(setup.challenge)
    profile = setup.made_profile()
    return ScepService(
        profile=profile,
        clock=clock,
        entropy=entropy,
        keys=keys,
        challenge=challenge,
        script=Script(setup.script, zone, clock.now()),
        ra=setup.ra or profile.ra,
        policy=setup.policy,
        on_entry=on_entry,
    )


_OF_CLIENTS = (DecodeError, SignatureInvalid, EnvelopeUnreadable)
"""What reading hostile octets raises, wherever they are looked at."""
_NO_MESSAGE, _NO_REQUEST, _NOT_BASE64, _NO_OPERATION = "SCEP-3-01", "SCEP-4.1-02", "SCEP-4.1-09", "SCEP-4.1-03"
_MISSING = {"transactionID": "SCEP-3.2.1-01", "messageType": "SCEP-3.2.1-02"}


def _text(status: int, text: str) -> HttpReply:
    return HttpReply(status, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=(text + "\n").encode())


def _subject(asked: Asked) -> str | None:
    """The subject that a request asks for, as text."""
    subject = asked.csr.subject if asked.csr else asked.subject
    return name_text(subject) if subject is not None else None
