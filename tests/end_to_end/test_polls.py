"""A poll belongs to a transaction by its transactionID and its signer, whatever names it carries (SCEP-3.3.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import messages
from mfp_sim.testing import Bench

OTHER = x509.name(("CN", "somebody else"))


@pytest.fixture
def bench() -> Bench:
    return Bench(script="[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: success}]")


@pytest.mark.parametrize(
    ("issuer", "subject", "noted"),
    [(None, None, []), (OTHER, None, ["SCEP-3.3.3-02"]), (None, OTHER, ["SCEP-3.3.3-03"])],
)
def test_other_names_are_noted_and_answered(
    bench: Bench, issuer: bytes | None, subject: bytes | None, noted: list[str]
) -> None:
    client = bench.client()
    order = client.order()
    assert client.ask(order).parked
    named = messages.issuer_and_subject(issuer or client.issuer.subject, subject or order.subject)
    assert client.ask(client.poll(order, data=named)).granted
    assert [note.split()[0] for note in bench.ca.journal.entries[-1].notes] == noted


def test_a_poll_signed_with_another_key_gets_nothing(bench: Bench) -> None:
    client = bench.client()
    order = client.order()
    assert client.ask(order).parked
    theirs = client.key()
    stolen = replace(client.poll(order), signer_key=theirs, signer=client.self_signed(theirs, order.subject))
    assert client.ask(stolen).text == "FAILURE badCertId ('the poll is signed with another key than the request')"
    assert bench.ca.ledger.counts["minted"] == 0
    assert client.ask(client.poll(order)).granted
