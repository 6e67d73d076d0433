"""Several CAs of one server, named by GetCACert."""

from __future__ import annotations

import pytest

from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.vocabulary import MessageType

TWO = "{identifiers: [west, east]}"
STRICT = "{identifiers: {names: [west, east], strict: true}}"


def _served(ca, query: str):
    reply = ca.get(f"/scep?operation=GetCACert{query}")
    return messages.read_ca_certificates(reply.body, reply.headers["content-type"])[0][0]


def test_each_identifier_has_a_ca_of_its_own(make_ca) -> None:
    ca = make_ca(TWO)
    west, east = _served(ca, "&message=west"), _served(ca, "&message=east")
    assert west.fingerprint() != east.fingerprint()
    assert (west.common_name, east.common_name) == ("Mock SCEP CA (tests only) west", "Mock SCEP CA (tests only) east")


@pytest.mark.parametrize("query", ["", "&message=", "&message=CAIdentifier", "&message=0"])
def test_a_lenient_server_takes_any_identifier_for_its_first_ca(make_ca, query: str) -> None:
    ca = make_ca(TWO)
    assert _served(ca, query).der == _served(ca, "&message=west").der


@pytest.mark.parametrize(
    ("query", "told"),
    [("", "The request has to name a CA."), ("&message=CAIdentifier", "There is no CA 'CAIdentifier'.")],
)
@pytest.mark.parametrize("operation", ["GetCACert", "GetCACaps", "GetNextCACert"])
def test_a_strict_server_refuses_what_it_does_not_know(make_ca, query: str, told: str, operation: str) -> None:
    ca = make_ca(STRICT)
    reply = ca.get(f"/scep?operation={operation}{query}")
    assert (reply.status, reply.body.decode().strip()) == (404, told)
    assert ca.decisions == ["no such CA"]
    assert ca.get("/scep?operation=GetCACaps&message=east").status == 200


def test_without_identifiers_everything_names_the_one_ca(make_ca) -> None:
    ca = make_ca()
    assert _served(ca, "&message=whatever").der == ca.service.authority.issuer.certificate.der


def test_the_envelope_says_which_ca_issues_and_answers_and_serials_are_shared(make_ca, clients) -> None:
    ca = make_ca(TWO)
    west, east = (lineage.current(ca.clock.now()) for lineage in ca.service.authorities.lineages)
    first, second = clients(ca, 2)
    assert first.enrol(recipient=west.recipient.certificate).words == "SUCCESS"
    reply = second.enrol(recipient=east.recipient.certificate)
    assert reply.words == "SUCCESS"
    assert reply.message.names_signer(east.signer.certificate)
    first.certificate.verify_issued_by(west.issuer.certificate)
    second.certificate.verify_issued_by(east.issuer.certificate)
    assert first.certificate.serial != second.certificate.serial
    asked = messages.issuer_and_serial(second.certificate.issuer, second.certificate.serial)
    found = first.certificates(first.send(MessageType.GET_CERT, asked, recipient=west.recipient.certificate))
    assert found[0].der == second.certificate.der
    wrong = messages.issuer_and_serial(first.certificate.issuer, second.certificate.serial)
    refused = first.send(MessageType.GET_CERT, wrong, recipient=west.recipient.certificate)
    assert refused.words == "badCertId: no certificate of this issuer and serial number"


def test_one_of_them_can_roll_over_alone(make_ca) -> None:
    ca = make_ca(TWO)
    now = ca.clock.now()
    ca.service.operator.roll_over(now, now, identifier="east")
    east = ca.service.authorities.lineages[1]
    assert len(east.all) == 2
    assert _served(ca, "&message=east").der == east.all[1].issuer.certificate.der
    assert len(ca.service.authorities.lineages[0].all) == 1
