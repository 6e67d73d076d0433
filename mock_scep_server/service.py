"""The mock CA: one HTTP request in, one delivery out.

A request goes down once and up once, as one :class:`~mock_scep_server.work.Work`: what it is for (here), the answer of
a page (``pages.py``), of the CA about itself (``ca_operations.py``) or to a message (``pki_operation.py``), and what
happens on the connection (``delivering.py``). HTTP shape, base64 and CMS structure are answered with 400. Faults apply
in fixed order: decide, certificates, message, bytes, http, delivery; the journal says what each of them changed.
Owns how the parts are put together. RFC 8894, 3.3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.shared.errors import DecodeError, EnvelopeUnreadable, SignatureInvalid, UsageError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, ScepQuery, read_scep_query
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Clock, Entropy, KeySource
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.ca_operations import CaOperations
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.challenges import ChallengePolicy, CommandChallenge, StaticChallenge, Unhurried
from mock_scep_server.delivering import Outgoing
from mock_scep_server.fault_turns import KeptMemory
from mock_scep_server.faults.base import Context
from mock_scep_server.journal import Journal, JournalEntry
from mock_scep_server.judgement import ClientJudge, Finding
from mock_scep_server.ledger import Ledger
from mock_scep_server.pages import MockPage, Pages
from mock_scep_server.pki_operation import PkiOperation
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.revocation import Revocations
from mock_scep_server.script import Rule, Script
from mock_scep_server.setup import CaSetup, make_authorities, make_challenge
from mock_scep_server.store import CHANGED, StepLock, StoreFailed
from mock_scep_server.transactions import Transactions
from mock_scep_server.vault import Vault
from mock_scep_server.work import EarlyReply, Work, text_reply

__all__ = ["ScepService", "make_service"]

_OF_CLIENTS = (DecodeError, SignatureInvalid, EnvelopeUnreadable)
"""What reading hostile bytes raises, wherever they are looked at."""
_NO_MESSAGE, _NO_REQUEST, _NOT_BASE64 = "SCEP-3-01", "SCEP-4.1-02", "SCEP-4.1-09"
_NOT_ODD = ("SCEP-3.5.1-01 ", "SCEP-4.2-02 ")
"""A message beside GetCACaps or GetCACert, the identifier of a CA: the form of RFC 8894, 4.1, has it."""

_BOOKS = frozenset({
    "cas", "challenges", "crls", "forgotten", "journal", "ledger", "revoked", "rules", "script", "serials", "shape",
    "transactions", "turns", "waiting room",
})  # fmt: skip
"""What its parts keep. A row of another book would be lost without a word."""


class ScepService:
    """The mock CA behind any carrier; ``handle`` is thread-safe.

    Args:
        profile: the shape of the CA.
        clock, entropy, keys: what it is given from outside.
        challenge: who may enrol.
        script: what deviates from the CA's own policy, which grants whatever passes its checks.
        ra: ``single`` or ``split`` for RA certificates; ``policy`` for all else that an operator decides.
        on_entry: called with each journal entry.
        vault: where its keys and all that it remembers are kept, and a CA that is brought; None: in memory, a new CA.

    Raises:
        UsageError: what is kept is not this CA's, or is damaged.
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
        vault: Vault | None = None,
    ) -> None:
        self.profile, self.policy, self.clock, self._keys = profile, policy or CaPolicy(), clock, keys
        replies, vault = entropy.fork("replies"), vault or Vault()
        self.store = store = vault.store
        self.script = script or Script()
        self.script.begin(entropy.fork("script"), store)
        self.challenge = challenge or make_challenge(self.policy, entropy, store)
        self.authorities = make_authorities(
            profile, self.policy, clock=clock, entropy=entropy, keys=keys, ra=ra, zone=self.script.zone, vault=vault
        )
        self.revocations = Revocations(clock, self.policy.crl_lifetime, store)
        self.parts = CaParts(
            profile,
            self.policy,
            clock,
            self.authorities,
            Unhurried(self.challenge) if isinstance(self.challenge, CommandChallenge) else self.challenge,
            self.script,
            ClientJudge(profile.capabilities, wants_challenge=self.challenge.wanted and profile.challenge == "checked"),
            self.revocations,
            Ledger(self.policy.octets // 2, store),
            store,
            StepLock(store),
        )
        self.journal, self.ledger = Journal(self.policy.octets // 4, store), self.parts.ledger
        self.exchange_number: Callable[[JournalEntry], int | None] = lambda _: None
        """The number of the saved exchange that an entry is about, asked in the thread that handles it."""
        self._on_entry, self._fault_entropy, self._memory = on_entry, entropy.fork("faults"), KeptMemory(store)
        by_slug = {authority.slug: authority for authority in self.authorities.all}
        self._transactions = Transactions(self.policy, clock, store, by_slug)
        self._pages, self._ca_operations = Pages(self.parts), CaOperations(self.parts)
        self._pki_operation = PkiOperation(self.parts, self._transactions, replies)
        self._outgoing = Outgoing(self.parts, self._record)
        self.operator = CaOperator(self.parts, self._transactions)
        if strange := store.books() - _BOOKS:
            text = f"{store.where} is damaged: it has a book {min(strange)!r}, which no part of this CA keeps"
            raise UsageError(text, remedy=CHANGED)
        store.commit()

    @property
    def authority(self) -> CertificateAuthority:
        """The CA that GetCACert serves now where none is named."""
        return self.authorities.default.current(self.clock.now())

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many of the oldest had to go to make room for others, of each of its books."""
        return {
            "journal": self.journal.dropped,
            "transactions": self._transactions.forgotten,
            "ledger": self.ledger.forgotten,
        }

    def reset(self) -> None:
        """Journal, ledger and transactions are empty again, and the script starts anew; keys and challenges stay."""
        self.operator.forget()
        with self.parts.lock:
            self.journal.clear()
            self.ledger.clear()
            self.script.restart()
        self.store.commit()

    def replace_script(self, rules: Sequence[Rule]) -> None:
        """Other rules from now on, none of them used yet. They are not kept: the next start has those of then."""
        with self.parts.lock:
            self.script.replace(rules)
        self.store.commit()

    def report_installed(self, certificate: Certificate) -> None:
        """A client says that it has a certificate."""
        self.ledger.report_installed(certificate)
        self.store.commit()

    def publish_at(self, url: str | None) -> None:
        """Where certificates say that their CRL and CA certificate are; for a host that knows its port only now."""
        self.authorities.publish_at(url)

    def answer_to(self, names: Iterable[str]) -> None:
        """From now on NDES's page answers under these host names only, and under addresses and localhost."""
        self._pages.names = frozenset({"localhost", *(name.lower() for name in names)})

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request; whatever a client sent, it gets an answer and an entry of the journal. What was decided
        is kept by then.

        Raises:
            StoreFailed: it cannot be kept: the disk is full, say.
        """
        self.store.commit()  # where that failed before, nothing more is decided that cannot be kept either
        delivery = self._handle(request, client)
        self.store.commit()
        return delivery

    def _handle(self, request: HttpRequest, client: str) -> Delivery:
        try:
            work = self._begin(request, client)
            try:
                return self._outgoing.send(work, self._reply(work))
            except _OF_CLIENTS as error:
                work = self._begin(request, client)
                text = f"The request cannot be answered: {error}"
                refusal = work.refused(_NO_MESSAGE, text, self.profile.unreadable_status)
                return self._outgoing.send(work, refusal.reply)
        except Exception as error:
            self._record(self._entry(request.method, client, 500, f"the mock failed: {type(error).__name__}"))
            raise

    def record_refusal(self, client: str, status: int, text: str) -> None:
        """The host has refused, with ``status``, what is not an HTTP request that could be answered."""
        self._record(self._entry("?", client, status, text, Finding(_NO_REQUEST, text)))
        with suppress(StoreFailed):  # the host goes on; the next request is not answered without it
            self.store.commit()

    # --- what a request is for ----------------------------------------------------------------------------

    def _begin(self, request: HttpRequest, client: str) -> Work:
        context = Context(
            request=request,
            now=self.clock.now(),
            authority=self.authority,
            memory=self._memory,
            entropy=self._fault_entropy,
            keys=self._keys,
            revocations=self.revocations,
            ledger=self.ledger,
        )
        return Work(context, client)

    def _reply(self, work: Work) -> HttpReply:
        """The reply before the faults of HTTP and of the connection."""
        try:
            return self._answer(work)
        except EarlyReply as early:
            return early.reply

    def _answer(self, work: Work) -> HttpReply:
        """The reply of a page, to a message, or of the CA about itself."""
        page = self._pages.find(work.request, work.client)
        if page is not None:
            return self._page(work, page)
        query = self._query(work)
        if query.operation == Operation.PKI_OPERATION:
            return self._pki_operation.reply(work, query.message)
        return self._ca_operations.reply(work, query)

    def _page(self, work: Work, page: MockPage) -> HttpReply:
        work.context.operation = page.name
        if page.scripted:
            with self.parts.lock:
                work.take(self.script)
        reply, work.decision = page.answer()
        return reply

    def _query(self, work: Work) -> ScepQuery:
        """What the request asks, if it is on the CA's path and in a form that the profile takes."""
        path = work.request.target.partition("?")[0]
        if self.profile.path and path != self.profile.path:
            work.findings = (Finding(_NO_REQUEST, "the path is not the CA's"),)
            raise EarlyReply(text_reply(404, "404 page not found"))
        try:
            query = read_scep_query(work.request)
        except DecodeError as error:
            work.context.operation = Operation.PKI_OPERATION
            text = f"The message is not readable: {error}"
            raise work.refused(_NOT_BASE64, text, self.profile.unreadable_status) from None
        work.context.operation, work.notes = query.operation, query.notes
        odd = [note for note in query.notes if not note.startswith(_NOT_ODD)]
        if self.profile.tolerance == "strict" and odd:
            work.findings = self.parts.judge.noted(query.notes)
            raise EarlyReply(text_reply(400, f"An odd form of request: {odd[0]}"))
        return query

    # --- the journal --------------------------------------------------------------------------------------

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
        number = self.exchange_number(entry)
        kept = self.journal.add(entry if number is None else replace(entry, exchange=number))
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
    vault: Vault | None = None,
) -> ScepService:
    """The CA of a section; local times in it are in ``zone``. ``challenge`` stands in for the section's own.

    Raises:
        UsageError: a change of the profile that cannot be, or a ``vault`` of another CA.
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
        vault=vault,
    )
