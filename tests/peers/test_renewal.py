"""Renewal by the programs themselves: each keeps its key, and its transactionID with it.

Asserted is what the CA saw, and that the client ends with another certificate than the one it had.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from table import CERTMONGER, MICROMDM, STRONGSWAN, Ca

pytestmark = pytest.mark.peer

RENEWS = {MICROMDM: "RenewalReq", STRONGSWAN: "RenewalReq", CERTMONGER: "PKCSReq"}
CAS = {
    MICROMDM: Ca("lenient"),
    STRONGSWAN: Ca("lenient"),
    CERTMONGER: Ca("lenient"),
}


def serial(openssl, certificate: Path) -> int:
    """The serial number of a certificate in PEM."""
    return int(openssl("x509", "-in", str(certificate), "-noout", "-serial").strip().partition("=")[2], 16)


def enrolled(peer_name: str, mock, client, openssl, rules: str = "[]"):
    """A CA, a client that has enrolled there, and the serial number of its certificate."""
    server, peer = mock(CAS[peer_name], rules), client(peer_name)
    told = peer.enrol(server.url, server.ca_file)
    assert told.certificate is not None, told.text
    return server, peer, serial(openssl, told.certificate)


@pytest.mark.parametrize("name", [MICROMDM, STRONGSWAN, CERTMONGER])
def test_a_client_renews_with_its_key_and_gets_a_new_certificate(name: str, mock, client, verified, openssl) -> None:
    server, peer, old = enrolled(name, mock, client, openssl)
    told = peer.renew(server.url, server.ca_file)
    assert told.certificate is not None, told.text
    assert verified(server, told.certificate) == "subject=CN = printer-1.example"
    first, *_, last = server.messages
    assert (last.name, last.transaction) == (RENEWS[name], first.transaction), "the transactionID follows from the key"
    assert serial(openssl, told.certificate) != old
    assert server.service.ledger.counts["minted"] == 2


@pytest.mark.parametrize("name", [MICROMDM, STRONGSWAN])
def test_a_client_cannot_renew_what_is_revoked(name: str, mock, client, openssl) -> None:
    server, peer, _ = enrolled(name, mock, client, openssl)
    assert server.service.operator.revoke("*") == 1
    told = peer.renew(server.url, server.ca_file)
    assert server.decisions[-1] == "FAILURE badRequest: the certificate is revoked"
    assert told.refused, told.text
    assert server.service.ledger.counts["minted"] == 1


def test_strongswan_polls_for_a_renewal_that_waits(mock, client, verified, openssl) -> None:
    rules = "[{when: {type: RenewalReq}, then: pending}, {when: {type: CertPoll}, then: pending, times: 1}]"
    server, peer, old = enrolled(STRONGSWAN, mock, client, openssl, rules)
    told = peer.renew(server.url, server.ca_file)
    assert told.certificate is not None, told.text
    assert [entry.name for entry in server.messages] == ["PKCSReq", "RenewalReq", "CertPoll", "CertPoll"]
    assert verified(server, told.certificate) == "subject=CN = printer-1.example"
    assert serial(openssl, told.certificate) != old
