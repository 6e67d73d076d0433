"""The printer's current request: how it begins, polls and ends.

`mfp_sim.device.request` decides what a request sends. This module registers the certificate, adds the status row,
commits, and then plans the next date or restarts the printer.
Serves MFP-REQ-08…10, MFP-AUTO-*, MFP-RESTART-*, MFP-HIST-01, A-23, A-41.
"""

from __future__ import annotations

from datetime import datetime

from mfp_sim.device.configuration import Configuration
from mfp_sim.device.inquiry import Inquiry
from mfp_sim.device.keyring import Keyring
from mfp_sim.device.machine import Machine, Part
from mfp_sim.device.outside import Listeners, Outside
from mfp_sim.device.plan import Plan
from mfp_sim.device.request import CertificateRequest, Ended, Surroundings
from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.device.state import StoredRequest, unusable
from mfp_sim.device.status import Detail, StatusRow
from mfp_sim.events import ExchangeCut, StatusRowAdded
from mfp_sim.shared.errors import DecodeError, Refused
from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["Requests"]


class Requests(Part):
    """The requests of ``machine``, one at a time."""

    def __init__(
        self,
        machine: Machine,
        configuration: Configuration,
        keyring: Keyring,
        plan: Plan,
        outside: Outside,
        listeners: Listeners,
    ) -> None:
        self._machine, self._configuration, self._keyring, self._plan = machine, configuration, keyring, plan
        self.outside, self.listeners = outside, listeners
        self.current: CertificateRequest | None = None
        """The request in progress."""
        self._inquiry: Inquiry[Ended | None] | None = None

    # --- across a restart ---------------------------------------------------------------------------------

    def forget(self) -> None:
        inquiry, self._inquiry = self._inquiry, None
        if inquiry is not None and (operation := inquiry.cut()) is not None:
            self._machine.recorder.record(ExchangeCut(operation=operation))
        self.current = None

    def wake(self, *, first: bool) -> None:
        self.take_up()
        if not first:
            for key in self._machine.state.store.entries:
                self.listeners.installed(key.certificate)  # power may have failed between the commit and this call

    def revert(self) -> None:
        self.forget()
        self.take_up()

    def take_up(self) -> None:
        """Continue the request that is stored in the state."""
        stored = self._machine.state.request
        self.current = None if stored is None else self._restored(stored)

    def save(self) -> None:
        self._machine.state.request = self.current.stored() if self.current else None

    def rebook(self, not_before: datetime) -> None:
        self._machine.cancel("poll")
        if self.current is not None and self._inquiry is None:
            self._machine.book(
                max(self.current.next_poll or self._machine.clock.now(), not_before), self._inquire, "poll"
            )

    # --- how a request begins -----------------------------------------------------------------------------------

    def begin_manual(self, key: KeySettings) -> None:
        """[Send Request]. ``key`` is not kept as settings (MFP-REQ-09)."""
        if self._machine.state.auto.timer:
            raise Refused("timer-on", "the timer is on; a manual request cannot be sent")
        if self.current is not None:
            raise Refused("busy", "another request is being processed")
        self._configuration.needed()
        self._configuration.validate(key)
        self._configuration.advise(key)
        self._begin(key, "manual")

    def begin_automatic(self) -> None:
        """Begin the automatic request at its planned date."""
        machine, key = self._machine, self._machine.state.auto.key
        assert key is not None  # the timer is on only with a key and communication settings
        if self.current is None:
            machine.state.due = None
            self._begin(key, "automatic")
        elif machine.profile.start_while_busy == "after":
            machine.log("request waits", "OK", "another request is being processed")
        else:
            assert machine.state.due is not None
            text = "another request is being processed"
            self._add_row(StatusRow.of("error", machine.state.due, Detail("scep-error"), key.name, "automatic"), text)
            machine.note("request skipped", "NG", text)
            self._plan.skip()
            machine.commit("request-ended")

    def _begin(self, key: KeySettings, method: str) -> None:
        state = self._machine.state
        self._machine.note("request sent", "OK", f"{method} request for {key.common_name}")
        state.requests += 1
        auto = state.auto if method == "automatic" else AutoRequestSettings(timer=False)
        kept, state.kept = state.kept, None
        if kept is not None and kept.settings == key:
            self.current = self._restored(kept)
            self.current.begin_again(method=method, polling=auto.polling, delete_old=auto.delete_old)
        else:
            self.current = CertificateRequest(
                self._around,
                settings=key,
                method=method,
                communication=self._configuration.needed(),
                polling=auto.polling,
                delete_old=auto.delete_old,
                entropy=self._machine.entropy.fork(f"request{state.requests}"),
            )
        self._inquire()

    @property
    def _around(self) -> Surroundings:
        machine = self._machine
        return Surroundings(
            machine.profile,
            machine.clock,
            self.outside.keys,
            machine.recorder,
            machine.points,
            self.listeners.abandoned,
        )

    def _restored(self, stored: StoredRequest) -> CertificateRequest:
        entropy = self._machine.stream("resumed")
        try:
            return CertificateRequest.from_stored(stored, self._around, entropy)
        except (ValueError, DecodeError) as error:
            raise unusable(type(error).__name__) from None

    # --- how a request continues and ends -------------------------------------------------------------------------

    def _inquire(self) -> None:
        """Begin an inquiry. Key and transaction are committed before anything is sent."""
        request = self.current
        if request is None:
            return
        ended = request.prepare(self._machine.state.store)
        if ended is not None:
            self._finish(request, ended)
            return
        self._machine.commit("inquiry")
        story, event = request.inquire(), self._machine.as_an_event
        self._inquiry = Inquiry(story, self.outside.wire, event, lambda ended: self._inquired(request, ended))
        self._inquiry.begin()

    def _inquired(self, request: CertificateRequest, ended: Ended | None) -> None:
        """Handle the end of an inquiry: book the next one, or end the request."""
        self._inquiry = None
        if ended is None:
            assert request.next_poll is not None
            self._machine.commit("poll-booked")
            self._machine.book(request.next_poll, self._inquire, "poll")
            return
        self._finish(request, ended)

    def _finish(self, request: CertificateRequest, ended: Ended) -> None:
        """Register, add the row, plan the next date, commit all of it at once, and restart if the settings say so."""
        machine, automatic = self._machine, request.method == "automatic"
        for finding in request.findings:
            machine.note("finding", "OK", finding)
        installed = None
        if ended.registration is not None:
            refusal = self._keyring.register(ended.registration, request)
            ended, installed = (refusal, None) if refusal else (ended, ended.registration.certificate)
        state, time = ("successful", machine.clock.now()) if installed else ("error", request.started)
        if installed is None:
            machine.note("request failed", "NG", ended.diagnosis)
        elif machine.profile.successful_shows == "not-before":
            time = installed.not_before
        self.current = None
        machine.state.kept = request.stored() if ended.keep else None
        row = StatusRow.of(state, time, ended.detail, request.settings.name, request.method)
        self._add_row(row, ended.diagnosis, request.transaction_id)
        self._plan.ended(installed, automatic=automatic)
        machine.commit("request-ended", lambda: self._tell_of(request, ended, installed))
        if ended.unforeseen is not None:
            self.listeners.unforeseen(ended.unforeseen)
        if installed is not None and automatic and machine.state.auto.restart:
            machine.restart("restart by SCEP")

    def _add_row(self, row: StatusRow, diagnosis: str, transaction: str | None = None) -> None:
        state = self._machine.state
        state.history = (*state.history, row)[-self._machine.profile.history :]
        self._machine.recorder.record(
            StatusRowAdded(
                state=row.state,
                details=row.details.slug if row.details else None,
                shown=row.time.isoformat(),
                diagnosis=diagnosis,
                key=row.key_name,
                transaction=transaction,
            )
        )

    def _tell_of(self, request: CertificateRequest, ended: Ended, installed: Certificate | None) -> None:
        """Report the outcome of a request, which is already stored."""
        if installed is not None:
            self.listeners.installed(installed)
        elif request.transaction_id is not None:
            self.listeners.abandoned(request.transaction_id, ended.diagnosis)

    # --- what is shown ------------------------------------------------------------------------------------

    def status(self) -> tuple[StatusRow, ...]:
        """The status rows: the request in progress or planned, then the others, newest first."""
        current, state = [], self._machine.state
        if (request := self.current) is not None:
            current = [StatusRow.of("processing", request.started, None, request.settings.name, request.method)]
        elif (shown := self._plan.next_request) is not None:
            name = state.auto.key.name if state.auto.key else ""
            current = [StatusRow.of("to-be-processed", shown, None, name, "automatic")]
        return (*current, *reversed(state.history))
