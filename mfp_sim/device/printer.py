"""The printer: a machine with settings, a key store, requests, a plan for them, and transfers of settings.

All public methods raise :class:`~mfp_sim.errors.Refused` and change nothing when the machine would not do it.
Serves MFP-COMM-04, MFP-REQ-08…10, MFP-AUTO-*, MFP-PERIOD-*, MFP-RESTART-*, MFP-BUNDLE-*.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mfp_sim.device import persistence
from mfp_sim.device.bundle import CATEGORIES, CATEGORY, Bundle, check_password, open_bundle, seal_bundle
from mfp_sim.device.calendar import following_start, instant_of, local_of, next_start
from mfp_sim.device.inquiry import Inquiry
from mfp_sim.device.keystore import KeyEntry, factory_key
from mfp_sim.device.machine import ADMINISTRATOR, Machine
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.profile import Profile
from mfp_sim.device.purposes import misfit
from mfp_sim.device.request import CertificateRequest, Ended, Registration, Surroundings
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, advice_on, read_ip
from mfp_sim.device.state import DeviceState, unusable
from mfp_sim.device.status import Detail, StatusRow
from mfp_sim.device.storage import MemoryStorage, Storage
from mfp_sim.device.transfer import ImportPlan, Transfer, plan_import
from mfp_sim.errors import DecodeError, Refused, UsageError
from mfp_sim.scep.certificate import Certificate
from mfp_sim.simtime import Entropy, KeySource, Scheduler
from mfp_sim.trace import Recorder
from mfp_sim.transport import Wire

__all__ = ["SCREENS", "Printer"]

SCREENS: Final = (
    "Communication Settings",
    "Certificate Issuance Request",
    "Settings for Certificate Issuance Auto Request",
    "Certificate Issuance Request Status",
    "Key and Certificate List",
    "Import/Export",
)


class Printer(Machine):
    """A simulated multifunction printer.

    Args:
        profile: the model.
        scheduler: books what happens later; its clock is the true time.
        wire: where exchanges begin.
        entropy, keys: chance and key pairs.
        storage: what survives a restart.
        timezone: an IANA name; the printer's wall clock.
        ip: the printer's address, which the CA sees, fresh from the factory.
        dns: whether a DNS server is configured, fresh from the factory.
        functions: those that are switched on, fresh from the factory, by use location (``TLS``, ``IEEE 802.1X`` …).
        policies: the names of the IPSec policies, no more than the model has room for (A-11).
        serial: the machine's serial number, which a bundle names.
        recorder: where events are recorded.
        on_installed: told of each certificate that is registered, once that is committed; of all again at each start.
        on_abandoned: told of each transactionID that is given up, and why.
        on_unforeseen: told of an exception that ended a request, once that is committed; it may raise it.
        points: where power may fail.

    Raises:
        UsageError: more IPSec policies than the model has.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        scheduler: Scheduler,
        wire: Wire,
        entropy: Entropy,
        keys: KeySource,
        storage: Storage | None = None,
        timezone: str = "Europe/Oslo",
        ip: str = "192.0.2.10",
        dns: bool = False,
        functions: Iterable[str] = (),
        policies: Iterable[str] = (),
        serial: str = "SIM00001",
        recorder: Recorder | None = None,
        on_installed: Callable[[Certificate], None] | None = None,
        on_abandoned: Callable[[str, str], None] | None = None,
        on_unforeseen: Callable[[Exception], None] | None = None,
        points: PowerPoints | None = None,
    ) -> None:
        self.serial, self.policies = serial, tuple(policies)
        if len(self.policies) > profile.policy_limit:
            text = f"{profile.name} has no more than {profile.policy_limit} IPSec policies, not {len(self.policies)}"
            raise UsageError(text, remedy="leave some out, or set policy_limit")
        self.zone = ZoneInfo(timezone)
        self._factory = (frozenset(functions), dns)
        self._first_ip = ip
        self._entropy, self._forks = entropy, 0
        self._inquiry: Inquiry[Ended | None] | None = None
        self._on_installed = on_installed or (lambda _: None)
        recorder, points = recorder or Recorder(scheduler.clock), points or PowerPoints()
        super().__init__(profile, scheduler, storage or MemoryStorage(), recorder, points)
        abandon = on_abandoned or (lambda *_: None)
        tell = on_unforeseen or _raise
        self._around = Surroundings(profile, self.clock, keys, wire, recorder, points, abandon, tell)
        self.exported: bytes | None = None
        self.import_report: tuple[str, ...] = ()
        self.advice: tuple[str, ...] = ()
        """Help texts that applied to the key entered last (MFP-REQ-04)."""

    # --- as a machine -------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._cut()
        self._state = DeviceState(functions=self._factory[0], dns=self._factory[1])
        self._request: CertificateRequest | None = None
        self._loaded: dict[tuple[str, str | None], KeyEntry] = {}
        self._kept_keys: dict[tuple[str, str | None], KeyEntry] = {}
        self._transfer: Transfer | None = None

    def _wake(self, stored: Mapping[str, object] | None) -> None:
        """Functions load their keys, a request under way goes on."""
        if stored is None:
            entry = factory_key(self.profile, self._around.keys, self.clock.now(), self._take_id())
            self._state.store = self._state.store.register(entry, delete_old=False)
        else:
            self._state = DeviceState.from_stored(stored)
            if self._state.request is not None:
                self._request = self._restored(self._state.request)
            for key in self._state.store.entries:
                self._on_installed(key.certificate)  # the power may have failed between the commit and the word of it
        self._load_keys(self._state.functions)

    def _cut(self) -> None:
        """Break off the inquiry that is under way."""
        inquiry, self._inquiry = self._inquiry, None
        if inquiry is not None and (operation := inquiry.cut()) is not None:
            self._recorder.record("exchange.cut", operation=operation)

    def _revert(self, stored: Mapping[str, object]) -> None:
        self._cut()
        self._state, self._request, self._transfer = DeviceState.from_stored(stored), None, None
        if self._state.request is not None:
            self._request = self._restored(self._state.request)
        self._loaded = dict(self._kept_keys)

    def _committed(self, state: Mapping[str, object]) -> None:
        super()._committed(state)
        self._kept_keys = dict(self._loaded)

    def _rebook(self, not_before: datetime | None = None) -> None:
        self._cancel("poll", "automatic request")
        earliest = not_before or datetime.min.replace(tzinfo=UTC)
        if self._request is not None and self._inquiry is None:
            self._book(max(self._request.next_poll or self.clock.now(), earliest), self._inquire, "poll")
        if self._state.due is not None:
            self._book(max(self._state.due, earliest), self._run_automatic, "automatic request")

    def _break_off(self) -> None:
        if self._transfer is not None:
            kept = "what had been applied stays" if self.profile.import_cut == "partial" else "nothing was changed"
            self._note(f"{self._transfer.kind} of settings", "NG", f"cut off by switching off or a restart; {kept}")

    def _refuse_while_busy(self) -> None:
        if self._transfer is not None:
            text = f"an {self._transfer.kind} of settings is running"
            raise Refused("import-export-running", text, remedy="wait until it has ended")

    def _to_store(self) -> Mapping[str, object]:
        self._state.request = self._request.stored() if self._request else None
        return self._state.stored()

    def _load_keys(self, functions: Iterable[str]) -> None:
        wanted = set(functions)
        self._loaded |= {e.destination: e for e in self._state.store.assigned() if e.use in wanted}

    def _take_id(self) -> int:
        self._state.next_id += 1
        return self._state.next_id - 1

    def at_rest(self) -> Printer:
        """The machine as its storage has it, to look at while it is off; no function is running.

        Raises:
            UsageError: the stored state is not usable.
        """
        other = copy.copy(self)
        other._forget()
        stored = self._storage.load()
        if stored is not None:
            other._state = DeviceState.from_stored(stored)
        if other._state.request is not None:
            other._request = other._restored(other._state.request)
        return other

    # --- settings -----------------------------------------------------------------------------------------

    @property
    def communication(self) -> CommunicationSettings | None:
        """[Communication Settings] as stored."""
        return self._state.communication

    @property
    def auto_request(self) -> AutoRequestSettings:
        """[Settings for Certificate Issuance Auto Request] as stored."""
        return self._state.auto

    @property
    def functions(self) -> frozenset[str]:
        """The functions that are switched on."""
        return self._state.functions

    @property
    def dns(self) -> bool:
        """Whether a DNS server is configured."""
        return self._state.dns

    @property
    def ip(self) -> str:
        """The printer's address, which the CA sees."""
        return self._state.ip or self._first_ip

    def update_communication(
        self, *, url: str, port: int = 80, timeout: int | None = None, role: str = ADMINISTRATOR
    ) -> None:
        """[Update] on the communication settings; ``timeout`` in seconds (MFP-COMM-04, MFP-COMM-05)."""
        with self._work(role):
            if self._state.auto.timer:
                raise Refused("timer-on", "the timer is on; the communication settings cannot be updated")
            settings = CommunicationSettings(url, port, self.profile.default_timeout if timeout is None else timeout)
            settings.validate(self.profile)
            self._state.communication = settings
            self._note("SCEP settings changed", "OK")
            self._commit("settings")

    def update_auto_request(self, settings: AutoRequestSettings, *, role: str = ADMINISTRATOR) -> None:
        """[Update] on the automatic request: stores it and plans the request (MFP-AUTO-05)."""
        with self._work(role):
            settings.validate(self.profile, dns=self.dns, policies=self.policies)
            if settings.timer:
                if self._state.communication is None:
                    raise Refused("no-communication-settings", "set URL, port and time-out of the SCEP server first")
                assert settings.start is not None
                if instant_of(settings.start, self.zone) < self.clock.now():
                    raise Refused("start-in-the-past", "the request start date/time has passed")
            self._state.auto = settings
            self._plan(settings.start if settings.timer else None)
            self._note("SCEP settings changed", "OK")
            self._warn_of_name(settings.key)
            self._commit("settings")

    def set_dns(self, dns: bool, *, role: str = ADMINISTRATOR) -> None:
        """Configure or remove the DNS server."""
        with self._work(role):
            self._state.dns = dns
            self._commit("settings")

    def set_ip(self, ip: str, *, role: str = ADMINISTRATOR) -> None:
        """Give the printer another IPv4 or IPv6 address; the CA sees it from the next request on."""
        with self._work(role):
            try:
                self._state.ip = read_ip(ip)
            except ValueError:
                raise Refused("bad-ip", f"{ip[:60]!r} is not an address that a machine can have",
                              remedy="an IPv4 or IPv6 address, such as 192.0.2.11") from None  # fmt: skip
            self._note("settings changed", "OK", f"IP address {self._state.ip}")
            self._commit("settings")

    def set_function(self, use: str, on: bool, *, role: str = ADMINISTRATOR) -> None:
        """Switch a function on, with the key that its use location has, or off. No request ever does (MFP-REQ-07)."""
        with self._work(role):
            if use not in self.profile.uses[1:]:
                raise Refused("no-such-function", f"this model has no function {use!r}")
            functions = self._state.functions
            self._state.functions = functions | {use} if on else functions - {use}
            self._loaded = {where: entry for where, entry in self._loaded.items() if where[0] != use}
            if on:
                self._load_keys({use})
            self._note("settings changed", "OK", f"{use} {'on' if on else 'off'}")
            self._commit("settings")

    # --- requests -----------------------------------------------------------------------------------------

    def send_request(self, key: KeySettings, *, role: str = ADMINISTRATOR) -> StatusRow:
        """[Send Request], and time passes until the request has ended.

        Raises:
            Refused: as :meth:`begin_request`, or the machine lost its power or was switched off meanwhile.
        """
        self.begin_request(key, role=role)
        request = self._request
        while request is not None and self._request is request:
            if not self._scheduler.run_next():
                raise RuntimeError("a request is processed, and nothing is booked that could end it")
        if not self.powered:
            raise self._lost or Refused("powered-off", "the machine was switched off meanwhile")
        return self._state.history[-1]

    def begin_request(self, key: KeySettings, *, role: str = ADMINISTRATOR) -> None:
        """[Send Request]: the manual request is under way. Nothing of ``key`` is kept as settings (MFP-REQ-09)."""
        with self._work(role):
            if self._state.auto.timer:
                raise Refused("timer-on", "the timer is on; a manual request cannot be sent")
            if self._request is not None:
                raise Refused("busy", "another request is being processed")
            if self._state.communication is None:
                raise Refused("no-communication-settings", "set URL, port and time-out of the SCEP server first")
            key.validate(self.profile, dns=self.dns, policies=self.policies)
            self._warn_of_name(key)
            self._begin(key, "manual")

    def _warn_of_name(self, key: KeySettings | None) -> None:
        self.advice = () if key is None else advice_on(key, self.ip)
        if key is not None and key.needs_dns and not self.dns:
            self._note("warning", "OK", "the common name is an FQDN and there is no DNS server")

    def _run_automatic(self) -> None:
        state, key = self._state, self._state.auto.key
        assert key is not None  # the timer is not on without one, nor without communication settings
        if self._request is None:
            state.due = None
            self._begin(key, "automatic")
        elif self.profile.start_while_busy == "after":
            self._log("request waits", "OK", "another request is being processed")
        else:
            assert state.due is not None
            text = "another request is being processed"
            self._add_row(StatusRow("error", state.due, Detail("scep-error"), key.name, "automatic"), text)
            self._note("request skipped", "NG", text)
            self._plan(self._following(None))
            self._commit("request-ended")

    def _begin(self, key: KeySettings, method: str) -> None:
        state = self._state
        assert state.communication is not None
        self._note("request sent", "OK", f"{method} request for {key.common_name}")
        state.requests += 1
        auto = state.auto if method == "automatic" else AutoRequestSettings(timer=False)
        kept, state.kept = state.kept, None
        if kept is not None and kept["settings"] == persistence.key(key):
            self._request = self._restored(kept)
            self._request.begin_again(method=method, polling=auto.polling, delete_old=auto.delete_old)
        else:
            self._request = CertificateRequest(
                self._around,
                settings=key,
                method=method,
                communication=state.communication,
                polling=auto.polling,
                delete_old=auto.delete_old,
                entropy=self._entropy.fork(f"request{state.requests}"),
            )
        self._inquire()

    def _restored(self, stored: Mapping[str, object]) -> CertificateRequest:
        self._forks += 1
        try:
            return CertificateRequest.from_stored(stored, self._around, self._entropy.fork(f"resumed{self._forks}"))
        except (KeyError, TypeError, ValueError, DecodeError) as error:
            raise unusable(error) from None

    def _inquire(self) -> None:
        """One inquiry begins. Key and transaction are committed before anything is sent."""
        request = self._request
        if request is None:
            return
        ended = request.prepare(self._state.store)
        if ended is not None:
            self._finish(request, ended)
            return
        self._commit("inquiry")
        story, wire = request.inquire(), self._around.wire
        self._inquiry = Inquiry(story, wire, self._as_an_event, lambda ended: self._inquired(request, ended))
        self._inquiry.begin()

    def _inquired(self, request: CertificateRequest, ended: Ended | None) -> None:
        """What follows from an inquiry: the next one, or the end."""
        self._inquiry = None
        if ended is None:
            assert request.next_poll is not None
            self._commit("poll-booked")
            self._book(request.next_poll, self._inquire, "poll")
            return
        self._finish(request, ended)

    def _finish(self, request: CertificateRequest, ended: Ended) -> None:
        """Registration, row, next date, one commit of them all, and the automatic restart."""
        for finding in request.findings:
            self._note("finding", "OK", finding)
        installed = None
        if ended.registration is not None:
            refusal = self._register(ended.registration, request)
            ended, installed = (refusal, None) if refusal else (ended, ended.registration.certificate)
        state, time = ("successful", self.clock.now()) if installed else ("error", request.started)
        if installed is None:
            self._note("request failed", "NG", ended.diagnosis)
        elif self.profile.successful_shows == "not-before":
            time = installed.not_before
        self._request = None
        self._state.kept = request.stored() if ended.keep else None
        row = StatusRow(state, time, ended.detail, request.settings.name, request.method)
        self._add_row(row, ended.diagnosis, request.transaction_id)
        if self._state.due is not None and self._state.due <= self.clock.now():
            self._cancel("automatic request")
            self._book(self._state.due, self._run_automatic, "automatic request")  # it has waited for this end
        elif request.method == "automatic" and self._state.due is None:
            self._plan(self._following(installed))
        self._commit("request-ended", lambda: self._tell_of(request, ended, installed))
        if ended.unforeseen is not None:
            self._around.on_unforeseen(ended.unforeseen)
        if installed is not None and request.method == "automatic" and self._state.auto.restart:
            self._restart("restart by SCEP")

    def _add_row(self, row: StatusRow, diagnosis: str, transaction: str | None = None) -> None:
        self._state.history = (*self._state.history, row)[-self.profile.history :]
        self._recorder.record(
            "printer.status",
            state=row.state,
            details=row.details.slug if row.details else None,
            shown=row.time.isoformat(),
            diagnosis=diagnosis or None,
            key=row.key_name,
            transaction=transaction,
        )

    def _tell_of(self, request: CertificateRequest, ended: Ended, installed: Certificate | None) -> None:
        """Tell what became of a request: it is stored by now."""
        if installed is not None:
            self._on_installed(installed)
        elif request.transaction_id is not None:
            self._around.abandon(request.transaction_id, ended.diagnosis)

    def _register(self, registration: Registration, request: CertificateRequest) -> Ended | None:
        """Put key and certificate into the store; else why not: it is full by now (MFP-POLL-03), or F-K01."""
        settings, store, certificate = request.settings, self._state.store, registration.certificate
        if store.is_full_for(settings.destination, self.profile, delete_old=request.delete_old):
            return Ended(Detail("registration-limit"), "the store is full")
        if store.has_serial(certificate):
            text = f"duplicate-serial: a certificate of this CA with serial {certificate.serial:x} is there already"
            return Ended(Detail("scep-error"), text)
        if (unfit := misfit(certificate, settings.use)) is not None:
            if self.profile.unfit_usage == "refuse":
                return Ended(Detail("scep-error"), f"unfit-usage: {unfit}")
            self._note("finding", "OK", f"{settings.name}: {unfit}")
        entry = KeyEntry(
            id=self._take_id(),
            name=settings.name,
            use=settings.use,
            policy=settings.policy,
            certificate=certificate,
            created=self.clock.now(),
            private=registration.private,
        )
        self._state.store = store.register(entry, delete_old=request.delete_old)
        loaded = self._loaded.get(entry.destination)
        for old in store.entries:
            if old.id in self._state.store.ids:
                continue
            self._note("key deleted", "OK", f"{old.name} was overwritten")
            if self.profile.overwritten_in_use == "at-once" and loaded is not None and loaded.id == old.id:
                self._load_keys({entry.use})
        self._note("certificate registered", "OK", f"{settings.name}, serial {certificate.serial:x}")
        return None

    # --- the plan -----------------------------------------------------------------------------------------

    def _following(self, installed: Certificate | None) -> datetime | None:
        """The local start after a request that has ended: by the calendar, or by the certificate's expiry."""
        planned, days = self._state.planned, self._state.auto.every_days
        now, profile = self.clock.now(), self.profile
        if planned is None:  # as it is whenever the timer is off
            return None
        if profile.renewal_trigger != "calendar":
            if installed is not None and (instant := renewal_instant(installed, profile)) > now:
                return local_of(instant, self.zone)
            # Refused, or issued for less than that span: asking again at once would never end.
            return next_start(planned, profile.renewal_retry_days, self.zone, now, profile.period)
        return None if days is None else next_start(planned, days, self.zone, now, profile.period)

    def _plan(self, local: datetime | None) -> None:
        """Book the automatic request for a local time; the adjustment is drawn anew each time (A-15)."""
        self._cancel("automatic request")
        self._state.planned, self._state.due = local, None
        if local is None:
            return
        due = instant_of(local, self.zone)
        if self._state.auto.adjust:
            stream = self._entropy.fork(f"adjust/{local.isoformat()}")
            due += timedelta(seconds=stream.integer(*self.profile.adjustment_range))
        self._state.due = due
        self._book(due, self._run_automatic, "automatic request")

    # --- batch export and import --------------------------------------------------------------------------

    @property
    def transfer(self) -> Transfer | None:
        """The export or import that is running."""
        return self._transfer

    def begin_export(self, password: str, *, category: str = CATEGORY, role: str = ADMINISTRATOR) -> None:
        """Export the settings: the file is in ``exported`` once the time that it takes has passed (MFP-BUNDLE-01)."""
        with self._work(role):
            if not CATEGORIES.get(category):
                raise Refused("category-not-offered", f"the simulator does not offer {category!r}", remedy=CATEGORY)
            check_password(password)
            self.exported = None
            self._begin_transfer(Transfer("export", self._transfer_ends()), lambda: self._end_export(password))

    def begin_import(self, octets: bytes, password: str, *, role: str = ADMINISTRATOR) -> None:
        """Import settings; ``import_report`` says what was done once the time that it takes has passed.

        Raises:
            Refused: the bundle cannot be opened or its settings cannot be taken; nothing has changed.
        """
        with self._work(role):
            try:
                bundle = open_bundle(octets, password)
                plan = plan_import(bundle, self._state, self.profile, self.serial, self.policies)
            except Refused as refusal:
                self._log("import of settings", "NG", f"{refusal.reason}: {refusal.message}")
                raise
            self.import_report = ()
            if self.profile.import_cut == "partial":
                half = self.clock.now() + timedelta(seconds=self.profile.transfer_seconds / 2)
                self._book(half, lambda: self._apply_first(plan), "import")
            self._begin_transfer(Transfer("import", self._transfer_ends(), plan), lambda: self._end_import(plan))

    def _transfer_ends(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.profile.transfer_seconds)

    def _begin_transfer(self, transfer: Transfer, end: Callable[[], None]) -> None:
        self._transfer = transfer
        self._log(f"{transfer.kind} of settings", "OK", "begun")
        self._book(transfer.ends, end, transfer.kind)

    def _end_export(self, password: str) -> None:
        state, has_scep = self._state, self.profile.bundle_has_scep
        communication, auto = (state.communication, state.auto) if has_scep else (None, None)
        bundle = Bundle(self.profile.name, self.serial, state.dns, communication, auto)
        self._forks += 1
        sealed = seal_bundle(bundle, password, self._entropy.fork(f"bundle{self._forks}"))
        self._transfer = None
        self._log("export of settings", "OK", "done")
        self.exported = sealed

    def _apply_first(self, plan: ImportPlan) -> None:
        """The first half of an import that is not all or nothing (A-18)."""
        self._state.dns = plan.dns
        self._state.communication = plan.communication or self._state.communication
        self._commit("import")

    def _end_import(self, plan: ImportPlan) -> None:
        self._state.dns = plan.dns
        if plan.auto is not None:
            self._state.communication, self._state.auto = plan.communication, plan.auto
            start = plan.auto.start if plan.auto.timer else None
            by_expiry = self.profile.renewal_trigger != "calendar"  # no interval: it asks as it does after an error
            days = self.profile.renewal_retry_days if by_expiry else plan.auto.every_days
            self._plan(following_start(start, days, self.zone, self.clock.now(), self.profile.period))
        self._transfer = None
        self._note("import of settings", "OK", "; ".join(plan.report))
        self._commit("import")
        self.import_report = plan.report

    # --- what is shown ------------------------------------------------------------------------------------

    def open_screen(self, screen: str, *, role: str = ADMINISTRATOR) -> None:
        """Raise Refused unless somebody of that role may see the screen now, one of ``SCREENS`` (A-20)."""
        if screen not in SCREENS:
            raise UsageError(f"the machine has no screen {screen!r}", remedy=f"one of {', '.join(SCREENS)}")
        self._needs(role)

    def status(self) -> tuple[StatusRow, ...]:
        """[Certificate Issuance Request Status]: what goes on or is planned first, then the newest first."""
        current = []
        if (request := self._request) is not None:
            current = [StatusRow("processing", request.started, None, request.settings.name, request.method)]
        elif (shown := self.next_request) is not None:
            name = self._state.auto.key.name if self._state.auto.key else ""
            current = [StatusRow("to-be-processed", shown, None, name, "automatic")]
        return (*current, *reversed(self._state.history))

    @property
    def next_request(self) -> datetime | None:
        """[Next Request Date/Time] as an instant, or None when nothing is planned (A-33)."""
        if self._state.due is None or self._state.planned is None:
            return None
        nominal = self.profile.shown_time == "nominal"
        return instant_of(self._state.planned, self.zone) if nominal else self._state.due

    def key_list(self) -> tuple[KeyEntry, ...]:
        """The key and certificate list in the order of registration."""
        return self._state.store.entries

    def delete_key(self, name: str, *, key_id: int | None = None, role: str = ADMINISTRATOR) -> None:
        """Delete the newest key of that name by hand, or the one with that id."""
        with self._work(role):
            in_use = {entry.id: where[0] for where, entry in self._loaded.items()}
            in_use |= {entry.id: entry.use for entry in self._state.store.assigned() if entry.use in self.functions}
            self._state.store = self._state.store.delete(name, in_use, key_id=key_id)
            self._note("key deleted", "OK", name)
            self._commit("key-deleted")

    def functions_in_use(self) -> Mapping[str, str]:
        """Which key each running function uses; it loaded it at the last start (MFP-REQ-10).

        By use location; with IPSec by ``IPSec/<policy>``.
        """
        return {
            use if policy is None else f"{use}/{policy}": entry.name for (use, policy), entry in self._loaded.items()
        }


def _raise(error: Exception) -> None:
    raise error


def renewal_instant(certificate: Certificate, profile: Profile) -> datetime:
    """When a model that goes by expiry renews a certificate (F-K05)."""
    if profile.renewal_trigger == "days-before-expiry":
        return certificate.not_after - timedelta(days=profile.renewal_value)
    return certificate.not_before + (certificate.not_after - certificate.not_before) * profile.renewal_value / 100
