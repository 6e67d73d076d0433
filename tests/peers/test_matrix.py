"""Every cell of the table: a real client, at one shape of the CA, in one situation, over sockets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clients import CHALLENGE, Told
from table import CERTMONGER, DEFECTS, MICROMDM, ROWS, STRONGSWAN, Outcome, Row, Situation

SITUATIONS: tuple[Situation, ...] = ("success", "pending", "failure")
CELLS = [
    pytest.param(row, situation, id=f"{row.peer.split()[0]}-{' '.join([*row.options, str(row.ca)])}-{situation}")
    for row in ROWS
    for situation in SITUATIONS
    if getattr(row, situation) is not None
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
WRONG = "FAILURE badRequest: the challenge password is wrong"


@pytest.mark.peer
@pytest.mark.parametrize(("row", "situation"), CELLS)
def test_a_client_in_a_situation(row: Row, situation: Situation, mock, client, verified) -> None:
    server = mock(row.ca, DEFER[row.peer] if situation == "pending" else "[]")
    told: Told = client(row.peer).enrol(
        server.url,
        server.ca_file,
        *row.options,
        challenge="wrong" if situation == "failure" else CHALLENGE,
        polls=situation == "pending",
    )
    expected: Outcome = getattr(row, situation)
    assert seen(told, server, situation, verified) == expected, f"{told.text}\n{server.decisions}"
    minted = server.service.ledger.counts["minted"]
    assert minted == (1 if expected in (Outcome.ENROLS, Outcome.POLLS, Outcome.LATER) else 0)
    if situation == "failure":
        assert server.decisions[-1] == WRONG
    if expected is Outcome.POLLS:
        assert [name for name in server.asked if not name.startswith("GetCA")] == POLLED[row.peer]
        assert len({entry.transaction for entry in server.messages}) == 1
    if expected is Outcome.POLLS and row.peer == MICROMDM:
        first, second = server.messages
        assert 25 < (second.time - first.time).total_seconds() < 60
        assert server.bodies[-1] == server.bodies[-2], "the same octets again"


def seen(told: Told, server, situation: Situation, verified) -> Outcome | str:
    """What came of it, in the table's words; what is not in them is told as it is."""
    if told.certificate is not None:
        assert verified(server, told.certificate) == "subject=CN = printer-1.example"
        if "CA_UNREACHABLE" in told.text:
            return Outcome.LATER
        return Outcome.POLLS if situation == "pending" else Outcome.ENROLS
    if not server.messages:
        return Outcome.SILENT
    if "badAlg" in server.decisions[-1]:
        assert "des-cbc is refused" in server.decisions[-1]
        return Outcome.BAD_ALG
    if "CA_UNREACHABLE" in told.text:
        return Outcome.UNREACHABLE
    return Outcome.REPORTS if told.refused else "neither a certificate nor a refusal"


def test_every_defect_is_pinned_by_a_test_that_exists() -> None:
    text = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [entry.test for entry in DEFECTS if f"def {entry.test}(" not in text] == []


def test_the_table_has_each_client_with_and_without_an_ra_in_all_situations() -> None:
    for peer in (MICROMDM, STRONGSWAN, CERTMONGER):
        for ra in ("none", "split"):
            assert any(
                (row.success, row.pending, row.failure) == (Outcome.ENROLS, Outcome.POLLS, Outcome.REPORTS)
                for row in ROWS
                if (row.peer, row.ca.ra) == (peer, ra)
            )
