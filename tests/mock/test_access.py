"""GetCert, GetCRL, the CRL and the CA's certificate over HTTP, and what certificates say of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.vocabulary import MessageType

NOT_THERE = "badCertId: no certificate of this issuer and serial number"


def _of(certificate) -> bytes:
    return messages.issuer_and_serial(certificate.issuer, certificate.serial)


@pytest.mark.parametrize("ra", ["none", "single", "split"])
def test_get_cert_gives_the_certificate_to_anybody_who_can_open_it(make_ca, make_client, ra: str) -> None:
    ca = make_ca(ra=ra)
    holder, other = make_client(ca), make_client(ca, "other.example", 1)
    holder.enrol()
    reply = other.send(MessageType.GET_CERT, _of(holder.certificate))
    assert [c.der for c in other.certificates(reply)] == [holder.certificate.der]


def test_get_cert_knows_the_cas_own_certificates(make_ca, make_client) -> None:
    ca = make_ca(ra="split")
    client = make_client(ca)
    for certificate in ca.service.authority.certificates:
        assert client.certificates(client.send(MessageType.GET_CERT, _of(certificate)))[0].der == certificate.der


@pytest.mark.parametrize("kind", [MessageType.GET_CERT, MessageType.GET_CRL])
def test_an_unknown_serial_or_issuer_is_bad_cert_id(make_ca, make_client, kind) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    certificate = client.certificate
    unknown = messages.issuer_and_serial(certificate.issuer, certificate.serial + 1)
    assert client.send(kind, unknown).words == NOT_THERE
    foreign = messages.issuer_and_serial(x509.name(("CN", "Another CA")), certificate.serial)
    assert client.send(kind, foreign).words == NOT_THERE
    assert client.send(kind, b"\x30\x00").words.startswith("badRequest: the messageData is wrong: ")


def test_get_crl_gives_the_most_recent_crl_and_nothing_else(make_ca, make_client, clients) -> None:
    ca = make_ca("{crl_lifetime: 2d}")
    first, second = clients(ca, 2)
    first.enrol()
    second.enrol()

    def fetch() -> Crl:
        plain = first.open(first.send(MessageType.GET_CRL, _of(first.certificate)))
        assert messages.read_certs_only(plain) == ()
        (crl,) = messages.read_crls(plain)
        crl.verify_issued_by(ca.service.authority.issuer.certificate)
        return crl

    empty = fetch()
    assert (empty.number, empty.revoked) == (1, ())
    assert empty.next_update - empty.this_update == timedelta(days=2)
    assert fetch().der == empty.der
    ca.service.operator.revoke(f"{second.certificate.serial:x}", "keyCompromise")
    revoked = fetch()
    assert revoked.number == 2
    assert revoked.entry(second.certificate.serial).reason == "keyCompromise"
    assert revoked.entry(first.certificate.serial) is None
    ca.pass_time(days=2)
    assert (fetch().number, fetch().this_update) == (3, ca.clock.now())


def test_certificates_name_the_crl_and_the_ca_and_the_mock_serves_both(make_ca, make_client) -> None:
    ca = make_ca("{publish_at: http://ca.example/pki}")
    client = make_client(ca)
    client.enrol()
    point = der.read(client.certificate.extensions["2.5.29.31"].value, "cdp")
    uri = point.children[0].children[0].children[0].children[0].content.decode()
    access = der.read(client.certificate.extensions["1.3.6.1.5.5.7.1.1"].value, "aia").children[0]
    issuer = access.children[1].content.decode()
    assert (uri, issuer) == ("http://ca.example/pki/ca-1.crl", "http://ca.example/pki/ca-1.cer")
    crl = ca.get(uri.removeprefix("http://ca.example"))
    assert crl.headers["content-type"] == "application/pkix-crl"
    Crl.from_der(crl.body).verify_issued_by(ca.service.authority.issuer.certificate)
    fetched = ca.get(issuer.removeprefix("http://ca.example"))
    assert fetched.headers["content-type"] == "application/pkix-cert"
    client.certificate.verify_issued_by(Certificate.from_der(fetched.body))
    assert [entry.name for entry in ca.service.journal.entries][-2:] == ["CRL", "CACertificate"]


def test_without_a_url_certificates_say_nothing_of_it(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    assert not {"2.5.29.31", "1.3.6.1.5.5.7.1.1"} & client.certificate.extensions.keys()


def test_a_profile_without_them_refuses_cleanly(make_ca, make_client) -> None:
    ca = make_ca(message_types=frozenset({17, 19, 20}))
    client = make_client(ca)
    client.enrol()
    assert client.send(MessageType.GET_CERT, _of(client.certificate)).words == "badRequest: GetCert is not supported"
    assert client.send(MessageType.GET_CRL, _of(client.certificate)).words == "badRequest: GetCRL is not supported"


def test_a_script_can_take_the_crl_away(make_ca) -> None:
    ca = make_ca("{publish_at: http://ca.example}", script="[{when: {operation: CRL}, then: {http: 503}}]")
    assert ca.get("/ca-1.crl").status == 503
    assert ca.get("/ca-1.cer").status == 200
