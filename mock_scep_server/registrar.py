"""What the CA answers to a request that was read: success, pending or failure; and what it remembers of transactions.

The same request again gets the same decision (SCEP-5.2-04). A transactionID alone does not make it the same: clients
derive it from the key, so that a renewal with the same key carries the enrolment's (SCEP-3.2.1.1-07). What a script
answers instead of the CA is no decision of the CA, which does not remember it. Knows no HTTP, no CMS octets and no
faults; a certificate may be changed by the caller before it is signed. Not thread-safe: deciding and remembering is one
step of the caller, who holds a lock over it. RFC 8894, 2.3, 3.2.1.1, 3.3.2, 4.4 to 4.6 and 5.2.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from mfp_sim.scep import der
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.algorithms import HASHES, KeyTransport
from mfp_sim.scep.certificate import Certificate, name_text, same_name
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.messages import CertRep, Note, Oddities
from mfp_sim.scep.vocabulary import FailInfo, MessageType, PkiStatus
from mfp_sim.simtime import Clock, Entropy
from mock_scep_server.admission import Admission
from mock_scep_server.asked import Asked, Refusal
from mock_scep_server.authorities import Authorities
from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.ledger import Ledger
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.revocation import Revocations
from mock_scep_server.script import Answer

__all__ = ["Decision", "Registrar", "Waiting"]

UPDATE_REQ = 18
"""Of drafts before the RFC; some servers still take it for a PKCSReq."""
Alter = Callable[[Template], Template]
_NOT_FOUND = Refusal(FailInfo.BAD_CERT_ID, "no certificate of this issuer and serial number")


@dataclass
class _Transaction:
    """What the CA remembers of one operation: the request, which CA was asked and when, and the final decision.

    ``request`` is what makes a retransmission of it; ``signer`` the key that polls have to be signed with; ``waits``
    whether the client was told to wait for the operator.
    """

    request: tuple[int, bytes, bytes | None] = field(repr=False)
    csr: Csr
    signer: bytes
    authority: CertificateAuthority
    begun: datetime
    approved: bool = False
    issued: Certificate | None = None
    refused: Refusal | None = None
    admitted: bool = True
    waits: bool = False

    @property
    def open(self) -> bool:
        """Whether nothing is decided yet."""
        return self.issued is None and self.refused is None


@dataclass(frozen=True)
class Waiting:
    """A request that waits for the operator."""

    transaction: str
    subject: str
    since: datetime
    approved: bool

    def to_json(self) -> dict[str, object]:
        """As a JSON-able object."""
        return {
            "transaction": self.transaction,
            "subject": self.subject,
            "since": self.since.isoformat(),
            "approved": self.approved,
        }


@dataclass(frozen=True)
class Decision:
    """The answer as a CertRep to encode, a line for the journal, the certificate that it delivers, if any, and what was
    tolerated in deciding. ``authority`` is the CA that was asked: it signs the answer."""

    reply: CertRep
    text: str
    authority: CertificateAuthority
    issued: Certificate | None = None
    notes: tuple[Note, ...] = ()
    status: int = 0

    @property
    def kind(self) -> str:
        """``success``, ``pending`` or ``failure``."""
        return "failure" if self.status else PkiStatus(self.reply.status).name.lower()


class Registrar:
    """Decides on requests, one at a time.

    Args:
        profile, policy: the shape of the CA, and what its operator decided.
        clock, entropy: time, and chance for nonces.
        authorities: issue.
        admission: who may have a certificate.
        ledger: told of every certificate minted.
        revocations: give CRLs.
    """

    def __init__(
        self,
        profile: CaProfile,
        policy: CaPolicy,
        clock: Clock,
        entropy: Entropy,
        authorities: Authorities,
        admission: Admission,
        ledger: Ledger,
        revocations: Revocations,
    ) -> None:
        self._profile, self._policy, self._clock, self._entropy = profile, policy, clock, entropy
        self._authorities, self._admission = authorities, admission
        self._ledger, self._revocations = ledger, revocations
        self._transactions: dict[str, list[_Transaction]] = {}
        self._held = ["*"] if policy.approval == "manual" else []
        self._answers: dict[int, Callable[[Asked, CertRep, Answer | None, Alter], Decision]] = {
            MessageType.PKCS_REQ: self._enrol,
            MessageType.RENEWAL_REQ: self._enrol,
            UPDATE_REQ: self._enrol,
            MessageType.CERT_POLL: self._poll,
            MessageType.GET_CERT: self._get_cert,
            MessageType.GET_CRL: self._get_crl,
        }

    def decide(self, asked: Asked, answer: Answer | None, alter: Alter) -> Decision:
        """The answer to one request.

        Args:
            asked: what was read.
            answer: what the script wants; None leaves it to the CA.
            alter: changes a certificate before it is signed.
        """
        reply = self._frame(asked)
        if asked.refusal is not None:
            return self._failure(asked, reply, answer, asked.refusal)
        return self._answers[asked.message.message_type](asked, reply, answer, alter)

    # --- enrolment ----------------------------------------------------------------------------------------

    def _enrol(self, asked: Asked, reply: CertRep, answer: Answer | None, alter: Alter) -> Decision:
        """PKCSReq and RenewalReq: the answer that the same request had, or a new operation."""
        csr, signer, identifier = asked.csr, asked.signer, asked.message.transaction_id
        assert csr is not None
        assert signer is not None
        earlier, request = self._known(identifier), self._request(asked)
        known = next((t for t in earlier if t.admitted and t.request == request), None)
        if known is not None and known.issued is not None and self._is_over(known.issued):
            known = None
        if known is None:
            renewed = request[2]
            # A CA that answers each request anew does not look an identifier up once it has issued.
            standing = [t for t in earlier if t.issued is None or self._profile.retransmission != "again"]
            if standing and not any(_may_follow(csr, renewed, other) for other in standing):
                text = "the transactionID belongs to another request"
                return self._failure(asked, reply, answer, Refusal(FailInfo.BAD_REQUEST, text))
            refusal = self._admission.refuse(asked)
            known = _Transaction(request, csr, signer.spki, asked.authority, self._clock.now())
            if refusal is not None:
                # A poll asks about what was begun last, and must not find the certificate of an earlier operation.
                known.refused, known.admitted = refusal, False
                if earlier and not any(other.open for other in earlier):
                    self._remember(identifier, earlier, known)
                return self._failure(asked, reply, answer, refusal)
            self._remember(identifier, earlier, known)
        known.signer = signer.spki
        return self._outcome(asked, reply, known, answer, alter)

    def _is_over(self, issued: Certificate) -> bool:
        """Whether the same request is a new order: always with some CAs, else once what was issued is of no use."""
        if self._profile.retransmission == "again" or self._revocations.is_revoked(issued.serial):
            return True
        return self._clock.now() > issued.not_after

    def _request(self, asked: Asked) -> tuple[int, bytes, bytes | None]:
        """What makes a request the same as another: message type, CSR, and the certificate of ours that signed it."""
        assert asked.csr is not None
        own = self._admission.own_certificate(asked)
        return asked.message.message_type, asked.csr.der, own.certificate.der if own is not None else None

    def _remember(self, identifier: str, earlier: list[_Transaction], newest: _Transaction) -> None:
        """A new operation takes the place of those that were not admitted or are not decided: the same client began it,
        and polls for it from now on."""
        kept = [t for t in earlier if t.admitted and not t.open and t.request != newest.request]
        self._transactions[identifier] = [*kept, newest]

    def _poll(self, asked: Asked, reply: CertRep, answer: Answer | None, alter: Alter) -> Decision:
        """CertPoll: about the newest operation of a transactionID and a signer; what is odd about the names is noted
        (RFC 8894, 3.3.3)."""
        assert asked.signer is not None
        earlier = self._known(asked.message.transaction_id)
        if not earlier:
            return self._failure(asked, reply, answer, Refusal(FailInfo.BAD_CERT_ID, "no such transaction"))
        # The transactionID decides, not the names in the poll (SCEP-3.3.3-04): behind an RA strongSwan names the RA as
        # issuer. But who did not sign the request gets nothing (SCEP-3.3.3-06).
        known = next((t for t in reversed(earlier) if t.signer == asked.signer.spki), None)
        if known is None:
            text = "the poll is signed with another key than the request"
            return self._failure(asked, reply, answer, Refusal(FailInfo.BAD_CERT_ID, text))
        decision = self._outcome(asked, reply, known, answer, alter)
        return replace(decision, notes=_odd_names(asked, known))

    def _outcome(
        self, asked: Asked, reply: CertRep, known: _Transaction, answer: Answer | None, alter: Alter
    ) -> Decision:
        known.waits = False
        scripted = _scripted(answer)
        if scripted is not None:
            return self._failure(asked, reply, answer, scripted)
        if known.open and self._overdue(known):
            known.refused = Refusal(FailInfo.BAD_REQUEST, "the request was not approved in time")
        if known.refused is not None:
            return self._failure(asked, reply, answer, known.refused)
        if self._is_pending(known, answer):
            known.waits = known.open
            return Decision(replace(reply, status=PkiStatus.PENDING), "PENDING", known.authority)
        if known.issued is None or (answer is not None and answer.again):
            known.issued = self._earlier(known.csr) or self._mint(known, asked.message.transaction_id, alter)
        issued, authority = known.issued, known.authority
        chain = (authority.issuer.certificate.der,) if self._profile.ca_in_reply else ()
        reply = replace(reply, certificates=(issued.der, *chain), recipient=asked.signer)
        if self._profile.bag_empty_crls:
            reply = replace(reply, oddities=replace(reply.oddities, bag_empty_sets=True))
        if self._profile.outer_certificates == "issued-and-signer":
            reply = replace(reply, outer_certificates=(issued,), signer_last=True)
        if self._profile.outer_certificates == "none":
            reply = replace(reply, oddities=replace(reply.oddities, certificates="absent"))
        if self._profile.server_message:
            words = (v.NDES_MESSAGE, (der.utf8_string(self._profile.server_message),))
            reply = replace(reply, oddities=replace(reply.oddities, extra_signed=(words,)))
        return Decision(reply, f"SUCCESS serial {issued.serial:x}", authority, issued)

    def _is_pending(self, known: _Transaction, answer: Answer | None) -> bool:
        """Whether the answer is PENDING: the script says so, or the operator has not approved."""
        if answer is not None and answer.kind in ("pending", "success"):
            return answer.kind == "pending"
        return known.issued is None and not known.approved and self._is_held(known.csr)

    def _is_held(self, csr: Csr) -> bool:
        return any(fnmatch.fnmatchcase(csr.subject_text, pattern) for pattern in self._held)

    def _overdue(self, known: _Transaction) -> bool:
        expires = self._policy.approval_expires
        return expires is not None and not known.approved and self._clock.now() >= known.begun + expires

    def _known(self, identifier: str) -> list[_Transaction]:
        """The operations under a transactionID that the CA has not forgotten (F-P08), the newest last."""
        known, lifetime = self._transactions.get(identifier, []), self._policy.transaction_lifetime
        if lifetime is not None:
            known = [t for t in known if self._clock.now() < t.begun + lifetime]
            self._transactions.pop(identifier, None)
            if known:
                self._transactions[identifier] = known
        return known

    def _earlier(self, csr: Csr) -> Certificate | None:
        """The valid certificate that this key has already, where the CA gives that again (F-W04)."""
        if self._profile.same_key == "new":
            return None
        now, revoked = self._clock.now(), self._revocations.is_revoked
        fitting = (entry.certificate for entry in self._ledger.of_key(csr.spki))
        return next((c for c in fitting if now <= c.not_after and not revoked(c.serial)), None)

    def _mint(self, known: _Transaction, transaction: str, alter: Alter) -> Certificate:
        authority = known.authority
        certificate = authority.sign(alter(authority.template(known.csr)))
        self._ledger.mint(certificate, transaction, self._clock.now())
        return certificate

    # --- what was issued ----------------------------------------------------------------------------------

    def _get_cert(self, asked: Asked, reply: CertRep, answer: Answer | None, alter: Alter) -> Decision:  # noqa: ARG002
        """GetCert: the certificate, or badCertId; never PENDING (SCEP-4.5.1-01)."""
        found = self._find(asked)
        if found is None or _scripted(answer):
            return self._failure(asked, reply, answer, _NOT_FOUND)
        reply = replace(reply, certificates=(found.der,), recipient=asked.signer)
        return Decision(reply, f"SUCCESS certificate {found.serial:x}", asked.authority)

    def _get_crl(self, asked: Asked, reply: CertRep, answer: Answer | None, alter: Alter) -> Decision:  # noqa: ARG002
        """GetCRL: the most recent CRL of the certificate's issuer (SCEP-4.6.1-01)."""
        found = self._find(asked)
        issuer = None if found is None else self._authorities.issuer_of(found)
        if issuer is None or _scripted(answer):
            return self._failure(asked, reply, answer, _NOT_FOUND)
        crl = self._revocations.current(issuer)
        reply = replace(reply, crls=(crl.der,), recipient=asked.signer)
        return Decision(reply, f"SUCCESS CRL {crl.number}", asked.authority)

    def _find(self, asked: Asked) -> Certificate | None:
        assert asked.issuer is not None
        assert asked.serial is not None
        entry = self._ledger.find(asked.serial)
        own = (c for line in self._authorities.lineages for ca in line.all for c in ca.certificates)
        candidates = [*([entry.certificate] if entry else []), *own]
        return next((c for c in candidates if c.serial == asked.serial and same_name(c.issuer, asked.issuer)), None)

    # --- replies ------------------------------------------------------------------------------------------

    def _failure(self, asked: Asked, reply: CertRep, answer: Answer | None, refusal: Refusal) -> Decision:
        """FAILURE as the profile words it, or the HTTP status that the profile has instead; a script's comes first."""
        refusal = _scripted(answer) or refusal
        profile, text = self._profile, f"FAILURE {refusal.fail_info.label}: {refusal.text}"
        if refusal.status or refusal.fail_info.label in profile.failure_status:
            status = refusal.status or 500
            return Decision(reply, f"HTTP {status} for {text}", asked.authority, status=status)
        fail_info = FailInfo.BAD_REQUEST if profile.failures == "badRequest" else refusal.fail_info
        odd = reply.oddities
        hresult = profile.hresult if refusal.hresult is None else refusal.hresult
        if hresult:
            odd = replace(odd, extra_signed=((v.NDES_RESULT, (der.printable_string(hresult),)),))
        if profile.failure_certificates == "absent":
            odd = replace(odd, certificates="absent")
        reply = replace(
            reply,
            status=PkiStatus.FAILURE,
            fail_info=fail_info,
            fail_info_text=refusal.text if profile.fail_info_text or refusal.worded else None,
            printable_text=profile.fail_info_text_type == "printable",
            oddities=odd,
        )
        return Decision(reply, text, asked.authority)

    def _frame(self, asked: Asked) -> CertRep:
        """What every reply to this request has: nonces, transaction, and algorithms, by the profile or as was asked."""
        message, profile = asked.message, self._profile
        cipher = message.envelope.cipher if message.envelope else "aes-128-cbc"
        aes = cipher.startswith("aes")
        if cipher == "des-cbc" or not cipher.endswith("-cbc"):
            cipher = profile.reply_cipher_for_weak
        elif profile.reply_cipher != "as-asked":
            cipher = profile.reply_cipher
        digest = message.digest if message.digest in HASHES else "sha256"
        digest = "sha1" if digest == "md5" else digest
        digest = digest if profile.reply_digest == "as-asked" else profile.reply_digest
        oaep = aes and profile.transport_for_aes == "oaep"
        odd = Oddities(
            digest_parameters=profile.digest_parameters,
            signature_name=profile.signature_name,
            signature_parameters=profile.signature_parameters,
            key_transport=KeyTransport("oaep", parameters="minimal")
            if oaep
            else KeyTransport(parameters=profile.transport_parameters),
            constructed_ciphertext=profile.constructed_ciphertext,
            single_des=cipher == "des-cbc",
            md5=digest == "md5",
        )
        fresh = self._entropy.octets(16)
        return CertRep(
            status=PkiStatus.SUCCESS,
            transaction_id=message.transaction_id,
            recipient_nonce=message.sender_nonce,
            sender_nonce=message.sender_nonce if profile.sender_nonce == "copied" else fresh,
            digest=digest,
            cipher=cipher,
            empty_content=profile.empty_content,
            signing_time=self._clock.now() if profile.signing_time else None,
            repeatable=self._entropy.repeatable,
            oddities=odd,
        )

    # --- the operator -------------------------------------------------------------------------------------

    def hold(self, pattern: str) -> int:
        """Requests whose subject fits wait for approval from now on; how many patterns are new, one or none."""
        if pattern in self._held:
            return 0
        self._held.append(pattern)
        return 1

    def release(self, pattern: str) -> int:
        """They do not any longer; how many patterns that was, one or none."""
        before = len(self._held)
        self._held = [held for held in self._held if held != pattern]
        return before - len(self._held)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Requests that are not decided, in the order in which they came."""
        return tuple(
            Waiting(identifier, known.csr.subject_text, known.begun, known.approved)
            for identifier, known in self._undecided()
        )

    def _undecided(self) -> list[tuple[str, _Transaction]]:
        rows = [(identifier, known) for identifier, found in self._transactions.items() for known in found]
        return [(identifier, known) for identifier, known in rows if known.waits and not self._overdue(known)]

    def approve(self, pattern: str) -> int:
        """Let the waiting requests pass whose subject or transactionID fits; they are issued when next asked about.

        Returns:
            How many they were, without those that were approved before.
        """
        found = [known for known in self._choose(pattern) if not known.approved]
        for known in found:
            known.approved = True
        return len(found)

    def reject(self, pattern: str, fail_info: FailInfo, text: str) -> int:
        """Refuse them for good.

        Returns:
            How many they were.
        """
        found = self._choose(pattern)
        for known in found:
            known.refused, known.waits = Refusal(fail_info, text), False
        return len(found)

    def _choose(self, pattern: str) -> list[_Transaction]:
        """Those that wait and whose subject or transactionID fits."""
        return [
            known
            for identifier, known in self._undecided()
            if identifier == pattern or fnmatch.fnmatchcase(known.csr.subject_text, pattern)
        ]

    def forget(self) -> int:
        """All transactions are forgotten; how many they were."""
        count = len(self._transactions)
        self._transactions.clear()
        return count


def _may_follow(csr: Csr, renewed: bytes | None, earlier: _Transaction) -> bool:
    """Whether a new operation may carry the transactionID of an earlier one (SCEP-5.2-05): it is of the same key and
    name, or renews the certificate that the earlier one gave."""
    if csr.spki == earlier.csr.spki and csr.subject == earlier.csr.subject:
        return True
    return renewed is not None and earlier.issued is not None and earlier.issued.der == renewed


def _odd_names(asked: Asked, known: _Transaction) -> tuple[Note, ...]:
    """What the names of a poll should be and are not."""
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


def _scripted(answer: Answer | None) -> Refusal | None:
    """The FAILURE that the script wants. It is not remembered: the CA has decided nothing."""
    if answer is None or answer.kind != "failure":
        return None
    text = answer.text or "refused by the script"
    return Refusal(FailInfo(answer.fail_info or 0), text, worded=answer.text is not None, hresult=answer.hresult)
