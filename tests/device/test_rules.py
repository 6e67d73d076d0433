"""Rights, locks, functions, the key store's rules, the status page: what the machine does and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from mfp_sim.device.machine import ROLES
from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.shared.errors import Refused, UsageError

NINE = datetime(2026, 3, 2, 9)
KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")

ACTIONS = {
    "communication": lambda printer, role: printer.update_communication(url="http://other.example/", role=role),
    "auto_request": lambda printer, role: printer.update_auto_request(AutoRequestSettings(False), role=role),
    "request": lambda printer, role: printer.send_request(KEY, role=role),
    "delete_key": lambda printer, role: printer.delete_key("tls", role=role),
    "restart": lambda printer, role: printer.restart(role=role),
    "dns": lambda printer, role: printer.set_dns(True, role=role),
    "ip": lambda printer, role: printer.set_ip("192.0.2.11", role=role),
    "function": lambda printer, role: printer.set_function("TLS", False, role=role),
    "export": lambda printer, role: printer.begin_export("pw", role=role),
    "import": lambda printer, role: printer.begin_import(b"", "pw", role=role),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", ROLES[1:])
def test_nobody_but_the_administrator_changes_anything(machine, action: str, role: str) -> None:
    world = machine()
    before = world.storage.load()
    with pytest.raises(Refused) as caught:
        ACTIONS[action](world.printer, role)
    assert caught.value.reason == ("login-required" if role == "logged-out" else "not-administrator")
    assert world.storage.load() == before
    assert world.asked == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_machine_that_is_off_refuses(machine, action: str) -> None:
    world = machine()
    world.printer.power_off()
    with pytest.raises(Refused) as caught:
        ACTIONS[action](world.printer, "administrator")
    assert caught.value.reason == "powered-off"


def test_the_timer_locks_communication_and_manual_requests_and_nothing_is_sent(machine) -> None:
    world = machine()
    world.timer()
    for action in ("communication", "request"):
        with pytest.raises(Refused) as caught:
            ACTIONS[action](world.printer, "administrator")
        assert caught.value.reason == "timer-on"
    assert world.asked == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (AutoRequestSettings(True, NINE.replace(hour=7, minute=59), KEY), "start-in-the-past"),
        (AutoRequestSettings(True, None, KEY), "incomplete"),
    ],
)
def test_a_timer_that_cannot_run_is_refused_and_changes_nothing(machine, settings, reason: str) -> None:
    world = machine()
    with pytest.raises(Refused) as caught:
        world.printer.update_auto_request(settings)
    assert caught.value.reason == reason
    assert not world.printer.auto_request.timer
    assert world.printer.next_request is None


def test_a_start_at_this_very_minute_is_taken(machine) -> None:
    world = machine()
    world.timer(start=NINE.replace(hour=8))
    world.pass_time(seconds=0)
    assert world.shown == ("successful", None)


def test_settings_that_a_model_does_not_take_change_nothing(machine) -> None:
    world = machine()
    before = world.printer.communication, world.printer.auto_request
    for action in (
        lambda: world.printer.update_communication(url="https://ca.example/"),
        lambda: world.timer(key=replace(KEY, length=7)),
        lambda: world.printer.send_request(replace(KEY, length=7)),
    ):
        with pytest.raises(Refused, match="does not support HTTPS|key length has to be"):
            action()
    assert (world.printer.communication, world.printer.auto_request) == before
    assert world.asked == []


def test_without_communication_settings_neither_timer_nor_request(machine) -> None:
    world = machine(set_up=False)
    for action in (world.timer, lambda: world.printer.send_request(KEY)):
        with pytest.raises(Refused) as caught:
            action()
        assert caught.value.reason == "no-communication-settings"


# --- keys and functions -----------------------------------------------------------------------------------


def test_the_function_uses_the_old_key_until_the_restart(machine) -> None:
    world = machine()
    world.printer.send_request(KEY)
    assert world.printer.functions_in_use() == {"TLS": "Default Key"}
    world.printer.restart()
    world.pass_time(seconds=30)
    assert world.printer.functions_in_use() == {"TLS": "tls"}


def test_a_function_that_is_switched_on_takes_the_key_of_its_use_location(machine) -> None:
    world = machine()
    world.printer.send_request(replace(KEY, use="IEEE 802.1X", name="dot1x"))
    world.printer.restart()
    world.pass_time(seconds=30)
    assert world.printer.functions_in_use() == {"TLS": "Default Key"}
    world.printer.set_function("IEEE 802.1X", True)
    assert world.printer.functions_in_use() == {"TLS": "Default Key", "IEEE 802.1X": "dot1x"}
    world.printer.set_function("IEEE 802.1X", False)
    assert world.printer.functions_in_use() == {"TLS": "Default Key"}


def test_each_ipsec_policy_has_its_own_key(machine) -> None:
    world = machine(functions=("IPSec",))
    world.printer.send_request(replace(KEY, use="IPSec", policy="hq", name="one"))
    world.printer.send_request(replace(KEY, use="IPSec", policy="branch", name="two"))
    world.printer.restart()
    world.pass_time(seconds=30)
    assert world.printer.functions_in_use() == {"IPSec/hq": "one", "IPSec/branch": "two"}


@pytest.mark.parametrize(
    ("name", "reason"), [("Default Key", "default-key"), ("nothing", "no-such-key"), ("tls", "key-in-use")]
)
def test_keys_that_cannot_be_deleted(machine, name: str, reason: str) -> None:
    world = machine()
    world.printer.send_request(KEY)
    with pytest.raises(Refused) as caught:
        world.printer.delete_key(name)
    assert caught.value.reason == reason
    assert world.names == ["Default Key", "tls"]


def test_a_key_that_a_running_function_still_has_cannot_be_deleted_either(machine) -> None:
    world = machine()
    world.printer.send_request(KEY)
    world.printer.restart()
    world.pass_time(seconds=30)
    world.printer.send_request(replace(KEY, name="newer"))
    with pytest.raises(Refused) as caught:
        world.printer.delete_key("tls")
    assert caught.value.reason == "key-in-use"
    assert caught.value.message == "the key is in use by TLS"
    world.printer.restart()
    world.pass_time(seconds=30)
    world.printer.delete_key("tls")
    assert world.names == ["Default Key", "newer"]


def test_a_deleted_key_gives_its_use_location_back_to_the_default_key(machine) -> None:
    world = machine(functions=())
    world.printer.send_request(KEY)
    world.printer.delete_key("tls")
    assert [(entry.name, entry.assigned) for entry in world.printer.key_list()] == [("Default Key", True)]


def test_a_deleted_key_of_another_use_location_gives_the_default_key_nothing(machine) -> None:
    world = machine(functions=())
    for name, use in (("old", "TLS"), ("tls", "TLS"), ("dot1x", "IEEE 802.1X")):
        world.printer.send_request(replace(KEY, name=name, use=use))
    world.printer.delete_key("dot1x")
    assert [entry.name for entry in world.printer.key_list() if entry.assigned] == ["tls"]
    world.printer.delete_key("tls")
    assert [entry.name for entry in world.printer.key_list() if entry.assigned] == ["Default Key"]
    world.printer.send_request(KEY)
    world.printer.delete_key("old")
    assert [entry.name for entry in world.printer.key_list() if entry.assigned] == ["tls"]


def test_two_keys_of_one_name_are_told_apart_by_id(machine) -> None:
    world = machine()
    for _ in range(2):
        world.printer.send_request(replace(KEY, use="None"))
    first, second = world.printer.key_list()[1:]
    world.printer.delete_key("tls", key_id=first.id)
    assert [entry.id for entry in world.printer.key_list()[1:]] == [second.id]


@pytest.mark.parametrize(("limit", "kept"), [(3, 2), (5, 4), (8, 7)])
def test_the_limit_counts_the_default_key(machine, limit: int, kept: int) -> None:
    world = machine(key_limit=limit)
    for _ in range(limit + 1):
        world.printer.send_request(replace(KEY, use="None"))
    states = [row.details.slug if row.details else "ok" for row in reversed(world.printer.status())]
    assert states == ["ok"] * kept + ["registration-limit"] * 2
    assert len(world.printer.key_list()) == limit
    assert world.ca.ledger.counts["minted"] == kept


def test_delete_old_spares_other_policies_and_the_default_key_and_none(machine) -> None:
    world = machine()
    world.printer.send_request(replace(KEY, use="IPSec", policy="branch", name="other"))
    world.printer.send_request(replace(KEY, use="None", name="spare"))
    world.printer.send_request(replace(KEY, use="IPSec", policy="hq", name="old"))
    world.timer(key=replace(KEY, use="IPSec", policy="hq", name="new"), delete_old=True)
    world.pass_time(hours=2)
    assert world.names == ["Default Key", "other", "spare", "new"]


# --- status and history -----------------------------------------------------------------------------------


def test_twenty_rows_and_the_planned_one_apart(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq, nth: 1}, then: {failure: 2}}]")
    world.timer(every_days=1, delete_old=True, polling=None)
    world.pass_time(days=19, hours=2)
    rows = world.printer.status()
    assert [row.state for row in rows] == ["to-be-processed"] + ["successful"] * 19 + ["error"]
    world.pass_time(days=1)
    rows = world.printer.status()
    assert [row.state for row in rows] == ["to-be-processed"] + ["successful"] * 20
    assert rows[1].label == "Successful"
    assert (rows[0].label, rows[0].key_name, rows[0].method) == ("To Be Processed", "tls", "automatic")


def test_what_is_typed_for_a_manual_request_is_stored_nowhere(machine) -> None:
    world = machine()
    world.printer.send_request(replace(KEY, organization="Only Here AS"))
    stored = dict(world.storage.load())
    assert stored["request"] is None
    assert stored["auto"]["key"] is None
    assert "s3cret" not in str(stored)


def test_many_requests_at_one_instant_have_transactions_of_their_own(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq}, then: {failure: 2}}]")
    for _ in range(25):
        world.printer.send_request(KEY)
    transactions = [entry.transaction for entry in world.ca.journal.entries if entry.transaction]
    assert len(set(transactions)) == 25


def test_an_update_while_polling_plans_the_new_start_and_the_old_request_goes_on(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq, nth: 1}, then: pending}]")
    world.timer()
    world.pass_time(minutes=65)
    assert world.shown == ("processing", None)
    world.timer(start=NINE.replace(hour=12), key=replace(KEY, name="second"))
    world.pass_time(hours=5)
    assert world.names == ["Default Key", "tls", "second"]


def test_a_machine_has_room_for_so_many_policies(machine) -> None:
    assert machine(policies=tuple(map(str, range(10)))).printer.policies[9] == "9"
    with pytest.raises(UsageError, match="at most 10 IPSec policies, not 11"):
        machine(policies=tuple(map(str, range(11))))
