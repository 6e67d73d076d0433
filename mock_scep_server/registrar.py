"""What the CA answers to a request that was read: success, pending or failure; and what it remembers of transactions.

Same transaction and same CSR, same decision (SCEP-5.2-04). Knows no HTTP, no CMS octets and no faults; a certificate
may be changed by the caller before it is signed. Not thread-safe: deciding and remembering is one step of whoever
calls, who holds a lock over it. RFC 8894, 3.3.2 and 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mfp_sim.scep.certificate import Certificate, name_text, same_name
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.messages import CertRep, Note
from mfp_sim.scep.vocabulary import FailInfo, PkiStatus
from mfp_sim.simtime import Clock, Entropy
from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.ledger import Ledger
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.requests import Asked, Refusal
from mock_scep_server.script import Answer

__all__ = ["Decision", "Registrar"]


@dataclass
class _Transaction:
    """What the CA remembers: the CSR, whose key signed its message, and the final decision once there is one."""

    csr: Csr
    signer_spki: bytes
    issued: Certificate | None = None
    refused: Refusal | None = None


@dataclass(frozen=True)
class Decision:
    """The answer as a CertRep to encode, a line for the journal, the certificate that it delivers, if any, and what was
    tolerated in deciding."""

    reply: CertRep
    text: str
    issued: Certificate | None = None
    notes: tuple[Note, ...] = ()


class Registrar:
    """Decides on requests, one at a time.

    Args:
        profile: the shape of the CA.
        clock, entropy: time, and chance for nonces.
        ca: issues.
        ledger: told of every certificate minted.
    """

    def __init__(
        self, profile: CaProfile, clock: Clock, entropy: Entropy, ca: CertificateAuthority, ledger: Ledger
    ) -> None:
        self._profile, self._clock, self._entropy, self._ca, self._ledger = profile, clock, entropy, ca, ledger
        self._transactions: dict[str, _Transaction] = {}

    def decide(self, asked: Asked, answer: Answer | None, alter: Callable[[Template], Template]) -> Decision:
        """The answer to one request.

        Args:
            asked: what was read.
            answer: what the script wants; None leaves it to the CA, which grants what passed its checks.
            alter: changes a certificate before it is signed.
        """
        transaction, refusal = self._transaction(asked)
        decision = self._answer(asked, transaction, refusal, answer, alter)
        return replace(decision, notes=self._names(asked, transaction))

    def _answer(
        self,
        asked: Asked,
        transaction: _Transaction | None,
        refusal: Refusal | None,
        answer: Answer | None,
        alter: Callable[[Template], Template],
    ) -> Decision:
        reply = self._frame(asked)
        if answer is not None and answer.kind == "failure":
            refusal = Refusal(FailInfo(answer.fail_info or 0), answer.text or "refused by the script")
        if refusal is None and transaction is not None:
            refusal = transaction.refused
        if refusal is not None:
            if transaction is not None and transaction.issued is None:
                transaction.refused = refusal
            return Decision(
                replace(reply, status=PkiStatus.FAILURE, fail_info=refusal.fail_info, fail_info_text=refusal.text),
                f"FAILURE {refusal.fail_info.label}: {refusal.text}",
            )
        assert transaction is not None
        if transaction.issued is None and answer is not None and answer.kind == "pending":
            return Decision(replace(reply, status=PkiStatus.PENDING), "PENDING")
        if transaction.issued is None:
            transaction.issued = self._ca.sign(alter(self._ca.template(transaction.csr)))
            self._ledger.mint(transaction.issued, asked.message.transaction_id, self._clock.now())
        issued = transaction.issued
        reply = replace(reply, certificates=(issued.der, self._ca.ca.certificate.der), recipient=asked.signer)
        return Decision(reply, f"SUCCESS serial {issued.serial:x}", issued)

    def _frame(self, asked: Asked) -> CertRep:
        """What every reply to this request has: nonces, transaction, algorithms that are not weaker than its own."""
        message = asked.message
        cipher = message.envelope.cipher if message.envelope else "aes-128-cbc"
        if cipher == "des-cbc" or not cipher.endswith("-cbc"):
            cipher = self._profile.reply_cipher_for_weak
        return CertRep(
            status=PkiStatus.SUCCESS,
            transaction_id=message.transaction_id,
            recipient_nonce=message.sender_nonce,
            sender_nonce=self._entropy.octets(16),
            digest="sha1" if message.digest == "md5" else message.digest,
            cipher=cipher,
            empty_content=self._profile.empty_content,
        )

    def _transaction(self, asked: Asked) -> tuple[_Transaction | None, Refusal | None]:
        """The transaction that a request belongs to."""
        if asked.refusal is not None:
            return None, asked.refusal
        assert asked.signer is not None
        identifier = asked.message.transaction_id
        known = self._transactions.get(identifier)
        if asked.csr is not None:
            if known is None:
                known = self._transactions[identifier] = _Transaction(asked.csr, asked.signer.spki)
            elif known.csr.spki != asked.csr.spki or known.csr.subject != asked.csr.subject:
                return None, Refusal(FailInfo.BAD_REQUEST, "the transactionID belongs to another request")
            return known, None
        if known is None:
            return None, Refusal(FailInfo.BAD_CERT_ID, "no such transaction")
        # The transactionID decides, not the names in the poll (SCEP-3.3.3-04): behind an RA strongSwan names the RA as
        # issuer. But who did not sign the request gets nothing (SCEP-3.3.3-06).
        if known.signer_spki != asked.signer.spki:
            return None, Refusal(FailInfo.BAD_CERT_ID, "the poll is signed with another key than the request")
        return known, None

    def _names(self, asked: Asked, transaction: _Transaction | None) -> tuple[Note, ...]:
        """What the names of a poll should be and are not."""
        if transaction is None or asked.subject is None or asked.issuer is None:
            return ()
        rows = (
            ("SCEP-3.3.3-02", "issuer", asked.issuer, self._ca.ca.certificate.subject),
            ("SCEP-3.3.3-03", "subject", asked.subject, transaction.csr.subject),
        )
        return tuple(
            Note(requirement, f"issuerAndSubject.{field}", f"{name_text(got)} instead of {name_text(wanted)}")
            for requirement, field, got, wanted in rows
            if not same_name(got, wanted)
        )
