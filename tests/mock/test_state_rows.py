"""Rows of a state that a person has changed: each is refused with file, book, place and remedy, and with no secret."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mock_scep_server.store import SqliteStore
from mock_scep_server.vault import Vault

POLICY = "{challenge: {one_time: {cache: 9}}}"
SCRIPT = """\
- {when: {type: GetCRL}, then: {http: 503}, over: {requests: 2, per: 1m}, optional: true}
- {when: {type: PKCSReq, subject: "CN=printer-1*"}, then: pending}
- {when: {type: PKCSReq, subject: "CN=printer-3*"}, faults: [drop-first-reply]}
"""
BOOKS = {
    "cas", "challenges", "crls", "forgotten", "journal", "ledger", "revoked", "rules", "script", "serials", "shape",
    "transactions", "turns", "waiting room",
}  # fmt: skip
STRANGE = (None, True, 7, -1, 1.5, 2**70, "canary-77aa", "2026-03-02T12:00:00", [], ["canary-77aa"], {}, {"canary": 1})
"""What a value may become that somebody changes; one that is no other than it was may be taken."""


@pytest.fixture
def start(make_ca, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    stores: list[SqliteStore] = []

    def begin():
        for store in stores:
            store.close()
        stores[:] = [SqliteStore(tmp_path / "state")]
        return make_ca(POLICY, script=SCRIPT, vault=Vault(stores[0]), seed=7)

    yield begin
    for store in stores:
        store.close()


@pytest.fixture
def file(start, clients, tmp_path: Path) -> Path:
    """A state in which each book has a row."""
    ca = start()
    first, second, third, fourth = clients(ca, 4)
    given = [ca.service.operator.give_challenge() for _ in range(4)]
    first.enrol(given[0])
    assert second.enrol(given[1]).words == "PENDING"
    third.enrol("wrong")
    ca.service.operator.hold("CN=printer-9*")
    assert ca.service.operator.revoke("CN=printer-0*", "keyCompromise") == 1
    first.send(MessageType.GET_CRL, messages.issuer_and_serial(first.certificate.issuer, first.certificate.serial))
    lost = scep_request("/scep", Operation.PKI_OPERATION, fourth.message(MessageType.PKCS_REQ, fourth.csr(given[3])))
    assert not ca.service.handle(lost, "192.0.2.10").octets
    ca.service.ledger._limit = 0
    third.enrol(given[2])
    ca.service.store.commit()
    place = tmp_path / "state" / SqliteStore.NAME
    with closing(sqlite3.connect(place)) as base:
        assert {book for (book,) in base.execute("SELECT DISTINCT book FROM kept")} == BOOKS
    return place


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each value in a row, of the row itself first."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from _leaves(inner, (*path, name))


def _changed(row: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    other = deepcopy(row)
    at = other
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    return other


def _without(row: Any, path: tuple[Any, ...]) -> Any:
    other = deepcopy(row)
    at = other
    for name in path[:-1]:
        at = at[name]
    del at[path[-1]]
    return other


def test_whatever_a_value_becomes_the_row_is_taken_or_refused_by_its_place(start, file: Path, monkeypatch) -> None:
    rows: list[tuple[Any, ...]] = []
    read = SqliteStore._read
    monkeypatch.setattr(SqliteStore, "_read", lambda *row: rows.append(row) or read(*row))
    start()
    monkeypatch.undo()
    assert {row[1] for row in rows} == BOOKS
    refused = 0
    for store, book, place, how, key, text in rows:
        row = json.loads(text)
        changes = [_changed(row, path, value) for path in _leaves(row) for value in STRANGE]
        changes += [_without(row, path) for path in _leaves(row) if path]
        for changed in changes:
            try:
                store._read(book, place, how, key, json.dumps(changed))
            except UsageError as error:
                refused += 1
                said = str(error)
                assert said.startswith(f"{file} is damaged in its {book}, at place {place}: "), said
                assert "if you changed it, undo that; otherwise use another --state-dir" in said
                assert "canary" not in said
        for strange in (None, 7, b"canary", "canary", "7", "{}"):
            with pytest.raises(UsageError, match=f"{book}, at place {place}: its column 'key' has no text"):
                store._read(book, place, how, strange, text)
    assert refused > 1500


COLUMNS = [
    ("cas", ("identities", 0, "certificate"), "AAAA", "certificate"),
    ("cas", ("identities", 0, "key"), 5, "identities.1.key is not base64"),
    ("cas", ("identities",), [], "identities does not have three values"),
    ("cas", ("published",), "2026-03-02T12:00:00", "published is not a time with its zone"),
    ("challenges", ("used",), "yes", "used is neither true nor false"),
    ("crls", ("number",), -1, "number is not a whole number of at least 0"),
    ("forgotten", ("minted",), "canary", "minted is not a whole number of at least 0"),
    ("forgotten", ("canary",), 1, "has 1 value with an unknown name"),
    ("journal", ("decision",), 5, "decision is not text"),
    ("journal", ("judgement",), ["canary SCEP-1"], "judgement.1 is not one of the known words"),
    ("journal", ("takes",), "1", "takes is not a number of seconds"),
    ("ledger", ("der",), "AAAA", "certificate"),
    ("ledger", ("der",), "canary!", "der is not base64"),
    ("ledger", ("sent",), "HTTP 200", "sent is not a list"),
    ("revoked", ("reason",), "canary", "reason is not one of the known words"),
    ("rules", ("effects",), [True], "effects.1 is not a whole number of at least 0"),
    ("script", ("rules",), [{"rule": "canary"}], "rules.1 is not a rule"),
    ("serials", ("count",), None, "count is not a whole number of at least 0"),
    ("shape", ("identifiers",), "canary", "identifiers is not a list"),
    ("transactions", ("operations", 0, "authority"), "canary", "operations.1 authority is not a CA of this server"),
    ("transactions", ("operations", 0, "request"), [19], "operations.1 request does not have three values"),
    ("transactions", ("operations", 0, "begun"), "9999-01-01T00:00:00+00:00", "begun is not a time with its zone"),
    ("turns", ("count",), 1.5, "count is not a whole number of at least 0"),
    ("waiting room", ("held",), ["*", 5], "held.2 is not text"),
]


@pytest.mark.parametrize(("book", "path", "value", "told"), COLUMNS)
def test_a_start_names_the_row_that_somebody_changed(start, file: Path, book: str, path, value, told: str) -> None:
    with closing(sqlite3.connect(file)) as base, base:
        place, text = base.execute("SELECT place, row FROM kept WHERE book = ? ORDER BY place", (book,)).fetchone()
        base.execute(
            "UPDATE kept SET row = ? WHERE place = ?", (json.dumps(_changed(json.loads(text), path, value)), place)
        )
    where = re.escape(f"{file} is damaged in its {book}, at place {place}: ")
    with pytest.raises(UsageError, match=f"{where}.*{re.escape(told)}"):
        start()


KEYS = [
    ("revoked", "canary", "its key is not a serial number"),
    ("rules", "canary", "its key is not the number of a rule"),
    ("turns", "[1, 2]", "1 is not text"),
    ("turns", "{}", "its key is not a fault and a transaction"),
    ("journal", "canary", "its key is not a number"),
]


@pytest.mark.parametrize(("book", "key", "told"), KEYS)
def test_a_key_that_cannot_be_is_named_and_not_told(start, file: Path, book: str, key: str, told: str) -> None:
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE kept SET key = ? WHERE place = (SELECT max(place) FROM kept WHERE book = ?)",
                     (json.dumps(key), book))  # fmt: skip
    with pytest.raises(UsageError, match=f"is damaged in its {book}, at place .*: {told}") as refused:
        start()
    assert "canary" not in str(refused.value)


def test_a_row_that_somebody_put_into_a_book_that_nobody_keeps_is_not_lost_without_a_word(start, file: Path) -> None:
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE kept SET book = 'ledgr' WHERE book = 'ledger'")
    told = f"{re.escape(str(file))} is damaged: it contains an unknown book 'ledgr' .if you changed it"
    with pytest.raises(UsageError, match=told):
        start()


def test_a_ca_under_another_key_is_no_reason_to_make_a_new_one(start, file: Path) -> None:
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("""UPDATE kept SET key = '"ca-8"' WHERE book = 'cas'""")
    with pytest.raises(UsageError, match="is damaged in its cas: 1 with a key that no CA of this server has"):
        start()


def test_a_private_key_that_is_not_the_certificate_s_is_refused(start, file: Path, tmp_path: Path, make_ca) -> None:
    other = SqliteStore(tmp_path / "other")
    make_ca(vault=Vault(other), seed=8)
    other.close()
    with closing(sqlite3.connect(tmp_path / "other" / SqliteStore.NAME)) as base:
        (strange,) = base.execute("SELECT row FROM kept WHERE book = 'cas'").fetchone()
    key = json.loads(strange)["identities"][0]["key"]
    with closing(sqlite3.connect(file)) as base, base:
        (text,) = base.execute("SELECT row FROM kept WHERE book = 'cas'").fetchone()
        changed = _changed(json.loads(text), ("identities", 0, "key"), key)
        base.execute("UPDATE kept SET row = ? WHERE book = 'cas'", (json.dumps(changed),))
    with pytest.raises(UsageError, match="it has a private key that does not match the certificate"):
        start()
