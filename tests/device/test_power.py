"""Points of power: counted, each armed failure happens once, and the power comes back when it was said to."""

from __future__ import annotations

import pytest

from mfp_sim.device.invariants import WatchedStorage
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.storage import MemoryStorage
from mfp_sim.errors import PowerLost


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
    [("commit-key-deleted.before", []), ("commit-settings.before", ["'k2' is gone, and no new key has its use"])],
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
    assert storage.broken == ["what was loaded is neither the old state nor the new one"]

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
