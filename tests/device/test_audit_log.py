"""The audit log is what was committed: no entry outlives a power failure before its commit, none is lost after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mfp_sim.device.printer import Printer
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.device.state import DeviceState
from mfp_sim.device.status import AuditEntry
from mfp_sim.device.storage import DirectoryStorage
from mfp_sim.shared.errors import PowerLost, Refused

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


def _told(printer: Printer) -> list[str]:
    return [f"{entry.operation} {entry.result}" for entry in printer.audit]


def _kept(world) -> tuple[AuditEntry, ...]:
    return DeviceState.from_stored(world.storage.load()).audit


@pytest.mark.parametrize(
    ("point", "there"),
    [
        ("commit-inquiry.before", []),
        ("PKCSReq.after", ["request sent OK"]),
        ("commit-request-ended.before", ["request sent OK"]),
        ("commit-request-ended.after", ["request sent OK", "certificate registered OK"]),
    ],
)
@pytest.mark.parametrize("where", ["memory", "directory"])
def test_what_was_not_committed_is_gone_wherever_the_state_is_kept(
    machine, tmp_path, point: str, there: list[str], where: str
) -> None:
    world = machine(storage=DirectoryStorage(tmp_path) if where == "directory" else None)
    before = _told(world.printer)
    world.printer.points.arm(point)
    with pytest.raises(PowerLost):
        world.printer.send_request(KEY)
    assert world.printer.audit == ()  # the machine is off
    world.printer.power_on()
    assert _told(world.printer) == [*before, *there, "start OK"]


@pytest.mark.parametrize(("point", "logged"), [("commit-audit.before", False), ("commit-audit.after", True)])
def test_switching_off_is_logged_unless_the_power_fails_before_that(machine, point: str, logged: bool) -> None:
    world = machine()
    world.printer.points.off_seconds = 30.0
    world.printer.points.arm(point)
    with pytest.raises(PowerLost):
        world.printer.restart()
    assert not world.printer.powered
    world.pass_time(seconds=29)
    assert not world.printer.powered
    world.pass_time(seconds=1)
    assert world.printer.powered
    assert _told(world.printer)[-3:] == (
        ["restart OK", "shutdown OK", "start OK"] if logged else ["start OK", "SCEP settings changed OK", "start OK"]
    )
    lost = [event for event in world.recorder.events if event.kind == "printer.power-lost"]
    assert [event.data["point"] for event in lost] == [point]


def test_a_failure_during_the_automatic_restart_is_one_failure(machine) -> None:
    world = machine()
    world.timer(restart=True)
    world.printer.points.off_seconds = 600.0
    world.printer.points.arm("commit-audit.before")
    world.pass_time(minutes=61)
    assert not world.printer.powered
    world.pass_time(minutes=10)
    assert world.printer.powered
    assert _told(world.printer)[-2:] == ["certificate registered OK", "start OK"]
    assert sum(event.kind == "printer.power-lost" for event in world.recorder.events) == 1


def _refused_import(world) -> None:
    with pytest.raises(Refused, match="not a bundle of settings"):
        world.printer.begin_import(b"", "pw")


def _skipped(world) -> None:
    world.timer(polling=Polling(2, 60))
    world.pass_time(minutes=61)
    world.timer(start=world.clock.now().replace(tzinfo=None) + timedelta(hours=1, minutes=1), polling=Polling(2, 60))
    world.pass_time(minutes=2)


DEEDS: dict[str, tuple[Callable[[Any], object], str]] = {
    "start": (lambda w: (w.printer.power_cut(), w.printer.power_on()), "start OK"),
    "clock": (lambda w: w.printer.set_clock(None), "clock set OK"),
    "address": (lambda w: w.printer.set_ip("192.0.2.11"), "settings changed OK"),
    "timer": (lambda w: w.printer.update_auto_request(AutoRequestSettings(timer=False)), "SCEP settings changed OK"),
    "export begun": (lambda w: w.printer.begin_export("pw"), "export of settings OK"),
    "export done": (lambda w: (w.printer.begin_export("pw"), w.pass_time(minutes=2)), "export of settings OK"),
    "refused import": (_refused_import, "import of settings NG"),
    "skipped request": (_skipped, "request skipped NG"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_done_stays_in_the_log_when_the_power_fails_at_once_afterwards(machine, deed: str) -> None:
    do, entry = DEEDS[deed]
    flips = ("A-41=skipped",) if deed == "skipped request" else ()
    world = machine(script="[{when: {type: PKCSReq}, then: pending, optional: true}]", flips=flips)
    do(world)
    assert _told(world.printer)[-1] == entry
    told = world.printer.audit
    assert _kept(world) == told
    world.printer.power_cut()
    world.printer.power_on()
    assert world.printer.audit[:-1] == told


def test_the_power_may_fail_while_the_clock_is_set(machine) -> None:
    world = machine()
    world.printer.points.arm("commit-audit.before")
    with pytest.raises(PowerLost):
        world.printer.set_clock(None)
    assert not world.printer.powered
    world.printer.power_on()
    assert _told(world.printer)[-2:] == ["SCEP settings changed OK", "start OK"]
