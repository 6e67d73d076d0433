"""GetNextCACert and the change of the CA on the clock."""

from __future__ import annotations

import pytest

from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import read_capabilities
from mfp_sim.shared.scep.vocabulary import MessageType

ROLLOVER = "{rollover: {publish: 10d, switch: 20d, overlap: 5d}}"


def _caps(ca) -> bool:
    return read_capabilities(ca.get("/?operation=GetCACaps").body).next_ca


def _next(ca):
    return ca.get("/?operation=GetNextCACert")


def _served(ca):
    reply = ca.get("/?operation=GetCACert")
    return messages.read_ca_certificates(reply.body, reply.headers["content-type"])[0]


def test_without_a_next_ca_it_is_neither_advertised_nor_served(make_ca) -> None:
    ca = make_ca()
    assert not _caps(ca)
    assert (_next(ca).status, _next(ca).body) == (404, b"No next CA certificate is published.\n")
    assert ca.decisions[-1] == "no next CA"


@pytest.mark.parametrize("ra", ["none", "split"])
def test_it_is_published_at_its_date_signed_by_the_present_ca_and_takes_over_at_its_date(make_ca, ra: str) -> None:
    ca = make_ca(ROLLOVER, ra=ra)
    present = ca.service.authority
    assert not _caps(ca)
    assert _next(ca).status == 404
    ca.pass_time(days=10)
    assert _caps(ca)
    reply = _next(ca)
    assert reply.headers["content-type"] == "application/x-x509-next-ca-cert"
    told = messages.read_next_ca(reply.body)
    assert told.notes == ()
    told.verify(present.issuer.certificate)
    assert told.signer([present.issuer.certificate]) is present.issuer.certificate
    coming = told.certificates[0]
    assert coming.is_ca
    assert coming.spki != present.issuer.certificate.spki
    assert coming.subject == present.issuer.certificate.subject
    assert coming.not_before <= present.issuer.certificate.not_after < coming.not_after
    assert [c.der for c in _served(ca)] == [c.der for c in present.certificates]
    ca.pass_time(days=10)
    assert [c.der for c in _served(ca)] == [c.der for c in told.certificates]
    assert not _caps(ca)
    assert _next(ca).status == 404


def test_the_recipient_decides_which_ca_issues_and_answers(make_ca, clients) -> None:
    ca = make_ca(ROLLOVER)
    old = ca.service.authority
    early, late, after, gone = clients(ca, 4)
    coming = ca.service.authorities.default.all[1]
    too_soon = early.enrol(recipient=coming.recipient.certificate)
    assert too_soon.words == "badMessageCheck: the envelope has no RecipientInfo for our certificate"
    ca.pass_time(days=10)
    assert early.enrol(recipient=coming.recipient.certificate).words == "SUCCESS"
    early.certificate.verify_issued_by(coming.issuer.certificate)
    assert late.enrol(recipient=old.recipient.certificate).words == "SUCCESS"
    late.certificate.verify_issued_by(old.issuer.certificate)
    ca.pass_time(days=14)
    assert after.enrol(recipient=old.recipient.certificate).words == "SUCCESS"
    after.certificate.verify_issued_by(old.issuer.certificate)
    ca.pass_time(days=1)
    refused = gone.enrol(recipient=old.recipient.certificate)
    assert refused.words == "badMessageCheck: the envelope has no RecipientInfo for our certificate"
    assert refused.message.names_signer(coming.signer.certificate)
    assert gone.enrol().words == "SUCCESS"
    gone.certificate.verify_issued_by(coming.issuer.certificate)


def test_certificates_of_the_old_ca_renew_at_the_new_one_and_have_their_crl(make_ca, make_client) -> None:
    ca = make_ca(ROLLOVER)
    old = ca.service.authority
    client = make_client(ca)
    client.enrol()
    ca.pass_time(days=30)
    again = client.renewed()
    assert again.enrol(None, kind=MessageType.RENEWAL_REQ).words == "SUCCESS"
    again.certificate.verify_issued_by(ca.service.authority.issuer.certificate)
    asked = messages.issuer_and_serial(client.certificate.issuer, client.certificate.serial)
    (crl,) = messages.read_crls(client.open(client.send(MessageType.GET_CRL, asked)))
    crl.verify_issued_by(old.issuer.certificate)


def test_a_pending_request_that_outlives_the_switch_is_issued_by_the_ca_that_was_asked(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual, rollover: {publish: 1d, switch: 2d}}")
    old = ca.service.authority
    client = make_client(ca)
    assert client.enrol().words == "PENDING"
    ca.pass_time(days=3)
    ca.service.operator.approve()
    assert client.poll(issuer=old.issuer.certificate.subject).words == "SUCCESS"
    client.certificate.verify_issued_by(old.issuer.certificate)


def test_the_operator_can_prepare_one_while_it_runs(make_ca) -> None:
    ca = make_ca()
    now = ca.clock.now()
    coming = ca.service.operator.roll_over(now, now)
    assert ca.service.authority is coming
