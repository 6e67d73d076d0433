"""A commit that fails: what is stored holds, in the machine and on its page; nothing is busy, and time goes on."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise

import pytest

from mfp_sim.device.invariants import broken
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.device.storage import MemoryStorage
from mfp_sim.shared.errors import UsageError

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


class Full(MemoryStorage):
    """Refuses the ``left``-th commit from now and all after it, until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None

    def commit(self, state) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise UsageError("cannot keep the state: no space left on device")
        super().commit(state)


def _seen(printer) -> dict[str, object]:
    """What the pages show, without the time at which something is asked again."""
    return {
        "communication": printer.communication,
        "auto": printer.auto_request,
        "dns": printer.dns,
        "ip": printer.ip,
        "functions": printer.functions,
        "loaded": printer.functions_in_use(),
        "keys": [entry.name for entry in printer.key_list()],
        "status": printer.status(),
        "next": printer.next_request,
        "transfer": printer.transfer,
        "exported": printer.exported,
        "audit": printer.audit,
    }


DEEDS = {
    "communication": lambda w: w.printer.update_communication(url="http://other.example/scep"),
    "timer": lambda w: w.timer(),
    "dns": lambda w: w.printer.set_dns(True),
    "ip": lambda w: w.printer.set_ip("192.0.2.99"),
    "function": lambda w: w.printer.set_function("TLS", False),
    "request": lambda w: w.printer.send_request(KEY),
    "delete": lambda w: w.printer.delete_key("old"),
    "export": lambda w: w.printer.begin_export("pw"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_cannot_be_kept_has_not_happened(machine, deed: str) -> None:
    storage = Full()
    world = machine(storage=storage)
    world.printer.send_request(KeySettings("old", "192.0.2.10", use="None", challenge="s3cret"))
    before = _seen(world.printer)
    storage.left = 0
    with pytest.raises(UsageError, match="no space left"):
        DEEDS[deed](world)
    assert _seen(world.printer) == before
    assert broken(world.printer) == []
    storage.left = None
    DEEDS[deed](world)  # nothing is busy: the same goes through once there is space
    assert _seen(world.printer) != before


@pytest.mark.parametrize("commits", range(4))
def test_a_request_that_cannot_be_kept_to_its_end_is_taken_up_again(machine, commits: int) -> None:
    """Whichever of its commits fails: the page shows what is stored, and with space again it comes to its end."""
    storage = Full()
    world = machine(
        storage=storage, script="[{when: {type: PKCSReq}, then: pending, times: 1}, {then: success, optional: true}]"
    )
    world.timer(polling=Polling(3, 10))
    storage.left = commits
    failed = 0
    for _ in range(60):
        try:
            world.pass_time(minutes=2)
        except UsageError:
            failed += 1
            assert _fresh(world) == world.printer.status()
    assert failed >= 1, "the commit was never reached"
    storage.left = None
    world.pass_time(minutes=30)
    assert world.shown == ("successful", None)
    assert world.names == ["Default Key", "tls"]
    assert broken(world.printer) == []
    counts = world.ca.ledger.counts
    assert (counts["minted"], counts["installed"], counts["orphaned"]) == (1, 1, 0)
    world.printer.update_auto_request(AutoRequestSettings(timer=False))
    world.printer.send_request(KEY)


def _fresh(world) -> object:
    """What a machine shows that starts from the same storage, without asking anybody."""
    stored = MemoryStorage()
    stored.commit(world.storage.load())
    other = world.make_printer(storage=stored)
    other.power_on()
    shown = other.status()
    other.power_cut()
    return shown


def test_a_failed_end_of_an_export_leaves_no_file_and_no_transfer(machine) -> None:
    storage = Full()
    world = machine(storage=storage)
    world.printer.begin_export("pw")
    storage.left = 0
    with pytest.raises(UsageError, match="no space left"):
        world.pass_time(minutes=5)
    assert (world.printer.transfer, world.printer.exported) == (None, None)
    storage.left = None
    world.printer.begin_export("pw")
    world.pass_time(minutes=5)
    assert world.printer.exported is not None


def test_a_machine_that_cannot_keep_its_log_can_be_switched_off_and_restarted(machine) -> None:
    storage = Full()
    world = machine(storage=storage)
    storage.left = 0
    with pytest.raises(UsageError, match="no space left"):
        world.printer.restart()
    assert not world.printer.powered
    storage.left = None
    world.pass_time(minutes=1)
    assert world.printer.powered
    storage.left = 0
    with pytest.raises(UsageError, match="no space left"):
        world.printer.power_off()
    assert not world.printer.powered


def test_an_exception_that_nobody_foresaw_leaves_what_is_stored_too(machine, monkeypatch) -> None:
    from mfp_sim.device.request import CertificateRequest

    world = machine()
    before = _seen(world.printer)
    with monkeypatch.context() as planted:
        planted.setattr(CertificateRequest, "prepare", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.printer.send_request(KEY)
    assert _seen(world.printer) == before
    assert world.printer.send_request(KEY).state == "successful"
    undone = [event for event in world.recorder.events if event.kind == "printer.undone"]
    assert [event.data["error"] for event in undone] == ["ZeroDivisionError: division by zero"]


def test_multiples_of_86400_seconds_keep_their_hour_over_the_change_back_and_a_restart(machine) -> None:
    world = machine(start=datetime(2026, 10, 23, tzinfo=timezone.utc), flips=("A-17=seconds",))
    world.timer(start=datetime(2026, 10, 23, 3, 30), every_days=1, delete_old=True)
    for _ in range(5):
        world.pass_time(days=1)
        world.printer.power_cut()
        world.printer.power_on()  # the plan is stored with the second of two equal local times
    asked = [entry.time for entry in world.ca.journal.entries if entry.name == "PKCSReq"]
    assert [instant.astimezone(world.printer.zone).strftime("%d %H:%M") for instant in asked] == [
        "23 03:30", "24 03:30", "25 02:30", "26 02:30", "27 02:30",
    ]  # fmt: skip
    assert {(after - before).total_seconds() for before, after in pairwise(asked)} == {86400.0}
