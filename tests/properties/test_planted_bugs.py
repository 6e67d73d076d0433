"""Slips that somebody could make, each found by the state machine by the rule that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from printer_machine import PrinterMachine

from mfp_sim.device.current_request import Requests
from mfp_sim.device.keystore import KeyStore
from mfp_sim.device.machine import Machine
from mfp_sim.device.printer import Printer
from mfp_sim.device.request import CertificateRequest
from mock_scep_server.ledger import Ledger

Patch = Callable[[object, str, object], None]


def old_key_goes_before_the_new_one_is_stored(patch: Patch) -> None:
    begin = Requests._begin

    def slip(self, key, method):
        state = self._machine.state
        if method == "automatic" and state.auto.delete_old:
            gone = state.store.old_keys(key.destination)
            state.store = KeyStore(tuple(e for e in state.store.entries if e not in gone))
        begin(self, key, method)

    patch(Requests, "_begin", slip)


def limit_is_checked_for_what_is_there_now(patch: Patch) -> None:
    patch(
        KeyStore, "is_full_for", lambda self, destination, profile, *, delete_old: len(self.entries) > profile.key_limit
    )


def default_key_is_overwritten(patch: Patch) -> None:
    patch(
        KeyStore,
        "old_keys",
        lambda self, destination: tuple(
            e for e in self.entries if e.destination == destination and destination[0] != "None"
        ),
    )


def old_key_keeps_its_use(patch: Patch) -> None:
    patch(
        KeyStore,
        "register",
        lambda self, entry, *, delete_old: KeyStore((*self.entries, replace(entry, assigned=entry.use != "None"))),
    )


def pending_key_is_dropped_at_the_start(patch: Patch) -> None:
    restore = vars(CertificateRequest)["from_stored"].__func__

    def slip(cls, stored, around, entropy):
        request = restore(cls, stored, around, entropy)
        request._transaction = None
        return request

    patch(CertificateRequest, "from_stored", classmethod(slip))


def manual_request_is_not_locked_by_the_timer(patch: Patch) -> None:
    send = Printer.send_request

    def slip(self, key, **named):
        state = self.machine.state
        auto = state.auto
        state.auto = replace(auto, timer=False)
        try:
            return send(self, key, **named)
        finally:
            self.machine.state.auto = auto

    patch(Printer, "send_request", slip)


def orphans_that_were_never_delivered_do_not_count(patch: Patch) -> None:
    counts = vars(Ledger)["counts"].fget
    patch(
        Ledger,
        "counts",
        property(lambda self: (c := counts(self)) | {"orphaned": max(c["delivered"] - c["installed"], 0)}),
    )


def nobody_says_why_a_request_was_given_up(patch: Patch) -> None:
    patch(Ledger, "report_abandoned", lambda self, transaction_id, why: None)
    record = Ledger.record_sending
    patch(
        Ledger,
        "record_sending",
        lambda self, certificate, *, whole, how, fate: record(self, certificate, whole=whole, how="HTTP 200"),
    )


def deleted_key_is_not_committed(patch: Patch) -> None:
    commit = Machine.commit
    patch(Machine, "commit", lambda self, what, *rest: None if what == "key-deleted" else commit(self, what, *rest))


def request_ends_without_a_row(patch: Patch) -> None:
    finish = Requests._finish

    def slip(self, request, ended):
        if ended.registration is not None:
            return finish(self, request, ended)
        self.current = None
        return self._machine.commit("request-ended")

    patch(Requests, "_finish", slip)


BUGS: dict[Callable[[Patch], None], str] = {
    old_key_goes_before_the_new_one_is_stored: "is gone, but no new key has its use",
    limit_is_checked_for_what_is_there_now: "keys, the limit is",
    default_key_is_overwritten: "Default Key",
    old_key_keeps_its_use: "keys for the use location",
    pending_key_is_dropped_at_the_start: "the key of a request in progress is gone",
    manual_request_is_not_locked_by_the_timer: "a manual request was sent while the timer",
    orphans_that_were_never_delivered_do_not_count: "certificates are counted wrongly",
    nobody_says_why_a_request_was_given_up: "an orphan has no cause",
    deleted_key_is_not_committed: "keys are shown that are not stored",
    request_ends_without_a_row: "is gone without a row in the status",
}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_the_machine_finds(bug: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    class Planted(PrinterMachine):
        pass

    bug(monkeypatch.setattr)
    hypothesis.seed(1)(Planted)
    with pytest.raises(AssertionError, match=BUGS[bug]):
        run_state_machine_as_test(
            Planted,
            settings=settings(
                max_examples=400,  # one in eight seeds needs more than a hundred; Hypothesis draws by what is imported
                stateful_step_count=50,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # the first failure will do, the shortest takes long
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
