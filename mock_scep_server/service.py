"""The mock CA: one HTTP request in, one delivery out.

A request passes the layers once down and once up, as one `mock_scep_server.work.Work`: its purpose (here), the reply of
a page (`pages.py`), of the CA about itself (`ca_operations.py`) or to a message (`pki_operation.py`), and what happens
on the connection (`delivering.py`). Wrong HTTP, base64 or CMS structure is answered with 400. Faults apply in fixed
order: decide, certificates, message, bytes, http, delivery; the journal records what each of them changed. This module
owns how the parts fit together. RFC 8894, 3.3 and 4.
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
"""The exceptions that reading hostile bytes may raise."""
_NO_MESSAGE, _NO_REQUEST, _NOT_BASE64 = "SCEP-3-01", "SCEP-4.1-02", "SCEP-4.1-09"
_NOT_ODD = ("SCEP-3.5.1-01 ", "SCEP-4.2-02 ")
"""Findings about a message parameter of GetCACaps or GetCACert, the identifier of a CA, which RFC 8894, 4.1 allows."""

_BOOKS = frozenset({
    "cas", "challenges", "crls", "forgotten", "journal", "ledger", "revoked", "rules", "script", "serials", "shape",
    "transactions", "turns", "waiting room",
})  # fmt: skip
"""The books of its parts. A row of an unknown book would be lost silently."""


class ScepService:
    """The mock CA behind any carrier; `handle` is thread-safe.

    Args:
        profile: the shape of the CA.
        clock, entropy, keys: the injected sources of time, randomness and keys.
        challenge: who may enrol.
        script: the deviations from the CA's own policy, which grants every request that passes its checks.
        ra: `single` or `split` for RA certificates; `policy` has the operator's other decisions.
        on_entry: called with each journal entry.
        vault: the storage of its keys and records, and the operator's own CA; None: a new CA in memory.

    Raises:
        UsageError: the stored state belongs to another CA or is damaged.
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
        """Returns the number of the saved exchange that an entry is about; called in the thread that handles it."""
        self._on_entry, self._fault_entropy, self._memory = on_entry, entropy.fork("faults"), KeptMemory(store)
        by_slug = {authority.slug: authority for authority in self.authorities.all}
        self._transactions = Transactions(self.policy, clock, store, by_slug)
        self._pages, self._ca_operations = Pages(self.parts), CaOperations(self.parts)
        self._pki_operation = PkiOperation(self.parts, self._transactions, replies)
        self._outgoing = Outgoing(self.parts, self._record)
        self.operator = CaOperator(self.parts, self._transactions)
        if strange := store.books() - _BOOKS:
            text = f"{store.where} is damaged: it contains an unknown book {min(strange)!r}"
            raise UsageError(text, remedy=CHANGED)
        store.commit()

    @property
    def authority(self) -> CertificateAuthority:
        """The CA that GetCACert currently serves if the request names none."""
        return self.authorities.default.current(self.clock.now())

    @property
    def dropped(self) -> Mapping[str, int]:
        """The number of oldest entries dropped from each of its books to make room."""
        return {
            "journal": self.journal.dropped,
            "transactions": self._transactions.forgotten,
            "ledger": self.ledger.forgotten,
        }

    def reset(self) -> None:
        """Empty journal, ledger and transactions, and restart the script; keep keys and challenges."""
        self.operator.forget()
        with self.parts.lock:
            self.journal.clear()
            self.ledger.clear()
            self.script.restart()
        self.store.commit()

    def replace_script(self, rules: Sequence[Rule]) -> None:
        """Replace the rules; the new ones are unused. They are not stored: the next start uses its own rules."""
        with self.parts.lock:
            self.script.replace(rules)
        self.store.commit()

    def report_installed(self, certificate: Certificate) -> None:
        """Note that a client has installed a certificate."""
        self.ledger.report_installed(certificate)
        self.store.commit()

    def publish_at(self, url: str | None) -> None:
        """Set the URL of CRL and CA certificate in certificates; for a host that learns its port late."""
        self.authorities.publish_at(url)

    def answer_to(self, names: Iterable[str]) -> None:
        """Make the NDES page answer only under these host names, addresses and localhost."""
        self._pages.names = frozenset({"localhost", *(name.lower() for name in names)})

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request. Every request gets a reply and an entry in the journal, regardless of its contents. The
        decision is stored before the reply leaves.

        Raises:
            StoreFailed: it cannot be stored, for example because the disk is full.
        """
        self.store.commit()  # after an earlier failure, decide nothing that cannot be stored
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
        """Record that the host refused, with `status`, something that is not a usable HTTP request."""
        self._record(self._entry("?", client, status, text, Finding(_NO_REQUEST, text)))
        with suppress(StoreFailed):  # the host continues; the next request is not answered until this is stored
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
        """Return the reply before the faults of HTTP and of the connection."""
        try:
            return self._answer(work)
        except EarlyReply as early:
            return early.reply

    def _answer(self, work: Work) -> HttpReply:
        """Return the reply of a page, to a message, or of the CA about itself."""
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
        """The query of the request, if it is on the CA's path and in a form that the profile accepts."""
        path = work.request.target.partition("?")[0]
        if self.profile.path and path != self.profile.path:
            work.findings = (Finding(_NO_REQUEST, "the path is not the CA's"),)
            raise EarlyReply(text_reply(404, "404 page not found"))
        try:
            query = read_scep_query(work.request)
        except DecodeError as error:
            work.context.operation = Operation.PKI_OPERATION
            text = f"The message is unreadable: {error}"
            raise work.refused(_NOT_BASE64, text, self.profile.unreadable_status) from None
        work.context.operation, work.notes = query.operation, query.notes
        odd = [note for note in query.notes if not note.startswith(_NOT_ODD)]
        if self.profile.tolerance == "strict" and odd:
            work.findings = self.parts.judge.noted(query.notes)
            raise EarlyReply(text_reply(400, f"An odd form of request: {odd[0]}"))
        return query

    # --- the journal --------------------------------------------------------------------------------------

    def _entry(self, method: str, client: str, status: int, text: str, *findings: Finding) -> JournalEntry:
        """Record something that is not a usable request."""
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
    """Make the CA of a section; its local times are in `zone`. `challenge` replaces that of the section.

    Raises:
        UsageError: an impossible change of the profile, or a `vault` of another CA.
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
