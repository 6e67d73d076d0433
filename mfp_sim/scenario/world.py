"""Connects the parts of one run: clock, scheduler, wire, CA, printer. The only place that does so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Listeners, Outside, Printer
from mfp_sim.device.printer_profile import Profile, find_profile, with_reading
from mfp_sim.device.storage import DirectoryStorage, MemoryStorage, Storage
from mfp_sim.events import Event, ExchangeRequest, MockRequest, ShownCsr
from mfp_sim.run_trace import Recorder
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.always.watching import Watch
from mfp_sim.scenario.premises import Failure, Premise
from mfp_sim.scenario.setting import PrinterSetup, Setting
from mfp_sim.shared.errors import BoundExceeded, KeyGenerationFailed, Refused, UsageError
from mfp_sim.shared.noting import noting
from mfp_sim.shared.reaching import DIRECTLY, Reach
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.http_messages import Serve
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import (
    Clock,
    Entropy,
    FrozenClock,
    GeneratedKeys,
    KeySource,
    PassingClock,
    PooledKeys,
    Scheduler,
    SystemClock,
)
from mfp_sim.transport import InProcess, Network, Overheard, Sockets, Wire
from mock_scep_server.challenges import StaticChallenge
from mock_scep_server.journal import JournalEntry
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.setup import CaSetup
from mock_scep_server.vault import Vault

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["Storages", "World", "build", "directories", "redactor_of"]

E = TypeVar("E", bound=Event)
Storages: TypeAlias = Callable[[int, PowerPoints], Storage]
"""A function that makes the storage of the n-th printer of a run, whose power may fail at the given points."""


@dataclass
class FallibleKeys:
    """The printer's source of keys, which a step can make fail (F-K02)."""

    source: KeySource
    fails: bool = False
    asked: int = 0

    def rsa(self, bits: int) -> RSAPrivateKey:
        """An RSA key from the source.

        Raises:
            KeyGenerationFailed: a step ordered it.
        """
        self._check(f"RSA key of {bits} bits")
        return self.source.rsa(bits)

    def ec(self, bits: int) -> EllipticCurvePrivateKey:
        """An EC key from the source; fails as `rsa` does."""
        self._check(f"elliptic key of {bits} bits")
        return self.source.ec(bits)

    def _check(self, what: str) -> None:
        self.asked += 1
        if self.fails:
            raise KeyGenerationFailed(f"no {what} could be made")


class TrueRequests(Recorder):
    """A recorder that also keeps the last request of each printer, and its last CSR, as they were. The trace has them
    with secrets masked, so that two secrets look the same there; a comparison needs the true values, and shows none."""

    def __init__(self, clock: Clock, redactor: Redactor) -> None:
        super().__init__(clock, redactor)
        self.last_request: dict[str, ExchangeRequest] = {}
        self.last_csr: dict[str, ShownCsr] = {}
        """By serial number; that of the first printer is empty, as in the trace."""

    def record(self, event: Event) -> None:
        super().record(event)
        if isinstance(event, ExchangeRequest):
            serial = str(self._mark.get("printer", ""))
            self.last_request[serial] = event
            if event.csr is not None:
                self.last_csr[serial] = event.csr


@dataclass
class World:
    """The objects that steps change and expectations inspect."""

    setting: Setting
    clock: Clock
    scheduler: Scheduler
    recorder: TrueRequests
    printer: Printer
    """The current printer of steps and expectations."""
    network: Network
    ca: ScepService | None
    end: datetime
    challenge: str | None = field(repr=False, default=None)
    failures: list[Failure] = field(default_factory=list)
    observed: int = 0
    """How many expectations were compared with something, refusals included."""
    unobserved: list[str] = field(default_factory=list)
    """The places of expectations that a real server cannot show."""
    premises: list[Premise] = field(default_factory=list)
    refusal: Refused | None = None
    bundles: dict[str, bytes] = field(default_factory=dict)
    exporting: dict[str, tuple[str, Printer]] = field(default_factory=dict)
    """The latest export of each printer, by serial number."""
    make_printer: Callable[[PrinterSetup], Printer] = field(kw_only=True)
    printers: dict[str, Printer] = field(kw_only=True)
    """All printers by serial number, the first one first."""
    key_sources: dict[str, FallibleKeys] = field(kw_only=True)
    """The source of keys of each printer, by serial number."""
    watch: Watch | None = field(kw_only=True, default=None)
    """Watches the run for the rules that hold in every run, if it was built to do so."""

    @contextlib.contextmanager
    def about(self, serial: str | None) -> Iterator[None]:
        """In this context, steps and expectations are about the printer with that serial number; None: no change."""
        before = self.printer
        chosen = self.printer = before if serial is None else self.printers[serial]
        try:
            yield
        finally:
            if self.printer is chosen:
                self.printer = before

    def happened(self, kind: type[E]) -> list[tuple[datetime, E]]:
        """The events of that kind of the current printer, or of no printer, with their times."""
        first, serial = next(iter(self.printers)), self.printer.serial
        found = ((event.time, event.of(kind)) for event in self.recorder.events if (event.printer or first) == serial)
        return [(time, event) for time, event in found if event is not None]

    @property
    def last_request(self) -> ExchangeRequest | None:
        """What the current printer sent last, with its secrets."""
        return self.recorder.last_request.get(self._mark)

    @property
    def last_csr(self) -> ShownCsr | None:
        """The last CSR of the current printer, with its secrets."""
        return self.recorder.last_csr.get(self._mark)

    @property
    def _mark(self) -> str:
        """How events name the current printer."""
        return "" if self.printer.serial == next(iter(self.printers)) else self.printer.serial

    @property
    def zone(self) -> ZoneInfo:
        """The printer's time zone: local times in a scenario are in it."""
        return self.printer.zone

    @property
    def shown(self) -> Printer:
        """The state that expectations inspect: of the printer, or of its storage while it is off."""
        return self.printer if self.printer.powered else self.printer.at_rest()

    def collect_export(self) -> None:
        """Keep the file of each printer's latest export, if it has ended."""
        for name, printer in self.exporting.values():
            if printer.exported is not None:
                self.bundles[name] = printer.exported

    def run_until(self, instant: datetime) -> None:
        """Let time pass.

        Raises:
            BoundExceeded: beyond the scenario's bound of virtual time or of events.
        """
        self.keep_within(instant)
        self.scheduler.run_until(instant)

    def keep_within(self, instant: datetime) -> None:
        """Check that ``instant`` is within the scenario's bound of virtual time.

        Raises:
            BoundExceeded: it is.
        """
        if instant > self.end:
            raise BoundExceeded(
                f"the scenario exceeds its bound of {self.setting.virtual_seconds / 86400:g} days",
                remedy="raise bounds.virtual",
            )


def build(
    setting: Setting,
    *,
    seed: int,
    flips: Sequence[str] = (),
    ca_url: str | None = None,
    challenge: str | None = None,
    keep_messages: bool = False,
    storages: Storages | None = None,
    vault: Vault | None = None,
    served: Callable[[Serve], Serve] = lambda serve: serve,
    reach: Reach = DIRECTLY,
    read: set[str] | None = None,
    read_of_ca: set[str] | None = None,
    rules: Collection[str] = (),
) -> World:
    """Build everything for one run: in process on a frozen clock, or against a real server on the system clock.

    ``storages`` makes the storage of each printer, by default in memory, and ``vault`` keeps the mock CA. ``served``
    wraps how the mock CA answers requests. ``reach`` is how the real server is reached. ``read`` and ``read_of_ca``
    collect the names of the values of models that are read. ``rules`` are those of
    `mfp_sim.scenario.always.rules` for which the run is watched.

    Raises:
        UsageError: a flip that does not exist, or a storage that cannot be used.
    """
    url = ca_url or setting.ca.url
    secret = challenge if challenge is not None else setting.ca.challenge
    clock: PassingClock = FrozenClock(setting.clock) if url is None else SystemClock()
    # The pool and repeatable random values are only for the in-process mock.
    entropy = Entropy(seed if url is None else None, messages=keep_messages)
    scheduler = Scheduler(clock, max_events=setting.events)
    recorder = TrueRequests(clock, redactor_of(setting, challenge, reach))
    network = Network()
    service: ScepService | None = None
    if url is None:
        ca = setting.ca if read_of_ca is None else _noting(setting.ca, read_of_ca)
        service = _service(setting, ca, clock, entropy, recorder, secret, vault)
    keys = _keys(setting, entropy, side=0, pooled=url is None)

    printers: dict[str, Printer] = {}
    key_sources: dict[str, FallibleKeys] = {}
    watch = None
    if rules:
        watch = Watch(
            setting, clock, recorder, printers, service, {name: ALWAYS[name] for name in ALWAYS if name in rules}
        )

    def make_printer(setup: PrinterSetup) -> Printer:
        points, profile = PowerPoints(), _profile(setup, flips)
        number = len(printers) + 1
        wire: Wire = Sockets(scheduler, reach)
        if service is not None:
            wire = InProcess(scheduler, served(service.handle), network=network, client=lambda: machine.ip)
        if keep_messages:
            wire = Overheard(wire, clock, recorder)
        storage = storages(number, points) if storages else MemoryStorage()
        outside = Outside(
            scheduler=scheduler,
            wire=wire,
            entropy=entropy.fork(f"printer/{setup.serial}"),
            keys=key_sources.setdefault(setup.serial, FallibleKeys(keys)),
            recorder=recorder if number == 1 else recorder.of(setup.serial),
            storage=storage if watch is None else watch.over(storage, points, setup.serial),
            points=points,
        )
        listeners = Listeners()
        if service is not None:
            listeners = Listeners(service.ledger.report_installed, service.ledger.report_abandoned)
        machine = Printer(profile if read is None else noting(profile, read), outside, setup, listeners)
        printers[setup.serial] = machine
        return machine

    for setup in (setting.printer, *setting.others):
        printer = make_printer(setup)
        printer.power_on()
        _communicate(printer, setup, url)
    end = clock.now() + timedelta(seconds=setting.virtual_seconds)
    return World(
        setting,
        clock,
        scheduler,
        recorder,
        printers[setting.printer.serial],
        network,
        service,
        end,
        challenge=challenge,
        make_printer=make_printer,
        printers=printers,
        key_sources=key_sources,
        watch=watch,
    )


def redactor_of(setting: Setting, challenge: str | None = None, reach: Reach = DIRECTLY) -> Redactor:
    """A redactor for the secrets of a scenario's CA, of its `reach`, and for the `challenge` of the command line."""
    given = [secret for secret in (challenge, setting.ca.challenge) if secret]
    return Redactor([*given, *setting.ca.policy.secrets, *reach.secrets])


@contextlib.contextmanager
def directories(base: Path, *, fresh: bool) -> Iterator[Storages]:
    """A directory below ``base`` for each printer; ``fresh``: it must not contain a state yet.

    Only this process can use them until the end of the ``with``.
    The stages of a commit on disk are power points too: ``state-written`` and ``state-renamed``.
    """

    def make(number: int, points: PowerPoints) -> Storage:
        directory = base / f"printer-{number}"
        storage = DirectoryStorage(directory, reach=lambda name: points.reach(f"state-{name}"))
        leaving.callback(storage.close)
        if fresh and storage.load() is not None:
            text = f"{directory} has the state of an earlier run, which a simulated CA does not remember"
            raise UsageError(text, remedy="choose another --state-dir")
        return storage

    with contextlib.ExitStack() as leaving:
        yield make


def _profile(setup: PrinterSetup, flips: Sequence[str]) -> Profile:
    """The model under other readings; values that the scenario sets itself stay."""
    profile = find_profile(setup.profile)
    for flip in flips:
        assumption, _, reading = flip.partition("=")
        profile = with_reading(profile, assumption, reading or None)
    return replace(profile, **setup.settings)  # type: ignore[arg-type]


def _keys(setting: Setting, entropy: Entropy, *, side: int, pooled: bool) -> KeySource:
    if pooled and setting.keys == "pool":
        return PooledKeys(entropy.fork("keys"), side=side)
    return GeneratedKeys()


def _noting(ca: CaSetup, read: set[str]) -> CaSetup:
    """The same CA, which adds the name of each value of its profile to ``read`` when the value is read."""
    return replace(ca, shape=noting(ca.made_profile(), read), caps=None, empty_content=None, values={})


def _service(
    setting: Setting, ca: CaSetup, clock: Clock, entropy: Entropy, recorder: Recorder, secret: str | None,
    vault: Vault | None,
) -> ScepService:  # fmt: skip
    def tell(entry: JournalEntry) -> None:
        recorder.record(MockRequest(**entry.told))

    return make_service(
        ca,
        clock=clock,
        entropy=entropy.fork("ca"),
        keys=_keys(setting, entropy, side=1, pooled=True),
        zone=ZoneInfo(setting.printer.timezone),
        challenge=StaticChallenge(secret) if secret else None,
        on_entry=tell,
        vault=vault,
    )


def _communicate(printer: Printer, setup: PrinterSetup, url: str | None) -> None:
    """The communication settings; a printer that was set up in an earlier run keeps them if they are the same."""
    wanted, port = setup.url, setup.port
    if url is not None:
        try:
            wanted, port = url, Url.parse(url).port
        except ValueError:
            raise UsageError(f"{url!r} is not a URL") from None
    present = printer.communication
    if wanted is None or (present is not None and (present.url, present.port) == (wanted, port)):
        return
    try:
        printer.update_communication(url=wanted, port=port, timeout=setup.timeout)
    except Refused as refusal:
        if present is None:
            raise
        text = f"the stored printer is set up for {present.url}, but {refusal.message}"
        raise UsageError(text, remedy="choose another --state-dir") from None
