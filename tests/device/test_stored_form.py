"""The stored form of the printer, which outlives versions: states that an earlier version wrote are read as they are."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from mfp_sim.device.state import DeviceState
from mfp_sim.shared.errors import UsageError
from mfp_sim.testing import KEY

STATES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("states_of_format_1.json").read_text("utf-8"))


@pytest.mark.parametrize("state", STATES, ids=["renewal-under-way", "kept", "second-hour"])
def test_a_state_of_an_earlier_version_is_read_and_written_again(state) -> None:
    """A key that is renamed breaks this: ``Doc(key=...)`` keeps the stored name."""
    written = json.loads(json.dumps(dict(DeviceState.from_stored(state).stored())))
    for name in ("request", "kept"):
        if state[name] is not None:
            state[name].setdefault("enrolment", None)  # it was left out where there is none
    assert written == state


@pytest.mark.parametrize("state", STATES, ids=["renewal-under-way", "kept", "second-hour"])
def test_what_a_debugger_shows_of_a_state_has_no_secret(state) -> None:
    shown = repr(DeviceState.from_stored(state))
    secrets = {found["settings"]["challenge"] for found in (state["request"], state["kept"]) if found}
    secrets |= {found["key"]["challenge"] for found in (state["auto"],) if found["key"]}
    assert not [secret for secret in secrets if secret and secret in shown]


def places() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def walk(value: object, path: tuple[str, ...]) -> None:
        for key, inner in value.items() if isinstance(value, dict) else ():
            found.append((*path, key))
            walk(inner, (*path, key))

    walk(STATES[0], ())
    return found


@pytest.mark.parametrize("path", places(), ids=".".join)
def test_what_is_not_what_it_should_be_is_refused_by_its_place_and_never_quoted(path) -> None:
    state = json.loads(json.dumps(STATES[0]))
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = {"s3cret": "s3cret"}
    with pytest.raises(UsageError) as refused:
        DeviceState.from_stored(state)
    assert "s3cret" not in str(refused.value)
    assert ".".join(path) in refused.value.message
    assert refused.value.remedy == "start with an empty state directory"


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("request.next_poll", "9999-12-31T23:59:59+00:00"),
        ("due", "0001-01-01T00:00:00+00:00"),
        ("request.enrolment.digest", "sha0"),
        ("request.enrolment.digest", "\ud800"),
        ("request.enrolment.transaction_id", "\ud800"),
        ("request.enrolment.key", "3000"),
        ("keys[0].private", "3000"),
    ],
)
def test_a_value_that_no_machine_stores_is_refused_by_its_place(path: str, wrong: object) -> None:
    """A file with a right digest, made by another program."""
    state = json.loads(json.dumps(STATES[0]))
    inner = state
    *above, last = path.replace("[0]", ".0").split(".")
    for key in above:
        inner = inner[int(key) if key == "0" else key]
    inner[last] = wrong
    with pytest.raises(UsageError) as refused:
        DeviceState.from_stored(state)
    assert f"({path})" in refused.value.message


def test_a_stored_state_does_not_change_with_the_printer(machine) -> None:
    """It is written when it is first read, so what it is written from may not change."""
    printer = machine().printer
    first, again = printer.machine.state.stored(), dict(printer.machine.state.stored())
    printer.send_request(KEY)
    now = dict(printer.machine.state.stored())
    assert dict(first) == again
    assert {name for name in now if now[name] != again[name]} >= {"keys", "history", "audit", "requests"}


def test_all_that_a_state_contains_is_frozen() -> None:
    seen: set[type] = set()
    waiting: list[Any] = [*get_type_hints(DeviceState).values()]
    while waiting:
        hint = waiting.pop()
        assert not {hint, get_origin(hint)} & {list, dict, set}, hint
        waiting += get_args(hint)
        if is_dataclass(hint) and isinstance(hint, type) and hint not in seen:
            seen.add(hint)
            assert vars(hint)["__dataclass_params__"].frozen, hint
            waiting += get_type_hints(hint).values()
    assert {"KeyEntry", "StatusRow", "Material", "Snapshot", "AuditEntry"} <= {one.__name__ for one in seen}
