"""Every cell of the table: a real client, at one shape of the CA, in one situation, over sockets."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clients import CHALLENGE, Client, Told
from table import CERTMONGER, CLIENTS, DEFECTS, MICROMDM, RIGHT, ROWS, STRONGSWAN, Outcome, Row, Situation

from mock_scep_server.profiles.registry import PROFILES

SITUATIONS: tuple[Situation, ...] = ("success", "pending", "failure")
CELLS = [
    pytest.param(row, situation, id=f"{row.peer.split()[0]}-{' '.join([*row.options, str(row.ca)])}-{situation}")
    for row in ROWS
    for situation in SITUATIONS
    if getattr(row.cell, situation) is not None and (row.peer, situation) != (MICROMDM, "pending")
]
STOPS = [
    pytest.param(row, id=f"{row.peer.split()[0]}-{' '.join([*row.options, str(row.ca)])}")
    for row in ROWS
    if row.cell.because
]
# What the CA's operator does: defers the first request; the second answer is final.
DEFER = {
    MICROMDM: "[{when: {type: PKCSReq}, then: pending, times: 1}]",
    STRONGSWAN: "[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: pending, times: 1},"
    " {when: {type: CertPoll}, then: success}]",
    CERTMONGER: "[{when: {type: PKCSReq}, then: pending, times: 1}]",
}
POLLED = {
    MICROMDM: ["PKCSReq", "PKCSReq"],
    STRONGSWAN: ["PKCSReq", "CertPoll", "CertPoll"],
    CERTMONGER: ["PKCSReq"] * 2,
}
ISSUED = (Outcome.ENROLS, Outcome.POLLS, Outcome.REGARDLESS, Outcome.UNREAD, Outcome.LATER)
WRONG = "FAILURE badRequest: the challenge password is wrong"

pytestmark = pytest.mark.peer


@pytest.mark.parametrize(("row", "situation"), CELLS)
def test_a_client_in_a_situation(row: Row, situation: Situation, mock, client, verified) -> None:
    look(row, situation, start(row, situation, mock), client(row.peer), verified)


def test_micromdm_in_the_situation_pending_everywhere(mock, client, verified) -> None:
    """Its 30 s between two questions cannot be changed: so all wait at the same time."""
    rows = [row for row in ROWS if row.peer == MICROMDM and row.cell.pending is not None]
    servers = [start(row, "pending", mock) for row in rows]
    clients = [fresh(client(MICROMDM), str(number)) for number, _ in enumerate(rows)]
    with ThreadPoolExecutor(len(rows)) as pool:
        looks = [
            pool.submit(look, row, "pending", server, peer, verified)
            for row, server, peer in zip(rows, servers, clients, strict=True)
        ]
    for done in looks:
        done.result()


@pytest.mark.parametrize("row", STOPS)
def test_a_client_that_does_not_enrol_says_why_and_does_where_that_is_otherwise(
    row: Row, mock, client, verified
) -> None:
    peer, changes = client(row.peer), row.cell.because
    server = mock(row.ca)
    told = peer.enrol(server.url, server.ca_file, *row.options)
    assert told.certificate is None
    assert row.cell.says in told.text
    for left_out in range(len(changes)) if len(changes) > 1 else ():
        server = mock(row.ca.with_([*changes[:left_out], *changes[left_out + 1 :]]))
        told = fresh(peer, f"without-{left_out}").enrol(server.url, server.ca_file, *row.options)
        assert told.certificate is None, f"it enrols without {changes[left_out]}"
    server = mock(row.ca.with_(changes))
    told = fresh(peer, "all").enrol(server.url, server.ca_file, *row.options)
    assert told.certificate is not None, told.text
    assert verified(server, told.certificate) == "subject=CN = printer-1.example"


def start(row: Row, situation: Situation, mock):
    """A CA for the row; its operator defers the first request where that is the situation."""
    return mock(row.ca, DEFER[row.peer] if situation == "pending" else "[]")


def fresh(peer: Client, name: str) -> Client:
    """The client in a folder where it has not been."""
    (peer.folder / name).mkdir()
    return replace(peer, folder=peer.folder / name)


def look(row: Row, situation: Situation, server, peer: Client, verified) -> None:
    """One enrolment, and whether it came out as the table has it."""
    told: Told = peer.enrol(
        server.url,
        server.ca_file,
        *row.options,
        challenge="wrong" if situation == "failure" else CHALLENGE,
        polls=situation == "pending",
    )
    expected: Outcome = getattr(row.cell, situation)
    assert seen(told, server, situation, verified) == expected, f"{told.text}\n{server.decisions}"
    minted = server.service.ledger.counts["minted"]
    assert minted == (1 if expected in ISSUED else 0)
    if situation == "failure" and expected is not Outcome.REGARDLESS:
        assert server.decisions[-1] == WRONG
    if expected is Outcome.POLLS:
        assert [name for name in server.asked if not name.startswith("GetCA")] == POLLED[row.peer]
        assert len({entry.transaction for entry in server.messages}) == 1
    if expected is Outcome.POLLS and row.peer == MICROMDM:
        first, second = server.messages
        assert 25 < (second.time - first.time).total_seconds() < 60
        assert server.bodies[-1] == server.bodies[-2], "the same bytes again"


def seen(told: Told, server, situation: Situation, verified) -> Outcome | str:
    """What came of it, in the table's words; what is not in them is told as it is."""
    if told.certificate is not None:
        assert verified(server, told.certificate) == "subject=CN = printer-1.example"
        if "status: CA_UNREACHABLE" in told.text:
            return Outcome.LATER
        return {"success": Outcome.ENROLS, "pending": Outcome.POLLS, "failure": Outcome.REGARDLESS}[situation]
    if not server.messages:
        return Outcome.SILENT
    last = server.decisions[-1]
    if last.startswith("An odd form of request: "):
        return Outcome.BAD_FORM
    if "badAlg" in last:
        assert "des-cbc is refused" in last
        return Outcome.BAD_ALG
    if last.startswith("SUCCESS"):
        return Outcome.UNREAD
    if "status: CA_UNREACHABLE" in told.text:
        return Outcome.UNREACHABLE
    return Outcome.REPORTS if told.refused else "neither a certificate nor a refusal"


def test_every_defect_is_pinned_by_a_test_that_exists() -> None:
    text = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [entry.test for entry in DEFECTS if f"def {entry.test}(" not in text] == []


def test_the_table_has_every_client_at_every_profile() -> None:
    assert {(peer, options): list(profiles) for (peer, options), profiles in CLIENTS.items()} == {
        client: list(PROFILES) for client in CLIENTS
    }
    assert all(bool(row.cell.because) == bool(row.cell.says) == row.cell.success.pinned for row in ROWS)


def test_the_table_has_each_client_with_and_without_an_ra_in_all_situations() -> None:
    for peer in (MICROMDM, STRONGSWAN, CERTMONGER):
        for split in (False, True):
            assert any(row.cell == RIGHT for row in ROWS if (row.peer, row.ca.ra == "split") == (peer, split))
