"""A printer and the mock CA under whatever people, the network, the CA and the power do to them, in any order.

Another printer asks the same CA meanwhile, and time stops at any instant, in the middle of an exchange too. The rules are what can happen; the invariants are what holds all the same, and a sentence names each that does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from identities import identity

from mfp_sim.device.invariants import WatchedStorage, broken
from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.local_time import local_of
from mfp_sim.device.machine import ROLES
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Factory, Listeners, Outside, Printer
from mfp_sim.device.printer_profile import READINGS
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.device.storage import decode_state, encode_state
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import PowerLost, Refused
from mfp_sim.shared.simtime import Entropy, PooledKeys
from mfp_sim.testing import Bench, script_of
from mfp_sim.transport import InProcess

URLS = ("http://ca.example/scep", "http://ca.example/certsrv/mscep/mscep.dll?x=1")
PASSWORD = "bundle"
OURS = "192.0.2.10"

uses = st.sampled_from(
    [
        ("TLS", None),
        ("TLS", None),
        ("TLS", None),
        ("IEEE 802.1X", None),
        ("IPSec", "hq"),
        ("IPSec", "branch"),
        ("None", None),
    ]
)
keys = st.builds(
    lambda office, use, right: KeySettings(
        office.key_name,
        "192.0.2.10",
        organization=office.organization,
        length=1024,
        use=use[0],
        policy=use[1],
        challenge="s3cret" if right else "wrong",
    ),
    st.sampled_from([identity("ja_JP", 0), identity("ar_SA", 0)]),  # two names, so that one of them comes twice
    uses,
    st.integers(0, 9).map(bool),
)
pollings = st.one_of(st.none(), st.builds(Polling, st.integers(1, 3), st.sampled_from([1, 10])))

ANSWERS = (
    "{when: {operation: PKIOperation}, then: success}",
    "{when: {operation: PKIOperation}, then: pending}",
    "{when: {operation: PKIOperation}, then: pending, times: 2}",
    *(f"{{when: {{operation: PKIOperation}}, then: {{failure: {number}}}}}" for number in range(5)),
    "{when: {operation: PKIOperation}, then: none}",
    "{when: {operation: PKIOperation}, then: none, times: 1}",
    *(f"{{when: {{operation: {operation}}}, then: {{http: {status}}}}}"
      for operation in ("GetCACaps", "GetCACert", "PKIOperation") for status in (404, 503)),
    *(f"{{when: {{operation: {operation}}}, faults: [{fault}]}}"
      for operation in ("GetCACaps", "GetCACert", "PKIOperation")
      for fault in ("{delay: 5s}", "{delay: 40s}", "reset", "{reset: {after: 100}}", "stall", "{truncate: {after: 200}}")),
    *(f"{{when: {{operation: PKIOperation}}, faults: [{fault}], times: 2}}"
      for fault in ("success-wrong-key", "nonce-mismatch", "transactionid-mismatch", "bad-signature", "garbage-body",
                    "{certrep-http-status: 400}", "{delay: 40s}", "reset", "{truncate: {after: 200}}")),
)  # fmt: skip


def rules_of(text: str) -> tuple:
    """A script of one rule, or of none."""
    return tuple(replace(rule, optional=True) for rule in script_of(f"[{text}]"))


SCRIPTS = tuple(map(rules_of, ("", *ANSWERS)))


class SerialStorage:
    """In memory, but in the bytes of a file, so that nothing is shared and everything is JSON."""

    def __init__(self) -> None:
        self.octets: bytes | None = None

    def commit(self, state) -> None:
        self.octets = encode_state(state)

    def load(self):
        return None if self.octets is None else decode_state(self.octets)


class PrinterMachine(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        model=st.sampled_from(["canon-ir-adv-dx", "canon-small-office", "canon-small-office"]),
        flips=st.lists(
            st.sampled_from([(a, r) for a, (_, readings) in READINGS.items() for r in list(readings)[1:]]), max_size=2
        ),
        ra=st.sampled_from(["none", "split"]),
        limit=st.sampled_from([2, 3, 3, 5, 8]),
    )
    def set_up(self, model: str, flips: list[tuple[str, str]], ra: Literal["none", "split"], limit: int) -> None:
        readings = [f"{assumption}={reading}" for assumption, reading in flips]
        bench = Bench(ra=ra, model=model, flips=readings, values={"key_limit": limit})
        self.clock, self.scheduler, self.network, self.ca = bench.clock, bench.scheduler, bench.network, bench.ca
        self.profile, entropy = bench.model, bench.entropy
        self.exported: bytes | None = None
        self.printer, self.storage = self.make_printer(OURS, entropy, entropy.fork("keys"))
        self.neighbour, self.elsewhere = self.make_printer(
            "192.0.2.11", entropy.fork("neighbour"), entropy.fork("more")
        )

    def make_printer(self, ip: str, entropy: Entropy, keys: Entropy) -> tuple[Printer, WatchedStorage]:
        """One that is on, with the CA's address."""
        points = PowerPoints()
        storage = WatchedStorage(SerialStorage(), points)
        printer = Printer(
            self.profile,
            Outside(
                scheduler=self.scheduler,
                wire=InProcess(self.scheduler, self.ca.handle, network=self.network, client=ip),
                entropy=entropy.fork("printer"),
                keys=PooledKeys(keys, side=0),
                recorder=Recorder(self.scheduler.clock),
                storage=storage,
                points=points,
            ),
            Factory(ip=ip, functions=("TLS",), policies=("hq", "branch")),
            Listeners(self.ca.ledger.report_installed, self.ca.ledger.report_abandoned),
        )
        printer.power_on()
        printer.update_communication(url=URLS[0])
        return printer, storage

    # --- doing --------------------------------------------------------------------------------------------

    @property
    def asked(self) -> int:
        return sum(entry.client == OURS for entry in self.ca.journal.entries)

    def do(self, action: Callable[[], object], *, sends: bool = False) -> None:
        """What a person does: when it is refused, nothing was sent and nothing has changed."""
        printer, asked, kept = self.printer, self.asked, self.storage.kept
        shown = (printer.status(), printer.key_list(), printer.functions_in_use()) if printer.powered else None
        refused = None
        try:
            action()
        except PowerLost:
            return
        except Refused as refusal:
            refused = refusal.reason
        if refused is not None:
            assert self.asked == asked, f"something was sent, although it was refused: {refused}"
            # The audit log tells of a refused import, and with it goes how far the inquiry under way has come.
            untouched = {name: value for name, value in (self.storage.kept or {}).items() if name != "audit"}
            if kept["request"] is not None and untouched["request"] is not None:
                del untouched["request"]
            changed = [name for name, value in untouched.items() if value != kept[name]]
            assert changed == [], f"something was stored, although it was refused: {refused}"
            if shown is not None:
                now = (printer.status(), printer.key_list(), printer.functions_in_use())
                assert now == shown, f"something has changed, although it was refused: {refused}"
            return
        if not sends:
            assert self.asked == asked, "something was sent by what sends nothing"

    def pass_time(self, span: timedelta) -> None:
        self.scheduler.run_until(self.clock.now() + span)

    def await_power(self) -> None:
        """Mostly people come when the machine is on; what they do with one that is off is a rule of its own."""
        if not self.printer.powered:
            self.pass_time(timedelta(minutes=11))
            self.printer.power_on()

    def situation(self, well: bool, script: int) -> None:
        self.ca.script.replace(() if well else SCRIPTS[script])
        self.network.state = "up" if well else self.network.state

    # --- people -------------------------------------------------------------------------------------------

    @rule(url=st.sampled_from(URLS), role=st.sampled_from([ROLES[0], ROLES[0], ROLES[3]]))
    def communication(self, url: str, role: str) -> None:
        self.await_power()
        self.do(lambda: self.printer.update_communication(url=url, role=role))

    @rule(key=keys, well=st.booleans(), script=st.sampled_from(range(len(SCRIPTS))), wait=st.booleans())
    def manual(self, key: KeySettings, well: bool, script: int, wait: bool) -> None:
        self.await_power()
        self.situation(well, script)
        locked = self.printer.powered and (
            self.printer.auto_request.timer
            or self.printer.transfer is not None
            or any(row.state == "processing" for row in self.printer.status())
        )
        asked = self.asked
        send = self.printer.send_request if wait else self.printer.begin_request
        self.do(lambda: send(key), sends=True)
        assert not locked or self.asked == asked, (
            "a manual request was sent while the timer, a transfer or a request was on"
        )

    @rule(
        key=keys,
        wait=st.sampled_from([0, 1, 1, 30, 24 * 60]),
        passes=st.sampled_from([2, 2, 40, 0]),
        polling=pollings,
        every=st.sampled_from([None, 1, 1, 30]),
        flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        well=st.booleans(),
        script=st.sampled_from(range(len(SCRIPTS))),
    )
    def timer_on(self, key, wait, passes, polling, every, flags, well, script) -> None:
        self.await_power()
        self.situation(well, script)
        start = local_of(self.printer.clock.now() + timedelta(minutes=wait), self.printer.zone)
        adjust, restart, delete_old = flags
        self.do(
            lambda: self.printer.update_auto_request(
                AutoRequestSettings(True, start, key, adjust, polling, every, restart, delete_old)
            )
        )
        self.pass_time(timedelta(minutes=passes))

    @rule()
    def timer_off(self) -> None:
        self.await_power()
        self.do(lambda: self.printer.update_auto_request(AutoRequestSettings(timer=False)))

    @precondition(lambda self: len(self.printer.key_list()) > 1)
    @rule(place=st.integers(0, 7))
    def delete_key(self, place: int) -> None:
        self.await_power()
        entries = self.printer.key_list()
        if not entries:
            return
        entry = entries[-1 - place % len(entries)]
        running = self.printer.functions_in_use()
        used_by = entry.use if entry.policy is None else f"{entry.use}/{entry.policy}"
        self.do(lambda: self.printer.delete_key(entry.name, key_id=entry.id))
        if not self.printer.powered:
            return
        gone = entry.id not in {key.id for key in self.printer.key_list()}
        assert not (gone and entry.default), "the default key was deleted"
        in_use = entry.assigned and entry.use in self.printer.functions and used_by in running
        assert not (gone and in_use), "a key in use was deleted"

    @rule(use=st.sampled_from(["TLS", "IEEE 802.1X", "IPSec", "SIP"]), on=st.booleans())
    def function(self, use: str, on: bool) -> None:
        self.await_power()
        self.do(lambda: self.printer.set_function(use, on))

    @rule(skew=st.sampled_from([None, timedelta(minutes=-5), timedelta(days=-400), timedelta(hours=3)]))
    def clock_set(self, skew: timedelta | None) -> None:
        with suppress(PowerLost):
            self.printer.set_clock(None if skew is None else self.clock.now() + skew)

    @precondition(lambda self: self.printer.powered)
    @rule()
    def restart(self) -> None:
        self.do(self.printer.restart)

    @rule()
    def export(self) -> None:
        self.await_power()
        self.do(lambda: self.printer.begin_export(PASSWORD))
        if self.printer.transfer is not None:
            self.pass_time(timedelta(seconds=self.profile.transfer_seconds))
            self.exported = self.printer.exported or self.exported

    @precondition(lambda self: self.exported is not None)
    @rule(damage=st.sampled_from([None, None, "cut", "password"]), wait=st.booleans())
    def import_bundle(self, damage: str | None, wait: bool) -> None:
        self.await_power()
        assert self.exported is not None
        octets = self.exported[:50] if damage == "cut" else self.exported
        self.do(lambda: self.printer.begin_import(octets, "other" if damage == "password" else PASSWORD))
        if wait and self.printer.transfer is not None:
            self.pass_time(timedelta(seconds=self.profile.transfer_seconds))

    # --- the world ----------------------------------------------------------------------------------------

    @rule(
        span=st.sampled_from(
            [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=11), timedelta(hours=1), timedelta(days=1)]
        )
    )
    def time(self, span: timedelta) -> None:
        self.pass_time(span)

    @rule(seconds=st.sampled_from([0.0, 0.25, 3.0, 5.0, 29.75, 35.0]))
    def moment(self, seconds: float) -> None:
        """Time stops in the middle of an exchange, perhaps."""
        self.pass_time(timedelta(seconds=seconds))

    @rule(key=keys)
    def neighbour_asks(self, key: KeySettings) -> None:
        with suppress(Refused):  # it still waits for an answer
            self.neighbour.begin_request(replace(key, common_name="192.0.2.11"))

    @rule()
    def neighbour_is_restarted(self) -> None:
        with suppress(Refused):
            self.neighbour.restart()

    @rule(script=st.sampled_from(range(len(SCRIPTS))))
    def ca_answers(self, script: int) -> None:
        self.ca.script.replace(SCRIPTS[script])

    @rule()
    def all_is_well(self) -> None:
        self.ca.script.replace(())
        self.network.state = "up"

    @rule(state=st.sampled_from(["refused", "unreachable", "no-such-host", "silent"]), lasts=st.sampled_from([0, 15]))
    def outage(self, state, lasts: int) -> None:
        self.network.state = state
        if lasts:
            self.pass_time(timedelta(minutes=lasts))
            self.network.state = "up"

    # --- power --------------------------------------------------------------------------------------------

    @rule(off=st.sampled_from([1, 60, 3 * 24 * 3600]), cut=st.booleans())
    def power_is_off(self, off: int, cut: bool) -> None:
        """Switched off, or cut; somebody tries to operate the machine, and switches it on again."""
        if cut:
            self.printer.power_cut()
        with suppress(PowerLost):
            self.printer.power_off()
        assert not self.printer.powered
        self.printer.power_off()  # stays off, whatever had been on its way to start it
        before = self.storage.kept
        asked = self.asked
        self.do(lambda: self.printer.send_request(KeySettings("off", "192.0.2.10", challenge="s3cret")))
        self.pass_time(timedelta(seconds=off))
        assert self.asked == asked, "something was sent by a printer that is off"
        assert self.storage.kept == before, "something was stored by a printer that is off"
        self.printer.power_on()
        assert before is not None
        if self.printer.powered:
            self.survives(before)

    @rule(number=st.integers(1, 20), off=st.sampled_from([1.0, 600.0]))
    def power_will_fail(self, number: int, off: float) -> None:
        self.printer.points.off_seconds = off
        self.printer.points.arm_number(number)

    @rule(seconds=st.sampled_from([0.0, 2.5, 4.75, 5.0, 30.0]), off=st.sampled_from([1.0, 600.0]))
    def power_will_fail_at(self, seconds: float, off: float) -> None:
        self.scheduler.after(seconds, lambda: self.printer.power_cut(off), "power cut")

    @rule()
    def power_on(self) -> None:
        self.printer.power_on()

    def survives(self, stored) -> None:
        """What was committed is there after the start, the request under way too."""
        printer = self.printer
        assert [key.id for key in printer.key_list()] == [key["id"] for key in stored["keys"]], (
            "keys are not there after the start"
        )
        assert printer.key_list()[0].private.hex() == stored["keys"][0]["private"]
        if stored["request"] is not None:
            assert printer.status()[0].state == "processing", "the request in progress is gone after the start"

    # --- what holds ---------------------------------------------------------------------------------------

    @invariant()
    def sound(self) -> None:
        found = broken(self.printer) + broken(self.neighbour)
        assert not found, "; ".join(found)

    @invariant()
    def each_commit_in_order(self) -> None:
        found = [*self.storage.broken, *self.elsewhere.broken]
        assert not found, "; ".join(found)

    @invariant()
    def each_certificate_has_a_fate(self) -> None:
        ledger, states = self.ca.ledger, (self.storage.kept, self.elsewhere.kept)
        counts = ledger.counts
        assert counts["minted"] >= counts["installed"]
        assert counts["minted"] == counts["installed"] + counts["orphaned"], "certificates are counted wrongly"
        kept = [state[name] for state in states if state is not None for name in ("request", "kept")]
        requests = [request for request in kept if request and request["transaction"]]
        under_way = {request["enrolment"]["transaction_id"] for request in requests}
        for entry in ledger.entries:
            assert entry.explained or entry.transaction_id in under_way, "an orphan has no cause"
            assert entry.installed == (entry.cause is None)

    @invariant()
    def what_is_shown_is_stored(self) -> None:
        """What a person can see of keys is committed: a power failure now takes none of it back."""
        if self.printer.powered:
            kept = self.storage.kept
            assert kept is not None
            assert [record_of(KeyEntry).write(key) for key in self.printer.key_list()] == list(kept["keys"]), (
                "keys are shown that are not stored"
            )

    def teardown(self) -> None:
        """Left alone with a CA that is well, the machine comes to rest, and still everything holds."""
        if not hasattr(self, "printer") or sys.exc_info()[0] is not None:
            return  # what went wrong first is what is told
        self.all_is_well()
        self.printer.power_on()
        self.pass_time(timedelta(hours=8))
        for check in (self.sound, self.each_commit_in_order, self.each_certificate_has_a_fate):
            check()
