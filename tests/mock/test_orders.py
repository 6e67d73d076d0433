"""Certificates are signed without the lock: others are decided meanwhile, and who has to know the outcome waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.challenges import AskFirst
from mock_scep_server.orders import Orders


@dataclass
class Signing:
    """The first signature is held back until ``go``, and may fail then; ``waits``: somebody waits for it."""

    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    waits: threading.Event = field(default_factory=threading.Event)
    fails: bool = False


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> Signing:
    held, sign, wait_for = Signing(), CertificateAuthority.sign, Orders.wait_for
    first = iter([True])

    def slowly(self: CertificateAuthority, template: Template, digest: str = "sha256") -> Certificate:
        if next(first, False):
            held.begun.set()
            assert held.go.wait(60)
            if held.fails:
                raise DecodeError("template", expected="something", got="nothing", offset=0)
        return sign(self, template, digest)

    def told(self: Orders, **what: object) -> None:
        try:
            wait_for(self, **what)  # type: ignore[arg-type]
        except AskFirst:
            held.waits.set()
            raise

    monkeypatch.setattr(Orders, "wait_for", told)
    monkeypatch.setattr(CertificateAuthority, "sign", slowly)
    return held


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def begin(pool: ThreadPoolExecutor, signing: Signing) -> Callable[..., Future]:
    """Begins an exchange and returns when its signature has begun."""

    def run(exchange: Callable[..., object], *arguments: object) -> Future:
        future = pool.submit(exchange, *arguments)
        assert signing.begun.wait(60)
        return future

    return run


def test_others_are_decided_while_a_certificate_is_signed(make_ca, clients, begin, signing: Signing) -> None:
    ca = make_ca()
    first, second = clients(ca, 2)
    slow = begin(first.enrol)
    assert second.enrol().words == "SUCCESS"
    assert ca.service.operator.waiting == ()
    assert not slow.done()
    signing.go.set()
    assert slow.result(60).words == "SUCCESS"
    assert not signing.waits.is_set()
    assert [entry.certificate for entry in ca.service.ledger.entries] == [second.certificate, first.certificate]


def test_the_same_request_waits_and_gets_the_same_certificate(make_ca, make_client, begin, pool, signing) -> None:
    ca = make_ca()
    client = make_client(ca)
    order = client.csr()
    slow = begin(client.send, MessageType.PKCS_REQ, order)
    again = pool.submit(client.send, MessageType.PKCS_REQ, order)
    assert signing.waits.wait(60)
    poll = pool.submit(client.poll)
    signing.go.set()
    given = [client.certificates(found.result(60))[0] for found in (slow, again, poll)]
    assert given == [ca.service.ledger.entries[0].certificate] * 3
    assert ca.minted == 1


def test_a_name_that_may_have_one_certificate_waits_and_uses_up_no_challenge(
    make_ca, make_client, begin, pool, signing
) -> None:
    ca = make_ca("{duplicate_subject: refuse, challenge: {one_time: {}}}")
    secrets = [ca.service.operator.give_challenge() for _ in range(2)]
    first, second = make_client(ca, number=1), make_client(ca, number=2)
    slow = begin(first.enrol, secrets[0])
    other = pool.submit(second.enrol, secrets[1])
    assert signing.waits.wait(60)
    assert not ca.service.operator.given(secrets[1]).presented
    signing.go.set()
    assert slow.result(60).words == "SUCCESS"
    assert other.result(60).words == "badRequest: CN=printer-1.example already has a certificate"
    assert ca.minted == 1


def test_a_key_that_gets_the_same_certificate_again_waits_for_it(make_ca, make_client, begin, pool, signing) -> None:
    ca = make_ca(same_key="old")
    client = make_client(ca)
    slow = begin(client.enrol)
    client.transaction = "another"
    other = pool.submit(client.enrol)
    assert signing.waits.wait(60)
    signing.go.set()
    assert slow.result(60).words == other.result(60).words == "SUCCESS"
    assert ca.minted == 1


def test_who_waits_for_a_signature_that_fails_is_decided_anew(make_ca, make_client, begin, pool, signing) -> None:
    ca, signing.fails = make_ca(), True
    client = make_client(ca)
    order = client.csr()
    slow = begin(client.send, MessageType.PKCS_REQ, order)
    again = pool.submit(client.send, MessageType.PKCS_REQ, order)
    assert signing.waits.wait(60)
    signing.go.set()
    assert slow.result(60).status == 400
    assert client.certificates(again.result(60))[0] == ca.service.ledger.entries[0].certificate
    assert ca.minted == 1
