"""Each rule of soundness is found broken when it is, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mfp_sim.device.invariants import broken, broken_by
from mfp_sim.device.keystore import KeyStore
from mfp_sim.device.settings import KeySettings

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


def _entries(printer):
    return printer.machine.state.store.entries


def _put(printer, *entries):
    printer.machine.state.store = KeyStore(tuple(entries))


def _two(world):
    world.printer.send_request(KEY)
    return _entries(world.printer)


BREAKS = {
    "the certificate of 'tls' is not for its key": lambda p, d, k: _put(p, d, replace(k, private=d.private)),
    "2 keys, the limit is 1": lambda p, d, k: setattr(p, "profile", replace(p.profile, key_limit=1)),
    "there is not exactly one Default Key": lambda p, d, k: _put(p, k),
    "two keys have the same id": lambda p, d, k: _put(p, d, replace(k, id=d.id)),
    "2 keys for the use location TLS": lambda p, d, k: _put(p, replace(d, assigned=True), k),
    "a key is assigned to None": lambda p, d, k: _put(p, d, replace(k, use="None")),
    "more than 0 finished rows": lambda p, d, k: setattr(p, "profile", replace(p.profile, history=0)),
    "TLS uses a key but is not switched on": lambda p, d, k: setattr(p.machine.state, "functions", frozenset()),
}


@pytest.mark.parametrize("words", BREAKS)
def test_a_broken_printer_is_found(machine, words: str) -> None:
    world = machine()
    default, key = _two(world)
    assert broken(world.printer) == []
    BREAKS[words](world.printer, default, key)
    assert broken(world.printer) == [words]
    world.printer.power_off()  # what is stored stays as it is; no function is running
    assert broken(world.printer) == ([] if words.startswith("TLS uses") else [words])


def test_as_many_as_there_may_be_are_sound(machine) -> None:
    world = machine(key_limit=2, history=1)
    _two(world)
    world.printer.send_request(KEY)
    assert [row.state for row in world.printer.status()] == ["error"]
    assert broken(world.printer) == []
    world.printer.profile = replace(world.printer.profile, history=0)
    assert broken(world.printer) == ["more than 0 finished rows"]


def _key(number: int, *, use: str = "TLS", policy: str | None = None, default: bool = False, assigned: bool = False):
    return {"id": number, "name": f"k{number}", "use": use, "policy": policy, "default": default, "assigned": assigned}


def _state(*keys, request=None, history=()):
    return {"keys": list(keys), "request": request, "history": list(history)}


DEFAULT = _key(1, default=True)


@pytest.mark.parametrize(
    ("before", "after", "by_hand", "found"),
    [
        ([DEFAULT], [DEFAULT, _key(2, assigned=True)], False, []),
        ([DEFAULT, _key(2, assigned=True)], [DEFAULT, _key(3, assigned=True)], False, []),
        ([DEFAULT, _key(2)], [DEFAULT], False, ["'k2' is gone, but no new key has its use"]),
        ([DEFAULT, _key(2)], [DEFAULT], True, []),
        ([DEFAULT, _key(2), _key(3)], [DEFAULT], True, ["more than one key was deleted by hand"]),
        ([DEFAULT, _key(2)], [_key(2), _key(3)], False, ["'k1' is gone, although it is the Default Key"]),
        ([DEFAULT, _key(2)], [_key(2)], True, ["'k1' is gone, although it is the Default Key"]),
        (
            [DEFAULT, _key(2, use="IPSec", policy="a")],
            [DEFAULT, _key(3, use="IPSec", policy="b")],
            False,
            ["'k2' is gone, but no new key has its use"],
        ),
        (
            [DEFAULT, _key(2, assigned=True)],
            [DEFAULT, _key(2), _key(3)],
            False,
            ["no key is left for the use location TLS"],
        ),
    ],
)
def test_keys_from_one_commit_to_the_next(before, after, by_hand: bool, found: list[str]) -> None:
    assert broken_by(_state(*before), _state(*after), by_hand=by_hand) == found


def _request(started: str = "now", **enrolment: str):
    items = {"key": "K", "csr": "C", "transaction_id": "T"} | enrolment
    return {"started": started, "transaction": {"state": "CAPS"}, "enrolment": items, "polls": 1}


NOT_BEGUN = {"started": "now", "transaction": None, "polls": 1}
GONE = ["a request in progress is gone without a row in the status"]


@pytest.mark.parametrize(
    ("before", "after", "history", "found"),
    [
        (None, _request(), [], []),
        (_request(), _request(), [], []),
        (_request(), None, ["row"], []),
        (_request(), None, [], GONE),
        (_request(), _request("later"), [], GONE),
        (_request(), _request("later"), ["row"], []),
        (NOT_BEGUN, _request(), [], []),
        (_request(), NOT_BEGUN, [], ["the key of a request in progress is gone"]),
        (_request(), NOT_BEGUN | {"polls": 2}, [], []),
        (_request(), _request(key="L"), [], ["the key of a request in progress has changed"]),
        (_request(), _request(csr="D"), [], ["the csr of a request in progress has changed"]),
        (_request(), _request(transaction_id="U"), [], ["the transaction_id of a request in progress has changed"]),
    ],
)
def test_a_request_from_one_commit_to_the_next(before, after, history: list[str], found: list[str]) -> None:
    assert broken_by(_state(request=before), _state(request=after, history=history), by_hand=False) == found
