"""What a transaction is: an operation, not a transactionID. Clients derive the ID from the key, and renew under it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mfp_sim.shared.scep.vocabulary import MessageType

RENEW, OLD_WAY = MessageType.RENEWAL_REQ, MessageType.PKCS_REQ
OLD = "badRequest: the certificate is revoked"
CHALLENGE = "badRequest: a challenge password is required"
WAYS = pytest.mark.parametrize("kind", [RENEW, OLD_WAY])


def _holder(ca, make_client, **rest):
    """A client with a certificate, and the one that renews it with the same key under the same transactionID."""
    first = make_client(ca)
    assert first.enrol(**rest).words == "SUCCESS"
    return first, first.renewed(same_key=True, same_transaction=True)


@WAYS
@pytest.mark.parametrize("profile", ["rfc8894", "lenient"])
@pytest.mark.parametrize("challenge", [None, "s3cret"])
def test_a_renewal_under_the_enrolments_transaction_id_gets_a_new_certificate(
    make_ca, make_client, kind, profile: str, challenge: str | None
) -> None:
    ca = make_ca(profile=profile)
    first, again = _holder(ca, make_client)
    ca.pass_time(days=100)
    # With the challenge the CSR is byte for byte that of the enrolment.
    assert (again.csr(challenge) == first.csr()) is (challenge is not None)
    assert again.enrol(challenge, kind=kind).words == "SUCCESS"
    assert again.certificate.serial != first.certificate.serial
    assert again.certificate.not_after - first.certificate.not_after == timedelta(days=100)
    assert ca.minted == 2


def test_a_renewal_of_a_renewal_is_new_too(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    serials = {client.certificate.serial}
    for _ in range(3):
        ca.pass_time(days=30)
        client = client.renewed(same_key=True, same_transaction=True)
        assert client.enrol(None, kind=RENEW).words == "SUCCESS"
        serials.add(client.certificate.serial)
    assert len(serials) == ca.minted == 4


@WAYS
def test_the_same_renewal_again_is_a_retransmission(make_ca, make_client, kind) -> None:
    ca = make_ca()
    first, again = _holder(ca, make_client)
    for _ in range(3):
        assert again.enrol(None, kind=kind).words == "SUCCESS"
    assert ca.minted == 2
    renewed = again.certificate
    assert first.enrol().words == "SUCCESS", "the enrolment again, as a late retransmission"
    assert (first.certificate.der != renewed.der, ca.minted) == (True, 2)


@WAYS
def test_a_key_may_change_under_the_transaction_id_of_a_device(make_ca, make_client, kind) -> None:
    """RFC 8894, 3.2.1.1: the identifier may be the device's, and then it is the same for ever."""
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    for number in range(2, 4):
        client = client.renewed(same_transaction=True)
        assert client.enrol(None, kind=kind).words == "SUCCESS"
        assert ca.minted == number


def test_a_renewal_cannot_take_the_transaction_id_of_another_client(make_ca, clients) -> None:
    ca = make_ca()
    victim, thief = clients(ca, 2)
    victim.enrol()
    thief.enrol()
    taken = thief.renewed().enrol(None, kind=RENEW, transaction_id=victim.transaction)
    assert taken.words == "badRequest: the transactionID belongs to another request"
    assert ca.minted == 2


@pytest.mark.parametrize("profile", ["rfc8894", "lenient"])
def test_a_revoked_certificate_gets_nothing_under_its_transaction_id(make_ca, make_client, profile: str) -> None:
    ca = make_ca(profile=profile)
    _, again = _holder(ca, make_client)
    ca.service.operator.revoke("CN=printer-1.example", "keyCompromise")
    assert again.enrol(None, kind=RENEW).words == OLD
    assert again.poll().words == OLD, "a poll asks about what was begun last"
    assert again.enrol(None, kind=OLD_WAY).words == CHALLENGE
    assert again.poll().words == CHALLENGE
    assert ca.minted == 1


def test_an_expired_certificate_gets_nothing_under_its_transaction_id(make_ca, make_client) -> None:
    ca = make_ca("{validity: 30d}")
    _, again = _holder(ca, make_client)
    ca.pass_time(days=31)
    assert again.enrol(None, kind=RENEW).words == "badRequest: the certificate expired at 2026-04-01T12:00:00Z"
    assert ca.minted == 1


@WAYS
def test_the_renewal_window_holds_under_the_enrolments_transaction_id(make_ca, make_client, kind) -> None:
    ca = make_ca("{renewal_window: 30d}")
    first, again = _holder(ca, make_client)
    assert again.enrol(None, kind=kind).words.startswith("badRequest: renewal is not permitted until ")
    assert again.poll().words.startswith("badRequest: renewal is not permitted until ")
    ca.clock.move_to(first.certificate.not_after - timedelta(days=30))
    assert again.enrol(None, kind=kind).words == "SUCCESS"
    assert ca.minted == 2


@pytest.mark.parametrize(
    "rule", ["{when: {type: RenewalReq}, then: pending}", "{when: {type: RenewalReq}, faults: [pending-renewal]}"]
)
def test_a_renewal_under_the_enrolments_transaction_id_can_wait_and_is_polled(make_ca, make_client, rule: str) -> None:
    ca = make_ca(script=f"[{rule}]")
    first, again = _holder(ca, make_client)
    assert again.enrol(None, kind=RENEW).words == "PENDING"
    (waiting,) = ca.service.operator.waiting
    assert waiting.transaction == first.transaction
    assert again.poll().words == "SUCCESS"
    assert again.certificate.serial != first.certificate.serial
    assert ca.service.operator.waiting == ()


def test_the_operator_decides_on_the_renewal_and_not_on_the_enrolment(make_ca, make_client) -> None:
    ca = make_ca()
    first, again = _holder(ca, make_client)
    ca.service.operator.hold()
    assert again.enrol(None, kind=RENEW).words == "PENDING"
    assert again.poll().words == "PENDING"
    assert ca.service.operator.reject(first.transaction, 2, "not this year") == 1
    assert again.poll().words == "badRequest: not this year"
    assert again.enrol(None, kind=RENEW).words == "badRequest: not this year"
    assert first.enrol().words == "SUCCESS", "the enrolment was granted, and that stays"
    third = first.renewed(same_key=True, same_transaction=True)
    assert third.enrol(None, kind=OLD_WAY).words == "PENDING"
    assert ca.service.operator.approve(first.transaction) == 1
    assert third.poll().words == "SUCCESS"
    assert ca.minted == 2


def test_what_the_operator_forgets_is_asked_for_anew(make_ca, make_client) -> None:
    ca = make_ca()
    _, again = _holder(ca, make_client)
    ca.service.operator.hold()
    assert again.enrol(None, kind=RENEW).words == "PENDING"
    ca.service.operator.forget()
    assert ca.service.operator.waiting == ()
    assert again.poll().words == "badCertId: no such transaction"
    assert again.enrol(None, kind=RENEW).words == "PENDING"


def test_another_csr_of_the_same_key_takes_the_place_of_one_that_waits(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    assert client.enrol().words == "PENDING"
    assert client.enrol(sans=["printer-1.example"]).words == "PENDING"
    assert ca.service.operator.approve(client.transaction) == 1
    assert client.poll().words == "SUCCESS"
    assert client.certificate.sans == ("printer-1.example",)
    assert ca.minted == 1


@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_the_same_request_is_a_new_order_once_its_certificate_is_of_no_use(make_ca, make_client, end: str) -> None:
    """A key that is kept, a challenge that stays: the CSR is the same after a year."""
    ca = make_ca("{validity: 30d}")
    client = make_client(ca)
    octets = client.csr()
    client.keep(client.send(OLD_WAY, octets))
    old = client.certificate
    if end == "expired":
        ca.pass_time(days=31)
    else:
        ca.service.operator.revoke("*")
    client.keep(client.send(OLD_WAY, octets))
    assert client.certificate.serial != old.serial
    assert ca.minted == 2


def test_the_ledger_counts_both_and_an_end_is_of_the_operation_that_ended(make_ca, make_client) -> None:
    ca = make_ca()
    first, again = _holder(ca, make_client)
    ca.service.ledger.report_installed(first.certificate)
    assert again.enrol(None, kind=RENEW).words == "SUCCESS"
    ca.service.ledger.report_abandoned(first.transaction, "the user cancelled it")
    enrolment, renewal = ca.service.ledger.entries
    assert (enrolment.transaction_id, enrolment.given_up) == (renewal.transaction_id, None)
    assert renewal.given_up == "the user cancelled it"


def test_ndes_gives_the_old_certificate_of_the_key_but_none_that_is_revoked(make_ca, make_client) -> None:
    ca = make_ca(profile="ndes-2016", ra="split")
    first, again = _holder(ca, make_client)
    assert again.enrol(None).words == "SUCCESS"
    assert again.certificate.der == first.certificate.der  # F-W04
    ca.service.operator.revoke("*")
    assert again.enrol(None).message.fail_info == 2
    assert again.poll().message.fail_info == 2
    assert first.enrol("s3cret").words == "SUCCESS"
    assert first.certificate.der != again.certificate.der
    assert ca.minted == 2


def test_a_micromdm_that_issues_again_does_not_keep_what_it_replaced(make_ca, make_client) -> None:
    ca = make_ca(profile="micromdm-2.1", duplicates=None)
    client = make_client(ca)
    octets = client.csr()
    for _ in range(3):
        client.keep(client.send(OLD_WAY, octets))
    assert ca.minted == 3
