"""The printer's IP address: set by the administrator, kept, seen by the CA."""

from __future__ import annotations

import pytest

from mfp_sim.device.settings import KeySettings
from mfp_sim.device.state import DeviceState
from mfp_sim.shared.errors import Refused, UsageError

KEY = KeySettings("tls", "192.0.2.11")


@pytest.mark.parametrize(
    ("typed", "kept"), [("192.0.2.11", "192.0.2.11"), ("2001:DB8:0:0::11", "2001:db8::11"), ("fe80::1", "fe80::1")]
)
def test_an_address_is_kept_in_its_usual_spelling(machine, typed: str, kept: str) -> None:
    world = machine()
    world.printer.set_ip(typed)
    assert world.printer.ip == kept
    assert world.storage.load()["ip"] == kept
    assert world.diagnoses.splitlines()[-1] == f"settings changed OK: IP address {kept}"
    world.printer.power_cut()
    world.printer.power_on()
    assert world.printer.ip == kept


@pytest.mark.parametrize(
    "typed", ["", "192.0.2", "192.0.2.256", "printer.example", "0.0.0.0", "::", "224.0.0.1", "ff02::1",
              "255.255.255.255", "fe80::1%eth0", "192.0.2.11/24", "192.0.2.11\x00", "١٩٢.0.2.1"],
)  # fmt: skip
def test_what_is_no_address_of_one_machine_is_refused_and_changes_nothing(machine, typed: str) -> None:
    world = machine()
    before = world.storage.load()
    with pytest.raises(Refused) as caught:
        world.printer.set_ip(typed)
    assert caught.value.reason == "bad-ip"
    assert world.storage.load() == before
    assert world.printer.ip == "192.0.2.10"


def test_the_advice_on_a_common_name_goes_by_the_address_of_now(machine) -> None:
    world = machine()
    world.timer(timer=False, start=None, key=KEY)
    (told,) = world.printer.advice
    world.timer(timer=False, start=None, key=None)
    assert world.printer.advice == ()
    world.printer.send_request(KEY)
    assert world.printer.advice == (told,)
    assert "has to be the printer's IP address" in told.text
    world.printer.set_ip("192.0.2.11")
    world.printer.send_request(KEY)
    assert world.printer.advice == ()


def test_a_state_of_before_has_none_and_a_damaged_one_is_not_taken() -> None:
    stored = dict(DeviceState.first().stored())
    del stored["ip"]
    assert DeviceState.from_stored(stored).ip is None
    with pytest.raises(UsageError, match="cannot be used"):
        DeviceState.from_stored({**stored, "ip": "nowhere"})
