"""Decides the CA's reply to a request that was read: success, pending or failure.

A repeated request gets the same decision (SCEP-5.2-04), which `transactions.py` remembers. A script's answer is not a
decision of the CA, so it is not remembered. This module knows no HTTP, CMS bytes or faults; the caller may change a
certificate before it is signed. Not thread-safe: the caller holds a lock while it decides and remembers in one step.
Signing is a separate step: a certificate is ordered in this one and entered in another (`orders.py`). RFC 8894, 2.3,
3.3.2, 4.4 to 4.6 and 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mfp_sim.shared.scep.certificate import Certificate, name_text, same_name
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.messages import CertRep, Note
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.admission import Admission
from mock_scep_server.asked import Asked, Refusal
from mock_scep_server.ca import Template
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.grants import grant
from mock_scep_server.orders import CertificateOrder, Orders
from mock_scep_server.replies import Decision, Replies
from mock_scep_server.ruled import RuledAnswer
from mock_scep_server.transactions import Transaction, Transactions

__all__ = ["Registrar"]

UPDATE_REQ = 18
"""A message type of drafts before the RFC; some servers still treat it as a PKCSReq."""
Alter = Callable[[Template], Template]
_NOT_FOUND = Refusal(FailInfo.BAD_CERT_ID, "no certificate of this issuer and serial number")


@dataclass(frozen=True)
class _Case:
    """A request in progress: what was read, the reply so far, the script's answer, and the change of a template."""

    asked: Asked
    reply: CertRep
    answer: RuledAnswer | None
    alter: Alter

    @property
    def scripted(self) -> Refusal | None:
        """The FAILURE that the script demands. It is not remembered, since the CA has decided nothing."""
        answer = self.answer
        if answer is None or answer.kind != "failure":
            return None
        return Refusal(
            FailInfo(answer.fail_info or 0),
            answer.text or "refused by the script",
            worded=answer.text is not None,
            hresult=answer.hresult,
            written=answer.written,
        )


class Registrar:
    """Decides the requests to a CA, one at a time; `transactions` holds earlier decisions."""

    def __init__(self, parts: CaParts, transactions: Transactions, entropy: Entropy) -> None:
        self._profile, self._clock = parts.profile, parts.clock
        self._authorities, self._ledger, self._revocations = parts.authorities, parts.ledger, parts.revocations
        self._orders = Orders()
        self._transactions, self._replies = transactions, Replies(parts, entropy)
        self._admission = Admission(parts, self._orders)
        self._answers: dict[int, Callable[[_Case], Decision | CertificateOrder]] = {
            MessageType.PKCS_REQ: self._enrol,
            MessageType.RENEWAL_REQ: self._enrol,
            UPDATE_REQ: self._enrol,
            MessageType.CERT_POLL: self._poll,
            MessageType.GET_CERT: self._get_cert,
            MessageType.GET_CRL: self._get_crl,
        }

    def decide(self, asked: Asked, answer: RuledAnswer | None, alter: Alter) -> Decision | CertificateOrder:
        """Return the reply to one request, or the certificate to sign for it.

        Args:
            asked: the request as read.
            answer: the script's answer; None leaves the decision to the CA.
            alter: changes a certificate before it is signed.

        Raises:
            AskFirst: the reply has to wait for a command or for the signature for another request.
        """
        self._orders.wait_for(transaction=asked.message.transaction_id)
        case = _Case(asked, self._replies.frame(asked.message), answer, alter)
        if asked.refusal is not None:
            return self._failure(case, asked.refusal)
        try:
            return self._answers[asked.message.message_type](case)
        finally:
            self._transactions.changed(asked.message.transaction_id)

    def _failure(self, case: _Case, refusal: Refusal) -> Decision:
        """Return FAILURE; the script's takes precedence."""
        return self._replies.failure(case.reply, case.scripted or refusal, case.asked.authority)

    # --- enrolment ----------------------------------------------------------------------------------------

    def _enrol(self, case: _Case) -> Decision | CertificateOrder:
        """PKCSReq and RenewalReq: repeat the reply to the same request, or start a new operation."""
        asked = case.asked
        assert asked.signer is not None
        known = self._same(asked)
        if known is None:
            identifier, known = asked.message.transaction_id, self._begun(asked)
            earlier = self._transactions.of(identifier)
            # A CA that answers each request as a new one does not look up an identifier after it has issued.
            standing = [t for t in earlier if t.certificate is None or self._profile.retransmission != "again"]
            assert asked.csr is not None
            if standing and not any(other.may_precede(asked.csr, known.request[2]) for other in standing):
                return self._failure(
                    case, Refusal(FailInfo.BAD_REQUEST, "the transactionID belongs to another request")
                )
            refusal = self._admission.refuse(asked)
            if refusal is not None:
                # A poll is about the latest operation, and must not find the certificate of an earlier one.
                known.refused, known.admitted = refusal, False
                if earlier and not any(other.open for other in earlier):
                    self._transactions.remember(identifier, known)
                return self._failure(case, refusal)
            self._transactions.remember(identifier, known)
        known.signer = asked.signer.spki
        return self._outcome(case, known)

    def _same(self, asked: Asked) -> Transaction | None:
        """The operation that the same request started, unless this is a new order."""
        earlier, request = self._transactions.of(asked.message.transaction_id), _request(asked)
        known = next((t for t in earlier if t.admitted and t.request == request), None)
        issued = None if known is None else known.issued
        return None if issued is not None and self._is_over(issued) else known

    def _begun(self, asked: Asked) -> Transaction:
        assert asked.signer is not None
        return Transaction(_request(asked), asked.signer.spki, asked.authority, self._clock.now())

    def _is_over(self, issued: Certificate) -> bool:
        """Whether a repeated request is a new order: always with some CAs, otherwise once the issued certificate is
        useless."""
        if self._profile.retransmission == "again" or self._revocations.is_revoked(issued.serial):
            return True
        return self._clock.now() > issued.not_after

    def _poll(self, case: _Case) -> Decision | CertificateOrder:
        """CertPoll: answer for the newest operation of a transactionID and a signer; odd names are noted (RFC 8894,
        3.3.3)."""
        asked = case.asked
        assert asked.signer is not None
        earlier = self._transactions.of(asked.message.transaction_id)
        if not earlier:
            return self._failure(case, Refusal(FailInfo.BAD_CERT_ID, "no such transaction"))
        # The transactionID decides, not the names in the poll (SCEP-3.3.3-04): behind an RA, strongSwan names the RA as
        # issuer. But a client that did not sign the request gets nothing (SCEP-3.3.3-06).
        known = next((t for t in reversed(earlier) if t.signer == asked.signer.spki), None)
        if known is None:
            text = "the poll is signed with another key than the request"
            return self._failure(case, Refusal(FailInfo.BAD_CERT_ID, text))
        return replace(self._outcome(case, known), notes=_odd_names(asked, known))

    def _outcome(self, case: _Case, known: Transaction) -> Decision | CertificateOrder:
        known.waits = False
        if case.scripted is not None:
            return self._failure(case, case.scripted)
        if known.open and self._transactions.is_overdue(known):
            known.refused = Refusal(FailInfo.BAD_REQUEST, "the request was not approved in time")
        if known.refused is not None:
            return self._failure(case, known.refused)
        if self._is_pending(known, case.answer):
            known.waits = known.open
            return Decision(replace(case.reply, status=PkiStatus.PENDING), "PENDING", known.authority)
        issued = known.issued
        if issued is None or (case.answer is not None and case.answer.again):
            csr = case.asked.csr or known.csr
            issued = self._earlier(csr)
            if issued is None:
                return self._order(case, known, csr)
            known.certificate = issued.der
        return self._granted(case, known, issued)

    def _granted(self, case: _Case, known: Transaction, issued: Certificate) -> Decision:
        reply = self._replies.issued(case.reply, issued, known.authority, case.asked.signer)
        return Decision(reply, f"SUCCESS serial {issued.serial:x}", known.authority, issued)

    def _is_pending(self, known: Transaction, answer: RuledAnswer | None) -> bool:
        """Whether the reply is PENDING: the script demands it, or the operator has not approved."""
        if answer is not None and answer.kind in ("pending", "success"):
            return answer.kind == "pending"
        return known.certificate is None and self._transactions.is_held(known)

    def _earlier(self, csr: Csr) -> Certificate | None:
        """The valid certificate of this key, if the CA returns it again (F-W04)."""
        if self._profile.same_key == "new":
            return None
        self._orders.wait_for(spki=csr.spki)
        now, revoked = self._clock.now(), self._revocations.is_revoked
        fitting = (entry.certificate for entry in self._ledger.of_key(csr.spki))
        return next((c for c in fitting if now <= c.not_after and not revoked(c.serial)), None)

    def _order(self, case: _Case, known: Transaction, csr: Csr) -> CertificateOrder:
        """Order a certificate with its serial number; requests that depend on it wait until it is entered."""
        identifier = case.asked.message.transaction_id
        template = case.alter(known.authority.template(csr, case.asked.granted or grant(csr)))

        def enter(certificate: Certificate) -> Decision:
            known.certificate = certificate.der
            self._transactions.changed(identifier)
            self._ledger.mint(certificate, identifier, self._clock.now())
            return self._granted(case, known, certificate)

        return self._orders.place(CertificateOrder(template, known.authority, identifier, csr, enter))

    # --- what was issued ----------------------------------------------------------------------------------

    def _get_cert(self, case: _Case) -> Decision:
        """GetCert: return the certificate or badCertId, never PENDING (SCEP-4.5.1-01)."""
        found = self._find(case.asked)
        if found is None or case.scripted:
            return self._failure(case, _NOT_FOUND)
        reply = replace(case.reply, certificates=(found.der,), recipient=case.asked.signer)
        return Decision(reply, f"SUCCESS certificate {found.serial:x}", case.asked.authority)

    def _get_crl(self, case: _Case) -> Decision:
        """GetCRL: return the most recent CRL of the certificate's issuer (SCEP-4.6.1-01)."""
        found = self._find(case.asked)
        issuer = None if found is None else self._authorities.issuer_of(found)
        if issuer is None or case.scripted:
            return self._failure(case, _NOT_FOUND)
        crl = self._revocations.current(issuer)
        reply = replace(case.reply, crls=(crl.der,), recipient=case.asked.signer)
        return Decision(reply, f"SUCCESS CRL {crl.number}", case.asked.authority)

    def _find(self, asked: Asked) -> Certificate | None:
        assert asked.issuer is not None
        assert asked.serial is not None
        entry = self._ledger.find(asked.serial)
        own = (certificate for ca in self._authorities.all for certificate in ca.certificates)
        candidates = [*([entry.certificate] if entry else []), *own]
        return next((c for c in candidates if c.serial == asked.serial and same_name(c.issuer, asked.issuer)), None)


def _request(asked: Asked) -> tuple[int, bytes, bytes | None]:
    """The identity of a request: message type, CSR, and the certificate of this CA that signed it."""
    assert asked.csr is not None
    return asked.message.message_type, asked.csr.der, asked.own.der if asked.own is not None else None


def _odd_names(asked: Asked, known: Transaction) -> tuple[Note, ...]:
    """The names of a poll that differ from the expected ones."""
    assert asked.subject is not None
    assert asked.issuer is not None
    rows = (
        ("SCEP-3.3.3-02", "issuer", asked.issuer, known.authority.issuer.certificate.subject),
        ("SCEP-3.3.3-03", "subject", asked.subject, known.csr.subject),
    )
    return tuple(
        Note(requirement, f"issuerAndSubject.{field}", f"{name_text(got)} instead of {name_text(wanted)}")
        for requirement, field, got, wanted in rows
        if not same_name(got, wanted)
    )
