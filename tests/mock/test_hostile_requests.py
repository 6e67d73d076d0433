"""Whatever a client sends, the mock answers it, and the journal has an entry and a judgement of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.journal import MOST_LETTERS, MOST_TEXTS, Journal, JournalEntry

BITS = der.sequence(der.set_of([der.sequence(der.oid("2.5.4.45"), der.bit_string(b"\x01"))]))
NO_NAME = der.sequence(der.sequence(der.oid("2.5.4.3"), der.utf8_string("x")))


def _signer(client, **changes: object) -> x509.Certificate:
    plan = {
        "serial": 1, "issuer": client.subject, "subject": client.subject, "spki": client.signer.spki,
        "not_before": client.signer.not_before, "not_after": client.signer.not_after, "extensions": [],
        "signing_key": client.key,
    }  # fmt: skip
    return x509.issue(**(plan | changes))  # type: ignore[arg-type]


def test_a_name_of_bits_is_served_and_shown_as_hex(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.subject = BITS
    client.signer = _signer(client, issuer=BITS, subject=BITS)
    assert client.enrol().words == "SUCCESS"
    assert ca.service.journal.entries[-1].subject == "2.5.4.45=#03020001"


def test_a_csr_for_what_is_not_a_name_is_bad_request(make_ca, make_client) -> None:
    client = make_client(make_ca())
    client.subject = NO_NAME
    client.signer = _signer(client, issuer=NO_NAME, subject=NO_NAME)
    assert client.enrol().words.startswith("badRequest: the messageData is wrong: name[0] at byte 2: expected SET")


def test_a_signer_with_a_malformed_key_usage_is_answered_and_judged(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.signer = _signer(client, extensions=[(v.KEY_USAGE, True, der.null())])
    assert client.enrol().words == "SUCCESS"
    judgement = "\n".join(ca.service.journal.entries[-1].judgement)
    assert "SCEP-2.3-02 the self-signed certificate's keyUsage is malformed" in judgement


def test_a_csr_in_another_algorithm_is_bad_alg(make_ca, make_client) -> None:
    client = make_client(make_ca())
    plain = client.csr()
    outer = der.read(plain)
    odd = der.sequence(outer.children[0].raw, x509.algorithm(v.RSASSA_PSS), outer.children[2].raw)
    assert client.send(MessageType.PKCS_REQ, odd).words == "badAlg: id-RSASSA-PSS is refused in a CSR"


@pytest.mark.parametrize(
    ("request_", "status", "judgement"),
    [
        (HttpRequest("POST", "/scep?operation=PKIOperation", (), b"\x30\x00"), 400, "SCEP-3-01 "),
        (HttpRequest("POST", "/scep?operation=PKIOperation", (), b""), 400, "SCEP-3-01 "),
        (HttpRequest("GET", "/scep?operation=PKIOperation&message=%21%21"), 400, "fail SCEP-4.1-09 "),
        (HttpRequest("GET", "/scep?operation=GetAll"), 400, "note SCEP-4.1-03 "),
        (HttpRequest("GET", "/scep"), 400, "note SCEP-4.1-03 "),
    ],
)
def test_what_is_refused_with_400_has_an_entry_and_a_judgement(make_ca, request_, status: int, judgement: str) -> None:
    ca = make_ca()
    assert ca.ask(request_).status == status
    (entry,) = ca.service.journal.entries
    assert entry.status == status
    assert any(judgement in finding for finding in entry.judgement)


@pytest.mark.parametrize(
    ("omitted", "requirement"),
    [("transactionID", "fail SCEP-3.2.1-01"), ("messageType", "fail SCEP-3.2.1-02")],
)
def test_a_missing_attribute_is_judged_by_its_own_requirement(make_ca, make_client, omitted, requirement) -> None:
    ca = make_ca()
    client = make_client(ca)
    reply = client.send(MessageType.PKCS_REQ, client.csr(), oddities=messages.Oddities(omit=frozenset({omitted})))
    assert reply.status == 400
    assert [str(f) for f in ca.service.journal.entries[-1].judgement if f.startswith(requirement)]


def test_a_mistake_of_ours_has_an_entry_too(make_ca, monkeypatch) -> None:
    ca = make_ca()
    monkeypatch.setattr(ca.service._ca_operations, "reply", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        ca.get("/scep?operation=GetCACaps")
    assert [(e.status, e.decision) for e in ca.service.journal.entries] == [(500, "the mock failed: ZeroDivisionError")]


def test_what_the_host_refuses_has_an_entry(make_ca) -> None:
    ca = make_ca()
    ca.service.record_refusal("192.0.2.9", 431, "The head of the request is too large.")
    (entry,) = ca.service.journal.entries
    assert (entry.client, entry.status, entry.decision) == ("192.0.2.9", 431, "The head of the request is too large.")
    assert len(entry.judgement) == 1


def test_one_request_does_not_fill_the_journal(make_ca) -> None:
    ca = make_ca()
    many = "&".join(["message=x"] * 5001)
    ca.get(f"/scep?operation={'A' * 2000}&{many}")
    (entry,) = ca.service.journal.entries
    assert len(entry.name) < MOST_LETTERS + 50
    assert len(entry.notes) == MOST_TEXTS + 1
    assert entry.notes[-1] == f"… and {5001 - MOST_TEXTS} more"


def test_the_journal_is_bounded_by_its_octets_and_counts_all(make_ca) -> None:
    journal, now = Journal(20_000), make_ca().clock.now()
    for number in range(100):
        journal.add(JournalEntry(now, "192.0.2.1", "GET", f"request {number}", decision="x" * 500))
    assert journal.count == 100
    assert 10 < len(journal.entries) < 20
    assert journal.entries[-1].name == "request 99"
    assert sum(entry.size for entry in journal.entries) <= 20_000
    assert journal.dropped == 100 - len(journal.entries)
    journal.clear()
    assert (journal.count, journal.entries) == (0, ())


def test_an_entry_that_fits_is_kept_as_it_is(make_ca) -> None:
    entry = JournalEntry(make_ca().clock.now(), "192.0.2.1", "GET", "GetCACaps", notes=("a", "b"))
    assert entry.bounded() is entry
    assert replace(entry, decision="x" * 2000).bounded().decision == f"{'x' * MOST_LETTERS}… (2000 characters)"


def test_a_malformed_csr_extension_is_not_granted(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    wish = x509.encode_extensions([(v.SUBJECT_ALT_NAME, False, der.null())])
    info = der.sequence(
        der.integer(0), client.subject, csrs.spki_of(client.key),
        der.implicit(0, der.sequence(der.oid(v.EXTENSION_REQUEST), der.set_of([wish])), constructed=True),
    )  # fmt: skip
    signed = der.sequence(
        info, x509.signature_algorithm(client.key, "sha256"), der.bit_string(x509.sign(client.key, info, "sha256"))
    )
    assert "challenge password is required" in client.send(MessageType.PKCS_REQ, signed).words
