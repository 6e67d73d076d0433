"""A printer and the mock CA in one process on a frozen clock: what each misbehaviour leads to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import pytest

from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.testing import KEY, START, Bench


class World(Bench):
    """A bench whose printer asks at nine."""

    def at_nine(self, **settings: object) -> None:
        """The timer at 09:00 local time, with polling twice at ten minutes, and two hours later."""
        defaults: dict[str, object] = {"polling": Polling(2, 10)}
        self.printer.update_auto_request(
            AutoRequestSettings(True, datetime(2026, 3, 2, 9), KEY, **(defaults | settings))  # type: ignore[arg-type]
        )
        self.pass_time(hours=2)


@pytest.mark.parametrize("ra", ["none", "split"])
def test_a_manual_request_registers_a_certificate_that_the_function_uses_after_the_restart(
    ra: Literal["none", "split"],
) -> None:
    world = World(ra=ra)
    row = world.printer.send_request(KEY)
    assert (row.state, row.time) == ("successful", START)
    assert world.printer.functions_in_use() == {"TLS": "Default Key"}
    world.printer.restart()
    world.scheduler.run_until(START + timedelta(minutes=1))
    assert world.printer.functions_in_use() == {"TLS": "tls"}
    assert world.ca.ledger.counts == {"minted": 1, "delivered": 1, "installed": 1, "orphaned": 0}
    issued = world.printer.key_list()[1].certificate
    issued.verify_issued_by(world.ca.authority.issuer.certificate)


CASES = [
    ("[{when: {type: PKCSReq}, then: pending}]", "successful", None, "CAPS CERT PKCSReq CertPoll", 1),
    ("[{when: {type: PKCSReq}, then: none, times: 1}]", "successful", None, "CAPS CERT PKCSReq PKCSReq", 1),
    ("[{when: {type: PKCSReq}, faults: [{delay: 31s}], times: 1}]", "successful", None, "CAPS CERT PKCSReq PKCSReq", 1),
    ("[{faults: [{truncate: {after: 20}}], when: {type: PKCSReq}, times: 1}]", "successful", None,
     "CAPS CERT PKCSReq PKCSReq", 1),
    ("[{then: pending, when: {operation: PKIOperation}}]", "error", "deferred", "CAPS CERT PKCSReq CertPoll CertPoll", 0),
    ("[{faults: [stall], when: {type: PKCSReq}}]", "error", "top-error", "CAPS CERT PKCSReq PKCSReq PKCSReq", 1),
    ("[{faults: [reset], when: {operation: GetCACert}}]", "error", "top-error", "CAPS CERT CERT CERT", 0),
    ("[{then: {http: 503}}]", "error", "top-error-503", "CAPS CERT", 0),
    ("[{faults: [{certrep-http-status: 400}], when: {type: PKCSReq}}]", "error", "top-error-400", "CAPS CERT PKCSReq", 1),
    *(
        (f"[{{then: {{failure: {n}}}, when: {{type: PKCSReq}}}}]", "error", f"fail-info-{n}", "CAPS CERT PKCSReq", 0)
        for n in range(5)
    ),
]  # fmt: skip


@pytest.mark.parametrize(("script", "state", "details", "asked", "minted"), CASES)
def test_what_the_printer_shows_and_asks(script: str, state: str, details: str | None, asked: str, minted: int) -> None:
    world = World(script=script)
    world.at_nine()
    assert world.shown == (state, details)
    assert world.asked == asked.replace("CAPS", "GetCACaps").replace("CERT", "GetCACert").split()
    assert world.ca.ledger.counts["minted"] == minted
    assert world.ca.ledger.counts["orphaned"] == (minted if state == "error" else 0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nonce-mismatch", "wrong-nonce"),
        ("transactionid-mismatch", "wrong-transaction"),
        ("bad-signature", "bad-signature"),
        ("success-wrong-key", "wrong-key"),
        ("garbage-body", "unreadable"),
    ],
)
def test_a_wrong_reply_is_refused_for_its_own_reason_and_nothing_is_installed(fault: str, reason: str) -> None:
    world = World(script=f"[{{when: {{type: PKCSReq}}, faults: [{fault}]}}]")
    world.at_nine()
    assert world.shown == ("error", "scep-error")
    assert world.printer.audit[-1].diagnosis.startswith(f"{reason}: ")
    assert [entry.name for entry in world.printer.key_list()] == ["Default Key"]


def test_inquiries_are_about_the_same_request_at_the_interval_after_the_last_exchange() -> None:
    world = World(script="[{when: {type: PKCSReq}, faults: [stall]}]")
    world.at_nine()
    entries = [entry for entry in world.ca.journal.entries if entry.name == "PKCSReq"]
    assert len({entry.transaction for entry in entries}) == 1
    minutes = [(entry.time - START).total_seconds() / 60 for entry in entries]
    assert minutes == [60, 70.5, 81]  # the time-out of 30 s, then 10 minutes


def test_a_wrong_challenge_is_fail_info_2_and_the_text_does_not_hold_it() -> None:
    world = World()
    row = world.printer.send_request(KeySettings("tls", "192.0.2.10", challenge="wr0ng-guess"))
    assert row.details is not None
    assert row.details.label == "Communication Error (SCEP ERROR Fail Info 2)"
    assert "the challenge password is wrong" in world.printer.audit[-1].diagnosis
    told = repr((world.recorder.events, world.ca.journal.entries, world.printer.audit))
    assert "wr0ng-guess" not in told
    assert "s3cret" not in told


def test_a_pending_request_survives_a_restart() -> None:
    world = World(script="[{when: {type: PKCSReq}, then: pending}]")
    world.printer.update_auto_request(AutoRequestSettings(True, datetime(2026, 3, 2, 9), KEY, polling=Polling(2, 10)))
    world.scheduler.run_until(START + timedelta(minutes=65))
    assert world.shown == ("processing", None)
    world.printer.restart()
    world.scheduler.run_until(START + timedelta(hours=2))
    assert world.shown == ("successful", None)
    assert world.asked == ["GetCACaps", "GetCACert", "PKCSReq", "CertPoll"]
    assert len({entry.transaction for entry in world.ca.journal.entries if entry.transaction}) == 1


def test_requests_every_thirty_days_keep_their_hour_over_both_changes_of_daylight_saving() -> None:
    world = World()
    world.at_nine(every_days=30, delete_old=True, polling=None)
    world.scheduler.run_until(START + timedelta(days=365))
    rows = [row for row in world.printer.status() if row.state == "successful"]
    local = {row.time.astimezone(world.printer.zone).strftime("%H:%M") for row in rows}
    assert local == {"09:00"}
    assert {row.time.strftime("%H:%M") for row in rows} == {"07:00", "08:00"}
    assert len(rows) == 13
    assert [entry.name for entry in world.printer.key_list()] == ["Default Key", "tls"]
