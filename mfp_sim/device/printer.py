"""The machine: power, restart, time, roles, audit log; it owns settings, key store, requests and storage.

It never sleeps: it books events on the scheduler. What was not committed is gone after a restart. All public
methods raise :class:`~mfp_sim.errors.Refused` and change nothing when the machine would not do it.
Serves MFP-ADMIN-01, MFP-COMM-04, MFP-REQ-08…10, MFP-AUTO-*, MFP-PERIOD-*, MFP-RESTART-*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mfp_sim.device import persistence
from mfp_sim.device.calendar import instant_of, next_start
from mfp_sim.device.keystore import KeyEntry, KeyStore
from mfp_sim.device.profile import Profile
from mfp_sim.device.request import CertificateRequest, Ended, Registration
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings
from mfp_sim.device.status import AuditEntry, Detail, StatusRow
from mfp_sim.device.storage import MemoryStorage, Storage
from mfp_sim.errors import Refused
from mfp_sim.scep import certificate as x509
from mfp_sim.scep.certificate import Certificate
from mfp_sim.simtime import Booking, Entropy, KeySource, Scheduler
from mfp_sim.trace import Recorder
from mfp_sim.transport import Transport

__all__ = ["Printer"]

ADMINISTRATOR = "administrator"
AUDIT_LIMIT = 1000


class Printer:
    """A simulated multifunction printer.

    Args:
        profile: the model.
        scheduler: books what happens later; its clock is the printer's.
        transport: the wire.
        entropy, keys: chance and key pairs.
        storage: what survives a restart.
        timezone: an IANA name; the printer's wall clock.
        ip: the printer's address, which the CA sees.
        dns: whether a DNS server is configured.
        functions: those that are switched on, by use location (``TLS``, ``IEEE 802.1X``, ``IPSec``).
        recorder: where events are recorded.
        on_installed: told of each certificate that is registered.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        scheduler: Scheduler,
        transport: Transport,
        entropy: Entropy,
        keys: KeySource,
        storage: Storage | None = None,
        timezone: str = "Europe/Oslo",
        ip: str = "192.0.2.10",
        dns: bool = False,
        functions: Iterable[str] = (),
        recorder: Recorder | None = None,
        on_installed: Callable[[Certificate], None] | None = None,
    ) -> None:
        self.profile, self.ip, self.dns = profile, ip, dns
        self.zone = ZoneInfo(timezone)
        self.functions = frozenset(functions)
        self._scheduler, self._clock = scheduler, scheduler.clock
        self._transport, self._keys = transport, keys
        self._entropy = entropy
        self._storage = storage or MemoryStorage()
        self._recorder = recorder or Recorder(self._clock)
        self._on_installed = on_installed
        self._audit: list[AuditEntry] = []
        self._bookings: list[Booking] = []
        self.powered = False
        self._reset()

    def _reset(self) -> None:
        """What a machine knows that has no power: nothing."""
        self._communication: CommunicationSettings | None = None
        self._auto = AutoRequestSettings(timer=False)
        self._planned: datetime | None = None  # local, without a zone
        self._due: datetime | None = None  # instant, adjusted
        self._store = KeyStore()
        self._history: tuple[StatusRow, ...] = ()
        self._next_id = 1
        self._request: CertificateRequest | None = None
        self._loaded: dict[str, str] = {}

    # --- power --------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Boot from storage: functions load their keys, a pending request and the timer go on."""
        if self.powered:
            return
        self.powered = True
        stored = self._storage.load()
        if stored is None:
            self._make_default_key()
            self._commit()
        else:
            self._restore(stored)
        for use in sorted(self.functions):
            entry = self._store.assigned_to(use)
            if entry is not None:
                self._loaded[use] = entry.name
        self._note("start", "OK")
        if self._request is not None and self._request.next_poll is not None:
            self._book(self._request.next_poll, self._poll, "poll")
        if self._due is not None:
            self._book(self._due, self._run_automatic, "automatic request")

    def power_off(self) -> None:
        """Switch off: what was not committed is gone."""
        if not self.powered:
            return
        self._note("shutdown", "OK")
        self.powered = False
        for booking in self._bookings:
            booking.cancel()
        self._bookings = []
        self._reset()

    def restart(self, *, role: str = ADMINISTRATOR) -> None:
        """Off now, on again after the model's restart time."""
        self._needs(role)
        self._restart("restart")

    def _restart(self, why: str) -> None:
        self._note(why, "OK")
        self.power_off()
        self._scheduler.after(self.profile.restart_seconds, self.power_on, "power on")

    def _make_default_key(self) -> None:
        key, now = self._keys.rsa(2048), self._clock.now()
        certificate = x509.self_signed(
            key,
            subject=x509.name(("CN", self.profile.default_key_name)),
            serial=1,
            not_before=now,
            not_after=now + timedelta(days=3650),
        )
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        entry = KeyEntry(
            id=self._take_id(),
            name=self.profile.default_key_name,
            use=self.profile.default_key_use,
            policy=None,
            certificate=certificate,
            created=now,
            private=private,
            default=True,
        )
        self._store = self._store.register(entry, delete_old=False)

    # --- settings -----------------------------------------------------------------------------------------

    @property
    def communication(self) -> CommunicationSettings | None:
        """[Communication Settings] as stored."""
        return self._communication

    @property
    def auto_request(self) -> AutoRequestSettings:
        """[Settings for Certificate Issuance Auto Request] as stored."""
        return self._auto

    def update_communication(
        self, *, url: str, port: int = 80, timeout: int | None = None, role: str = ADMINISTRATOR
    ) -> None:
        """[Update] on the communication settings; ``timeout`` in seconds (MFP-COMM-04, MFP-COMM-05)."""
        self._needs(role)
        if self._auto.timer:
            raise Refused("timer-on", "the timer is on; the communication settings cannot be updated")
        settings = CommunicationSettings(url, port, self.profile.default_timeout if timeout is None else timeout)
        settings.validate(self.profile)
        self._communication = settings
        self._note("SCEP settings changed", "OK")
        self._commit()

    def update_auto_request(self, settings: AutoRequestSettings, *, role: str = ADMINISTRATOR) -> None:
        """[Update] on the automatic request: stores it and plans the request (MFP-AUTO-05)."""
        self._needs(role)
        settings.validate(self.profile, dns=self.dns)
        if settings.timer:
            if self._communication is None:
                raise Refused("no-communication-settings", "set URL, port and time-out of the SCEP server first")
            assert settings.start is not None
            if instant_of(settings.start, self.zone) < self._clock.now():
                raise Refused("start-in-the-past", "the request start date/time has passed")
        self._auto = settings
        self._plan(settings.start if settings.timer else None)
        self._note("SCEP settings changed", "OK")
        self._commit()

    def set_dns(self, dns: bool) -> None:
        """Configure or remove the DNS server."""
        self.dns = dns

    # --- requests -----------------------------------------------------------------------------------------

    def send_request(self, key: KeySettings, *, role: str = ADMINISTRATOR) -> StatusRow:
        """[Send Request]: the manual request, to its end. Nothing of ``key`` is kept as settings (MFP-REQ-09)."""
        self._needs(role)
        if self._auto.timer:
            raise Refused("timer-on", "the timer is on; a manual request cannot be sent")
        if self._request is not None:
            raise Refused("busy", "another request is being processed")
        if self._communication is None:
            raise Refused("no-communication-settings", "set URL, port and time-out of the SCEP server first")
        key.validate(self.profile, dns=self.dns)
        self._begin(key, "manual")
        return self._history[-1]

    def _run_automatic(self) -> None:
        self._due = None
        key = self._auto.key
        if self._request is not None or key is None or self._communication is None:
            return
        self._begin(key, "automatic")

    def _begin(self, key: KeySettings, method: str) -> None:
        assert self._communication is not None
        self._note("request sent", "OK", f"{method} request for {key.common_name}")
        auto = self._auto if method == "automatic" else AutoRequestSettings(timer=False)
        self._request = CertificateRequest(
            profile=self.profile,
            settings=key,
            method=method,
            communication=self._communication,
            polling=auto.polling,
            delete_old=auto.delete_old,
            clock=self._clock,
            entropy=self._entropy.fork(f"request{self._next_id}/{len(self._history)}/{self._clock.now()}"),
            keys=self._keys,
            transport=self._transport,
            recorder=self._recorder,
        )
        self._commit()
        self._inquire()

    def _poll(self) -> None:
        if self._request is not None:
            self._inquire()

    def _inquire(self) -> None:
        """One inquiry, and what follows from it."""
        request = self._request
        assert request is not None
        ended = request.inquire(self._store)
        if not self.powered:
            return
        if ended is None:
            assert request.next_poll is not None
            self._commit()
            self._book(request.next_poll, self._poll, "poll")
            return
        self._request = None
        if ended.registration is not None and not self._register(ended.registration, request):
            ended = Ended(Detail("registration-limit"), "the store is full")
        self._finish(request, ended)

    def _register(self, registration: Registration, request: CertificateRequest) -> bool:
        """Put key and certificate into the store; False when it is full by now (MFP-POLL-03)."""
        settings = request.settings
        destination = (settings.use, settings.policy)
        if self._store.is_full_for(destination, self.profile, delete_old=request.delete_old):
            return False
        before = {entry.id: entry.name for entry in self._store.entries}
        entry = KeyEntry(
            id=self._take_id(),
            name=settings.name,
            use=settings.use,
            policy=settings.policy,
            certificate=registration.certificate,
            created=self._clock.now(),
            private=registration.private,
        )
        self._store = self._store.register(entry, delete_old=request.delete_old)
        for gone in before.keys() - {kept.id for kept in self._store.entries}:
            self._note("key deleted", "OK", f"{before[gone]} was overwritten")
        self._note("certificate registered", "OK", f"{settings.name}, serial {registration.certificate.serial:x}")
        if self._on_installed is not None:
            self._on_installed(registration.certificate)
        return True

    def _finish(self, request: CertificateRequest, ended: Ended) -> None:
        """The row, the next date, one commit, and the automatic restart."""
        time, state = request.started, "error"
        if ended.registration is not None:
            certificate, state = ended.registration.certificate, "successful"
            shows_receipt = self.profile.successful_shows == "receipt"
            time = self._clock.now() if shows_receipt else certificate.not_before
        else:
            self._note("request failed", "NG", ended.diagnosis)
        row = StatusRow(state, time, ended.detail, request.settings.name, request.method)
        self._history = (*self._history, row)[-self.profile.history :]
        self._recorder.record(
            "printer.status",
            state=state,
            details=ended.detail.slug if ended.detail else None,
            shown=time.isoformat(),
            diagnosis=ended.diagnosis or None,
            key=request.settings.name,
        )
        if request.method == "automatic":
            days, planned = self._auto.every_days, self._planned
            following = None
            if days is not None and planned is not None:
                following = next_start(planned, days, self.zone, self._clock.now(), self.profile.period)
            self._plan(following)
        self._commit()
        if state == "successful" and request.method == "automatic" and self._auto.restart:
            self._restart("restart by SCEP")

    def _plan(self, local: datetime | None) -> None:
        """Book the automatic request for a local time; the adjustment is drawn anew each time (A-15)."""
        for booking in self._bookings:
            if booking.label == "automatic request":
                booking.cancel()
        self._planned, self._due = local, None
        if local is None:
            return
        due = instant_of(local, self.zone)
        if self._auto.adjust:
            seconds = self._entropy.fork(f"adjust/{local.isoformat()}").integer(*self.profile.adjustment_range)
            due += timedelta(seconds=seconds)
        self._due = due
        self._book(due, self._run_automatic, "automatic request")

    # --- what is shown ------------------------------------------------------------------------------------

    def status(self) -> tuple[StatusRow, ...]:
        """[Certificate Issuance Request Status]: what goes on or is planned first, then the newest first."""
        current = []
        if self._request is not None:
            current = [
                StatusRow("processing", self._request.started, None, self._request.settings.name, self._request.method)
            ]
        elif (shown := self.next_request) is not None:
            name = self._auto.key.name if self._auto.key else ""
            current = [StatusRow("to-be-processed", shown, None, name, "automatic")]
        return (*current, *reversed(self._history))

    @property
    def next_request(self) -> datetime | None:
        """[Next Request Date/Time] as an instant, or None when nothing is planned (A-33)."""
        if self._due is None or self._planned is None:
            return None
        return self._due if self.profile.shown_time == "adjusted" else instant_of(self._planned, self.zone)

    def key_list(self) -> tuple[KeyEntry, ...]:
        """The key and certificate list in the order of registration."""
        return self._store.entries

    def delete_key(self, name: str, *, role: str = ADMINISTRATOR) -> None:
        """Delete the newest key of that name by hand."""
        self._needs(role)
        self._store = self._store.delete(name, self.functions)
        self._note("key deleted", "OK", name)
        self._commit()

    def functions_in_use(self) -> Mapping[str, str]:
        """Which key each running function uses; it loaded it at the last start (MFP-REQ-10)."""
        return dict(self._loaded)

    @property
    def audit(self) -> tuple[AuditEntry, ...]:
        """The audit log, oldest first."""
        return tuple(self._audit)

    # --- inside -------------------------------------------------------------------------------------------

    def _needs(self, role: str) -> None:
        if not self.powered:
            raise Refused("powered-off", "the machine is off")
        if role != ADMINISTRATOR:
            raise Refused("not-administrator", "administrator rights are needed")

    def _book(self, due: datetime, action: Callable[[], None], label: str) -> None:
        now = self._clock.now()
        self._bookings = [b for b in self._bookings if not b.cancelled and b.due > now]
        self._bookings.append(self._scheduler.at(due, action, label))

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _note(self, operation: str, result: str, diagnosis: str = "") -> None:
        entry = AuditEntry(self._clock.now(), "SYSTEM", operation, result, diagnosis)
        self._audit.append(entry)
        del self._audit[:-AUDIT_LIMIT]
        self._recorder.record("printer.audit", operation=operation, result=result, diagnosis=diagnosis or None)

    def _commit(self) -> None:
        self._storage.commit(
            {
                "communication": persistence.communication(self._communication),
                "auto": persistence.auto_request(self._auto),
                "planned": self._planned.isoformat() if self._planned else None,
                "due": self._due.isoformat() if self._due else None,
                "keys": [entry.stored for entry in self._store.entries],
                "history": [row.stored for row in self._history],
                "next_id": self._next_id,
                "request": self._request.stored() if self._request else None,
            }
        )

    def _restore(self, stored: Mapping[str, object]) -> None:
        self._communication = persistence.read_communication(stored["communication"])
        self._auto = persistence.read_auto_request(stored["auto"])
        planned, due = stored["planned"], stored["due"]
        self._planned = datetime.fromisoformat(str(planned)) if planned else None
        self._due = datetime.fromisoformat(str(due)) if due else None
        self._store = KeyStore(tuple(KeyEntry.from_stored(entry) for entry in persistence.entries(stored["keys"])))
        self._history = tuple(StatusRow.from_stored(row) for row in persistence.entries(stored["history"]))
        self._next_id = int(str(stored["next_id"]))
        request = stored["request"]
        if request is not None and self._communication is not None:
            assert isinstance(request, Mapping)
            self._request = CertificateRequest.from_stored(
                request,
                profile=self.profile,
                settings=persistence.read_key(request["settings"]),
                communication=self._communication,
                polling=self._auto.polling,
                delete_old=self._auto.delete_old,
                clock=self._clock,
                entropy=self._entropy.fork(f"resumed/{self._clock.now()}"),
                keys=self._keys,
                transport=self._transport,
                recorder=self._recorder,
            )
