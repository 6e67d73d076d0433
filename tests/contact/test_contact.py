"""Who answers at a URL is told by what the certificates say, in whatever order they come."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from tls_hosts import tls_host

from mfp_sim.contact import probe
from mfp_sim.report.model import UNCHECKED
from mfp_sim.shared.errors import TargetError
from mfp_sim.shared.reaching import Reach
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import CA_RA_CERT, HttpReply, delivery_of
from mfp_sim.shared.scep.messages import certs_only
from mfp_sim.shared.simtime import Entropy, PooledKeys
from mock_scep_server.server import ServerHost

KEY = PooledKeys(Entropy(5), side=0).rsa(2048)
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def _certificate(name: str, issuer: str, *, ca: bool) -> Certificate:
    return x509.issue(
        serial=7, issuer=x509.name(("CN", issuer)), subject=x509.name(("CN", name)), spki=x509.spki_of(KEY),
        not_before=NOON, not_after=NOON + timedelta(days=9), signing_key=KEY,
        extensions=[x509.basic_constraints_extension(True)] if ca else [],
    )  # fmt: skip


ROOT, SUB = _certificate("root", "root", ca=True), _certificate("sub", "root", ca=True)
RA = _certificate("ra", "sub", ca=False)


class Server:
    """Answers GetCACert alone."""

    def __init__(self, *certificates: Certificate) -> None:
        self.bag = certs_only([c.der for c in certificates])

    def handle(self, request, client):
        headers = (("Content-Type", CA_RA_CERT), ("Server", "test/1"))
        found = "GetCACert" in request.target
        return delivery_of(HttpReply(200, headers=headers, body=self.bag) if found else HttpReply(404))


@pytest.mark.parametrize("certificates", [(RA, ROOT, SUB), (SUB, ROOT, RA), (ROOT, RA, SUB)])
def test_the_ca_is_the_one_that_issues(certificates: tuple[Certificate, ...]) -> None:
    with ServerHost(Server(*certificates)) as host:
        found = probe(f"{host.url}/scep").ca
    assert (found.subject, found.fingerprint) == ("CN=sub", SUB.fingerprint())
    assert (found.ra_subject, found.ra_fingerprint) == ("CN=ra", RA.fingerprint())
    assert (found.capabilities, found.server) == ((), "test/1")


def test_a_ca_alone_has_no_ra() -> None:
    with ServerHost(Server(ROOT)) as host:
        found = probe(f"{host.url}/scep").ca
    assert (found.subject, found.ra_subject, found.ra_fingerprint) == ("CN=root", "", "")


def test_an_empty_bag_is_no_server() -> None:
    with ServerHost(Server()) as host, pytest.raises(TargetError, match="is not a certificate"):
        probe(f"{host.url}/scep")


def test_a_server_behind_tls_is_told_with_what_it_shows(tmp_path: Path) -> None:
    with tls_host(tmp_path) as made:
        trusted = probe(made.url, Reach(ca=made.trust))
        careless = probe(made.url, Reach(insecure=True))
    assert trusted.ca == careless.ca
    assert trusted.ca.subject.startswith("CN=Mock SCEP CA")
    assert trusted.reached["TLS certificate"] == f"checked against the CAs in {made.trust}, and for 127.0.0.1"
    assert trusted.reached["TLS"].startswith("TLSv1.")
    assert trusted.reached["TLS chain"].startswith("CN=Mock TLS server (tests only),O=mfp-sim (until ")
    assert careless.reached[UNCHECKED].startswith("NOT CHECKED (--tls-insecure)")
    assert UNCHECKED not in trusted.reached


@pytest.mark.parametrize(
    ("url", "reach", "text", "remedy"),
    [
        ("https", Reach(), "an unknown CA", "--tls-ca FILE"),
        ("http", Reach(), "GetCACert returned HTTP 400", "write https://"),
    ],
)
def test_what_stands_between_is_told_with_its_remedy(tmp_path, url: str, reach: Reach, text: str, remedy: str) -> None:
    with tls_host(tmp_path) as made, pytest.raises(TargetError) as caught:
        probe(made.url.replace("https", url), reach)
    assert text in caught.value.message
    assert remedy in (caught.value.remedy or "")


def test_a_server_that_wants_a_login_says_which_option_has_it() -> None:
    class Guarded:
        def handle(self, request, client):
            return delivery_of(HttpReply(401))

    with ServerHost(Guarded()) as host, pytest.raises(TargetError, match="HTTP 401.*--http-login-env NAME"):
        probe(f"{host.url}/scep")
