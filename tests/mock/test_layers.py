"""One request through the layers of the mock: each has its say once, and what it found is in the journal."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable

import pytest

from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server import checking, grants
from mock_scep_server.faults import FAULTS
from mock_scep_server.ledger import Ledger
from mock_scep_server.script_file import read_script

ODD = "/scep?operation=PKIOperation&message=&message="


def test_the_extensions_of_a_request_are_weighed_once(make_ca, make_client, monkeypatch: pytest.MonkeyPatch) -> None:
    weighed = []
    monkeypatch.setattr(checking, "grant", lambda csr: weighed.append(csr) or grants.grant(csr))
    client = make_client(make_ca())
    assert client.enrol(sans=("printer-1.example",)).words == "SUCCESS"
    assert len(weighed) == 1
    assert client.certificate.sans == ("printer-1.example",)


@pytest.mark.parametrize("kind", [MessageType.RENEWAL_REQ, MessageType.PKCS_REQ])
def test_whose_certificate_signed_a_request_is_looked_up_once(make_ca, make_client, monkeypatch, kind) -> None:
    ca = make_ca()
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    looked_up = []
    own = Ledger.own
    monkeypatch.setattr(Ledger, "own", lambda ledger, one: looked_up.append(one.der) or own(ledger, one))
    assert client.renewed().enrol(None, kind=kind).words == "SUCCESS"
    assert looked_up == [client.certificate.der]


def test_a_layer_that_ends_a_request_leaves_the_others_out(make_ca, make_client) -> None:
    """A rule that answers by HTTP has nothing decided, and what was read is in the journal all the same."""
    ca = make_ca(script="[{when: {type: PKCSReq}, then: {http: 503}, times: 1}]")
    client = make_client(ca)
    assert client.enrol().status == 503
    (entry,) = ca.service.journal.entries
    assert (entry.name, entry.transaction, entry.rule, entry.decision) == ("PKCSReq", client.transaction, 1, "HTTP 503")
    assert entry.subject == "CN=printer-1.example"
    assert (ca.minted, ca.service._transactions.of(client.transaction)) == (0, [])
    assert client.enrol().words == "SUCCESS"


def test_what_is_odd_about_a_query_is_in_the_journal_also_when_there_is_no_message(make_ca) -> None:
    ca = make_ca()
    assert ca.ask(HttpRequest("GET", ODD)).status == 400
    (entry,) = ca.service.journal.entries
    assert entry.notes
    assert [finding for finding in entry.judgement if "SCEP-3-01" in finding]
    assert len(entry.judgement) == len(entry.notes) + 1


def test_what_is_odd_about_a_message_is_in_the_journal_also_when_a_rule_answers_it(make_ca, make_client) -> None:
    notes = []
    for script in ("[]", "[{then: {http: 503}}]"):
        ca = make_ca(script=script)
        client = make_client(ca)
        client.send(MessageType.PKCS_REQ, client.csr(), oddities=Oddities(trailing=b"\x00"))
        notes.append(ca.service.journal.entries[-1].notes)
    assert notes[0] == notes[1]
    assert [note for note in notes[0] if note.startswith("SCEP-3-05")]


@pytest.mark.parametrize("kind", [MessageType.GET_CERT, MessageType.GET_CRL])
def test_no_fault_fails_at_a_query(make_ca, make_client, kind: MessageType) -> None:
    """What is asked for is not always a certificate, which some faults put elsewhere."""
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    query = messages.issuer_and_serial(client.certificate.issuer, client.certificate.serial)
    _with_each_fault(ca, lambda: client.send(kind, query))


def test_no_fault_fails_where_there_are_no_capabilities(make_ca) -> None:
    ca = make_ca(capabilities=())
    _with_each_fault(ca, lambda: ca.get("/?operation=GetCACaps"))


def _with_each_fault(ca, ask: Callable[[], object]) -> None:
    for written in [entry.written(variant) for entry in FAULTS.values() for variant in entry.variants]:
        ca.service.script.replace(read_script(load_text(f"[{{faults: [{written}]}}]"), Problems()))
        with contextlib.suppress(http.client.HTTPException, ValueError):
            ask()
    assert not [entry for entry in ca.service.journal.entries if entry.decision.startswith("the mock failed")]
