"""Many clients at once: no serial twice, no transaction lost or mixed up, rules taken exactly as often as they say."""

from __future__ import annotations

import http.client
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import Operation, scep_request
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.server import ServerHost

THREADS = 16
SCRIPT = """\
- {when: {operation: PKIOperation, nth: 500}, then: {http: 503}}
- {when: {type: PKCSReq}, then: pending, times: 150}
- {when: {type: PKCSReq}, then: {failure: 4}, times: 70}
- {when: {type: CertPoll}, then: pending, times: 40}
- {when: {type: PKCSReq}, faults: [{certrep-http-status: 202}], times: 30}
"""


@dataclass(frozen=True)
class Result:
    """What one enrolment came to."""

    words: tuple[str, ...]
    serial: int | None


@pytest.fixture
def enrol(make_client):
    """Enrols client ``n`` to its end, polling while it is pending; its certificate has to be its own."""

    def run(ca, number: int, ask) -> Result:
        client = make_client(ca, f"printer-{number}.example", number)
        client.ca = ask
        client.key = client.signer_key = ca.client_keys.rsa(1024)
        client.signer = client._self_signed()
        csr = client.csr()
        poll = messages.issuer_and_subject(ca.service.authority.issuer.certificate.subject, client.subject)
        words: list[str] = []
        kind, data = MessageType.PKCS_REQ, csr
        for _ in range(60):
            reply = client.send(kind, data)
            words.append(str(reply.status) if reply.status != 200 else reply.words.partition(":")[0])
            if words[-1] == "SUCCESS":
                (certificate, *_) = client.certificates(reply)
                assert certificate.subject == client.subject
                assert certificate.spki == x509.spki_of(client.key)
                return Result(tuple(words), certificate.serial)
            if words[-1] == "PENDING":
                kind, data = MessageType.CERT_POLL, poll
            elif words[-1] not in ("503", "202"):
                break
        return Result(tuple(words), None)

    return run


def _check(ca, results: list[Result], count: int) -> None:
    words = Counter(word for result in results for word in result.words)
    serials = [result.serial for result in results if result.serial is not None]
    rules = {rule["rule"]: rule["taken"] for rule in ca.service.script.describe()}
    assert rules == {1: 1, 2: 150, 3: 70, 4: 40, 5: 30}
    assert words["503"] == 1
    assert words["PENDING"] == 150 + 40
    assert words["badCertId"] == 70
    assert words["202"] == 30
    assert len(results) == count
    assert len(serials) == count - 70
    assert len(set(serials)) == len(serials)
    assert ca.minted == len(serials)
    assert {entry.certificate.serial for entry in ca.service.ledger.entries} == set(serials)
    assert ca.service.journal.count == sum(words.values())
    assert Counter(entry.rule for entry in ca.service.journal.entries if entry.rule) == rules
    assert ca.service.operator.waiting == ()


def test_two_thousand_enrolments_by_sixteen_clients(make_ca, enrol) -> None:
    ca = make_ca(script=SCRIPT)
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda number: enrol(ca, number, ca), range(2000)))
    _check(ca, results, 2000)


class _Connection:
    """A client of the host on a socket, in place of the CA in process."""

    def __init__(self, ca, host: ServerHost) -> None:
        self.service, self.clock, self.client_keys = ca.service, ca.clock, ca.client_keys
        self.signed_by_the_ca, self._host, self._make = ca.signed_by_the_ca, host, type(ca.get("/?operation=GetCACaps"))

    def ask(self, request):
        connection = http.client.HTTPConnection(self._host.host, self._host.port, timeout=60)
        connection.request(request.method, request.target, request.body, dict(request.headers))
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return self._make(reply.status, {}, body)


def test_four_hundred_over_sockets(make_ca, enrol) -> None:
    ca = make_ca(script=SCRIPT)
    with ServerHost(ca.service) as host, ThreadPoolExecutor(THREADS) as pool:
        connection = _Connection(ca, host)
        ca.service.reset()
        results = list(pool.map(lambda number: enrol(ca, number, connection), range(400)))
    _check(ca, results, 400)


def test_one_request_that_sixteen_send_at_once_is_issued_once(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    octets = client.message(19, client.csr())
    request = scep_request("/", Operation.PKI_OPERATION, octets, method="POST")
    with ThreadPoolExecutor(THREADS) as pool:
        replies = list(pool.map(lambda _: ca.ask(request), range(64)))
    assert {client.certificates(reply)[0].serial for reply in replies} == {
        ca.service.ledger.entries[0].certificate.serial
    }
    assert ca.minted == 1


def test_one_challenge_that_sixteen_use_at_once_is_good_for_one(make_ca, clients) -> None:
    ca = make_ca("{challenge: {one_time: {}}}")
    secret = ca.service.operator.give_challenge()
    with ThreadPoolExecutor(THREADS) as pool:
        words = Counter(pool.map(lambda client: client.enrol(secret).words, clients(ca, 32)))
    assert words == {"SUCCESS": 1, "badRequest: the challenge password has already been used": 31}
    assert ca.minted == 1
