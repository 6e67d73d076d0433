"""The bench of tests: a printer and a CA in one process on one clock.

Owns how they are connected for a test, and the defaults: a frozen clock, keys of the pool, random values from a seed. A
scenario has its own world (`mfp_sim.scenario.world`), with everything that a file can set. Only for tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.conformance.target import Permissions, Target
from mfp_sim.device.printer import Factory, Listeners, Outside, Printer
from mfp_sim.device.printer_profile import Profile, find_profile, with_reading
from mfp_sim.device.settings import KeySettings
from mfp_sim.device.storage import MemoryStorage, Storage
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.reaching import DIRECTLY, Reach
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import (
    Entropy,
    FrozenClock,
    GeneratedKeys,
    KeySource,
    PassingClock,
    PooledKeys,
    Scheduler,
)
from mfp_sim.testing.client import ScepClient
from mfp_sim.transport import InProcess, Network, Sequential, SocketClient, Transport
from mock_scep_server.challenges import ChallengePolicy, StaticChallenge
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.script_file import script_of
from mock_scep_server.server import ServerHost
from mock_scep_server.service import make_service
from mock_scep_server.setup import CaSetup, read_ca
from mock_scep_server.vault import Vault

__all__ = ["CHALLENGE", "KEY", "START", "Bench"]

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
"""The time at which a bench begins: a Monday, 08:00 in the printer's time zone."""
CHALLENGE = "s3cret"
KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge=CHALLENGE)
"""Key settings for a request: a TLS key, with the bench's challenge password."""
URL = "http://ca.example/scep"


class Bench:
    """A CA and its printer on one clock.

    Args:
        ca: The keys of a scenario's `ca:` section, as YAML or as a value.
        profile: The shape of the CA; replaces that of `ca`.
        ra: The RA certificates; replaces those of `ca`.
        script: Rules as YAML; replaces those of `ca`.
        challenge: The static challenge password, or a policy; None for a CA that wants none. A challenge in `ca` takes
            precedence.
        model: The printer's profile, or its name.
        flips: Other readings of assumptions, such as `"A-34=CertPoll"`.
        values: Fields of the printer's profile, and what replaces them.
        factory: How the printer is delivered.
        url: The address that the printer is set up for; None leaves the printer as it was delivered.
        storage: Where the printer keeps its state.
        start: The initial time of a frozen clock.
        clock: Another clock; over sockets, the system's.
        seed: Decides random values and keys; None for the system's random values and generated keys.
        vault: Where the CA keeps its state; None for a new CA in memory.

    Raises:
        DocumentError: a mistake in `ca` or `script`.
        UsageError: a profile or a reading that does not exist, or a change of a profile that is not possible.
    """

    def __init__(
        self,
        ca: str | CaSetup = "{}",
        *,
        profile: str | CaProfile | None = None,
        ra: Literal["none", "single", "split"] | None = None,
        script: str | None = None,
        challenge: str | ChallengePolicy | None = CHALLENGE,
        model: str | Profile = "canon-ir-adv-dx",
        flips: Sequence[str] = (),
        values: Mapping[str, object] | None = None,
        factory: Factory | None = None,
        url: str | None = URL,
        storage: Storage | None = None,
        start: datetime = START,
        clock: PassingClock | None = None,
        seed: int | None = 7,
        vault: Vault | None = None,
    ) -> None:
        self.clock: PassingClock = clock or FrozenClock(start)
        self.scheduler = Scheduler(self.clock)
        self.entropy = Entropy(seed)
        self.network = Network()
        self.recorder = Recorder(self.clock)
        self.factory = factory or Factory(functions=("TLS",))
        self.url, self.storage = url, storage or MemoryStorage()
        self.model = _model(model, flips, values or {})
        setup = _setup(ca, profile, ra, script)
        own = (
            setup.challenge is not None or setup.policy.challenge != CaPolicy().challenge or "challenge" in setup.given
        )
        self.challenge = setup.challenge if own else challenge if isinstance(challenge, str) else None
        static = StaticChallenge(challenge) if isinstance(challenge, str) else challenge
        self.ca = make_service(
            setup,
            clock=self.clock,
            entropy=self.entropy.fork("ca"),
            keys=self.keys(side=1),
            zone=ZoneInfo("UTC"),
            challenge=None if own else static,
            vault=vault,
        )

    def keys(self, *, side: int) -> KeySource:
        """Key pairs: side 0 is the printer's, 1 the CA's."""
        return _keys(self.entropy, side=side)

    @cached_property
    def printer(self) -> Printer:
        """The printer: made at its first use, switched on, and set up for the CA."""
        return self._ready(self.make_printer())

    def _ready(self, printer: Printer) -> Printer:
        printer.power_on()
        if self.url is not None:
            printer.update_communication(url=self.url)
        return printer

    def make_printer(
        self, serial: str | None = None, *, ip: str | None = None, storage: Storage | None = None
    ) -> Printer:
        """A printer of the same model, clock, wire and CA, off and not set up.

        Without `serial` it is the bench's own printer, with the state that it has stored; with a serial number it is
        another printer, with its own storage, keys and random values.
        """
        factory = replace(self.factory, serial=serial or self.factory.serial, ip=ip or self.factory.ip)
        own = factory.serial == self.factory.serial
        entropy = self.entropy if own else self.entropy.fork(factory.serial)
        outside = Outside(
            scheduler=self.scheduler,
            wire=InProcess(self.scheduler, self.ca.handle, network=self.network, client=factory.ip),
            entropy=entropy.fork("printer"),
            keys=self.keys(side=0) if own else _keys(entropy, side=0),
            recorder=self.recorder if own else self.recorder.of(factory.serial),
            storage=storage or (self.storage if own else MemoryStorage()),
        )
        listeners = Listeners(self.ca.ledger.report_installed, self.ca.ledger.report_abandoned)
        return Printer(self.model, outside, factory, listeners)

    def another_printer(self, serial: str, *, ip: str | None = None) -> Printer:
        """Another printer beside the first, switched on and set up for the CA."""
        return self._ready(self.make_printer(serial, ip=ip))

    def client(
        self,
        host: ServerHost | None = None,
        *,
        name: str = "client",
        persona: str = "rfc8894",
        reach: Reach = DIRECTLY,
    ) -> ScepClient:
        """A client of the CA, in process or over the socket of ``host``; each `name` has its own keys and chance.

        Over a socket the bench needs the system's clock; `reach` says what the client trusts if the socket speaks TLS.
        """
        entropy = self.entropy.fork(name)
        where = (host.host, host.port) if host else ("ca.example", 80)
        return ScepClient(
            self.ca,
            Target(f"{host.url}/scep" if host else URL, *where, "/scep", Url.parse(host.url if host else URL).scheme),
            SocketClient(self.clock, reach) if host else self.transport,
            clock=self.clock,
            entropy=entropy,
            keys=_keys(entropy, side=0),
            challenge=self.challenge,
            policy=Permissions(persona=persona, subject_prefix=name),
        )

    @property
    def transport(self) -> Transport:
        """The transport to the CA in process, for a client that does one thing at a time.

        Time that an exchange takes passes for everything; events of the printer that become due in it happen at the
        next `pass_time`.
        """
        return Sequential(self.clock, lambda scheduler: InProcess(scheduler, self.ca.handle, network=self.network))

    def pass_time(self, **span: float) -> None:
        """Let time pass, with everything that is due in it: `pass_time(hours=2)`, with the arguments of `timedelta`."""
        self.scheduler.run_until(self.clock.now() + timedelta(**span))

    @property
    def asked(self) -> list[str]:
        """The requests to the CA, in order: operations, and message types of PKIOperations."""
        return [entry.name for entry in self.ca.journal.entries]

    @property
    def shown(self) -> tuple[str, str | None]:
        """The newest row of the printer's status screen: its state, and the slug of its details."""
        row = self.printer.status()[0]
        return row.state, row.details.slug if row.details else None


def _keys(entropy: Entropy, *, side: int) -> KeySource:
    return GeneratedKeys() if entropy.seed is None else PooledKeys(entropy.fork("keys"), side=side)


def _model(model: str | Profile, flips: Sequence[str], values: Mapping[str, object]) -> Profile:
    profile = find_profile(model) if isinstance(model, str) else model
    for flip in flips:
        assumption, _, reading = flip.partition("=")
        profile = with_reading(profile, assumption, reading or None)
    return replace(profile, **values)  # type: ignore[arg-type]


def _setup(
    ca: str | CaSetup,
    profile: str | CaProfile | None,
    ra: Literal["none", "single", "split"] | None,
    script: str | None,
) -> CaSetup:
    """The `ca:` section, with the other arguments in place of its own values."""
    setup = ca
    if isinstance(setup, str):
        problems = Problems()
        setup = read_ca(load_text(setup, "ca"), problems)
        problems.raise_if_any()
    return replace(
        setup,
        profile=profile if isinstance(profile, str) else setup.profile,
        shape=setup.shape if profile is None else profile if isinstance(profile, CaProfile) else None,
        ra=ra or setup.ra,
        script=setup.script if script is None else script_of(script),
    )
