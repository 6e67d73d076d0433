"""Edges of what the registrar decides and remembers: to the second, under each profile, and as it is told to people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.vocabulary import MessageType, PkiStatus
from mock_scep_server.replies import Decision

GONE = "badCertId: no such transaction"


def _used(ca) -> list[tuple[int, int]]:
    return [(rule["fitted"], rule["taken"]) for rule in ca.service.script.describe()]


def _remembered(ca) -> list:
    return [known for found in ca.service._transactions._known.values() for known in found]


def test_a_first_request_that_is_refused_is_not_remembered(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    assert client.enrol("wrong").words == "badRequest: the challenge password is wrong"
    assert client.poll().words == GONE
    assert _remembered(ca) == []


def test_a_refused_request_does_not_end_the_one_that_waits(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    assert client.enrol().words == "PENDING"
    assert client.enrol("wrong").words == "badRequest: the challenge password is wrong"
    assert client.poll().words == "PENDING"


def test_what_was_not_admitted_waits_for_nobody(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    again = client.renewed(same_key=True, same_transaction=True)
    ca.service.operator.revoke("CN=printer-1.example", "keyCompromise")
    assert again.enrol(None, kind=MessageType.RENEWAL_REQ).words == "badRequest: the certificate is revoked"
    assert ca.service.operator.waiting == ()
    assert ca.service.operator.approve() == 0
    assert ca.service.operator.reject("*") == 0


def test_polls_are_signed_as_the_last_retransmission_was(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client, other = make_client(ca), make_client(ca)
    octets = client.csr()
    assert client.send(MessageType.PKCS_REQ, octets).words == "PENDING"
    first = client.signer, client.signer_key
    client.signer, client.signer_key = other.signer, other.key
    assert client.poll().words == "badCertId: the poll is signed with another key than the request"
    assert client.send(MessageType.PKCS_REQ, octets).words == "PENDING"
    assert client.poll().words == "PENDING"
    client.signer, client.signer_key = first
    assert client.poll().words == "badCertId: the poll is signed with another key than the request"


@pytest.mark.parametrize("same_key", ["new", "old"])
def test_a_certificate_is_of_use_until_its_last_second(make_ca, make_client, same_key: str) -> None:
    ca = make_ca("{validity: 30d}", same_key=same_key)
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    first = client.certificate.serial
    ca.clock.move_to(client.certificate.not_after)
    client.signer = client._self_signed()
    if same_key == "old":  # the same key again has the old certificate, under any transactionID
        client.transaction = "another"
    assert client.enrol().words == "SUCCESS"
    assert client.certificate.serial == first
    ca.pass_time(seconds=1)
    assert client.enrol().words == "SUCCESS"
    assert client.certificate.serial != first


def test_the_journal_says_what_was_decided(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    client.enrol()
    ca.service.operator.approve()
    client.poll()
    client.enrol("wrong")
    serial = client.certificate.serial
    assert ca.decisions == [
        "PENDING", f"SUCCESS serial {serial:x}", "FAILURE badRequest: the challenge password is wrong",
    ]  # fmt: skip
    own = messages.issuer_and_serial(client.certificate.issuer, serial)
    client.send(MessageType.GET_CERT, own)
    client.send(MessageType.GET_CRL, own)
    assert ca.decisions[3] == f"SUCCESS certificate {serial:x}"
    assert ca.decisions[4].startswith("SUCCESS CRL ")


def test_a_rule_that_grants_issues_once(make_ca, make_client) -> None:
    ca = make_ca(script="[{then: success}]")
    client = make_client(ca)
    serials = set()
    for _ in range(3):
        assert client.enrol().words == "SUCCESS"
        serials.add(client.certificate.serial)
    assert (len(serials), ca.minted) == (1, 1)


def test_a_transaction_lives_for_its_lifetime_and_is_gone_then(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual, transaction_lifetime: 7d}")
    client = make_client(ca)
    client.enrol()
    for _ in range(3):
        assert client.poll().words == "PENDING"
    ca.pass_time(days=7, seconds=-1)
    assert client.poll().words == "PENDING"
    assert len(_remembered(ca)) == 1
    ca.pass_time(seconds=1)
    assert client.poll().words == GONE
    assert _remembered(ca) == []
    assert ca.service.operator.forget() == 0


def test_a_refusal_as_an_http_status_is_a_failure(make_ca, make_client) -> None:
    ca = make_ca(profile="micromdm-2.1", script="[{when: {type: CertPoll, nth: 2}, then: pending}]")
    assert make_client(ca).poll().status == 500
    assert _used(ca) == [(0, 0)], "a request that the CA refused is not counted"


def test_a_decision_is_of_a_kind(make_ca) -> None:
    ca = make_ca()
    kinds = []
    for pki_status, http_status in ((0, 500), (0, 0), (2, 0), (3, 0)):
        reply = messages.CertRep(
            status=PkiStatus(pki_status), transaction_id="t", recipient_nonce=b"", sender_nonce=b""
        )
        kinds.append(Decision(reply, "x", ca.service.authority, status=http_status).kind)
    assert kinds == ["failure", "success", "failure", "pending"]


def test_what_waits_is_told_with_all_there_is(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    client.enrol()
    (waiting,) = ca.service.operator.waiting
    told = {
        "transaction": client.transaction, "subject": "CN=printer-1.example", "since": "2026-03-02T12:00:00+00:00",
        "approved": False,
    }  # fmt: skip
    assert waiting.to_json() == told
    ca.service.operator.approve()
    (waiting,) = ca.service.operator.waiting
    assert waiting.to_json() == {**told, "approved": True}


def test_nothing_that_shows_a_transaction_shows_the_request(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    octets = client.csr()
    client.send(MessageType.PKCS_REQ, octets)
    (known,) = _remembered(ca)
    assert repr(octets)[2:-1] not in repr(known)
    assert "s3cret" not in repr(known)


def test_an_approval_expires_at_its_instant_for_the_queue_too(make_ca, make_client) -> None:
    ca = make_ca("{approval: {manual: {expires: 24h}}}")
    client = make_client(ca)
    client.enrol()
    ca.pass_time(hours=24, seconds=-1)
    assert len(ca.service.operator.waiting) == 1
    ca.pass_time(seconds=1)
    assert ca.service.operator.waiting == ()


def test_approved_in_time_it_does_not_expire(make_ca, make_client) -> None:
    ca = make_ca("{approval: {manual: {expires: 24h}}}")
    client = make_client(ca)
    client.enrol()
    ca.service.operator.approve()
    ca.pass_time(days=2)
    assert client.poll().words == "SUCCESS"


def test_holding_and_releasing_count_patterns(make_ca, clients) -> None:
    ca = make_ca()
    first, second = clients(ca, 2)
    operator = ca.service.operator
    assert [operator.hold(f"CN=printer-{number}*") for number in (0, 0, 1)] == [1, 0, 1]
    assert operator.release("CN=printer-0*") == 1
    assert operator.release("CN=printer-0*") == 0
    assert first.enrol().words == "SUCCESS"
    assert second.enrol().words == "PENDING"


def test_the_operators_acts_count_what_they_fit(make_ca, clients) -> None:
    ca = make_ca("{approval: manual}")
    parties = clients(ca, 4)
    for client in parties:
        client.enrol()
    operator = ca.service.operator
    assert operator.approve("CN=nobody") == 0
    assert operator.approve(parties[0].transaction) == 1
    assert operator.approve("CN=printer-[01].example") == 1  # the other one was approved before
    assert operator.reject("CN=printer-2*") == 1
    assert operator.reject("CN=printer-2*") == 0
    assert [waiting.approved for waiting in operator.waiting] == [True, True, False]
    assert [client.poll().words for client in parties] == [
        "SUCCESS",
        "SUCCESS",
        "badRequest: rejected by the operator",
        "PENDING",
    ]
    assert operator.forget() == 4
    assert [client.poll().words for client in parties] == [GONE] * 4


def test_the_same_subject_with_another_key_cannot_take_a_transaction(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    other = make_client(ca)
    assert other.subject == client.subject
    taken = other.enrol(transaction_id=client.transaction)
    assert taken.words == "badRequest: the transactionID belongs to another request"


def test_a_certificate_of_another_operation_does_not_open_a_transaction(make_ca, clients) -> None:
    """A renewal may follow the operation whose certificate it renews, and no other."""
    ca = make_ca()
    first, second = clients(ca, 2)
    first.enrol()
    second.enrol()
    thief = second.renewed()
    taken = thief.enrol(None, kind=MessageType.RENEWAL_REQ, transaction_id=first.transaction)
    assert taken.words == "badRequest: the transactionID belongs to another request"
    assert thief.enrol(None, kind=MessageType.RENEWAL_REQ, transaction_id=second.transaction).words == "SUCCESS"


def test_a_scripted_failure_is_not_remembered(make_ca, make_client) -> None:
    ca = make_ca(script="[{then: {failure: 3}, times: 1}]")
    client = make_client(ca)
    refused = client.enrol()
    assert refused.words == "badTime: refused by the script"
    assert client.enrol().words == "SUCCESS"


@pytest.mark.parametrize("kind", [MessageType.GET_CERT, MessageType.GET_CRL])
def test_a_scripted_failure_holds_for_what_was_issued_too(make_ca, make_client, kind) -> None:
    ca = make_ca(
        script="[{when: {type: %s}, then: {failure: 0, text: mine}}]" % ("GetCert" if kind == 21 else "GetCRL")
    )
    client = make_client(ca)
    client.enrol()
    own = messages.issuer_and_serial(client.certificate.issuer, client.certificate.serial)
    assert client.send(kind, own).words == "badAlg: mine"


def test_time_passes_between_request_and_certificate(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    client.enrol()
    ca.pass_time(days=3)
    ca.service.operator.approve()
    client.poll()
    (entry,) = ca.service.ledger.entries
    assert entry.to_json()["transaction"] == client.transaction
    assert client.certificate.not_before <= ca.clock.now() < client.certificate.not_before + timedelta(days=1)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"cipher": "aes-128-cbc", "digest": "sha256"}, ("aes-128-cbc", "sha256")),
        ({"cipher": "aes-256-cbc", "digest": "sha512"}, ("aes-256-cbc", "sha512")),
        ({"cipher": "des-ede3-cbc", "digest": "sha1"}, ("des-ede3-cbc", "sha1")),
    ],
)
def test_the_reply_uses_the_algorithms_of_the_request(make_ca, make_client, asked, answered) -> None:
    ca = make_ca(reply_cipher_for_weak="aes-192-cbc")
    client = make_client(ca)
    message = client.send(MessageType.PKCS_REQ, client.csr(), **asked).message
    assert (message.envelope.cipher, message.digest) == answered
    other = make_ca(reply_cipher="aes-192-cbc", reply_digest="sha384")
    client = make_client(other)
    message = client.send(MessageType.PKCS_REQ, client.csr(), **asked).message
    assert (message.envelope.cipher, message.digest) == ("aes-192-cbc", "sha384")


def test_a_ca_that_knows_one_failure_only_gives_that(make_ca, make_client) -> None:
    assert make_client(make_ca(failures="badRequest")).poll().words == "badRequest: no such transaction"
    assert make_client(make_ca()).poll().words == GONE


@pytest.mark.parametrize(
    ("transport_for_aes", "cipher", "scheme"),
    [
        ("oaep", "aes-128-cbc", ("oaep", "minimal")),
        ("oaep", "aes-256-cbc", ("oaep", "minimal")),
        ("oaep", "des-ede3-cbc", ("pkcs1", "null")),
        ("pkcs1", "aes-128-cbc", ("pkcs1", "null")),
        ("pkcs1", "des-ede3-cbc", ("pkcs1", "null")),
    ],
)
def test_the_key_transport_follows_profile_and_cipher(make_ca, make_client, transport_for_aes, cipher, scheme) -> None:
    client = make_client(make_ca(transport_for_aes=transport_for_aes))
    reply = client.send(MessageType.PKCS_REQ, client.csr(), cipher=cipher)
    (recipient,) = reply.message.envelope.recipients
    assert (recipient.transport.scheme, recipient.transport.parameters) == scheme


def test_a_request_with_md5_is_answered_with_sha_1(make_ca, make_client) -> None:
    client = make_client(make_ca())
    odd = messages.Oddities(md5=True)
    reply = client.send(MessageType.PKCS_REQ, client.csr(), digest="md5", oddities=odd)
    assert (reply.words, reply.message.digest) == ("badAlg: md5 is refused", "sha1")


def test_each_reply_has_a_fresh_nonce_of_16_octets(make_ca, make_client) -> None:
    client = make_client(make_ca("{approval: manual}"))
    first, second = client.enrol().message, client.poll().message
    assert [len(message.sender_nonce) for message in (first, second)] == [16, 16]
    assert first.sender_nonce != second.sender_nonce
    copied = make_client(make_ca(sender_nonce="copied")).enrol().message
    assert copied.sender_nonce == copied.recipient_nonce


def test_the_names_of_a_poll_are_noted_each_by_its_requirement(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    client.enrol()
    client.poll()
    assert not any("issuerAndSubject" in note for note in ca.service.journal.entries[-1].notes)
    other = x509.name(("CN", "other"))
    client.poll(issuer=other, subject=other)
    noted = [note for note in ca.service.journal.entries[-1].notes if "issuerAndSubject" in note]
    issuer = ca.service.authority.issuer.certificate.subject_text
    assert noted == [
        f"SCEP-3.3.3-02 issuerAndSubject.issuer: CN=other instead of {issuer}",
        "SCEP-3.3.3-03 issuerAndSubject.subject: CN=other instead of CN=printer-1.example",
    ]
