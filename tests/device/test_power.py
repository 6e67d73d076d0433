"""Points of power: counted, each armed failure happens once, and the power comes back when it was said to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from mfp_sim.device.invariants import WatchedStorage, broken
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Printer
from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.device.storage import DirectoryStorage, MemoryStorage
from mfp_sim.shared.errors import PowerLost

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


def _pass(points: PowerPoints, names: str) -> list[tuple[int, str, float | None]]:
    """Where the power failed: the place, the name, and for how long."""
    failed = []
    for place, name in enumerate(names, 1):
        try:
            points.reach(name)
        except PowerLost as lost:
            failed.append((place, lost.point, lost.off_seconds))
    assert points.passed[-len(names) :] == list(names)
    return failed


def test_by_name_by_number_and_both_at_once() -> None:
    points = PowerPoints()
    points.arm("b", 2)
    assert _pass(points, "ababbb") == [(4, "b", None)]
    points.off_seconds = 5
    points.arm("a")
    points.off_seconds = 7
    points.arm_number(3)
    assert _pass(points, "bacaaa") == [(2, "a", 5), (3, "c", 7)]
    points.arm_number(2)
    points.arm("b", 2)
    points.arm("c", 1)
    assert _pass(points, "bbbbc") == [(2, "b", 7), (5, "c", 7)]
    assert _pass(points, "abcabc") == []


@pytest.mark.parametrize("off", [5, None])
def test_the_power_comes_back_when_it_was_said_to(machine, off: float | None) -> None:
    world = machine()
    world.printer.power_cut(off)
    assert not world.printer.powered
    world.pass_time(seconds=4)
    assert not world.printer.powered
    world.pass_time(seconds=1)
    assert world.printer.powered == (off is not None)
    world.printer.power_on()
    assert world.printer.powered


def test_a_machine_that_was_switched_off_before_its_restart_ended_stays_off(machine) -> None:
    world = machine()
    world.printer.restart()
    world.printer.power_on()
    world.printer.power_off()
    world.pass_time(minutes=5)
    assert not world.printer.powered


def test_a_machine_that_is_switched_off_in_a_power_failure_stays_off(machine) -> None:
    world = machine()
    world.printer.power_cut(60)
    world.printer.power_off()
    world.pass_time(minutes=5)
    assert not world.printer.powered


def test_the_points_of_a_start(machine) -> None:
    world = machine()
    world.printer.power_cut()
    before = len(world.printer.points.passed)
    world.printer.power_on()
    assert world.printer.points.passed[before:] == ["commit-start.before", "commit-start.after"]


@pytest.mark.parametrize("point", ["commit-factory.before", "commit-factory.after"])
def test_a_power_failure_at_the_first_start_of_all_leaves_a_machine_that_starts(machine, point: str) -> None:
    world = machine(set_up=False)
    world.storage = MemoryStorage()
    printer = world.printer = world.make_printer()
    printer.points.off_seconds = 60
    printer.points.arm(point)
    printer.power_on()
    assert not printer.powered
    assert printer.key_list() == ()
    world.pass_time(seconds=60)
    assert printer.powered
    assert broken(printer) == []
    assert world.names == ["Default Key"]


def test_a_certificate_whose_word_of_installation_was_lost_is_told_of_at_the_next_start(machine, tmp_path) -> None:
    """The power fails after the state is on the disk, and before anybody else is told."""
    cut: list[str] = []

    def reach(point: str) -> None:
        if point == "renamed" and not cut and world.ca.ledger.counts["delivered"]:
            cut.append(point)
            raise PowerLost(point)

    world = machine()
    world.storage = DirectoryStorage(tmp_path, reach=reach)
    world.printer = world.make_printer()
    world.printer.power_on()
    world.printer.update_communication(url="http://ca.example/scep")
    with pytest.raises(PowerLost):
        world.printer.send_request(KEY)
    assert world.ca.ledger.counts["installed"] == 0
    world.printer.power_on()
    assert world.names == ["Default Key", "tls"]
    assert world.ca.ledger.counts["installed"] == 1


def test_what_was_due_at_the_instant_of_a_power_failure_is_not_done_without_power(machine) -> None:
    world = machine()
    world.timer(start=datetime(2026, 3, 2, 8))  # now
    world.printer.begin_export("pw")
    world.printer.power_cut()
    world.pass_time(seconds=0)
    assert world.asked == []
    assert "request" not in world.diagnoses


DEEDS: dict[str, tuple[Callable[[Printer], object], str]] = {
    "communication": (lambda p: p.update_communication(url="http://other/"), "settings"),
    "automatic request": (lambda p: p.update_auto_request(AutoRequestSettings(timer=False)), "settings"),
    "DNS": (lambda p: p.set_dns(True), "settings"),
    "address": (lambda p: p.set_ip("192.0.2.11"), "settings"),
    "function": (lambda p: p.set_function("IEEE 802.1X", True), "settings"),
    "key": (lambda p: p.delete_key("tls"), "key-deleted"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_the_points_of_what_somebody_does_bear_its_name(machine, deed: str) -> None:
    """``mfp-sim power-points`` lists them, and scenarios cut the power at them by these names."""
    do, commit = DEEDS[deed]
    world = machine(functions=())
    world.printer.send_request(KEY)
    before = len(world.printer.points.passed)
    do(world.printer)
    assert world.printer.points.passed[before:] == [f"commit-{commit}.before", f"commit-{commit}.after"]


def test_the_points_of_a_request_that_is_polled_for(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq}, then: pending}]")
    world.timer()
    before = len(world.printer.points.passed)
    world.pass_time(minutes=70)
    steps = (
        *("commit-inquiry", "GetCACaps", "GetCACert", "PKCSReq", "commit-poll-booked"),
        *("commit-inquiry", "CertPoll", "commit-request-ended"),
    )
    assert world.printer.points.passed[before:] == [f"{step}.{side}" for step in steps for side in ("before", "after")]


@pytest.mark.parametrize(("reading", "commits"), [("rolled-back", 1), ("partial", 2)])
def test_the_points_of_an_import(machine, reading: str, commits: int) -> None:
    world = machine(flips=(f"A-18={reading}",))
    world.printer.begin_export("pw")
    world.pass_time(minutes=2)
    before = len(world.printer.points.passed)
    world.printer.begin_import(world.printer.exported, "pw")
    world.pass_time(minutes=2)
    passed = [point for point in world.printer.points.passed[before:] if "import" in point]
    assert passed == ["commit-import.before", "commit-import.after"] * commits


def _watched() -> tuple[WatchedStorage, PowerPoints, MemoryStorage]:
    points, inner = PowerPoints(), MemoryStorage()
    return WatchedStorage(inner, points), points, inner


def _state(*ids: int) -> dict[str, object]:
    keys = [
        {"id": number, "name": f"k{number}", "use": "TLS", "policy": None, "default": number == 1, "assigned": False}
        for number in ids
    ]
    return {"keys": keys, "request": None, "history": []}


@pytest.mark.parametrize(
    ("point", "found"),
    [("commit-key-deleted.before", []), ("commit-settings.before", ["'k2' is gone, but no new key has its use"])],
)
def test_a_key_that_goes_is_found_unless_somebody_deleted_it(point: str, found: list[str]) -> None:
    storage, points, _ = _watched()
    storage.commit(_state(1, 2))
    points.reach("commit-key-deleted.before")
    points.reach(point)
    storage.commit(_state(1))
    assert storage.broken == found
    assert storage.kept == _state(1)


def test_what_is_loaded_is_the_last_state_or_the_one_that_was_being_stored() -> None:
    storage, _, inner = _watched()
    assert storage.load() is None
    storage.commit(_state(1))
    assert storage.load() == _state(1)
    assert storage.broken == []
    inner.commit(_state(1, 2))
    assert storage.load() == _state(1, 2)
    assert storage.broken == ["the loaded state is neither the old state nor the new one"]

    class Fails(MemoryStorage):
        def commit(self, state) -> None:
            super().commit(state)
            if len(state["keys"]) > 1:
                raise PowerLost("state-renamed")

    storage = WatchedStorage(Fails(), PowerPoints())
    storage.commit(_state(1))
    with pytest.raises(PowerLost):
        storage.commit(_state(1, 2))
    assert storage.kept == _state(1)
    assert storage.load() == _state(1, 2) == storage.kept
    assert storage.broken == []


@pytest.mark.parametrize("cut", [True, False])
def test_a_machine_that_is_off_does_nothing_whatever_had_been_due(machine, cut: bool) -> None:
    """A start that was missed while off is due at once after the start; the power fails again before it begins."""
    world = machine()
    world.timer()
    world.printer.power_off()
    world.pass_time(days=1)
    world.printer.power_on()
    world.printer.begin_export("pw")  # another booking
    (world.printer.power_cut if cut else world.printer.power_off)()
    kept, lines = world.storage.load(), len(world.recorder.events)
    world.pass_time(hours=1)
    assert (world.storage.load(), world.asked, len(world.recorder.events)) == (kept, [], lines)
    world.printer.power_on()
    world.pass_time(seconds=1)
    assert world.shown == ("successful", None)
    assert world.names == ["Default Key", "tls"]
