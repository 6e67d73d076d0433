"""One HTTP request in, one delivery out: parse, check, ask the script, decide, apply faults layer by layer, record.

The order of checks: HTTP shape and base64 (400), CMS structure (400), signature (badMessageCheck), digest and cipher
policy (badAlg), decryption (badMessageCheck), messageData and CSR (badRequest), challenge (badRequest), transaction.
Faults apply in fixed order: certificates, message, bytes, http, delivery. RFC 8894, 3.3 and 4.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from mfp_sim.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.scep import messages
from mfp_sim.scep.certificate import Certificate, name_text, same_name, spki_of
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.http import (
    CA_CERT,
    CA_RA_CERT,
    PKI_MESSAGE,
    TEXT,
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
from mfp_sim.scep.messages import CertRep, PkiMessage
from mfp_sim.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.challenges import ChallengePolicy, NoChallenge
from mock_scep_server.faults import Fault
from mock_scep_server.journal import Journal, JournalEntry
from mock_scep_server.ledger import Ledger
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.script import Answer, Facts, Script, Taken

__all__ = ["ScepService"]


@dataclass(frozen=True)
class _Refusal:
    fail_info: FailInfo
    text: str


@dataclass
class _Transaction:
    """What the CA remembers: the CSR, and the final decision once there is one."""

    csr: Csr
    issued: Certificate | None = None
    refused: _Refusal | None = None


@dataclass(frozen=True)
class _Asked:
    """A PKIOperation after all checks: what it asks for, or why it is refused."""

    message: PkiMessage
    signer: Certificate | None
    csr: Csr | None = None
    subject: bytes | None = None
    issuer: bytes | None = None
    refusal: _Refusal | None = None


@dataclass
class _Work:
    """One request on its way through the layers."""

    facts: Facts
    taken: Taken = field(default_factory=Taken)
    decision: str = ""
    notes: tuple[str, ...] = ()
    issued: Certificate | None = None

    def hooks(self, name: str) -> list[Fault]:
        return [fault for _, fault in self.taken.faults if hasattr(fault, name)]


class ScepService:
    """The mock CA behind any carrier; ``handle`` is thread-safe.

    Args:
        profile: the shape of the CA.
        clock, entropy, keys: what it is given from outside.
        challenge: who may enrol.
        script: what deviates from the CA's own policy, which grants whatever passes its checks.
        ra: ``split`` for separate RA certificates.
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
        ra: Literal["none", "split"] = "none",
        on_entry: Callable[[JournalEntry], None] | None = None,
    ) -> None:
        self.profile, self.clock, self._entropy = profile, clock, entropy.fork("replies")
        self.challenge = challenge or NoChallenge()
        self.script = script or Script()
        self.ca = CertificateAuthority(clock, entropy, keys, ra=ra)
        self.journal, self.ledger = Journal(), Ledger()
        self._keys = keys
        self._on_entry = on_entry
        self._transactions: dict[str, _Transaction] = {}
        self._lock = threading.Lock()

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        try:
            query = read_scep_query(request)
        except DecodeError as error:
            work = _Work(Facts(Operation.PKI_OPERATION, request.method, client=client))
            return self._send(request, work, _text(400, f"The message is not readable: {error}"))
        if query.operation == Operation.PKI_OPERATION:
            return self._pki_operation(request, query, client)
        return self._ca_operation(request, query, client)

    # --- GetCACaps, GetCACert -----------------------------------------------------------------------------

    def _ca_operation(self, request: HttpRequest, query: ScepQuery, client: str) -> Delivery:
        work = _Work(Facts(query.operation, request.method, client=client), notes=query.notes)
        work.taken = self.script.take(work.facts, self.clock.now())
        answer = work.taken.answer
        if answer is not None and answer.kind == "http":
            return self._send(request, work, self._http(answer, work))
        if query.operation == Operation.GET_CA_CAPS:
            work.decision = "capabilities"
            body = "".join(f"{word}\n" for word in self.profile.capabilities).encode()
            reply = HttpReply(200, headers=(("Content-Type", TEXT),), body=body)
        elif query.operation == Operation.GET_CA_CERT:
            work.decision = "certificates"
            certificates = self.ca.certificates
            bag = messages.certs_only([certificate.der for certificate in certificates])
            single = len(certificates) == 1
            reply = HttpReply(
                200,
                headers=(("Content-Type", CA_CERT if single else CA_RA_CERT),),
                body=certificates[0].der if single else bag,
            )
        else:
            work.decision = "unknown operation"
            status = 501 if query.operation == Operation.GET_NEXT_CA_CERT else 400
            reply = _text(status, f"This server has no operation {query.operation or '(none)'}.")
        return self._send(request, work, reply)

    # --- PKIOperation -------------------------------------------------------------------------------------

    def _pki_operation(self, request: HttpRequest, query: ScepQuery, client: str) -> Delivery:
        work = _Work(Facts(query.operation, request.method, client=client), notes=query.notes)
        if not query.message:
            return self._send(request, work, _text(400, "The PKIOperation has no message."))
        try:
            message = messages.decode(query.message)
        except DecodeError as error:
            return self._send(request, work, _text(400, f"The message is not a SCEP message: {error}"))
        asked = self._check(message)
        subject = asked.csr.subject if asked.csr else asked.subject
        work.notes += tuple(f"{note.requirement} {note.path}: {note.text}" for note in message.notes)
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
            plan = self._decide(asked, answer, work)
        for fault in work.hooks("on_message"):
            plan = fault.on_message(plan)  # type: ignore[union-attr]
        signer = self.ca.signer
        octets = messages.encode_cert_rep(
            plan, signer_key=signer.key, signer_certificate=signer.certificate, octets=self._entropy.octets
        )
        for fault in work.hooks("on_bytes"):
            octets = fault.on_bytes(octets)  # type: ignore[union-attr]
        return self._send(request, work, HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=octets))

    def _check(self, message: PkiMessage) -> _Asked:
        """All checks that do not depend on the CA's memory."""
        signer = message.signer()
        if signer is None:
            return _Asked(message, None, refusal=_Refusal(FailInfo.BAD_MESSAGE_CHECK, "no signer certificate"))
        asked = _Asked(message, signer)
        try:
            message.verify(signer)
            if message.digest in self.profile.refuse_digests:
                return replace(asked, refusal=_Refusal(FailInfo.BAD_ALG, f"{message.digest} is refused"))
            data = messages.open_envelope(
                message,
                self.ca.recipient.key,
                self.ca.recipient.certificate,
                refuse=self.profile.refuse_ciphers,
            )
        except AlgorithmRefused as error:
            return replace(asked, refusal=_Refusal(FailInfo.BAD_ALG, f"{error.got} is refused"))
        except (SignatureInvalid, EnvelopeUnreadable, DecodeError) as error:
            return replace(asked, refusal=_Refusal(FailInfo.BAD_MESSAGE_CHECK, error.message))
        try:
            return self._check_data(asked, data)
        except DecodeError as error:
            return replace(asked, refusal=_Refusal(FailInfo.BAD_REQUEST, f"the messageData is wrong: {error}"))

    def _check_data(self, asked: _Asked, data: bytes) -> _Asked:
        if asked.message.message_type == MessageType.CERT_POLL:
            issuer, subject = messages.read_issuer_and_subject(data)
            return replace(asked, issuer=issuer, subject=subject)
        if asked.message.message_type != MessageType.PKCS_REQ:
            text = f"{asked.message.label} is not supported"
            return replace(asked, refusal=_Refusal(FailInfo.BAD_REQUEST, text))
        csr = Csr.from_der(data)
        asked = replace(asked, csr=csr)
        try:
            csr.verify()
        except SignatureInvalid as error:
            return replace(asked, refusal=_Refusal(FailInfo.BAD_REQUEST, error.message))
        reason = self.challenge.check(csr)
        return replace(asked, refusal=_Refusal(FailInfo.BAD_REQUEST, reason)) if reason else asked

    def _decide(self, asked: _Asked, answer: Answer | None, work: _Work) -> CertRep:
        plan = self._frame(asked)
        transaction, refusal = self._transaction(asked)
        if answer is not None and answer.kind == "failure":
            refusal = _Refusal(FailInfo(answer.fail_info or 0), answer.text or "refused by the script")
        if refusal is None and transaction is not None:
            refusal = transaction.refused
        if refusal is not None:
            if transaction is not None and transaction.issued is None:
                transaction.refused = refusal
            work.decision = f"FAILURE {refusal.fail_info.label}: {refusal.text}"
            return replace(plan, status=PkiStatus.FAILURE, fail_info=refusal.fail_info, fail_info_text=refusal.text)
        assert transaction is not None
        if transaction.issued is None and answer is not None and answer.kind == "pending":
            work.decision = "PENDING"
            return replace(plan, status=PkiStatus.PENDING)
        if transaction.issued is None:
            transaction.issued = self._issue(transaction.csr, asked, work)
        work.issued, work.decision = transaction.issued, f"SUCCESS serial {transaction.issued.serial:x}"
        return replace(
            plan,
            certificates=(transaction.issued.der, self.ca.ca.certificate.der),
            recipient=asked.signer,
        )

    def _frame(self, asked: _Asked) -> CertRep:
        """What every reply to this request has: nonces, transaction, algorithms that are not weaker than its own."""
        message = asked.message
        cipher = message.envelope.cipher if message.envelope else "aes-128-cbc"
        if cipher == "des-cbc" or not cipher.endswith("-cbc"):
            cipher = self.profile.reply_cipher_for_weak
        return CertRep(
            status=PkiStatus.SUCCESS,
            transaction_id=message.transaction_id,
            recipient_nonce=message.sender_nonce,
            sender_nonce=self._entropy.octets(16),
            digest="sha1" if message.digest == "md5" else message.digest,
            cipher=cipher,
            empty_content=self.profile.empty_content,
        )

    def _transaction(self, asked: _Asked) -> tuple[_Transaction | None, _Refusal | None]:
        """The transaction that a request belongs to: same transaction and same CSR, same decision (SCEP-5.2-04)."""
        if asked.refusal is not None:
            return None, asked.refusal
        identifier = asked.message.transaction_id
        known = self._transactions.get(identifier)
        if asked.csr is not None:
            if known is None:
                known = self._transactions[identifier] = _Transaction(asked.csr)
            elif known.csr.spki != asked.csr.spki or known.csr.subject != asked.csr.subject:
                text = "the transactionID belongs to another request"
                return None, _Refusal(FailInfo.BAD_REQUEST, text)
            return known, None
        if known is None:
            return None, _Refusal(FailInfo.BAD_CERT_ID, "no such transaction")
        assert asked.subject is not None
        assert asked.issuer is not None
        if not same_name(known.csr.subject, asked.subject) or not same_name(
            self.ca.ca.certificate.subject, asked.issuer
        ):
            return None, _Refusal(FailInfo.BAD_CERT_ID, "issuer or subject do not fit the transaction")
        return known, None

    def _issue(self, csr: Csr, asked: _Asked, work: _Work) -> Certificate:
        spki = spki_of(self._keys.rsa(2048)) if work.hooks("wrong_key") else None
        certificate = self.ca.issue(csr, spki=spki)
        self.ledger.mint(certificate, asked.message.transaction_id, self.clock.now())
        return certificate

    # --- out ----------------------------------------------------------------------------------------------

    def _http(self, answer: Answer, work: _Work) -> HttpReply:
        status = answer.status or 500
        work.decision = f"HTTP {status}"
        reply = _text(status, f"The script answers {status}.")
        if answer.retry_after is not None:
            reply = replace(reply, headers=(*reply.headers, ("Retry-After", str(answer.retry_after))))
        return reply

    def _send(self, request: HttpRequest, work: _Work, reply: HttpReply) -> Delivery:
        reply = replace(reply, headers=(*reply.headers, ("Server", "mock-scep-server"), ("Cache-Control", "no-store")))
        for fault in work.hooks("on_http"):
            reply = fault.on_http(reply)  # type: ignore[union-attr]
        delivery = delivery_of(reply, keep_alive=request.keep_alive, date=self.clock.now())
        if work.taken.answer is not None and work.taken.answer.kind == "none":
            delivery = Delivery((Close(),), keep_alive=False)
        for fault in work.hooks("on_delivery"):
            delivery = fault.on_delivery(delivery)  # type: ignore[union-attr]
        broken = any(isinstance(act, Close | Reset | Stall) for act in delivery.acts)
        if work.issued is not None and not broken and reply.status == 200:
            self.ledger.mark_delivered(work.issued.serial)
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
        )
        self.journal.add(entry)
        if self._on_entry is not None:
            self._on_entry(entry)
        return delivery


def _text(status: int, text: str) -> HttpReply:
    return HttpReply(status, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=(text + "\n").encode())
