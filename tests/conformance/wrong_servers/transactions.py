"""Polls, transactions, GetCert and GetCRL answered wrongly. RFC 8894, 4.4 to 4.6 and 5."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfp_sim.shared.scep import crl
from mfp_sim.shared.scep.messages import CertRep
from mfp_sim.shared.scep.vocabulary import MessageType, PkiStatus
from mfp_sim.testing import Bench
from mock_scep_server.orders import CertificateOrder
from mock_scep_server.replies import Decision
from mock_scep_server.service import ScepService
from wrong_servers.base import (
    INTEROPERABILITY,
    SECURITY,
    around,
    enrolled,
    issued_to,
    lookup,
    opened,
    registrar,
    reshape,
    wrong,
)

SAME = "RFC 8894, 4.4: CertPoll messages carry the same transactionID; the reply is of that operation (3.2.1.1)"


def answering(ca: ScepService, kind: MessageType, stand_in: Any) -> None:
    """``stand_in(original, case)`` replies to requests of this kind."""
    answers = registrar(ca)._answers
    original = answers[kind]
    answers[kind] = lambda case: stand_in(original, case)


def pending(bench: Bench) -> tuple[Any, Any]:
    """A client, and its order that waits for the operator."""
    bench.ca.operator.hold("*")
    client = bench.client()
    order = client.order()
    answer = client.ask(order)
    assert answer.status == PkiStatus.PENDING, answer.text
    return client, order


def _stranger(bench: Bench) -> bool:
    _, order = pending(bench)
    bench.ca.operator.approve("*")
    other = bench.client(name="stranger")
    key = other.key()
    signer = other.self_signed(key, order.subject)
    poll = other.poll(order, signer_key=key, signer=signer)
    return other.ask(poll).granted


@wrong(SECURITY, "RFC 8894, 2.3: the client signs with the key of the request during the enrolment process", _stranger)
def poll_of_a_stranger(ca: ScepService) -> None:
    """Sends the certificate to anyone who polls with the transactionID, signed with any key."""

    def poll(original: Any, case: Any) -> Any:
        for known in ca._transactions.of(case.asked.message.transaction_id):
            known.signer = case.asked.signer.spki
        return original(case)

    answering(ca, MessageType.CERT_POLL, poll)


def _for_ever(bench: Bench) -> bool:
    client, order = pending(bench)
    bench.ca.operator.approve("*")
    return client.ask(client.poll(order)).status == PkiStatus.PENDING


@wrong(INTEROPERABILITY, "RFC 8894, 4.4: the client polls until the request is granted or rejected", _for_ever)
def pending_for_ever(ca: ScepService) -> None:
    """Replies PENDING to each poll, even after the operator has approved."""

    def poll(original: Any, case: Any) -> Any:
        decision = original(case)
        if decision.kind != "success":
            return decision
        if isinstance(decision, CertificateOrder):
            decision.close()  # otherwise the next client waits for its certificate
        reply = replace(case.reply, status=PkiStatus.PENDING)
        return Decision(reply, "PENDING", decision.authority)

    answering(ca, MessageType.CERT_POLL, poll)


def _no_word(bench: Bench) -> bool:
    client, order = pending(bench)
    return client.ask(client.poll(order)).granted


@wrong(SECURITY, "RFC 8894, 2.4: PENDING until the CA operator authorises or rejects it", _no_word)
def poll_is_approval(ca: ScepService) -> None:
    """Issues at the first poll, without the operator's approval."""

    def poll(original: Any, case: Any) -> Any:
        for known in ca._transactions.of(case.asked.message.transaction_id):
            known.approved = True
        return original(case)

    answering(ca, MessageType.CERT_POLL, poll)


def _again(bench: Bench) -> bool:
    client, order = pending(bench)
    return client.ask(order).granted


@wrong(SECURITY, "RFC 8894, 2.4: PENDING until the CA operator authorises or rejects it", _again)
def second_request_is_approval(ca: ScepService) -> None:
    """Issues when a waiting request is repeated."""

    def enrol(original: Any, case: Any) -> Any:
        for known in ca._transactions.of(case.asked.message.transaction_id):
            known.approved = True
        return original(case)

    answering(ca, MessageType.PKCS_REQ, enrol)


def _after_rejection(bench: Bench) -> bool:
    client, order = pending(bench)
    bench.ca.operator.reject("*")
    return client.ask(client.poll(order)).status == PkiStatus.PENDING


@wrong(INTEROPERABILITY, "RFC 8894, 4.4: the client polls until the request is granted or rejected", _after_rejection)
def rejection_kept_from_the_client(ca: ScepService) -> None:
    """Replies PENDING to polls for a request that the operator has rejected."""

    def poll(original: Any, case: Any) -> Any:
        decision = original(case)
        known = ca._transactions.of(case.asked.message.transaction_id)
        if not known or decision.kind != "failure":
            return decision
        return Decision(replace(case.reply, status=PkiStatus.PENDING), "PENDING", decision.authority)

    answering(ca, MessageType.CERT_POLL, poll)


def _two(bench: Bench) -> bool:
    client = bench.client()
    order = client.order()
    return issued_to(client.ask(order)).serial != issued_to(client.ask(order)).serial


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 5.2: a request that is sent again after a lost reply belongs to the same transaction",
    _two,
)
def two_certificates_for_one_request(ca: ScepService) -> None:
    """Issues another certificate each time the same request is repeated."""
    reshape(registrar(ca), retransmission="again")


def _each_poll(bench: Bench) -> bool:
    client, order = pending(bench)
    bench.ca.operator.approve("*")
    first, second = client.ask(client.poll(order)), client.ask(client.poll(order))
    return issued_to(first).serial != issued_to(second).serial


@wrong(INTEROPERABILITY, "RFC 8894, 4.4: the certificate of a transaction is sent back", _each_poll)
def each_poll_issues_anew(ca: ScepService) -> None:
    """Issues a new certificate at each poll."""

    def poll(original: Any, case: Any) -> Any:
        for known in ca._transactions.of(case.asked.message.transaction_id):
            known.certificate, known.approved = None, known.approved or known.certificate is not None
        return original(case)

    answering(ca, MessageType.CERT_POLL, poll)


def _unknown(bench: Bench) -> bool:
    client = bench.client()
    return client.ask(client.poll()).status == PkiStatus.PENDING


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 4.4: a CA receiving a CertPoll for which it has no matching request MUST reject this request",
    _unknown,
)
def unknown_poll_is_pending(ca: ScepService) -> None:
    """Replies PENDING to a poll for an unknown transaction."""

    def poll(original: Any, case: Any) -> Any:
        if ca._transactions.of(case.asked.message.transaction_id):
            return original(case)
        reply: CertRep = replace(case.reply, status=PkiStatus.PENDING)
        return Decision(reply, "PENDING", case.asked.authority)

    answering(ca, MessageType.CERT_POLL, poll)


def _other_id(bench: Bench) -> bool:
    client, order = pending(bench)
    return client.ask(client.poll(order)).message.transaction_id != order.transaction_id


@wrong(INTEROPERABILITY, SAME, _other_id)
def poll_reply_of_another_transaction(ca: ScepService) -> None:
    """Writes its own transactionID into replies to polls; the first reply has the right one."""

    def poll(original: Any, case: Any) -> Any:
        return original(replace(case, reply=replace(case.reply, transaction_id="F" * 40)))

    answering(ca, MessageType.CERT_POLL, poll)


def _poll_nonce(bench: Bench) -> bool:
    client, order = pending(bench)
    poll = client.poll(order)
    return client.ask(poll).message.recipient_nonce != poll.nonce


@wrong(
    SECURITY,
    "RFC 8894, 3.2.1.5: the recipient MUST copy the senderNonce into the recipientNonce of the reply",
    _poll_nonce,
)
def poll_reply_with_the_first_nonce(ca: ScepService) -> None:
    """Replies to each poll with the nonce of the first request."""
    first: dict[str, bytes | None] = {}

    def enrol(original: Any, case: Any) -> Any:
        first.setdefault(case.asked.message.transaction_id, case.asked.message.sender_nonce)
        return original(case)

    def poll(original: Any, case: Any) -> Any:
        nonce = first.get(case.asked.message.transaction_id, case.reply.recipient_nonce)
        return original(replace(case, reply=replace(case.reply, recipient_nonce=nonce)))

    answering(ca, MessageType.PKCS_REQ, enrol)
    answering(ca, MessageType.CERT_POLL, poll)


def _pending_content(bench: Bench) -> bool:
    bench.ca.operator.hold("*")
    client = bench.client()
    answer = client.ask(client.order())
    return answer.status == PkiStatus.PENDING and answer.envelope is not None


@wrong(SECURITY, "RFC 8894, 3.3.2.3: in a PENDING the pkcsPKIEnvelope MUST be omitted", _pending_content)
def pending_with_the_certificate(ca: ScepService) -> None:
    """Sends PENDING with the certificate before the operator has approved."""

    def enrol(original: Any, case: Any) -> Any:
        decision = original(case)
        if decision.kind != "pending":
            return decision
        made = case.asked.authority.sign(case.asked.authority.template(case.asked.csr, case.asked.granted))
        reply = replace(decision.reply, certificates=(made.der,), recipient=case.asked.signer)
        return replace(decision, reply=reply)

    answering(ca, MessageType.PKCS_REQ, enrol)


# --- GetCert and GetCRL


def _another(bench: Bench) -> bool:
    client = bench.client()
    wanted, later = enrolled(bench, client), enrolled(bench, client)
    payload = opened(client.ask(lookup(client, MessageType.GET_CERT, wanted, wanted.certificate)))
    return later.certificate.der in payload and wanted.certificate.der not in payload


@wrong(INTEROPERABILITY, "RFC 8894, 3.3.2.1: the reply MUST contain at least the requested certificate", _another)
def get_cert_gives_the_newest(ca: ScepService) -> None:
    """Replies to GetCert with the certificate that it issued last, for every serial number."""

    def get_cert(original: Any, case: Any) -> Any:
        decision = original(case)
        if decision.kind != "success":
            return decision
        newest = ca.ledger.entries[-1].certificate
        return replace(decision, reply=replace(decision.reply, certificates=(newest.der,)))

    answering(ca, MessageType.GET_CERT, get_cert)


def _nothing(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    unknown = replace(own.certificate, serial=own.certificate.serial ^ 1)
    return client.ask(lookup(client, MessageType.GET_CERT, own, unknown)).granted


@wrong(
    INTEROPERABILITY, "RFC 8894, 4.5.1: the CA will either grant the request (SUCCESS) or reject it (FAILURE)", _nothing
)
def get_cert_of_nothing_succeeds(ca: ScepService) -> None:
    """Replies SUCCESS to a GetCert for a certificate that it never issued, with its own certificate."""

    def get_cert(original: Any, case: Any) -> Any:
        decision = original(case)
        if decision.kind == "success":
            return decision
        own = case.asked.authority.issuer.certificate
        reply = replace(case.reply, certificates=(own.der,), recipient=case.asked.signer)
        return Decision(reply, "SUCCESS", case.asked.authority)

    answering(ca, MessageType.GET_CERT, get_cert)


def _get_cert_pending(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    return client.ask(lookup(client, MessageType.GET_CERT, own, own.certificate)).status == PkiStatus.PENDING


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 4.5.1: the CA will either grant the request (SUCCESS) or reject it (FAILURE)",
    _get_cert_pending,
)
def get_cert_is_pending(ca: ScepService) -> None:
    """Replies PENDING to every GetCert."""

    def get_cert(original: Any, case: Any) -> Any:
        return Decision(replace(case.reply, status=PkiStatus.PENDING), "PENDING", case.asked.authority)

    answering(ca, MessageType.GET_CERT, get_cert)


def listed(bench: Bench) -> Any:
    """The CRL from GetCRL for a client whose certificate has just been revoked, and its serial number."""
    client = bench.client()
    own, gone = enrolled(bench, client), enrolled(bench, client)
    client.ask(lookup(client, MessageType.GET_CRL, own, own.certificate))
    bench.ca.operator.revoke(f"{gone.certificate.serial:x}")
    answer = client.ask(lookup(client, MessageType.GET_CRL, own, own.certificate))
    return answer, gone.certificate.serial


def recrl(ca: ScepService, **changes: Any) -> None:
    """Make CRLs of their own: ``changes`` are functions of the right value."""

    def current(original: Any, authority: Any) -> Any:
        right = original(authority)
        told = {
            "issuer": authority.issuer.certificate,
            "signing_key": authority.issuer.key,
            "this_update": right.this_update,
            "next_update": right.next_update,
            "revoked": right.revoked,
            "number": right.number,
        }
        return crl.issue(**{name: changes.get(name, lambda value: value)(value) for name, value in told.items()})

    around(ca.revocations, "current", current)


def _crl_fits(fits: Any) -> Any:
    def shows(bench: Bench) -> bool:
        answer, serial = listed(bench)
        return bool(answer.crls) and fits(answer.crls[0], serial, bench)

    return shows


RECENT = "RFC 8894, 4.6.1: only the most recent CRL in the crls field"


@wrong(SECURITY, RECENT, _crl_fits(lambda found, serial, bench: found.entry(serial) is None))
def crl_without_what_is_revoked(ca: ScepService) -> None:
    """Returns the CRL of its first day, without later revocations."""
    recrl(ca, revoked=lambda value: ())


@wrong(SECURITY, RECENT, _crl_fits(lambda found, serial, bench: found.next_update < bench.clock.now()))
def crl_expired(ca: ScepService) -> None:
    """Returns a CRL whose nextUpdate has passed."""
    recrl(ca, this_update=lambda v: v - timedelta(days=60), next_update=lambda v: ca.clock.now() - timedelta(days=30))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 5.1.2.5: conforming CRL issuers MUST include the nextUpdate field",
    _crl_fits(lambda found, serial, bench: found.next_update is None),
)
def crl_without_next_update(ca: ScepService) -> None:
    """Leaves nextUpdate out of CRLs."""
    recrl(ca, next_update=lambda value: None)


@wrong(
    SECURITY,
    "RFC 5280, 5.1.1.3: the CRL is signed by its issuer",
    _crl_fits(lambda found, serial, bench: not found.was_issued_by(bench.ca.authority.issuer.certificate)),
)
def crl_signed_with_another_key(ca: ScepService) -> None:
    """Signs CRLs with a key that is not the CA's."""
    key = ca._keys.rsa(2048)
    recrl(ca, signing_key=lambda value: key)


def _no_crl(bench: Bench) -> bool:
    answer, _ = listed(bench)
    return answer.granted and not answer.crls


@wrong(INTEROPERABILITY, "RFC 8894, 3.3.2.1: the reply MUST contain the CRL in the crls field", _no_crl)
def get_crl_gives_a_certificate(ca: ScepService) -> None:
    """Replies to GetCRL with the certificate instead of a CRL."""

    def get_crl(original: Any, case: Any) -> Any:
        decision = original(case)
        if decision.kind != "success":
            return decision
        own = case.asked.authority.issuer.certificate.der
        return replace(decision, reply=replace(decision.reply, crls=(), certificates=(own,)))

    answering(ca, MessageType.GET_CRL, get_crl)
