"""What the audit log and the trace tell of a busy day, word for word: people and reports read nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.shared.errors import Refused

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")
SCRIPT = """[
  {when: {type: PKCSReq, nth: 2}, then: {failure: 2, text: not today}},
  {when: {type: PKCSReq, nth: 3}, then: pending},
  {when: {type: CertPoll, nth: 1}, then: success, faults: [{delay: 40s}]},
]"""

AUDIT = """\
02 07:00:00 start OK
02 07:00:00 SCEP settings changed OK
02 07:00:00 request sent OK: manual request for 192.0.2.10
02 07:00:00 certificate registered OK: tls, serial …
02 07:00:00 request sent OK: manual request for 192.0.2.10
02 07:00:00 request failed NG: failInfo 2: not today
02 07:00:00 settings changed OK: IEEE 802.1X on
02 07:00:00 settings changed OK: IEEE 802.1X off
02 07:00:00 export of settings OK: begun
02 07:02:00 export of settings OK: done
02 07:02:00 import of settings NG: bundle-not-opened: the password is wrong, or the file was changed
02 07:02:00 import of settings OK: begun
02 07:04:00 import of settings OK: DNS server: imported; Settings for Certificate Issuance Request (SCEP): imported
02 07:04:00 SCEP settings changed OK
02 08:00:00 request sent OK: automatic request for 192.0.2.10
02 08:20:30 key deleted OK: tls was overwritten
02 08:20:30 certificate registered OK: tls, serial …
02 08:20:30 restart by SCEP OK
02 08:20:30 shutdown OK
02 08:21:00 start OK
02 09:04:00 export of settings OK: begun
02 09:04:00 export of settings NG: interrupted by switching off or a restart; nothing was changed
02 09:04:00 shutdown OK
02 09:04:00 start OK
02 09:04:00 SCEP settings changed OK
02 09:04:00 request sent OK: manual request for 192.0.2.10
02 09:04:00 request failed NG: GetCACaps: ca.example:80 refused the connection
03 07:00:00 clock set OK
03 07:00:00 restart OK
03 07:00:00 shutdown OK
03 07:00:30 start OK
03 07:00:30 settings changed OK: TLS off
03 07:00:30 key deleted OK: tls
"""

TRACE = """\
02 07:00:00 exchange.request operation=GetCACaps method=GET path=/scep
02 07:00:00 exchange.reply operation=GetCACaps status=200 media_type=text/plain
02 07:00:00 exchange.request operation=GetCACert method=GET path=/scep
02 07:00:00 exchange.reply operation=GetCACert status=200 media_type=application/x-x509-ca-cert
02 07:00:00 exchange.request operation=PKCSReq method=POST digest=sha256 cipher=aes-128-cbc path=/scep csr=CN=192.0.2.10 sha256 2048
02 07:00:00 exchange.reply operation=PKCSReq status=200 media_type=application/x-pki-message message=SUCCESS
02 07:00:00 printer.status state=successful shown=2026-03-02T07:00:00+00:00 key=tls
02 07:00:00 exchange.request operation=GetCACaps method=GET path=/scep
02 07:00:00 exchange.reply operation=GetCACaps status=200 media_type=text/plain
02 07:00:00 exchange.request operation=GetCACert method=GET path=/scep
02 07:00:00 exchange.reply operation=GetCACert status=200 media_type=application/x-x509-ca-cert
02 07:00:00 exchange.request operation=PKCSReq method=POST digest=sha256 cipher=aes-128-cbc path=/scep csr=CN=192.0.2.10 sha256 2048
02 07:00:00 exchange.reply operation=PKCSReq status=200 media_type=application/x-pki-message message=FAILURE
02 07:00:00 printer.status state=error details=fail-info-2 shown=2026-03-02T07:00:00+00:00 diagnosis=failInfo 2: not today key=second
02 08:00:00 exchange.request operation=GetCACaps method=GET path=/scep
02 08:00:00 exchange.reply operation=GetCACaps status=200 media_type=text/plain
02 08:00:00 exchange.request operation=GetCACert method=GET path=/scep
02 08:00:00 exchange.reply operation=GetCACert status=200 media_type=application/x-x509-ca-cert
02 08:00:00 exchange.request operation=PKCSReq method=POST digest=sha256 cipher=aes-128-cbc path=/scep csr=CN=192.0.2.10 sha256 2048
02 08:00:00 exchange.reply operation=PKCSReq status=200 media_type=application/x-pki-message message=PENDING
02 08:00:00 printer.poll-booked poll=1 due=2026-03-02T08:10:00+00:00
02 08:10:00 exchange.request operation=CertPoll method=POST digest=sha256 cipher=aes-128-cbc path=/scep
02 08:10:30 exchange.lost operation=CertPoll sent=True error=ca.example:80 did not reply within 30 s
02 08:10:30 printer.poll-booked poll=2 due=2026-03-02T08:20:30+00:00
02 08:20:30 exchange.request operation=CertPoll method=POST digest=sha256 cipher=aes-128-cbc path=/scep
02 08:20:30 exchange.reply operation=CertPoll status=200 media_type=application/x-pki-message message=SUCCESS
02 08:20:30 printer.status state=successful shown=2026-03-02T08:20:30+00:00 key=tls
02 09:04:00 exchange.request operation=GetCACaps method=GET path=/scep
02 09:04:00 exchange.lost operation=GetCACaps sent=False error=ca.example:80 refused the connection
02 09:04:00 printer.status state=error details=top-error shown=2026-03-02T09:04:00+00:00 diagnosis=GetCACaps: ca.example:80 refused the connection key=third
"""


@pytest.fixture
def world(machine):
    """After that day."""
    world = machine(script=SCRIPT)
    printer = world.printer
    printer.send_request(KEY)
    printer.send_request(replace(KEY, name="second"))
    for on in (True, False):
        printer.set_dns(on)
    for on in (True, False):
        printer.set_function("IEEE 802.1X", on)
    printer.begin_export("pass")
    world.pass_time(seconds=120)
    with pytest.raises(Refused, match="the password is wrong"):
        printer.begin_import(printer.exported, "wrong")
    printer.begin_import(printer.exported, "pass")
    world.pass_time(seconds=120)
    world.timer(restart=True, delete_old=True)
    world.pass_time(hours=2)
    printer.begin_export("pass")
    printer.power_off()
    printer.power_on()
    printer.update_auto_request(AutoRequestSettings(timer=False))
    world.network.state = "refused"
    printer.send_request(replace(KEY, use="None", name="third"))
    world.network.state = "up"
    printer.set_clock(START + timedelta(days=1))
    printer.restart()
    world.pass_time(seconds=30)
    printer.set_function("TLS", False)
    printer.delete_key("tls")
    return world


def test_the_audit_log(world) -> None:
    lines = [
        f"{e.time:%d %H:%M:%S} {e.operation} {e.result}" + (f": {e.diagnosis}" if e.diagnosis else "")
        for e in world.printer.audit
    ]
    assert [re.sub(r"serial [0-9a-f]+", "serial …", line) for line in lines] == AUDIT.splitlines()
    assert {entry.user for entry in world.printer.audit} == {"SYSTEM"}
    recorded = [e.data for e in world.recorder.events if e.kind == "printer.audit"]
    assert [(e["operation"], e["result"], e.get("diagnosis") or "") for e in recorded] == [
        (e.operation, e.result, e.diagnosis) for e in world.printer.audit
    ]


def test_the_trace(world) -> None:
    told = [
        e for e in world.recorder.events if e.kind.startswith(("printer.", "exchange.")) and e.kind != "printer.audit"
    ]
    assert [_line(event) for event in told] == TRACE.splitlines()
    where = {(e.data["host"], e.data["port"]) for e in told if e.kind == "exchange.request"}
    assert where == {("ca.example", 80)}
    asked = {
        e.data["transaction"]
        for e in told
        if e.data.get("operation") in ("PKCSReq", "CertPoll") and "transaction" in e.data
    }
    assert len(asked) == 3
    assert not any(e.data.get("transaction") for e in told if e.data.get("operation") in ("GetCACaps", "GetCACert"))
    assert asked < {e.data["transaction"] for e in told if e.kind == "printer.status"}


def _line(event) -> str:
    shown = {key: value for key, value in event.to_json().items() if key not in _LEFT_OUT}
    if "message" in shown:
        shown["message"] = shown["message"]["pkiStatus"]
    if "csr" in shown:
        shown["csr"] = "{subject} {signature} {length}".format(**shown["csr"])
    order = [
        *(key for key in shown if key not in ("message", "csr")),
        *(key for key in ("message", "csr") if key in shown),
    ]
    return f"{event.time:%d %H:%M:%S} {event.kind} " + " ".join(f"{key}={shown[key]}" for key in order)


_LEFT_OUT = ("time", "kind", "transaction", "host", "port")


def test_a_power_failure_is_in_the_trace(machine) -> None:
    world = machine()
    world.printer.points.off_seconds = 60
    world.printer.points.arm("PKCSReq.after")
    with pytest.raises(Refused, match=r"the power failed at PKCSReq\.after"):
        world.printer.send_request(KEY)
    assert [dict(e.data) for e in world.recorder.events if e.kind == "printer.power-lost"] == [
        {"point": "PKCSReq.after"}
    ]
    assert not world.printer.powered
    assert world.printer.key_list() == ()
    world.pass_time(seconds=59)
    assert not world.printer.powered
    world.pass_time(seconds=1)
    assert world.shown == ("successful", None)
    assert world.clock.now() - world.printer.status()[0].time <= timedelta(0)
    assert world.printer.points.passed[:4] == [
        "commit-factory.before",
        "commit-factory.after",
        "commit-settings.before",
        "commit-settings.after",
    ]
    assert world.printer.points.passed[-2:] == ["commit-request-ended.before", "commit-request-ended.after"]
    assert world.printer.points.passed[4:6] == ["commit-inquiry.before", "commit-inquiry.after"]


def test_the_audit_log_has_room_for_a_thousand_entries(world) -> None:
    before = world.printer.audit
    for number in range(1001):
        world.printer.machine.note(f"entry {number}", "OK")
    after = world.printer.audit
    assert before
    assert [entry.operation for entry in after] == [f"entry {number}" for number in range(1, 1001)]


@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        ("s3cret", ("present", "PrintableString")),
        ("s3cr_t", ("present", "UTF8String")),
        ("", ("absent", "absent")),
        (None, ("absent", "absent")),
    ],
)
def test_the_trace_tells_of_a_challenge_only_whether_there_is_one(machine, challenge, told: tuple[str, str]) -> None:
    world = machine()
    world.printer.send_request(replace(KEY, challenge=challenge))
    (csr,) = [e.data["csr"] for e in world.recorder.events if e.kind == "exchange.request" and e.data.get("csr")]
    assert (csr["challenge"], csr["challenge_type"]) == told
    assert set(csr) == {"subject", "signature", "length", "challenge", "challenge_type"}
    assert not challenge or challenge not in str([event.to_json() for event in world.recorder.events])


@pytest.mark.parametrize(
    ("then", "keys"),
    [
        ("then: {failure: 2}", {"message"}),
        ("then: success, faults: [garbage-body]", {"unreadable"}),
        ("then: {http: 500}", set()),
    ],
)
def test_the_trace_tells_what_a_reply_says_or_why_it_cannot_be_read(machine, then: str, keys: set[str]) -> None:
    world = machine(script=f"[{{when: {{type: PKCSReq}}, {then}}}]")
    world.printer.send_request(KEY)
    *early, reply = [e.data for e in world.recorder.events if e.kind == "exchange.reply"]
    assert set(reply) - {"operation", "status", "media_type"} == keys
    assert all(reply[key] for key in keys)
    assert all(set(data) == {"operation", "status", "media_type"} for data in early)


def test_the_trace_tells_of_no_reply_what_an_earlier_one_said(machine) -> None:
    world = machine(script="[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: {http: 500}}]")
    world.timer()
    world.pass_time(hours=1, minutes=15)
    told = [set(e.data) & {"message", "unreadable"} for e in world.recorder.events if e.kind == "exchange.reply"]
    assert told == [set(), set(), {"message"}, set()]


@pytest.mark.parametrize(
    ("text", "shown"), [("a" * 200, "a" * 200), ("a" * 201, "a" * 200 + "…"), ("a\\nb", r"a\x0ab"), ("ø", "ø")]
)
def test_what_a_server_says_is_one_short_line_of_the_audit_log(machine, text: str, shown: str) -> None:
    world = machine(script=f'[{{when: {{type: PKCSReq}}, then: {{failure: 2, text: "{text}"}}}}]')
    world.printer.send_request(KEY)
    assert world.printer.audit[-1].diagnosis == f"failInfo 2: {shown}"
