"""The queue of requests that wait for the operator, polls, and what the CA remembers of transactions."""

from __future__ import annotations

from mfp_sim.shared.scep import certificate as x509


def test_a_request_waits_until_it_is_approved_and_is_issued_once(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    assert client.enrol().words == "PENDING"
    assert client.poll().words == "PENDING"
    (waiting,) = ca.service.operator.waiting
    assert (waiting.subject, waiting.transaction, waiting.approved) == (
        "CN=printer-1.example", client.transaction, False,
    )  # fmt: skip
    assert ca.service.operator.approve("CN=printer-1*") == 1
    assert ca.minted == 0
    assert client.poll().words == "SUCCESS"
    serial = client.certificate.serial
    assert client.poll().words == "SUCCESS"  # F-P01: and again
    assert client.certificate.serial == serial
    assert ca.service.operator.waiting == ()
    assert ca.minted == 1


def test_a_rejected_request_is_refused_for_good_with_the_operators_words(make_ca, clients) -> None:
    ca = make_ca("{approval: manual}")
    first, second = clients(ca, 2)
    first.enrol()
    second.enrol()
    assert ca.service.operator.reject(second.transaction, 2, "not in our inventory") == 1
    assert second.poll().words == "badRequest: not in our inventory"
    assert second.enrol().words == "badRequest: not in our inventory"
    assert ca.service.operator.approve() == 1
    assert second.poll().words == "badRequest: not in our inventory"
    assert first.poll().words == "SUCCESS"


def test_a_request_that_nobody_approves_expires_at_its_instant(make_ca, make_client) -> None:
    ca = make_ca("{approval: {manual: {expires: 24h}}}")
    client = make_client(ca)
    client.enrol()
    ca.pass_time(hours=23, minutes=59, seconds=59)
    assert client.poll().words == "PENDING"
    ca.pass_time(seconds=1)
    assert ca.service.operator.approve() == 0
    assert client.poll().words == "badRequest: the request was not approved in time"
    assert ca.minted == 0


def test_hold_and_release_by_subject(make_ca, clients) -> None:
    ca = make_ca()
    first, second = clients(ca, 2)
    ca.service.operator.hold("CN=printer-1.*")
    assert first.enrol().words == "SUCCESS"
    assert second.enrol().words == "PENDING"
    ca.service.operator.release("CN=printer-1.*")
    assert second.poll().words == "SUCCESS"


def test_a_script_can_overrule_the_queue_either_way(make_ca, clients) -> None:
    script = '[{when: {subject: "CN=printer-0*"}, then: success}, {when: {subject: "CN=printer-1*"}, then: pending, times: 1}]'
    ca = make_ca("{approval: manual}", script=script)
    first, second = clients(ca, 2)
    assert first.enrol().words == "SUCCESS"
    assert second.enrol().words == "PENDING"
    assert second.poll().words == "PENDING"


def test_a_poll_needs_the_transaction_and_the_key_and_odd_names_are_noted(make_ca, clients) -> None:
    ca = make_ca("{approval: manual}")
    holder, thief = clients(ca, 2)
    assert holder.poll().words == "badCertId: no such transaction"
    holder.enrol()
    ca.service.operator.approve()
    stolen = thief.poll(transaction_id=holder.transaction, subject=holder.subject)
    assert stolen.words == "badCertId: the poll is signed with another key than the request"
    assert ca.minted == 0
    other = x509.name(("CN", "other"))
    assert holder.poll(subject=other, issuer=other).words == "SUCCESS"
    assert "SCEP-3.3.3-03 issuerAndSubject.subject: CN=other instead of CN=printer-0.example" in (
        ca.service.journal.entries[-1].notes
    )


def test_a_lost_reply_is_asked_for_again_and_nothing_is_minted_twice(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    octets = client.csr()
    replies = [client.keep(client.send(19, octets)) for _ in range(3)]
    assert [reply.words for reply in replies] == ["SUCCESS"] * 3
    assert len({client.certificates(reply)[0].serial for reply in replies}) == 1
    assert ca.minted == 1


def test_another_csr_under_the_same_transaction_is_refused(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    other = make_client(ca, "other.example", 7)
    assert other.enrol(transaction_id=client.transaction).words == (
        "badRequest: the transactionID belongs to another request"
    )
    assert ca.minted == 1


def test_the_same_request_with_a_wrong_challenge_gets_nothing_from_an_old_transaction(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    assert client.enrol("wrong").words == "badRequest: the challenge password is wrong"


def test_a_transaction_is_forgotten_after_its_lifetime(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual, transaction_lifetime: 7d}")
    client = make_client(ca)
    client.enrol()
    ca.service.operator.approve()
    ca.pass_time(days=6, hours=23)
    assert client.poll().words == "SUCCESS"
    ca.pass_time(hours=1)
    assert client.poll().words == "badCertId: no such transaction"
    assert client.enrol().words == "PENDING"
