"""What somebody did stays after a power failure at once afterwards, and what a request was about stays too."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mfp_sim.device.machine import ROLES
from mfp_sim.device.printer import SCREENS, Printer
from mfp_sim.device.request import Registration
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.shared.errors import Refused, UsageError
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mfp_sim.transport import Done, InProcess, UnderWay

KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")
AUTO = AutoRequestSettings(True, datetime(2026, 3, 2, 9), KEY, every_days=3, polling=Polling(4, 5), adjust=True)


def _again(printer: Printer) -> Printer:
    printer.power_cut()
    printer.power_on()
    return printer


DEEDS: dict[str, tuple[Callable[[Printer], object], Callable[[Printer], object], object]] = {
    "communication": (
        lambda p: p.update_communication(url="http://other/", port=8080, timeout=7),
        lambda p: p.communication,
        CommunicationSettings("http://other/", 8080, 7),
    ),
    "automatic request": (lambda p: p.update_auto_request(AUTO), lambda p: p.auto_request, AUTO),
    "DNS": (lambda p: p.set_dns(True), lambda p: p.dns, True),
    "function": (lambda p: p.set_function("IEEE 802.1X", True), lambda p: "IEEE 802.1X" in p.functions, True),
    "request": (lambda p: p.send_request(KEY), lambda p: [k.name for k in p.key_list()], ["Default Key", "tls"]),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_after_a_power_failure_it_is_as_it_was_left(machine, deed: str) -> None:
    do, look, left = DEEDS[deed]
    world = machine()
    do(world.printer)
    assert look(world.printer) == left
    assert look(_again(world.printer)) == left


def test_a_deleted_key_stays_deleted(machine) -> None:
    world = machine(functions=())
    world.printer.send_request(KEY)
    world.printer.delete_key("tls")
    assert [key.name for key in _again(world.printer).key_list()] == ["Default Key"]


def test_the_factorys_key_is_the_same_after_a_power_failure(machine) -> None:
    world = machine(set_up=False)
    (key,) = world.printer.key_list()
    assert (key.id, key.default, key.assigned, key.use, key.policy) == (1, True, True, "TLS", None)
    assert key.certificate.serial == 1
    assert key.certificate.not_after - key.certificate.not_before == timedelta(days=3650)
    assert _again(world.printer).key_list() == (key,)
    assert "private" not in repr(key) + repr(Registration(key.certificate, key.private))


def test_ids_go_on_after_a_power_failure(machine) -> None:
    world = machine()
    for _ in range(3):
        world.printer.send_request(KEY)
        _again(world.printer)
    assert [key.id for key in world.printer.key_list()] == [1, 2, 3, 4]


def test_polls_that_were_made_count_after_a_power_failure(machine) -> None:
    world = machine(script="[{when: {operation: PKIOperation}, then: pending}]")
    world.timer(polling=Polling(3, 10))
    world.pass_time(minutes=75)
    assert world.asked.count("CertPoll") == 1
    _again(world.printer)
    for polls in (1, 2):  # the next one at its time, and not at the start
        world.pass_time(minutes=4)
        assert world.asked.count("CertPoll") == polls
    world.pass_time(hours=3)
    assert world.asked.count("CertPoll") == 3
    assert world.shown == ("error", "deferred")


@pytest.mark.parametrize(("reading", "polls"), [("not-counted", 3), ("counted", 2)])
def test_a_kept_request_that_is_asked_about_anew_has_all_its_polls(machine, reading: str, polls: int) -> None:
    world = machine(script="[{when: {operation: PKIOperation}, then: pending}]", flips=("A-23=keep", f"A-35={reading}"))
    world.printer.send_request(KEY)
    world.timer(polling=Polling(3, 10))
    world.pass_time(hours=1)
    assert world.asked.count("PKCSReq") == 1
    assert world.shown == ("processing", None)
    assert world.printer.status()[0].time == world.clock.now()  # the request's own time, not that of the kept one
    assert world.printer.status()[0].method == "automatic"
    world.pass_time(hours=2)
    assert world.asked.count("CertPoll") == 1 + polls


_SECOND = replace(KEY, name="second")


def _overtaken(machine, **values: object):
    """A request polls at 09:00 and 10:00; [Update] puts another start at 09:10."""
    world = machine(
        script="[{when: {type: PKCSReq, nth: 1}, then: pending}, {when: {type: CertPoll}, then: {failure: 2}}]",
        **values,
    )
    world.timer(polling=Polling(2, 60))
    world.pass_time(minutes=65)
    world.timer(start=datetime(2026, 3, 2, 9, 10), key=_SECOND, every_days=1, delete_old=True)
    return world


@pytest.mark.parametrize("restarts", [False, True])
def test_a_start_that_falls_due_while_another_request_goes_on_waits_for_its_end(machine, restarts: bool) -> None:
    world = _overtaken(machine)
    asked = list(world.asked)
    world.pass_time(minutes=10)
    assert world.asked == asked
    assert "request waits OK: another request is being processed" in world.diagnoses
    if restarts:  # what waits is stored
        world.printer.power_cut()
        world.printer.power_on()
    world.pass_time(hours=1)
    zone = world.printer.zone
    rows = [(row.state, row.key_name, row.time.astimezone(zone).strftime("%H:%M")) for row in world.printer.status()]
    assert rows == [
        ("to-be-processed", "second", "09:10"), ("successful", "second", "10:00"), ("error", "tls", "09:00"),
    ]  # fmt: skip


def test_a_start_that_is_skipped_has_a_row_and_a_following_one(machine) -> None:
    world = _overtaken(machine, flips=("A-41=skipped",))
    world.pass_time(hours=2)
    rows = [(row.state, row.key_name, row.details and row.details.slug) for row in world.printer.status()]
    assert rows == [
        ("to-be-processed", "second", None), ("error", "tls", "fail-info-2"), ("error", "second", "scep-error"),
    ]  # fmt: skip
    assert "request skipped NG: another request is being processed" in world.diagnoses
    zone = world.printer.zone
    assert world.printer.next_request.astimezone(zone) == datetime(2026, 3, 3, 9, 10, tzinfo=zone)


def test_a_manual_request_is_refused_while_an_automatic_one_polls(machine) -> None:
    world = machine(script="[{when: {operation: PKIOperation}, then: pending}]")
    world.timer(polling=Polling(2, 60))
    world.pass_time(minutes=65)
    world.printer.update_auto_request(AutoRequestSettings(timer=False))
    with pytest.raises(Refused) as caught:
        world.printer.send_request(KEY)
    assert caught.value.reason == "busy"


def test_an_import_in_halves_has_done_one_half_after_half_the_time(machine) -> None:
    there = machine()
    there.printer.set_dns(True)
    there.printer.begin_export("pw")
    assert there.printer.transfer.kind == "export"
    there.pass_time(seconds=119)
    assert there.printer.exported is None
    there.pass_time(seconds=1)
    octets = there.printer.exported
    world = machine(flips=("A-18=partial",))
    world.printer.update_communication(url="http://here.example/")
    world.printer.begin_import(octets, "pw")
    assert world.printer.transfer.kind == "import"
    world.pass_time(seconds=59)
    assert (world.printer.communication.url, world.printer.dns) == ("http://here.example/", False)
    world.pass_time(seconds=1)
    assert (world.printer.communication.url, world.printer.dns) == ("http://ca.example/scep", True)
    assert world.printer.transfer is not None
    _again(world.printer)
    assert (world.printer.communication.url, world.printer.dns) == ("http://ca.example/scep", True)


@pytest.mark.parametrize("password", ["", "x" * 33, "\u00e9"])
def test_a_password_that_no_bundle_has_is_refused_before_anything_begins(machine, password: str) -> None:
    world = machine()
    with pytest.raises(Refused) as caught:
        world.printer.begin_export(password)
    assert caught.value.reason == "bad-bundle-password"
    assert world.printer.transfer is None


@pytest.mark.parametrize("role", ["device-admin", "network-admin", "user", "logged-out"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_is_the_administrators(machine, screen: str, role: str) -> None:
    assert role in ROLES
    world = machine()
    world.printer.open_screen(screen)
    with pytest.raises(Refused) as caught:
        world.printer.open_screen(screen, role=role)
    assert caught.value.reason == ("login-required" if role == "logged-out" else "not-administrator")


def test_what_the_machine_has_not(machine) -> None:
    world = machine()
    with pytest.raises(UsageError, match="the printer has no screen 'Fax'"):
        world.printer.open_screen("Fax")
    for use in ("None", "SIP", "Fax"):
        with pytest.raises(Refused) as caught:
            world.printer.set_function(use, True)
        assert caught.value.reason == "no-such-function"


@pytest.mark.parametrize(
    ("reading", "status", "polls"),
    [("5xx", 499, 0), ("5xx", 500, 1), ("5xx", 599, 1), ("5xx", 404, 0), ("all", 404, 1), ("none", 503, 0)],
)
def test_a22_which_http_errors_are_polled_after(machine, reading: str, status: int, polls: int) -> None:
    script = f"[{{when: {{operation: PKIOperation}}, then: {{http: {status}}}}}]"
    world = machine(script=script, flips=(f"A-22={reading}",))
    world.timer(polling=Polling(1, 10))
    world.pass_time(hours=2)
    assert world.asked.count("PKCSReq") + world.asked.count("PKIOperation") == 1 + polls
    assert world.shown == ("error", f"top-error-{status}")


class _Wire:
    """Sends everything on to the CA, and the first PKIOperations elsewhere; remembers where it was asked."""

    def __init__(self, world, status: int, location: str, times: int, header: str = "Location") -> None:
        self.inner, self.world, self.header = InProcess(world.scheduler, self.handle), world, header
        self.status, self.location, self.left, self.places, self.targets = status, location, times, [], []

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        self.places.append((host, port, request.target.partition("?")[0]))
        self.targets.append(request.target)
        return self.inner.begin(host, port, request, timeout, done)

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        if "PKIOperation" in request.target and self.left:
            self.left -= 1
            return delivery_of(HttpReply(self.status, headers=((self.header, self.location),)))
        return self.world.ca.handle(request, client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/x?operation=PKIOperation", ("ca.example", 80, "/x")),
        ("http://other.example?operation=PKIOperation", ("other.example", 80, "/")),
        ("http://[2001:db8::1]:8080/y?operation=PKIOperation", ("2001:db8::1", 8080, "/y")),
    ],
)
def test_a37_where_a_redirect_leads(machine, status: int, location: str, place: tuple[str, int, str]) -> None:
    world = machine(flips=("A-37=followed",))
    wire = _Wire(world, status, location, 1)
    world.outside(wire=wire)
    world.printer.send_request(KEY)
    assert wire.places[-2:] == [("ca.example", 80, "/scep"), place]
    assert world.shown == ("successful", None)


@pytest.mark.parametrize(
    ("url", "location", "place"),
    [
        ("http://[2001:db8::2]/scep", "/x", ("2001:db8::2", 80, "/x")),
        ("http://ca.example/scep", "/x", ("ca.example", 80, "/x")),
        ("http://ca.example/a/scep", "../x?operation=PKIOperation", ("ca.example", 80, "/x")),
    ],
)
def test_a37_a_redirect_without_a_host_stays_at_the_host(machine, url: str, location: str, place) -> None:
    world = machine(flips=("A-37=followed",))
    world.printer.update_communication(url=url)
    wire = _Wire(world, 307, location, 1)
    world.outside(wire=wire)
    world.printer.send_request(KEY)
    assert wire.places[-1] == place
    assert len(wire.places) == 4
    assert wire.targets[-1] == location.removeprefix("..")


@pytest.mark.parametrize(("status", "polled"), [(599, True), (600, False)])
def test_a22_there_is_no_status_above_599_to_poll_after(machine, status: int, polled: bool) -> None:
    world = machine(flips=("A-22=5xx",))
    wire = _Wire(world, status, "", 1)
    world.outside(wire=wire)
    world.timer()
    world.pass_time(hours=2)
    assert world.shown == (("successful", None) if polled else ("error", "top-error-600"))


@pytest.mark.parametrize(("status", "header"), [(307, "Elsewhere"), (200, "Location")])
def test_a37_a_redirect_has_a_status_and_a_location(machine, status: int, header: str) -> None:
    world = machine(flips=("A-37=followed",))
    wire = _Wire(world, status, "/x?operation=PKIOperation", 1, header)
    world.outside(wire=wire)
    world.printer.send_request(KEY)
    assert [place for _, _, place in wire.places] == ["/scep"] * 3
    assert world.shown[0] == "error"


@pytest.mark.parametrize(("status", "times", "sent"), [(300, 1, 1), (304, 1, 1), (307, 5, 6), (307, 6, 6)])
def test_a37_what_is_no_redirect_and_how_many_are_followed(machine, status: int, times: int, sent: int) -> None:
    world = machine(flips=("A-37=followed",))
    wire = _Wire(world, status, "/x?operation=PKIOperation", times)
    world.outside(wire=wire)
    world.printer.send_request(KEY)
    assert len(wire.places) == 2 + sent
    assert (world.shown[0] == "successful") == (times < sent)


def test_the_certificate_that_signs_a_request_is_valid_now_and_for_a_month(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq}, then: pending}]")
    world.timer()
    world.pass_time(minutes=60)
    assert re.fullmatch("[0-9A-F]{32}", world.printer.requests.current.transaction_id)
    signer = world.printer.requests.current._transaction.enrolment.signer
    assert signer.not_before == world.clock.now() - timedelta(minutes=10)
    assert signer.not_after == world.clock.now() + timedelta(days=30)
    assert 0 < signer.serial < 2**63
    assert signer.serial & 1


def test_an_import_of_an_address_that_this_model_does_not_take_changes_nothing(machine) -> None:
    there = machine()
    there.printer.begin_export("pw")
    there.pass_time(minutes=2)
    world = machine(port_range=(8000, 9000), set_up=False)
    with pytest.raises(Refused) as caught:
        world.printer.begin_import(there.printer.exported, "pw")
    assert caught.value.reason == "bad-port"
    assert world.printer.communication is None


def test_setting_the_clock_books_a_poll_anew_and_not_once_more(machine) -> None:
    world = machine(script="[{when: {operation: PKIOperation}, then: pending}]")
    world.timer(polling=Polling(3, 10))
    world.pass_time(minutes=61)
    for _ in range(2):
        world.printer.set_clock(None)
    world.pass_time(minutes=10)
    assert world.asked.count("CertPoll") == 1
    world.printer.set_clock(world.clock.now() + timedelta(minutes=5))
    world.pass_time(minutes=5)
    assert world.asked.count("CertPoll") == 2
