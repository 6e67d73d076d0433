"""A mock that is left running: its books forget the oldest once they are full, count them, and say so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.control import ControlService
from mock_scep_server.ledger import Ledger

GONE = "badCertId: no such transaction"


@pytest.fixture
def minted(make_ca, make_client):
    """A certificate that a CA issued, and others that differ in their last bytes."""
    client = make_client(make_ca())
    client.enrol()
    first = client.certificate

    def another(number: int):
        subject = x509.name(("CN", f"printer-{number % 3}.example"))
        return x509.self_signed(
            client.key, subject=subject, serial=number + 1, not_before=first.not_before, not_after=first.not_after
        )

    return [another(number) for number in range(30)]


def test_a_full_ledger_forgets_the_oldest_and_counts_all(make_ca, minted) -> None:
    now = make_ca().clock.now()
    size = 20 * (1000 + len(minted[0].der)) + 1000
    ledger = Ledger(size)
    for number, certificate in enumerate(minted):
        ledger.mint(certificate, f"{number}", now)
        ledger.record_sending(certificate, whole=True, how="HTTP 200")
        if number % 2:
            ledger.report_installed(certificate)
    kept = ledger.entries
    assert 15 <= len(kept) <= 20
    assert [entry.certificate for entry in kept] == minted[-len(kept) :]
    assert sum(entry.size for entry in kept) <= size
    assert ledger.forgotten == 30 - len(kept)
    assert ledger.counts == {"minted": 30, "delivered": 30, "installed": 15, "orphaned": 15}
    assert ledger.find(1) is None
    assert ledger.own(minted[0]) is None
    assert ledger.own(minted[-1]) == minted[-1]
    of_subject = ledger.of_subject(minted[0].subject)
    assert [e.certificate for e in of_subject] == [c for c in minted[-len(kept) :] if c.subject == minted[0].subject]
    assert len(ledger.of_key(minted[0].spki)) == len(kept)
    ledger.clear()
    assert (ledger.forgotten, ledger.counts["minted"], ledger.of_key(minted[0].spki)) == (0, 0, ())


def test_a_long_transaction_id_is_weighed_in_both_books(make_ca, make_client, minted) -> None:
    ledger, ca = Ledger(1024 * 1024), make_ca("{memory: 4}")
    make_client(ca).enrol()
    books = ca.service._transactions
    (one,) = next(iter(books._known.values()))
    for number in range(4):
        ledger.mint(minted[number], "A" * 400_000, ca.clock.now())
        books.remember(f"{number}" * 400_000, one)
    assert [entry.certificate for entry in ledger.entries] == minted[2:4]
    assert [identifier[:1] for identifier in books._known] == ["2", "3"]


def test_a_certificate_that_was_minted_twice_is_forgotten_everywhere(make_ca, minted) -> None:
    """A fault repeats a serial number, time stands still, and the signature is the same."""
    ledger, now, first = Ledger(1), make_ca().clock.now(), minted[0]
    for _ in range(2):
        ledger.mint(first, "one", now)
    assert len(ledger.of_subject(first.subject)) == len(ledger.of_key(first.spki)) == 1
    ledger.mint(minted[1], "two", now)
    assert ledger.of_subject(first.subject) == ()
    assert [entry.certificate for entry in ledger.of_key(first.spki)] == [minted[1]]


def test_a_certificate_that_fills_the_ledger_by_itself_is_kept(make_ca, minted) -> None:
    ledger = Ledger(1)
    for certificate in minted[:2]:
        ledger.mint(certificate, "one", make_ca().clock.now())
    assert [entry.certificate for entry in ledger.entries] == [minted[1]]


def test_a_transaction_that_had_to_go_is_answered_as_one_that_never_was(make_ca, clients) -> None:
    """A poll finds no such transaction; the same request again is a new one, and gets a certificate of its own."""
    ca = make_ca("{approval: manual}")
    books = ca.service._transactions
    first, *others = clients(ca, 14)
    order = first.csr()
    assert first.keep(first.send(MessageType.PKCS_REQ, order)).words == "PENDING"
    assert first.poll().words == "PENDING"
    books._limit = 12 * (books._size + 10)
    for client in others:
        assert client.enrol().words == "PENDING"
    assert ca.service.dropped == {"journal": 0, "transactions": 2, "ledger": 0}
    assert first.poll().words == GONE
    assert others[0].poll().words == GONE
    assert others[-1].poll().words == "PENDING"
    assert [waiting.subject for waiting in ca.service.operator.waiting[:1]] == ["CN=printer-2.example"]
    assert first.keep(first.send(MessageType.PKCS_REQ, order)).words == "PENDING"
    assert ca.service.operator.approve() == 12
    assert first.poll().words == "SUCCESS"
    status = ControlService(ca.service).handle(HttpRequest("GET", "/status"), "127.0.0.1")
    dropped = json.loads(reply_of(status.octets).body)["dropped"]
    assert dropped == {"journal": 0, "transactions": 3, "ledger": 0}
    ca.service.reset()
    assert ca.service.dropped == {"journal": 0, "transactions": 0, "ledger": 0}


def test_the_request_of_a_renewal_under_one_transaction_is_weighed_with_it(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    client.renewed(same_key=True, same_transaction=True).enrol(kind=MessageType.RENEWAL_REQ)
    books = ca.service._transactions
    ((identifier, known),) = books._known.items()
    assert books._size == len(identifier) + sum(one.size for one in known)
    assert len(known) == 2


@pytest.mark.parametrize(("memory", "kept"), [(1, 2**20), (60, 60 * 2**20)])
def test_the_books_share_what_the_policy_gives(make_ca, memory: int, kept: int) -> None:
    service = make_ca(f"{{memory: {memory}}}").service
    limits = service.ledger._limit, service.journal._limit, service._transactions._limit
    assert limits == (kept // 2, kept // 4, kept // 4)
    assert replace(service.policy).octets == kept
