"""Builds what `mfp-sim serve` serves from a plan: clock, CA, network, printers, and the state that survives a stop.

It is the only module of the Remote UI that connects them. Keys are generated and random values are the system's, since
the CA may be on a socket. Only the spread of the automatic request's time is repeatable on a simulated clock, so that
a recording can be run again.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import yaml

from mfp_sim.device.printer import Factory, Listeners, Outside, Printer
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.storage import DirectoryStorage, MemoryStorage, Storage
from mfp_sim.remote_ui.served_site import Site, Street, UnwatchedPoints
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.documents import YEARS, Node, Problems, in_years, plain
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.reaching import DIRECTLY, Reach
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.simtime import (
    Clock,
    Entropy,
    FrozenClock,
    GeneratedKeys,
    KeySource,
    PassingClock,
    Scheduler,
    SystemClock,
)
from mfp_sim.shared.visible import visible
from mfp_sim.transport import Network, Sockets, Wire
from mock_scep_server.challenges import StaticChallenge
from mock_scep_server.journal import JournalEntry
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script_file import read_script
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.setup import CaSetup

__all__ = ["ServePlan", "Served", "assemble"]

_KEPT_EVENTS = 10_000
_MANY = 10**9
_CLOCK_FILE = "clock.json"


@dataclass(frozen=True)
class ServePlan:
    """What to serve.

    `start` is the first instant of a simulated clock, None for the system clock; `seed` decides the spread of the
    automatic request's time on a simulated clock. `ca_url` is a real server, None for the mock, which then listens on
    `ca_port` and follows `script`.
    """

    profile: Profile
    printers: int = 1
    start: datetime | None = None
    speed: float = 0.0
    seed: int = 1
    timezone: str = "Europe/Oslo"
    ip: str = "192.0.2.10"
    policies: tuple[str, ...] = ()
    ca_url: str | None = None
    reach: Reach = DIRECTLY
    ca_host: str = "127.0.0.1"
    ca_port: int = 0
    ca_profile: str = "rfc8894"
    ra: Literal["none", "single", "split"] | None = None
    challenge: str | None = field(default=None, repr=False)
    script: Node | None = None
    state_dir: Path | None = None

    @property
    def redactor(self) -> Redactor:
        """A redactor that knows the secrets of the plan."""
        return Redactor([*([self.challenge] if self.challenge else []), *self.reach.secrets])


@dataclass
class Served:
    """Everything that was built. `close` stops the mock's socket, saves the time of a simulated clock, and releases the
    state directories."""

    plan: ServePlan
    site: Site
    host: ServerHost | None
    street: Street | None
    start: datetime
    leaving: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Stop the mock, save the time, and release the directories."""
        with self.leaving:
            if self.plan.state_dir is not None and self.site.simulated:
                _keep_clock(self.plan.state_dir, self.site.clock.now())


class _Spread(Entropy):
    """The system's random values, except the spread of the automatic request's time, which a seed decides."""

    def __init__(self, seed: int, serial: str) -> None:
        super().__init__(None)
        self._spread = Entropy(seed).fork(f"printer/{serial}")

    def fork(self, name: str) -> Entropy:
        return self._spread.fork(name) if name.startswith("adjust/") else super().fork(name)


def serial_of(number: int) -> str:
    """The serial number of the ``number``-th printer, from 1."""
    return f"SIM{number:05d}"


def assemble(
    plan: ServePlan, *, keys: KeySource | None = None, on_entry: Callable[[JournalEntry], None] | None = None
) -> Served:
    """Build everything and switch the printers on.

    Args:
        plan: see `ServePlan`.
        keys: keys to use in tests instead of generated ones.
        on_entry: called with each request to the mock.

    Raises:
        UsageError: an address, port or directory cannot be used.
        DocumentError: the script has mistakes.
    """
    clock, start = _clock(plan)
    scheduler = Scheduler(clock, max_events=_MANY)
    source = keys or GeneratedKeys()
    ca = None if plan.ca_url else _mock(plan, clock, source, on_entry)
    host = None if ca is None else _listen(ca, plan)
    url = plan.ca_url or (f"{_reachable(host)}/scep" if host else "")
    network = Network() if ca is not None and plan.start is not None else None
    rules = plain(plan.script) if plan.script is not None and ca is not None else None
    script = yaml.safe_dump(rules, sort_keys=False, allow_unicode=True) if rules else None
    site = Site(clock, scheduler, ca=ca, ca_url=url, speed=plan.speed, network=network, script=script)
    served = Served(plan, site, host, None, start)
    with ExitStack() as leaving:
        if host is not None:
            leaving.callback(host.stop)
        for number in range(1, plan.printers + 1):
            printer = _printer(plan, served, number, source, _storage(plan, serial_of(number), clock, leaving))
            printer.power_on()
            site.printers.append(printer)
        if host is not None:
            host.start()
        served.leaving = leaving.pop_all()
    return served


def _printer(plan: ServePlan, served: Served, number: int, keys: KeySource, storage: Storage) -> Printer:
    site, serial, ip = served.site, serial_of(number), _address(plan.ip, number)
    wire: Wire = Sockets(site.scheduler, plan.reach)
    if site.ca is not None and site.network is not None and served.host is not None:
        names = tuple(dict.fromkeys(("127.0.0.1", "localhost", "::1", plan.ca_host.lower())))
        street = Street(site.scheduler, site.ca.handle, site.network, names, served.host.port, lambda: printer.ip)
        wire = street
        served.street = served.street or street
    outside = Outside(
        scheduler=site.scheduler,
        wire=wire,
        entropy=Entropy(None) if plan.start is None else _Spread(plan.seed, serial),
        keys=keys,
        recorder=Recorder(site.clock, plan.redactor, limit=_KEPT_EVENTS),
        storage=storage,
        points=UnwatchedPoints(),
    )
    listeners = Listeners(unforeseen=_tell)
    if site.ca is not None:
        listeners = replace(listeners, installed=site.ca.ledger.report_installed)
    factory = Factory(serial, plan.timezone, ip, policies=plan.policies)
    printer = Printer(plan.profile, outside, factory, listeners)
    return printer


def _tell(error: Exception) -> None:
    """Report where an unexpected exception came from. It has ended the request, and the printer continues."""
    told = visible("".join(traceback.format_exception(error)))
    logging.getLogger("mfp_sim.serve").error("an unexpected exception ended a request\n%s", told)


def _address(first: str, number: int) -> str:
    try:
        return str(ipaddress.ip_address(first) + (number - 1))
    except ValueError:
        raise UsageError(f"{first!r} is not an IP address") from None


def _mock(
    plan: ServePlan, clock: Clock, keys: KeySource, on_entry: Callable[[JournalEntry], None] | None
) -> ScepService:
    profile_named(plan.ca_profile)  # reports an unknown name first
    problems = Problems()
    script = read_script(plan.script, problems) if plan.script is not None else ()
    problems.raise_if_any()
    return make_service(
        CaSetup(profile=plan.ca_profile, ra=plan.ra, script=script),
        clock=clock,
        entropy=Entropy(None),
        keys=keys,
        zone=ZoneInfo(plan.timezone),
        challenge=StaticChallenge(plan.challenge) if plan.challenge else None,
        on_entry=on_entry,
    )


def _listen(ca: ScepService, plan: ServePlan) -> ServerHost:
    try:
        return ServerHost(ca, plan.ca_host, plan.ca_port, on_refusal=ca.record_refusal, port_option="--ca-port")
    except UsageError as error:
        raise UsageError(f"the mock CA: {error.message}", remedy=error.remedy) from None


def _reachable(host: ServerHost) -> str:
    """The mock's address for a program on this computer."""
    return f"http://127.0.0.1:{host.port}" if host.host in ("0.0.0.0", "") else host.url  # noqa: S104 - compared


# --- what survives a stop ---------------------------------------------------------------------------------


class _WithClock:
    """A storage that saves the time of the simulated clock before each commit. The clock then never restarts before a
    stored state, even if the process is killed."""

    def __init__(self, storage: Storage, directory: Path, clock: Clock) -> None:
        self._storage, self._directory, self._clock = storage, directory, clock

    def commit(self, state: Mapping[str, object]) -> None:
        """See `mfp_sim.device.storage.Storage`."""
        _keep_clock(self._directory, self._clock.now())
        self._storage.commit(state)

    def load(self) -> Mapping[str, object] | None:
        """See `mfp_sim.device.storage.Storage`."""
        return self._storage.load()


def _storage(plan: ServePlan, serial: str, clock: Clock, leaving: ExitStack) -> Storage:
    if plan.state_dir is None:
        return MemoryStorage()
    storage = DirectoryStorage(plan.state_dir / serial)
    leaving.callback(storage.close)
    return storage if plan.start is None else _WithClock(storage, plan.state_dir, clock)


def _clock(plan: ServePlan) -> tuple[PassingClock, datetime]:
    if plan.start is None:
        clock = SystemClock()
        return clock, clock.now()
    kept = _kept_clock(plan.state_dir) if plan.state_dir else None
    start = max(plan.start, kept) if kept else plan.start
    return FrozenClock(start), start


def _kept_clock(directory: Path) -> datetime | None:
    """The time at which a simulated clock was stopped; the clock never goes backwards."""
    file = directory / _CLOCK_FILE
    try:
        text = str(json.loads(file.read_text("utf-8"))["simulated"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{file} is not the time of a simulated clock", remedy="remove the file") from None
    try:
        found = datetime.fromisoformat(text) if re.fullmatch(r"[0-9T:.+-]{19,40}", text) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"{file} has no time with a zone", remedy="remove the file")
    if not in_years(found):
        raise UsageError(
            f"{file}: the year {found.year} is not one of {YEARS[0]} to {YEARS[1]}", remedy="remove the file"
        )
    return found


def _keep_clock(directory: Path, now: datetime) -> None:
    file = directory / _CLOCK_FILE
    rounded = now + timedelta(microseconds=(-now.microsecond) % 1_000_000)
    fresh = file.with_suffix(".new")
    try:
        fresh.write_text(json.dumps({"simulated": rounded.isoformat()}) + "\n", "utf-8")
        fresh.replace(file)
    except OSError as error:
        raise UsageError(f"cannot keep the time in {file}: {error.strerror}") from None
