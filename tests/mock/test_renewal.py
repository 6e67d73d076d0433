"""RenewalReq and the old way of renewing: who may, when, and why not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.vocabulary import MessageType

RENEW, OLD_WAY = MessageType.RENEWAL_REQ, MessageType.PKCS_REQ


@pytest.mark.parametrize("kind", [RENEW, OLD_WAY])
def test_the_holder_renews_without_a_challenge_and_gets_a_new_certificate(make_ca, make_client, kind) -> None:
    ca = make_ca()
    first = make_client(ca)
    assert first.enrol().words == "SUCCESS"
    ca.pass_time(days=100)
    again = first.renewed()
    reply = again.enrol(None, kind=kind)
    assert reply.words == "SUCCESS"
    assert again.certificate.serial != first.certificate.serial
    assert again.certificate.spki == x509.spki_of(again.key)
    assert again.certificate.not_after - first.certificate.not_after == timedelta(days=100)
    assert ca.minted == 2


def test_the_same_key_may_be_kept(make_ca, make_client) -> None:
    ca = make_ca()
    first = make_client(ca)
    first.enrol()
    again = first.renewed(same_key=True)
    assert again.enrol(None, kind=RENEW).words == "SUCCESS"
    assert again.certificate.der != first.certificate.der


def test_a_self_signed_certificate_cannot_renew(make_ca, make_client) -> None:
    ca = make_ca()
    assert make_client(ca).enrol(kind=RENEW).words == (
        "badRequest: a RenewalReq must be signed with a certificate of this CA"
    )
    assert ca.minted == 0


def test_a_certificate_of_another_ca_of_the_same_name_cannot_renew(make_ca, make_client) -> None:
    ca, other = make_ca(), make_ca("{name: Mock SCEP CA (tests only)}")
    stranger = make_client(other)
    stranger.enrol()
    thief = stranger.renewed()
    thief.ca = ca
    # The other CA has the same name; only its serial numbers differ from what this one has minted: none.
    assert thief.enrol(None, kind=RENEW).words.startswith("badRequest: a RenewalReq must be signed")
    assert ca.minted == 0


def test_an_expired_certificate_cannot_renew_but_enrol_with_a_challenge(make_ca, make_client) -> None:
    ca = make_ca("{validity: 30d}")
    first = make_client(ca)
    first.enrol()
    ca.pass_time(days=31)
    again = first.renewed()
    assert again.enrol(None, kind=RENEW).words == "badRequest: the certificate expired at 2026-04-01T12:00:00Z"
    assert again.enrol(None, kind=OLD_WAY).words == "badRequest: a challenge password is required"
    assert again.enrol("s3cret", kind=OLD_WAY).words == "SUCCESS"


def test_a_revoked_certificate_cannot_renew(make_ca, make_client) -> None:
    ca = make_ca()
    first = make_client(ca)
    first.enrol()
    assert ca.service.operator.revoke("CN=printer-1.example", "keyCompromise") == 1
    assert ca.service.operator.revoke("CN=printer-1.example", "superseded") == 0  # it was revoked before
    assert first.renewed().enrol(None, kind=RENEW).words == "badRequest: the certificate is revoked"
    assert first.renewed().enrol(None, kind=OLD_WAY).words == "badRequest: a challenge password is required"


@pytest.mark.parametrize("kind", [RENEW, OLD_WAY])
def test_another_identity_needs_a_challenge(make_ca, make_client, kind) -> None:
    ca = make_ca()
    first = make_client(ca)
    first.enrol(sans=["printer-1.example"])
    again = first.renewed()
    assert again.enrol(None, kind=kind, sans=["printer-1.example"]).words == "SUCCESS"
    more = first.renewed()
    assert more.enrol(None, kind=kind, sans=["ca.example"]).words == "badRequest: a challenge password is required"
    other = first.renewed()
    other.subject = x509.name(("CN", "somebody.example"))
    assert other.enrol(None, kind=kind).words == "badRequest: a challenge password is required"
    assert other.enrol("wrong", kind=kind).words == "badRequest: the challenge password is wrong"
    assert other.enrol("s3cret", kind=kind).words == "SUCCESS"


@pytest.mark.parametrize("kind", [RENEW, OLD_WAY])
def test_the_renewal_window_opens_at_its_instant(make_ca, make_client, kind) -> None:
    ca = make_ca("{renewal_window: 30d}")
    first = make_client(ca)
    first.enrol()
    opens = first.certificate.not_after - timedelta(days=30)
    ca.clock.move_to(opens - timedelta(seconds=1))
    early = first.renewed()
    assert (
        early.enrol(None, kind=kind).words == f"badRequest: renewal is not permitted until {opens:%Y-%m-%dT%H:%M:%SZ}"
    )
    ca.pass_time(seconds=1)
    assert early.enrol(None, kind=kind).words == "SUCCESS"


def test_a_profile_without_the_old_way_wants_a_challenge(make_ca, make_client) -> None:
    ca = make_ca(legacy_renewal=False)
    first = make_client(ca)
    first.enrol()
    assert first.renewed().enrol(None, kind=OLD_WAY).words == "badRequest: a challenge password is required"
    assert first.renewed().enrol(None, kind=RENEW).words == "SUCCESS"


def test_a_profile_that_wants_the_challenge_in_renewals_too(make_ca, make_client) -> None:
    ca = make_ca(renewal_challenge=True)
    first = make_client(ca)
    first.enrol()
    assert first.renewed().enrol(None, kind=RENEW).words == "badRequest: a challenge password is required"
    assert first.renewed().enrol("s3cret", kind=RENEW).words == "SUCCESS"


def test_a_profile_without_renewal_req_says_so(make_ca, make_client) -> None:
    ca = make_ca(message_types=frozenset({19, 20}))
    first = make_client(ca)
    first.enrol()
    assert first.renewed().enrol(None, kind=RENEW).words == "badRequest: RenewalReq is not supported"


def test_a_profile_that_returns_the_old_certificate_for_the_same_key(make_ca, make_client) -> None:
    ca = make_ca(same_key="old")
    first = make_client(ca)
    first.enrol()
    kept = first.renewed(same_key=True)
    assert kept.enrol(None, kind=OLD_WAY).words == "SUCCESS"
    assert kept.certificate.der == first.certificate.der
    fresh = first.renewed()
    fresh.enrol(None, kind=OLD_WAY)
    assert fresh.certificate.der != first.certificate.der
    assert ca.minted == 2


def test_pending_renewals_are_polled_with_the_old_key(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    first = make_client(ca)
    first.enrol()
    ca.service.operator.approve("*")
    assert first.poll().words == "SUCCESS"
    again = first.renewed()
    assert again.enrol(None, kind=RENEW).words == "PENDING"
    ca.service.operator.approve(again.transaction)
    assert again.poll().words == "SUCCESS"
    assert again.certificate.spki == x509.spki_of(again.key)
