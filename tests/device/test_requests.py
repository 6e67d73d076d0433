"""Inquiries, polling, responses, and every assumption about them, each reading shown by what the CA saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import KeySettings, Polling
from mfp_sim.shared.errors import KeyGenerationFailed, Refused
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mfp_sim.transport import InProcess

NINE = datetime(2026, 3, 2, 9)
KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")
PENDING_ALWAYS = "[{when: {operation: PKIOperation}, then: pending}]"


@pytest.mark.parametrize(
    ("flip", "polls", "messages"),
    [
        ("A-35=not-counted", 2, ["PKCSReq", "CertPoll", "CertPoll"]),
        ("A-35=counted", 2, ["PKCSReq", "CertPoll"]),
        ("A-35=counted", 1, ["PKCSReq"]),
    ],
)
def test_a35_whether_the_first_request_is_a_poll(machine, flip: str, polls: int, messages: list[str]) -> None:
    world = machine(script=PENDING_ALWAYS, flips=(flip,))
    world.timer(polling=Polling(polls, 10))
    world.pass_time(hours=3)
    assert world.asked[2:] == messages
    assert world.shown == ("error", "deferred")


@pytest.mark.parametrize(
    ("reading", "status", "count"),
    [("none", 503, 1), ("5xx", 503, 3), ("5xx", 404, 1), ("all", 404, 3), ("all", 302, 3)],
)
def test_a22_which_http_errors_are_polled_after(machine, reading: str, status: int, count: int) -> None:
    world = machine(script=f"[{{when: {{type: PKCSReq}}, then: {{http: {status}}}}}]", flips=(f"A-22={reading}",))
    world.timer()
    world.pass_time(hours=3)
    assert world.asked.count("PKCSReq") == count
    assert world.shown == ("error", f"top-error-{status}")


@pytest.mark.parametrize(
    ("reading", "messages", "transactions", "minted"),
    [
        ("same", ["PKCSReq", "PKCSReq"], 1, 1),
        ("CertPoll", ["PKCSReq", "CertPoll"], 1, 1),
        ("new-transaction", ["PKCSReq", "GetCACaps", "GetCACert", "PKCSReq"], 2, 2),
    ],
)
def test_a34_after_a_lost_reply(machine, reading: str, messages: list[str], transactions: int, minted: int) -> None:
    world = machine(script="[{when: {type: PKCSReq, nth: 1}, faults: [reset]}]", flips=(f"A-34={reading}",))
    world.timer()
    world.pass_time(hours=3)
    assert world.asked[2:] == messages
    assert len({e.transaction for e in world.ca.journal.entries if e.transaction}) == transactions
    assert world.shown == ("successful", None)
    assert world.ca.ledger.counts["minted"] == minted
    assert world.ca.ledger.counts["installed"] == 1
    causes = [entry.given_up for entry in world.ca.ledger.entries if not entry.installed]
    assert causes == ["PKCSReq: ca.example:80 reset the connection without a reply"] * (minted - 1)


@pytest.mark.parametrize("reading", ["same", "CertPoll", "new-transaction"])
def test_a34_what_never_left_is_sent_as_a_request(machine, reading: str) -> None:
    world = machine(flips=(f"A-34={reading}",))
    world.timer()
    world.network.state = "refused"
    world.pass_time(minutes=65)
    world.network.state = "up"
    world.pass_time(minutes=10)
    assert world.asked == ["GetCACaps", "GetCACert", "PKCSReq"]


@pytest.mark.parametrize("reading", ["same", "new-transaction"])
def test_a_poll_after_a_lost_reply_survives_a_restart(machine, reading: str) -> None:
    world = machine(script="[{when: {type: PKCSReq, nth: 1}, faults: [reset]}]", flips=(f"A-34={reading}",))
    world.timer()
    world.pass_time(minutes=65)
    world.printer.restart()
    world.pass_time(minutes=10)
    assert world.shown == ("successful", None)


@pytest.mark.parametrize(
    ("reading", "messages", "transactions"),
    [
        ("drop", ["PKCSReq", "GetCACaps", "GetCACert", "PKCSReq"], 2),
        ("keep", ["PKCSReq", "CertPoll"], 1),
    ],
)
@pytest.mark.parametrize("restart", [False, True])
def test_a23_what_becomes_of_a_request_that_ended_while_pending(
    machine, reading: str, messages: list[str], transactions: int, restart: bool
) -> None:
    world = machine(script="[{when: {type: PKCSReq, nth: 1}, then: pending}]", flips=(f"A-23={reading}",))
    world.printer.send_request(KEY)
    assert world.shown == ("error", "deferred")
    if restart:
        world.printer.restart()
        world.pass_time(minutes=1)
    world.printer.send_request(KEY)
    assert world.shown == ("successful", None)
    assert world.asked[2:] == messages
    assert len({e.transaction for e in world.ca.journal.entries if e.transaction}) == transactions


def test_a23_other_settings_are_another_request(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq, nth: 1}, then: pending}]", flips=("A-23=keep",))
    world.printer.send_request(KEY)
    world.printer.send_request(replace(KEY, organization="Another AS"))
    assert world.asked.count("CertPoll") == 0
    assert world.shown == ("successful", None)


@pytest.mark.parametrize(("reading", "state"), [("no", "successful"), ("yes", "error")])
def test_a36_whether_a_pending_key_takes_a_slot(machine, reading: str, state: str) -> None:
    world = machine(flips=(f"A-36={reading}",), key_limit=3)
    for name in ("old", "spare"):
        world.printer.send_request(replace(KEY, name=name, use="TLS" if name == "old" else "None"))
    world.timer(delete_old=True)
    world.pass_time(hours=2)
    assert world.shown[0] == state
    assert world.names == (
        ["Default Key", "spare", "tls"] if state == "successful" else ["Default Key", "old", "spare"]
    )


@pytest.mark.parametrize(("reading", "state"), [("in-place", "successful"), ("register-first", "error")])
def test_a19_whether_an_overwrite_needs_a_free_slot(machine, reading: str, state: str) -> None:
    world = machine(flips=(f"A-19={reading}",), key_limit=2)
    world.printer.send_request(replace(KEY, name="old"))
    world.timer(delete_old=True)
    world.pass_time(hours=2)
    assert world.shown[0] == state
    assert world.names == ["Default Key", "tls" if state == "successful" else "old"]


@pytest.mark.parametrize(("reading", "used"), [("until-restart", "old"), ("at-once", "tls")])
def test_a32_an_overwritten_key_that_a_function_uses(machine, reading: str, used: str) -> None:
    world = machine(flips=(f"A-32={reading}",))
    world.printer.send_request(replace(KEY, name="old"))
    world.printer.restart()
    world.pass_time(minutes=1)
    world.timer(delete_old=True)
    world.pass_time(hours=2)
    assert world.printer.functions_in_use() == {"TLS": used}
    assert world.names == ["Default Key", "tls"]


def _shown_times(machine, flip: str, **timer: object) -> tuple[str, str]:
    world = machine(flips=(flip,), script="[{when: {type: PKCSReq}, faults: [{delay: 5s}]}]")
    world.timer(**timer)
    planned = world.printer.next_request
    world.pass_time(hours=2)
    row = world.printer.status()[0]
    return planned.strftime("%H:%M:%S"), row.time.strftime("%H:%M:%S")


def test_a33_and_a38_which_times_are_shown(machine) -> None:
    assert _shown_times(machine, "A-33=nominal", adjust=True)[0] == "08:00:00"
    adjusted = _shown_times(machine, "A-33=adjusted", adjust=True)[0]
    assert "08:00:01" <= adjusted <= "08:10:00"
    assert _shown_times(machine, "A-38=receipt")[1] == "08:00:05"
    assert _shown_times(machine, "A-38=not-before")[1] == "07:50:00"


@pytest.mark.parametrize("reading", ["adjusted", "nominal"])
def test_a33_while_a_request_goes_on_none_is_next(machine, reading: str) -> None:
    world = machine(flips=(f"A-33={reading}",), script=PENDING_ALWAYS)
    world.timer()
    world.pass_time(minutes=65)
    assert (world.shown, world.printer.next_request) == (("processing", None), None)


def test_a23_what_ended_well_is_not_asked_about_again(machine) -> None:
    world = machine(flips=("A-23=keep",))
    for _ in range(2):
        world.printer.send_request(KEY)
    assert [name for name in world.asked if name.startswith(("PKCS", "Cert"))] == ["PKCSReq", "PKCSReq"]
    assert world.storage.load()["kept"] is None


@pytest.mark.parametrize(
    ("then", "shown", "diagnosis"),
    [
        *((f"then: {{failure: {n}, text: no}}", f"fail-info-{n}", f"failInfo {n}: no") for n in range(5)),
        ("faults: [{policy-reject: without-text}]", "fail-info-2", "failInfo 2"),
        ("faults: [{failinfo-undefined: 5}]", "scep-error", "FAILURE with failInfo 5: refused by the fault"),
        ("faults: [failure-no-failinfo]", "scep-error", "FAILURE with failInfo None: refused by the fault"),
    ],
)
def test_after_a_failure_there_is_no_polling_and_its_number_is_told(machine, then: str, shown: str, diagnosis) -> None:
    """MFP-POLL-04, MFP-DETAIL-05 to MFP-DETAIL-09, A-24."""
    world = machine(script=f"[{{when: {{type: PKCSReq}}, {then}}}]")
    world.timer()
    world.pass_time(hours=2)
    assert world.asked.count("PKCSReq") == 1
    assert world.shown == ("error", shown)
    assert world.printer.audit[-1].diagnosis == diagnosis


@pytest.mark.parametrize(
    ("reading", "signature", "digest"),
    [("capabilities", "SHA512", "sha256"), ("signature-algorithm", "SHA512", "sha512")],
)
def test_a31_the_digest_of_the_message(machine, reading: str, signature: str, digest: str) -> None:
    world = machine(flips=(f"A-31={reading}",))
    world.printer.send_request(replace(KEY, signature=signature))
    sent = [event.data for event in world.recorder.events if event.kind == "exchange.request"][-1]
    assert (sent["digest"], sent["csr"]["signature"]) == (digest, "sha512")
    assert world.shown == ("successful", None)


@pytest.mark.parametrize(("reading", "state"), [("use", "successful"), ("refuse", "error")])
def test_a27_a_server_without_capabilities_gets_get_3des_and_sha1(machine, reading: str, state: str) -> None:
    world = machine(flips=(f"A-27={reading}",), script="[{when: {operation: GetCACaps}, then: {http: 404}}]")
    world.printer.send_request(KEY)
    assert world.shown[0] == state
    messages = [e for e in world.ca.journal.entries if e.name == "PKCSReq"]
    assert [entry.method for entry in messages] == (["GET"] if state == "successful" else [])
    if state == "error":
        assert "refused-algorithm" in world.diagnoses


def test_a09_an_fqdn_without_dns_is_refused_or_warned_about(machine) -> None:
    key = replace(KEY, common_name="printer.example")
    with pytest.raises(Refused) as caught:
        machine().printer.send_request(key)
    assert caught.value.reason == "fqdn-without-dns"
    world = machine(flips=("A-09=warn",))
    assert world.printer.send_request(key).state == "successful"
    assert "warning OK: the common name is an FQDN, but there is no DNS server" in world.diagnoses


def test_a17_days_or_seconds_over_the_change_of_daylight_saving(machine) -> None:
    for reading, hour in (("local-days", "07"), ("seconds", "08")):
        world = machine(flips=(f"A-17={reading}",))
        world.timer(every_days=30)
        world.pass_time(hours=2)
        assert world.printer.next_request.strftime("%m-%d %H:%M") == f"04-01 {hour}:00"


class Redirecting:
    """Sends PKIOperations on to another place, so many times."""

    def __init__(self, world, location: str, times: int = 1) -> None:
        self.world, self.location, self.left, self.seen = world, location, times, []

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        self.seen.append(request.target.partition("?")[0])
        if "PKIOperation" in request.target and self.left:
            self.left -= 1
            return delivery_of(HttpReply(307, headers=(("Location", self.location),)))
        return self.world.ca.handle(request, client)


@pytest.mark.parametrize(
    ("reading", "location", "times", "shown"),
    [
        ("not-followed", "/elsewhere?operation=PKIOperation", 1, ("error", "top-error-307")),
        ("followed", "/elsewhere?operation=PKIOperation", 1, ("successful", None)),
        ("followed", "http://other.example:81/x?operation=PKIOperation", 1, ("successful", None)),
        ("followed", "/x?operation=PKIOperation", 99, ("error", "top-error-307")),
        ("followed", "https://ca.example/?operation=PKIOperation", 1, ("error", "top-error-307")),
        ("followed", "http://:81/x?operation=PKIOperation", 1, ("error", "top-error-307")),
        ("followed", "http://[::1/?operation=PKIOperation", 1, ("error", "top-error-307")),
        ("followed", "/a b\u00e9?operation=PKIOperation", 1, ("error", "top-error-307")),
        ("followed", "file:///etc/passwd", 1, ("error", "top-error-307")),
    ],
)
def test_a37_redirects(machine, reading: str, location: str, times: int, shown: tuple[str, str | None]) -> None:
    world = machine(flips=(f"A-37={reading}",))
    carrier = Redirecting(world, location, times)
    world.outside(wire=InProcess(world.scheduler, carrier.handle))
    world.printer.send_request(KEY)
    assert world.shown == shown


@pytest.mark.parametrize(("reading", "state"), [("refuse", "error"), ("register", "successful")])
def test_a39_a_certificate_that_is_not_valid_yet(machine, reading: str, state: str) -> None:
    world = machine(flips=(f"A-39={reading}",))
    world.printer.set_clock(world.clock.now() - timedelta(hours=1))
    world.printer.send_request(KEY)
    assert world.shown[0] == state
    assert ("not-valid-now" if state == "error" else "is not valid yet") in world.diagnoses


@pytest.mark.parametrize(("reading", "state"), [("keep", "error"), ("refetch", "successful")])
def test_a40_an_ra_that_changes_between_getcacert_and_the_request(machine, reading: str, state: str) -> None:
    world = machine(flips=(f"A-40={reading}",))
    changed = machine()
    changed.ca.operator.roll_over(changed.clock.now(), changed.clock.now(), timedelta(0))
    seen: list[str] = []

    def handle(request: HttpRequest, client: str) -> Delivery:
        seen.append(request.method)
        return (world if len(seen) <= 2 else changed).ca.handle(request, client)

    world.outside(wire=InProcess(world.scheduler, handle))
    world.printer.send_request(KEY)
    assert world.shown[0] == state
    if state == "error":
        assert "unknown-signer: the CertRep's signer is not among the certificates of GetCACert" in world.diagnoses
        world.printer.send_request(replace(KEY, name="again"))
        assert world.shown == ("successful", None)  # each request asks for the certificates anew


# --- the machine's clock ----------------------------------------------------------------------------------


def test_a_clock_at_the_factory_date_destroys_nothing_and_the_next_request_is_good(machine) -> None:
    world = machine()
    world.printer.send_request(replace(KEY, name="first"))
    world.printer.set_clock(datetime.fromisoformat("2000-01-01T00:00:00+00:00"))
    world.printer.send_request(KEY)
    assert world.shown == ("error", "scep-error")
    assert "not-valid-now: the certificate is valid from 2026-" in world.diagnoses
    assert "CN=Mock SCEP CA" in world.diagnoses  # which certificate is out of date is told
    assert world.names == ["Default Key", "first"]
    world.printer.set_clock(None)
    world.printer.send_request(KEY)
    assert world.shown == ("successful", None)


def test_the_plan_follows_the_clock_that_is_set(machine) -> None:
    world = machine()
    world.timer()
    world.printer.set_clock(world.clock.now() + timedelta(minutes=50))
    world.pass_time(minutes=9, seconds=59)
    assert world.asked == []
    world.pass_time(seconds=1)
    assert world.shown == ("successful", None)


def test_a_poll_that_a_power_failure_cut_off_is_made_at_the_start_whatever_the_clock_says(machine) -> None:
    world = machine(script=PENDING_ALWAYS)
    world.timer()
    world.pass_time(minutes=65)
    world.printer.points.arm("CertPoll.before")
    world.pass_time(minutes=5)
    assert not world.printer.powered
    assert world.asked.count("CertPoll") == 0
    world.printer.set_clock(world.clock.now() - timedelta(hours=3))
    world.printer.power_on()
    world.pass_time(seconds=0)
    assert world.asked.count("CertPoll") == 1


def test_no_nonce_comes_twice_however_often_the_power_fails(machine) -> None:
    """RFC 8894, 3.2.1.5: a senderNonce is fresh for each message."""
    from mfp_sim.shared.scep import messages

    world = machine(script=PENDING_ALWAYS)
    carrier = Recording(world)
    world.outside(wire=InProcess(world.scheduler, carrier.handle))
    world.timer(polling=Polling(4, 10))
    world.pass_time(minutes=65)
    for _ in range(4):
        world.printer.power_cut()
        world.printer.power_on()
        world.pass_time(minutes=10)
    nonces = [messages.decode(body).sender_nonce for body in carrier.bodies if body]
    assert len(set(nonces)) == len(nonces) == 5


# --- RenewalReq -------------------------------------------------------------------------------------------


def test_where_the_ca_does_not_offer_renewal_a_model_that_renews_asks_anew(machine) -> None:
    world = machine(profile="days-before-expiry", caps=("AES", "POSTPKIOperation", "SHA-256"))
    world.printer.send_request(KEY)
    world.printer.send_request(replace(KEY, name="second"))
    assert [name for name in world.asked if name in ("PKCSReq", "RenewalReq")] == ["PKCSReq", "PKCSReq"]


class Recording:
    """Keeps the messages, and answers RenewalReq with what ``answer`` makes of it."""

    def __init__(self, world) -> None:
        self.world, self.bodies = world, []

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        self.bodies.append(request.body)
        return self.world.ca.handle(request, client)


@pytest.mark.parametrize(
    ("change", "kind"),
    [({}, "RenewalReq"), ({"common_name": "192.0.2.11"}, "PKCSReq"), ({"use": "IEEE 802.1X"}, "PKCSReq")],
)
def test_a_renewal_is_signed_with_the_old_key(machine, change: dict[str, Any], kind: str) -> None:
    from mfp_sim.shared.scep import messages

    world = machine(
        profile="days-before-expiry", caps=("AES", "POSTPKIOperation", "SHA-256", "Renewal", "SCEPStandard")
    )
    carrier = Recording(world)
    world.outside(wire=InProcess(world.scheduler, carrier.handle))
    world.printer.send_request(KEY)
    old = world.printer.key_list()[1].certificate
    world.printer.send_request(replace(KEY, name="second", **change))
    sent = messages.decode(carrier.bodies[-1])
    assert sent.label == kind
    signer = sent.signer()
    sent.verify(signer)
    assert (signer == old) == (kind == "RenewalReq")
    assert (signer.issuer == signer.subject) == (kind == "PKCSReq")


def test_a_renewal_that_is_pending_is_still_signed_with_the_old_key_after_a_power_failure(machine) -> None:
    from mfp_sim.shared.scep import messages

    world = machine(
        profile="days-before-expiry",
        script="[{when: {type: RenewalReq}, then: pending}]",
        caps=("AES", "POSTPKIOperation", "SHA-256", "Renewal", "SCEPStandard"),
    )
    carrier = Recording(world)
    world.outside(wire=InProcess(world.scheduler, carrier.handle))
    world.printer.send_request(KEY)
    old = world.printer.key_list()[1].certificate
    world.timer(key=replace(KEY, name="second"))
    world.pass_time(minutes=65)
    assert world.asked[-1] == "RenewalReq"
    world.printer.power_cut()
    world.printer.power_on()
    world.pass_time(minutes=5)
    assert world.asked[-1] == "CertPoll"
    assert messages.decode(carrier.bodies[-1]).signer() == old
    assert world.names == ["Default Key", "tls", "second"]


def test_an_old_certificate_that_has_expired_renews_nothing(machine) -> None:
    world = machine(profile="days-before-expiry", caps=("AES", "SHA-256", "Renewal", "SCEPStandard"))
    world.printer.send_request(KEY)
    world.pass_time(days=366)
    world.printer.send_request(replace(KEY, name="second"))
    assert world.asked.count("RenewalReq") == 0
    assert world.shown == ("successful", None)


def test_the_same_serial_number_twice_is_refused_and_the_first_stays(machine) -> None:
    world = machine()
    world.printer.send_request(replace(KEY, name="first"))
    serial = world.printer.key_list()[1].certificate.serial
    world.ca.authority._serials.next = lambda: serial
    world.printer.send_request(KEY)
    assert world.shown == ("error", "scep-error")
    assert "duplicate-serial: " in world.diagnoses
    assert world.names == ["Default Key", "first"]


def test_a_changed_subject_is_taken_and_told(machine) -> None:
    from mfp_sim.shared.scep import certificate as x509

    world = machine()
    template = world.ca.authority.template
    world.ca.authority.template = lambda csr, granted: replace(
        template(csr, granted), subject=x509.name(("CN", "another name"))
    )
    world.printer.send_request(KEY)
    assert world.shown == ("successful", None)
    assert "the certificate is for CN=another name, not for CN=192.0.2.10" in world.diagnoses


@pytest.mark.parametrize("model", [profile_named("canon-legacy"), profile_named("canon-7100")], ids=lambda m: m.name)
def test_the_other_models_enrol_too(machine, model) -> None:
    world = machine(profile=model)
    world.printer.send_request(KEY)
    assert world.shown == ("successful", None)


class NoKeys:
    def rsa(self, bits: int) -> RSAPrivateKey:
        raise KeyGenerationFailed(f"no key of {bits} bits")


def test_the_limit_counts_at_the_registration_too(machine) -> None:
    """MFP-POLL-03: before the key is made, before every poll and at registration."""
    world = machine(key_limit=2)

    def handle(request: HttpRequest, client: str) -> Delivery:
        store = world.state.store
        if "PKIOperation" in request.target:  # a key comes from elsewhere while the CA is asked
            world.state.store = store.register(replace(store.entries[0], id=99, use="None"), delete_old=False)
        return world.ca.handle(request, client)

    world.outside(wire=InProcess(world.scheduler, handle))
    world.printer.send_request(KEY)
    assert world.shown == ("error", "registration-limit")
    assert "request failed NG: the store is full" in world.diagnoses
    assert world.names == ["Default Key", "Default Key"]


def test_no_key_no_request_and_what_is_there_stays(machine) -> None:
    world = machine()
    world.printer.send_request(KEY)
    before = world.printer.key_list()
    world.outside(keys=NoKeys())
    row = world.printer.send_request(KEY)
    assert (row.state, row.details and row.details.slug) == ("error", "scep-error")
    assert "request failed NG: no-key: no key of 2048 bits; nothing was sent" in world.diagnoses
    assert world.asked.count("PKCSReq") == 1
    assert world.printer.key_list() == before
    assert world.printer.next_request is None


def test_polling_does_not_follow_a_key_that_cannot_be_made(machine) -> None:
    world = machine()
    world.timer()
    world.outside(keys=NoKeys())
    world.pass_time(hours=2)
    assert (world.shown, world.asked) == (("error", "scep-error"), [])
