"""One atomic commit: what is there after a failure at any step, and what a damaged file is told to be."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from mfp_sim.device import storage as storage_module
from mfp_sim.device.private import load_private, pkcs8
from mfp_sim.device.settings import KeySettings, Polling
from mfp_sim.device.storage import DirectoryStorage, decode_state, encode_state
from mfp_sim.shared.errors import PowerLost, UsageError
from mfp_sim.shared.simtime import Entropy, PooledKeys

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


def test_everything_is_the_same_after_a_restart_of_the_process(machine, tmp_path: Path) -> None:
    script = "[{when: {type: PKCSReq, nth: 2}, then: pending}, {when: {type: CertPoll}, then: pending, times: 1}]"
    world = machine(storage=DirectoryStorage(tmp_path), script=script)
    world.printer.send_request(KEY)
    world.printer.set_function("IEEE 802.1X", True)
    world.printer.set_dns(True)
    world.printer.set_ip("192.0.2.11")
    world.timer(every_days=30, restart=True, polling=Polling(5, 10))
    world.pass_time(minutes=65)
    old = world.printer
    status, keys, audit = old.status(), old.key_list(), len(old.audit)
    old.power_cut()
    world.storage.close()
    world.storage = DirectoryStorage(tmp_path)
    fresh = world.printer = world.make_printer()
    fresh.power_on()
    assert fresh.status() == status
    assert fresh.key_list() == keys
    assert (fresh.dns, fresh.ip, fresh.functions) == (True, "192.0.2.11", {"TLS", "IEEE 802.1X"})
    assert fresh.auto_request.every_days == 30
    assert len(fresh.audit) == audit + 1
    world.pass_time(minutes=30)
    assert world.asked.count("PKCSReq") == 2
    assert len({e.transaction for e in world.ca.journal.entries if e.name == "CertPoll"}) == 1
    assert world.ca.ledger.counts == {"minted": 2, "delivered": 2, "installed": 2, "orphaned": 0}


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    DirectoryStorage(tmp_path / "state" / "printer-1").commit({"a": 1})
    assert (tmp_path / "state" / "printer-1" / "printer.json").stat().st_mode & 0o777 == 0o600
    for directory in (tmp_path / "state", tmp_path / "state" / "printer-1"):
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("point", "left"), [("written", {"a": 1}), ("renamed", {"a": 2})])
def test_a_failure_within_a_commit_leaves_the_old_state_or_the_new_one(tmp_path: Path, point: str, left: dict) -> None:
    def reach(here: str) -> None:
        if here == point and armed:
            raise PowerLost(here)

    armed: list[bool] = []
    storage = DirectoryStorage(tmp_path, reach=reach)
    storage.commit({"a": 1})
    armed.append(True)
    with pytest.raises(PowerLost):
        storage.commit({"a": 2})
    beside = {"printer.json.new"} if point == "written" else set()
    assert {entry.name for entry in tmp_path.iterdir()} == {"printer.json", "printer.lock"} | beside
    storage.close()
    armed.clear()
    storage = DirectoryStorage(tmp_path, reach=reach)
    assert storage.load() == left
    storage.commit({"a": 3})
    storage.close()
    assert DirectoryStorage(tmp_path).load() == {"a": 3}


def test_a_full_disk_is_told_and_the_old_state_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = DirectoryStorage(tmp_path)
    storage.commit({"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        storage.commit({"a": 2})
    monkeypatch.undo()
    assert storage.load() == {"a": 1}


GOOD = encode_state({"a": 1})
HEAD, BODY, _ = GOOD.split(b"\n")


def _signed(body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return b'{"mfp-sim": "printer state", "format": 1, "sha256": "' + digest.encode() + b'"}\n' + body + b"\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not the state of a printer"),
        (b"{", "is not the state of a printer"),
        (b"[" * 100_000, "is not the state of a printer"),
        (b"\xff\xfe", "is not the state of a printer"),
        (b"[]\n[]\n", "is not the state of a printer"),
        (b'{"format": 1}\n{}\n', "is not the state of a printer"),
        (GOOD.replace(b'"format": 1', b'"format": 2'), "is not a state of format 1: another version"),
        (_signed(b"[]"), "is not the state of a printer"),
        (_signed(b"{"), "is not the state of a printer"),
        (_signed(b"[" * 100_000), "is not the state of a printer"),
        (HEAD, "is damaged: it was cut off"),
        (HEAD + b"\n", "is damaged: it was cut off"),
        (GOOD[:-1], "is damaged: it was cut off"),
        (GOOD + b"\n", "is damaged"),
        (GOOD.replace(b'{"a":1}', b'{"a":2}'), "is damaged"),
    ],
)
def test_a_file_that_is_no_state_is_told_and_left_alone(machine, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "printer.json").write_bytes(content)
    world = machine(set_up=False)
    world.storage = DirectoryStorage(tmp_path)
    printer = world.make_printer()
    with pytest.raises(UsageError, match=words) as told:
        printer.power_on()
    assert told.value.remedy == ("choose another --state-dir, or move the file away to start with a new printer")
    assert not printer.powered
    assert (tmp_path / "printer.json").read_bytes() == content
    assert {entry.name for entry in tmp_path.iterdir()} == {"printer.json", "printer.lock"}


def test_every_octet_cut_off_and_every_bit_flipped_is_found(tmp_path: Path) -> None:
    state = {"keys": [{"private": "00ff"}], "next_id": 2}
    good = encode_state(state)
    assert decode_state(good) == state
    wrong = [good[:count] for count in range(len(good))]
    wrong += [good[:at] + bytes((good[at] ^ 1 << bit,)) + good[at + 1 :] for at in range(len(good)) for bit in range(8)]
    taken = [octets for octets in wrong if _taken(octets)]
    # A blank in the first line may be a tab or a line feed; what is stored is the same.
    assert all(decode_state(octets) == state for octets in taken)
    assert len(taken) < 10


def test_a_state_is_ascii_whatever_is_in_it() -> None:
    state = {"name": "Blåbær\ud800"}
    assert encode_state(state).isascii()
    assert decode_state(encode_state(state)) == state


def test_a_stored_key_that_is_no_rsa_key_is_told_to_be_none() -> None:
    """The machine makes RSA keys only (A-07)."""
    entropy = Entropy(1)
    elliptic = PooledKeys(entropy).ec(256).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="the stored key is not an RSA key"):
        load_private(elliptic)
    sealed = (
        PooledKeys(entropy).rsa(1024).private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    with pytest.raises(ValueError, match="the stored key is encrypted"):
        load_private(sealed)
    rsa = pkcs8(PooledKeys(entropy).rsa(1024))
    assert load_private(rsa).key_size == 1024
    with pytest.raises(ValueError, match="the stored key is of an unknown kind"):
        load_private(rsa.replace(bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01017f")))


def _taken(octets: bytes) -> bool:
    try:
        decode_state(octets)
    except ValueError:
        return False
    return True


def test_what_is_no_file_and_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = DirectoryStorage(tmp_path)
    (tmp_path / "printer.json").mkdir()
    with pytest.raises(UsageError, match=r"printer\.json is a link, or not a file \(choose another"):
        storage.load()
    (tmp_path / "printer.json").rmdir()
    storage.commit({})

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(UsageError, match=r"cannot read .*: Permission denied \(choose another"):
        storage.load()


def test_a_directory_that_is_there_is_used_and_one_that_is_not_is_made_with_its_parents(tmp_path: Path) -> None:
    DirectoryStorage(tmp_path / "a" / "b").commit({"a": 1})
    assert DirectoryStorage(tmp_path / "a" / "b").load() == {"a": 1}


def test_file_and_directory_are_on_the_disk_before_a_commit_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    storage = DirectoryStorage(tmp_path, reach=done.append)
    sync = os.fsync

    def note(descriptor: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else f"{os.fstat(descriptor).st_size}")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    storage.commit({"a": 1})
    assert done == [str(len(GOOD)), "written", "renamed", "directory"]
    opened = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    assert not [target for target in opened if target == str(tmp_path) or target.endswith(".json")]


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert storage_module.MAX_OCTETS == 16 * 2**20
    monkeypatch.setattr(storage_module, "MAX_OCTETS", len(GOOD))
    DirectoryStorage(tmp_path).commit({"a": 1})
    assert DirectoryStorage(tmp_path).load() == {"a": 1}
    (tmp_path / "printer.json").write_bytes(b" " * (len(GOOD) + 1))
    with pytest.raises(UsageError, match=f"is larger than {len(GOOD)} bytes"):
        DirectoryStorage(tmp_path).load()
    with pytest.raises(UsageError, match=f"is larger than {len(GOOD)} bytes"):
        DirectoryStorage(tmp_path).commit({"a": 10})


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(GOOD)
    inside = tmp_path / "state"
    storage = DirectoryStorage(inside)
    (inside / "printer.json").symlink_to(outside)
    with pytest.raises(UsageError, match="is a link, or not a file"):
        storage.load()
    (inside / "printer.json.new").symlink_to(outside)
    storage.commit({"a": 1})
    assert outside.read_bytes() == GOOD
    assert storage.load() == {"a": 1}


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot use"):
        DirectoryStorage(tmp_path / "file")


def _damaged(state: dict) -> list[dict]:
    found = []
    for name in state:
        found.append({key: value for key, value in state.items() if key != name})
        found.append({**state, name: 7.5})
    return found


def test_a_state_with_anything_wrong_is_refused_at_boot_and_never_with_a_traceback(machine, tmp_path: Path) -> None:
    world = machine(storage=DirectoryStorage(tmp_path), script="[{when: {type: PKCSReq}, then: pending}]")
    world.timer()
    world.pass_time(minutes=65)
    state = dict(world.storage.load())
    told: list[str] = []
    cases = _damaged(state)
    cases += [{**state, "request": case} for case in _damaged(state["request"])]
    cases.append({**state, "request": {**state["request"], "communication": None}})
    transaction = state["request"]["transaction"]
    cases += [{**state, "request": {**state["request"], "transaction": case}} for case in _damaged(transaction)]
    for name in ("keys", "history", "audit"):
        none_at_all = encode_state({**state, name: {}})
        (tmp_path / "printer.json").write_bytes(none_at_all)
        with pytest.raises(UsageError, match="cannot be used"):
            world.make_printer().power_on()
    cases.append({**state, "keys": [{}]})
    cases.append({**state, "keys": [{**state["keys"][0], "certificate": "00"}]})
    cases.append({**state, "auto": {**state["auto"], "start": "soon"}})
    for case in cases:
        (tmp_path / "printer.json").write_bytes(encode_state(case))
        printer = world.make_printer()
        try:
            printer.power_on()
        except UsageError as error:
            told.append(str(error))
        printer.power_off()
    assert len(told) > len(cases) // 2
    assert "s3cret" not in "".join(told)


def test_a_request_that_was_missed_while_off_runs_at_boot(machine) -> None:
    world = machine()
    world.timer()
    world.printer.power_off()
    world.pass_time(days=3)
    assert world.asked == []
    world.printer.power_on()
    world.pass_time(seconds=0)
    assert world.shown == ("successful", None)
    assert world.printer.status()[0].time == datetime.fromisoformat("2026-03-05T07:00:00+00:00")


def test_a_key_that_was_stored_here_is_not_checked_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object, **__: object) -> None:
        raise AssertionError("checked")

    key = PooledKeys(Entropy(1)).rsa(1024)
    octets = pkcs8(key)
    monkeypatch.setattr("mfp_sim.device.private.load_der_private_key", check)
    assert load_private(octets) is key
    with pytest.raises(AssertionError, match="checked"):
        load_private(octets + b"\0")
