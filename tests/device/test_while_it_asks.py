"""What happens to a machine while its request is being processed: time passes between the events of an exchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mfp_sim.device.printer import Printer
from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.shared.errors import Refused, UsageError
from mfp_sim.transport import InProcess, UnderWay
from mock_scep_server.capacity import Capacity

NINE = datetime(2026, 3, 2, 9)

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")
SLOW = "[{when: {type: PKCSReq}, times: 1, faults: [{delay: 20s}]}]"


def kinds(world) -> list[str]:
    return [event.kind for event in world.recorder.events if event.kind.startswith("exchange")]


def test_a_request_begins_and_is_processed_until_the_reply_is_there(machine) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    assert world.shown == ("processing", None)
    assert kinds(world) == ["exchange.request"], "GetCACaps is under way"
    world.pass_time(seconds=19)
    assert world.shown == ("processing", None)
    world.pass_time(seconds=1)
    assert world.shown == ("successful", None)


def test_send_request_lets_time_pass_until_the_request_has_ended(machine) -> None:
    world = machine(script=SLOW)
    begun = world.clock.now()
    assert world.printer.send_request(KEY).state == "successful"
    assert (world.clock.now() - begun).total_seconds() == 20


def test_another_request_is_refused_while_one_is_processed(machine) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    with pytest.raises(Refused, match="another request is being processed") as refused:
        world.printer.begin_request(KEY)
    assert refused.value.reason == "busy"


def test_send_request_within_an_event_is_refused_since_time_would_pass(machine) -> None:
    world = machine(script=SLOW)
    world.scheduler.after(1, lambda: world.printer.send_request(KEY), "somebody")
    with pytest.raises(RuntimeError, match="time may not pass within an event, and this is 'somebody'"):
        world.pass_time(seconds=5)


@pytest.mark.parametrize("cut", ["power_cut", "power_off", "restart"])
def test_whatever_switches_it_off_cuts_the_exchange_and_the_next_start_asks_about_the_same(machine, cut: str) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    (asked,) = [e for e in world.ca.journal.entries if e.name == "PKCSReq"]
    getattr(world.printer, cut)()
    assert kinds(world)[-2:] == ["exchange.request", "exchange.cut"]
    assert world.recorder.events[-1].kind in ("exchange.cut", "printer.power-lost")
    if cut != "restart":
        assert world.scheduler.next_booking() is None, "nothing of the exchange happens any more"
        world.pass_time(seconds=30)
        world.printer.power_on()
    world.pass_time(minutes=5)
    assert world.shown == ("successful", None)
    assert world.ca.journal.entries[-1].transaction == asked.transaction
    assert world.ca.ledger.counts["minted"] == 1


def test_power_that_fails_while_nothing_is_asked_cuts_no_exchange(machine) -> None:
    world = machine()
    world.printer.power_cut()
    assert "exchange.cut" not in kinds(world)


@pytest.mark.parametrize("minutes", [-90, 90])
def test_a_clock_that_is_set_while_it_asks_begins_no_second_inquiry(machine, minutes: int) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    world.printer.set_clock(world.clock.now() + timedelta(minutes=minutes))
    world.pass_time(minutes=5)
    assert world.asked.count("PKCSReq") == 1


@pytest.mark.parametrize("state", ["refused", "no-such-host"])
def test_a_network_that_takes_no_new_connection_does_not_touch_one_that_stands(machine, state: str) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    world.network.state = state
    world.pass_time(minutes=5)
    assert world.shown == ("successful", None)
    assert world.network.spell.exchanges == 0, "nothing met this state"


def test_the_network_falls_silent_while_it_asks(machine) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    world.network.state = "silent"
    world.pass_time(minutes=5)
    assert world.shown == ("error", "top-error")
    assert world.network.spell.exchanges == 1
    assert world.ca.ledger.counts["minted"] == 1, "the CA has made it, and nobody has it"


def fate(world) -> tuple[bool, str | None]:
    (entry,) = world.ca.ledger.entries
    return entry.delivered, entry.cause


def test_the_ca_learns_that_its_reply_arrived(machine) -> None:
    world = machine(script=SLOW)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    assert fate(world) == (False, "no reply has contained it"), "it is on its way"
    world.pass_time(seconds=20)
    assert fate(world) == (True, None)
    assert world.ca.ledger.entries[0].sent == ("HTTP 200, delay",)


@pytest.mark.parametrize(
    ("happens", "cause"),
    [
        (lambda world: None, "no reply arrived complete (HTTP 200, delay; the client's timeout passed before its end)"),
        (
            lambda world: world.printer.power_cut(),
            "no reply arrived complete (HTTP 200, delay; the client broke off the connection)",
        ),
        (
            lambda world: setattr(world.network, "state", "silent"),
            "no reply arrived complete (HTTP 200, delay; the network lost it)",
        ),
    ],
    ids=["late", "cut", "lost"],
)
def test_the_ca_learns_that_its_reply_did_not_arrive(machine, happens, cause: str) -> None:
    world = machine(script="[{when: {type: PKCSReq}, faults: [{delay: 61s}]}]")
    # What the client says of it would stand before what the CA knows.
    world.listeners(abandoned=lambda *_: None)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=10)
    happens(world)
    world.pass_time(seconds=100)
    assert fate(world) == (False, cause)


def test_two_printers_do_not_wait_for_each_other(machine) -> None:
    world = machine(script=SLOW)
    other = world.another_printer("SIM00002")
    world.printer.begin_request(KEY)
    world.pass_time(seconds=5)
    assert other.send_request(replace(KEY, common_name="192.0.2.11")).state == "successful"
    assert world.shown == ("processing", None), "the first still waits for its reply"
    world.pass_time(seconds=20)
    assert world.shown == ("successful", None)
    assert world.ca.ledger.counts["installed"] == 2


@pytest.mark.parametrize("reading", ["after", "skipped"])
def test_a_start_that_falls_due_with_the_reply_comes_once(machine, reading: str) -> None:
    """08:59:40 is the request, and 09:00:00 both the reply and the start."""
    world = machine(script=SLOW, flips=(f"A-41={reading}",))
    world.pass_time(minutes=59, seconds=40)
    world.printer.begin_request(KEY)
    world.pass_time(seconds=1)
    world.printer.update_auto_request(AutoRequestSettings(timer=True, start=NINE, key=replace(KEY, name="auto")))
    world.pass_time(minutes=5)
    assert world.asked.count("PKCSReq") == 2
    assert [(row.key_name, row.state) for row in world.printer.status()] == [
        ("auto", "successful"),
        ("tls", "successful"),
    ]
    assert not any("waits" in entry.operation or "skipped" in entry.operation for entry in world.printer.audit)


def three_at_nine(world, adjust: bool) -> list[Printer]:
    """Three machines whose automatic requests begin at nine o'clock."""
    printers = []
    for number in range(3):
        printer = world.another_printer(f"SIM1000{number}", ip=f"192.0.2.{20 + number}")
        key = replace(KEY, common_name=f"192.0.2.{20 + number}")
        printer.update_auto_request(AutoRequestSettings(timer=True, start=NINE, key=key, adjust=adjust))
        printers.append(printer)
    return printers


@pytest.mark.parametrize(("adjust", "waits"), [(False, [2, 4, 6]), (True, [2, 2, 2])])
def test_a_ca_that_answers_one_at_a_time_lets_those_wait_that_come_together(machine, adjust: bool, waits) -> None:
    """Without adjustment all come at nine, and the last is served last; spread over ten minutes they do not meet."""
    world = machine(capacity=Capacity(1, 0.0, {"PKIOperation": 2.0}))
    printers = three_at_nine(world, adjust)
    world.pass_time(hours=2)
    assert [printer.status()[0].state for printer in printers] == ["successful"] * 3
    assert [entry.takes for entry in world.ca.journal.entries if entry.name == "PKCSReq"] == waits
    assert {entry.client for entry in world.ca.journal.entries} == {"192.0.2.20", "192.0.2.21", "192.0.2.22"}
    assert world.ca.ledger.counts == {"minted": 3, "delivered": 3, "installed": 3, "orphaned": 0}


def test_where_the_queue_is_longer_than_the_time_out_the_ca_works_for_nobody(machine) -> None:
    world = machine(capacity=Capacity(1, 0.0, {"PKIOperation": 25.0}))
    printers = three_at_nine(world, adjust=False)
    world.pass_time(hours=2)
    assert [printer.status()[0].state for printer in printers] == ["successful", "error", "error"]
    fates = [(entry.delivered, entry.sent) for entry in world.ca.ledger.entries]
    late = (False, ("HTTP 200; the client's timeout passed before its end",))
    assert fates == [(True, ("HTTP 200",)), late, late]


def test_a_mistake_of_the_ca_in_process_ends_the_request_and_the_machine_is_not_busy(machine, monkeypatch) -> None:
    world = machine()
    told: list[Exception] = []

    def handle(*_: object):
        raise ZeroDivisionError("planted")

    wire = InProcess(world.scheduler, handle)
    world.outside(wire=wire)
    world.listeners(unforeseen=told.append)
    assert world.printer.send_request(KEY).details.slug == "scep-error"
    assert world.printer.audit[-1].diagnosis == "unforeseen: ZeroDivisionError: planted"
    assert [repr(error) for error in told] == ["ZeroDivisionError('planted')"]
    world.printer.update_communication(url="http://ca.example/scep")  # nothing is busy


def test_a_request_that_http_has_no_octets_for_ends_too(machine) -> None:
    world = machine()
    told: list[Exception] = []

    class Picky:
        def begin(self, host: str, *_: object):
            raise UsageError(f"no bytes for {host}")

    world.outside(wire=Picky())
    world.listeners(unforeseen=told.append)
    assert world.printer.send_request(KEY).details.slug == "scep-error"
    assert world.printer.audit[-1].diagnosis == "unforeseen: UsageError: no bytes for ca.example"
    assert len(told) == 1


def test_a_machine_that_is_switched_off_meanwhile_gives_no_row(machine) -> None:
    world = machine(script=SLOW)
    world.scheduler.after(10, world.printer.power_off, "somebody")
    with pytest.raises(Refused, match="switched off in the meantime") as refused:
        world.printer.send_request(KEY)
    assert refused.value.reason == "powered-off"


def test_a_wire_that_never_ends_an_exchange_is_a_mistake_and_no_endless_loop(machine) -> None:
    world = machine()

    class Dead:
        def begin(self, *_: object) -> UnderWay:
            return UnderWay()

    world.outside(wire=Dead())
    with pytest.raises(RuntimeError, match="nothing is booked that could end it"):
        world.printer.send_request(KEY)
