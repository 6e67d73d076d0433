"""A mock that keeps its state: the next one is the same CA and knows the same, and no file of another kind is taken."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.faults import base
from mock_scep_server.store import SqliteStore, StepLock, StoreFailed
from mock_scep_server.vault import Vault

SCRIPT = """\
- shuffle:
    - {when: {type: PKCSReq, subject: "CN=never-1*"}, then: pending, optional: true}
    - {when: {type: PKCSReq, subject: "CN=never-2*"}, then: pending, optional: true}
    - {when: {type: PKCSReq, subject: "CN=never-3*"}, then: pending, optional: true}
    - {when: {type: PKCSReq, subject: "CN=never-4*"}, then: pending, optional: true}
- {when: {type: PKCSReq}, faults: [nonce-mismatch], times: 2}
- {when: {type: GetCRL}, then: {http: 503}, optional: true}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state"


class Starts:
    """Starts a CA over the state, once the one before has ended without a word; each draws other chance."""

    def __init__(self, make_ca, place: Path) -> None:
        self._make, self.place, self._seed = make_ca, place, 100
        self._store: SqliteStore | None = None

    def __call__(self, *policy: str, passphrase: str | None = None, own: Identity | None = None, **rest: object):
        self.stop()
        self._store, self._seed = SqliteStore(self.place), self._seed + 1
        return self._make(*policy, vault=Vault(self._store, passphrase, own), seed=self._seed, **rest)

    def stop(self) -> None:
        """The one that runs ends."""
        if self._store is not None:
            self._store.close()
        self._store = None


@pytest.fixture
def starts(make_ca, place: Path) -> Iterator[Starts]:
    found = Starts(make_ca, place)
    yield found
    found.stop()


def known(ca) -> dict[str, Any]:
    """All that a CA can be asked about what it knows."""
    service = ca.service
    return {
        "cas": [[c.der for c in one.certificates] for one in service.authorities.all],
        "journal": [entry.to_json() for entry in service.journal.entries],
        "requests": service.journal.count,
        "ledger": [(e, e.certificate) for e in service.ledger.entries],
        "counts": service.ledger.counts,
        "dropped": service.dropped,
        "waiting": service.operator.waiting,
        "held": service._transactions.held,
        "transactions": list(service._transactions._known),
        "size": (service._transactions._size, service.ledger._size, service.journal._size),
        "revoked": [
            e.certificate.serial for e in service.ledger.entries if service.revocations.is_revoked(e.certificate.serial)
        ],
        "script": service.script.describe(),
        "premises": [premise.missing() for premise in service.script.premises()],
    }


def test_the_next_one_is_the_same_ca_and_knows_the_same(starts, make_client, clients) -> None:
    policy = "{serials: sequential, rollover: {publish: 1h, switch: 2h}}"
    ca = starts(policy, script=SCRIPT, ra="split")
    first, second, third, fourth = clients(ca, 4)
    first.enrol()
    second.enrol()
    ca.service.report_installed(ca.service.ledger.entries[0].certificate)
    ca.service.operator.revoke("CN=printer-1*", "keyCompromise")
    ca.service.operator.hold("CN=printer-2*")
    assert third.enrol().words == "PENDING"
    assert fourth.enrol("wrong").words == "badRequest: the challenge password is wrong"
    ca.service.operator.replace_ra()
    before = known(ca)
    assert before["counts"] == {"minted": 2, "delivered": 2, "installed": 1, "orphaned": 1}

    again = starts(policy, script=SCRIPT, ra="split")
    assert known(again) == before
    for client in (first, second, third, fourth):
        client.ca = again
    assert third.poll().words == "PENDING"
    assert again.service.operator.approve() == 1
    last = starts(policy, script=SCRIPT, ra="split")
    third.ca = last
    assert third.poll().words == "SUCCESS"
    # CA, two RA certificates, the same of the next CA, two clients, and the RA's new pair came before.
    assert third.certificate.serial == 11
    assert last.service.script.describe()[4]["taken"] == 2


def test_a_request_that_was_answered_gets_the_same_certificate_again(starts, make_client) -> None:
    ca = starts()
    client = make_client(ca)
    order = client.csr()
    given = client.certificates(client.send(MessageType.PKCS_REQ, order))
    client.ca = starts()
    assert client.certificates(client.send(MessageType.PKCS_REQ, order)) == given
    assert client.ca.minted == 1


def test_a_challenge_that_was_used_stays_so_and_one_that_was_not_is_good(starts, make_client, place: Path) -> None:
    policy = "{challenge: {one_time: {}}}"
    ca = starts(policy)
    used, fresh = ca.service.operator.give_challenge(), ca.service.operator.give_challenge("CN=printer-2*")
    assert make_client(ca).enrol(used).words == "SUCCESS"
    ca = starts(policy)
    assert make_client(ca, number=5).enrol(used).words == "badRequest: the challenge password has already been used"
    other = make_client(ca, "printer-3.example", 6)
    assert other.enrol(fresh).words == "badRequest: the challenge password is for another subject"
    assert make_client(ca, "printer-2.example", 7).enrol(fresh).words == "SUCCESS"


def test_the_crl_goes_on_counting(starts, make_client) -> None:
    ca = starts()
    make_client(ca).enrol()
    assert ca.service.revocations.current(ca.service.authority).number == 1
    ca.service.operator.revoke("*")
    ca = starts()
    crl = ca.service.revocations.current(ca.service.authority)
    assert (crl.number, len(crl.revoked)) == (2, 1)


def test_what_had_to_go_is_gone_from_the_file_too(starts, clients, place: Path) -> None:
    ca = starts("{memory: 1}")
    books = ca.service
    books.ledger._limit, books.journal._limit, books._transactions._limit = 8_000, 8_000, 8_000
    for client in clients(ca, 12):
        client.enrol()
    before = known(ca)
    assert min(before["dropped"].values()) > 0
    with closing(sqlite3.connect(place / SqliteStore.NAME)) as base:
        rows = dict(base.execute("SELECT book, count(*) FROM kept GROUP BY book").fetchall())
    assert rows["ledger"] == len(before["ledger"]) < 12
    assert rows["journal"] == len(before["journal"]) < 12
    assert rows["transactions"] == len(before["transactions"]) < 12
    assert known(starts("{memory: 1}")) == before


def test_a_reset_empties_the_file_and_keeps_the_ca(starts, make_client) -> None:
    ca = starts()
    make_client(ca).enrol()
    issuer = ca.service.authority.issuer.certificate
    ca.service.reset()
    ca = starts()
    assert (ca.minted, ca.service.journal.count, ca.service._transactions._known) == (0, 0, {})
    assert ca.service.authority.issuer.certificate == issuer


def test_another_script_begins_anew_and_so_does_one_that_was_put(starts, make_client) -> None:
    rule = "- {when: {type: PKCSReq}, faults: [nonce-mismatch]}"
    ca = starts(script=rule)
    make_client(ca).enrol()
    assert starts(script=rule).service.script.describe()[0]["taken"] == 1
    ca = starts(script=rule.replace("nonce-mismatch", "nonce-missing"))
    assert ca.service.script.describe()[0]["taken"] == 0
    make_client(ca, number=2).enrol()
    ca.service.replace_script(ca.service.script.rules)
    assert starts(script=rule.replace("nonce-mismatch", "nonce-missing")).service.script.describe()[0]["taken"] == 0


def test_a_fault_of_the_first_reply_is_none_of_the_first_after_a_restart(starts, make_client, monkeypatch) -> None:
    script = "- {when: {type: PKCSReq}, faults: [gateway-timeout-then-recover]}"
    ca = starts(script=script)
    client = make_client(ca)
    order = client.csr()
    assert client.send(MessageType.PKCS_REQ, order).status == 504
    client.ca = starts(script=script)
    assert client.send(MessageType.PKCS_REQ, order).words == "SUCCESS"
    monkeypatch.setattr(base, "_TURNS", 2)
    for number in (2, 3, 4):
        other = make_client(client.ca, number=number)
        assert other.enrol().status == 504
    turns = [json.loads(key) for key, _ in rows_of(starts.place, "turns")]
    assert turns == list(map(list, client.ca.service._memory._turns))
    assert len(turns) == 2


def test_sixteen_clients_at_once_leave_a_state_that_is_whole(starts, clients) -> None:
    script = "- {when: {type: PKCSReq}, faults: [nonce-mismatch], times: 70}"
    ca = starts("{serials: sequential}", script=script)
    with ThreadPoolExecutor(16) as pool:
        words = Counter(pool.map(lambda client: client.enrol().words, clients(ca, 96)))
    assert words == {"SUCCESS": 96}
    before = known(ca)
    again = starts("{serials: sequential}", script=script)
    assert known(again) == before
    assert {entry.certificate.serial for entry in again.service.ledger.entries} == set(range(2, 98))
    assert again.service.script.describe()[0]["taken"] == 70


def test_a_request_that_the_host_refused_is_kept_too(starts) -> None:
    ca = starts()
    ca.service.record_refusal("192.0.2.9", 400, "The request line is not one.")
    before = known(ca)
    assert before["requests"] == 1
    assert known(starts()) == before


# --- what is kept together, and when ----------------------------------------------------------------------


def rows_of(place: Path, book: str) -> list[tuple[str, Any]]:
    with closing(sqlite3.connect(place / SqliteStore.NAME)) as base:
        found = base.execute("SELECT key, row FROM kept WHERE book = ? ORDER BY place", (book,)).fetchall()
    return [(json.loads(key), json.loads(row)) for key, row in found]


def test_nothing_of_a_step_is_kept_before_its_end_and_then_all(place: Path) -> None:
    with closing(SqliteStore(place)) as store:
        step = StepLock(store)
        with step:
            store.put("book", "a", lambda: {"n": 1})
            store.commit()
            assert rows_of(place, "book") == []
            store.put("book", "b", lambda: {"n": 2})
        assert rows_of(place, "book") == []
        store.commit()
        assert rows_of(place, "book") == [("a", {"n": 1}), ("b", {"n": 2})]
        with step:
            store.put("book", "a", lambda: {"n": 3})
            step.outside(store.commit)
            assert rows_of(place, "book")[0] == ("a", {"n": 3})
            store.remove("book", "a")
            store.put("book", "a", lambda: {"n": 4})
            store.put("book", "b", lambda: {"n": 5})
            store.put("book", "b", lambda: {"n": 6})
        store.commit()
        assert rows_of(place, "book") == [("b", {"n": 6}), ("a", {"n": 4})]
        with step:
            store.put("other", "a", dict)
            store.put("book", "c", dict)
            store.clear("book")
            store.put("book", "d", dict)
        store.commit()
        assert rows_of(place, "book") == [("d", {})]
        assert rows_of(place, "other") == [("a", {})]


def test_what_was_not_committed_is_gone(place: Path) -> None:
    store = SqliteStore(place)
    store.put("book", "a", dict)
    store.close()
    with closing(SqliteStore(place)) as again:
        assert again.rows("book", lambda key, _: key) == []


def test_what_cannot_be_kept_is_not_answered(starts, make_client, monkeypatch, place: Path) -> None:
    ca = starts()
    client = make_client(ca)
    order = HttpRequest("POST", "/scep?operation=PKIOperation", body=client.message(MessageType.PKCS_REQ, client.csr()))
    write = SqliteStore._write

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SqliteStore, "_write", full)
    with pytest.raises(StoreFailed, match="cannot keep the state in .*: database or disk is full"):
        ca.service.handle(order, "192.0.2.10")
    decided = ca.service.journal.count
    with pytest.raises(StoreFailed):
        ca.service.handle(order, "192.0.2.10")
    assert ca.service.journal.count == decided == 1
    monkeypatch.setattr(SqliteStore, "_write", write)
    assert ca.ask(order).words.startswith("SUCCESS")
    assert ca.minted == len(rows_of(place, "ledger")) == 1


# --- whose it is ------------------------------------------------------------------------------------------


def test_file_and_directory_are_their_owner_s_alone(starts, tmp_path: Path, place: Path) -> None:
    starts()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == dict.fromkeys(
        ("mock.lock", "mock.sqlite", "mock.sqlite-wal", "mock.sqlite-shm"), 0o600
    )


def test_a_second_process_is_refused(starts, place: Path) -> None:
    starts()
    with pytest.raises(UsageError, match=f"{place} is in use: another process keeps a mock CA there .*stop the other"):
        SqliteStore(place)


@pytest.mark.parametrize(
    ("policy", "rest", "told"),
    [
        ("{}", {"ra": "single"}, "has a CA whose ra is none, not single"),
        ("{key: ec-256}", {}, "has a CA whose key is rsa-2048, not ec-256"),
        ("{name: Another}", {}, r"has a CA whose name is Mock SCEP CA \(tests only\), not Another"),
        ("{identifiers: [A, B]}", {}, "has a CA whose identifiers is none, not A, B"),
        ("{serials: sequential}", {}, "has a CA whose serials is random, not sequential"),
        ("{}", {"passphrase": "canary-5c0d"}, "the keys in .* are not encrypted"),
    ],
)
def test_options_of_another_ca_are_refused(starts, place: Path, policy: str, rest: dict[str, str], told: str) -> None:
    starts(script=SCRIPT)
    before = rows_of(place, "script")
    with pytest.raises(UsageError, match=told) as refused:
        starts(policy, **rest)
    assert "canary" not in str(refused.value)
    assert rows_of(place, "script") == before


@pytest.mark.parametrize(
    ("passphrase", "told"), [(None, "are encrypted .*--state-passphrase-file"), ("other", "the passphrase is wrong")]
)
def test_keys_are_encrypted_with_a_passphrase(starts, place: Path, passphrase: str | None, told: str) -> None:
    ca = starts(passphrase="canary-5c0d")
    clear = ca.service.authority.issuer
    (row,) = [row for _, row in rows_of(place, "cas")]
    assert [one["key"][:4] for one in row["identities"]] == ["MIIF"] * 3
    assert b"canary-5c0d" not in b"".join(path.read_bytes() for path in place.iterdir())
    with pytest.raises(UsageError, match=told):
        starts(passphrase=passphrase)
    again = starts(passphrase="canary-5c0d").service.authority.issuer
    assert again.certificate == clear.certificate
    assert again.key.private_numbers() == clear.key.private_numbers()


# --- files of another kind --------------------------------------------------------------------------------


def _text(file: Path) -> None:
    file.write_text("this is a letter, and long enough to have a head of a hundred bytes in it. " * 4)


def _database(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as base:
        base.execute("CREATE TABLE another (x)")


def _later(file: Path) -> None:
    with closing(sqlite3.connect(file)) as base:
        base.execute("PRAGMA user_version = 2")


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _changed(file: Path) -> None:
    octets = bytearray(file.read_bytes())
    for at in range(4096 + 8, len(octets), 64):
        octets[at] ^= 0xFF
    file.write_bytes(octets)


def _rows(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as base, base:
            base.execute(statement)

    return change


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def _directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES = [
    (_text, "is not the state of a mock CA"),
    (_database, "is not the state of a mock CA"),
    (_later, "is not a state of format 1: another version of mfp-sim wrote it"),
    (_cut, "is damaged"),
    (_changed, "is damaged"),
    (_rows("DROP TABLE kept"), "is damaged"),
    (_rows("UPDATE kept SET row = 'x' WHERE book = 'journal'"), "is damaged in its journal"),
    (_rows("UPDATE kept SET row = '{}' WHERE book = 'transactions'"), "is damaged in its transactions"),
    (_rows("UPDATE kept SET row = '[1]' WHERE book = 'ledger'"), "is damaged in its ledger"),
    (_rows("UPDATE kept SET row = '{}' WHERE book = 'shape'"), "is damaged in its shape"),
    (_rows("UPDATE kept SET row = 'null' WHERE book = 'shape'"), "is damaged in its shape"),
    (
        _rows("UPDATE kept SET row = replace(row, '\"key\":\"M', '\"key\":\"A') WHERE book = 'cas'"),
        "is damaged in its cas",
    ),
    (_rows("DELETE FROM kept WHERE book = 'cas'"), "is damaged: its CAs are missing"),
    (_link, "cannot open"),
    (_directory, "cannot open"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGES)
def test_a_file_that_is_no_state_is_refused_and_stays(starts, make_client, place: Path, damage, told: str) -> None:
    make_client(starts()).enrol()
    starts.stop()
    file = place / SqliteStore.NAME
    damage(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(UsageError, match=told) as refused:
        starts()
    assert "use another --state-dir, or move the file away" in str(refused.value)
    assert (file.read_bytes() if file.is_file() else None) == before


def test_an_empty_file_and_one_that_was_not_begun_are_begun(starts, place: Path) -> None:
    place.mkdir()
    (place / SqliteStore.NAME).touch(mode=0o644)
    first = starts().service.authority.issuer.certificate
    assert stat.S_IMODE((place / SqliteStore.NAME).stat().st_mode) == 0o600
    assert starts().service.authority.issuer.certificate == first


def test_a_directory_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot use .*file to keep the state"):
        SqliteStore(tmp_path / "file")
