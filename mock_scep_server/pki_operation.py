"""Handles a PKIOperation from its bytes to the bytes of the CertRep: admit, read, judge, decide, encode.

`checking.py` reads what a message asks for, `judgement.py` judges the client, and `registrar.py` decides the reply,
under one lock with the script, since two clients with the same transaction must not get two certificates. All
cryptography happens outside the lock. RFC 8894, 3.3 and 4.3 to 4.6.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, HttpReply
from mfp_sim.shared.scep.vocabulary import PkiStatus
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.asked import Asked
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.challenges import AskFirst
from mock_scep_server.checking import RequestReader
from mock_scep_server.faults.base import On
from mock_scep_server.judgement import requirement_of
from mock_scep_server.orders import CertificateOrder
from mock_scep_server.registrar import Registrar
from mock_scep_server.replies import Decision
from mock_scep_server.ruled import RuledAnswer
from mock_scep_server.script import GRANTS
from mock_scep_server.transactions import Transactions
from mock_scep_server.work import EarlyReply, Work, text_reply

__all__ = ["PkiOperation"]

_NO_MESSAGE = "SCEP-3-01"


class PkiOperation:
    """The layers that a message passes, one method each, in order."""

    def __init__(self, parts: CaParts, transactions: Transactions, entropy: Entropy) -> None:
        self._parts, self._profile, self._entropy = parts, parts.profile, entropy
        self._reader, self._registrar = RequestReader(parts), Registrar(parts, transactions, entropy)

    def reply(self, work: Work, octets: bytes | None) -> HttpReply:
        """Return the HTTP reply to one message.

        Raises:
            EarlyReply: the message is not served, or a rule answers it with an HTTP status.
        """
        self._serve(work)
        asked = self._read(work, octets)
        self._examine(work, asked)
        decision = self._decide(work, asked)
        return self._encode(work, decision)

    def _serve(self, work: Work) -> None:
        """Refuse POST, as some products do."""
        if work.request.method != "POST" or self._profile.post == "served":
            return
        work.decision = "POST is not served, as in this product"
        empty = HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),))
        raise EarlyReply(empty if self._profile.post == "empty-200" else text_reply(405, "GET only."))

    def _read(self, work: Work, octets: bytes | None) -> Asked:
        """Read the pkiMessage and what it asks for."""
        try:
            message = messages.decode(octets) if octets else None
            text, requirement = "The PKIOperation has no message.", _NO_MESSAGE
        except DecodeError as error:
            message, text = None, f"The message is not a SCEP message: {error}"
            requirement = requirement_of(error)
        if message is None:
            work.findings = self._parts.judge.noted(work.notes)
            raise work.refused(requirement, text, self._profile.unreadable_status)
        asked = self._reader.read(message)
        work.context.asked = asked
        return asked

    def _examine(self, work: Work, asked: Asked) -> None:
        """Judge the client by the message."""
        odd = tuple(str(note) for note in (*asked.message.notes, *(asked.csr.notes if asked.csr else ())))
        work.notes += odd
        work.findings += self._parts.judge.message(
            work.request,
            asked.message,
            now=self._parts.clock.now(),
            signer=asked.signer,
            csr=asked.csr,
            renews=asked.renews is not None,
            noted=work.notes,
            unreadable=asked.unreadable,
            verified=asked.verified,
        )

    def _decide(self, work: Work, asked: Asked) -> Decision:
        """Apply the script, then the CA's decision."""
        with self._parts.lock:
            answer = work.take(self._parts.script)
            face = work.altered(On.AUTHORITY, asked.authority)
            other = face is not asked.authority
            if other:
                asked = self._reader.read(asked.message, face)
                work.context.asked = asked
            decided = self._decided(work, asked, answer)
            wanted = answer.kind if answer is not None else None
            overruled = wanted in GRANTS and decided.kind != wanted
            if overruled or (decided.kind == "failure" and wanted != "failure"):
                work.taken = self._parts.script.give_back(work.taken, overruled=overruled)
        decision = self._issue(decided) if isinstance(decided, CertificateOrder) else decided
        odd = tuple(str(note) for note in decision.notes)
        work.findings += self._parts.judge.noted(odd)
        work.notes += (*odd, *asked.notes)
        work.decided(decision.kind, decision.text)
        work.issued = decision.issued
        return replace(decision, authority=face) if other else decision

    def _decided(self, work: Work, asked: Asked, answer: RuledAnswer | None) -> Decision | CertificateOrder:
        """Decide under the lock; wait for prerequisites without holding it."""
        with ExitStack() as stack:
            while True:
                try:
                    return self._registrar.decide(asked, answer, lambda template: work.altered(On.TEMPLATE, template))
                except AskFirst as first:
                    stack.callback(first.forget)
                    self._parts.lock.outside(first.ask)

    def _issue(self, order: CertificateOrder) -> Decision:
        """Return the decision once the certificate is signed."""
        try:
            certificate = order.sign()
            with self._parts.lock:
                return order.enter(certificate)
        finally:
            order.close()

    def _encode(self, work: Work, decision: Decision) -> HttpReply:
        """Encode the CertRep, signed by the CA that the request addressed."""
        if decision.status:
            return text_reply(decision.status, "The request is not served.")
        context, signer = work.context, decision.authority.signer
        context.status = PkiStatus(decision.reply.status).name
        plan = work.altered(On.MESSAGE, decision.reply)
        work.carried = work.issued is not None and work.issued.der in plan.certificates
        octets = messages.encode_cert_rep(
            plan, signer_key=signer.key, signer_certificate=signer.certificate, octets=self._entropy.octets
        )
        sent = work.altered(On.BYTES, octets)
        assert context.asked is not None
        context.memory.keep("nonce", context.asked.message.sender_nonce)
        context.memory.keep(f"CertRep {context.name} {context.status}", octets)
        return HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=sent)
