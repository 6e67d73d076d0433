"""A machine on a frozen clock with the mock CA behind an in-process wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.device.printer import Factory, Listeners, Outside, Printer
from mfp_sim.device.printer_profile import Profile, profile_named, with_reading
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.device.state import DeviceState
from mfp_sim.device.storage import MemoryStorage, Storage
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys, Scheduler
from mfp_sim.transport import InProcess, Network
from mock_scep_server.capacity import Capacity
from mock_scep_server.challenges import StaticChallenge
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import profile_named as ca_profile
from mock_scep_server.script import Script
from mock_scep_server.script_file import read_script
from mock_scep_server.service import ScepService

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)  # 08:00 in Oslo
NINE = datetime(2026, 3, 2, 9)
KEY = KeySettings("tls", "192.0.2.10", use="TLS", challenge="s3cret")


class Machine:
    """Printer, wire and CA, powered on and set up."""

    def __init__(
        self,
        *,
        script: str = "[]",
        profile: Profile | str = "canon-ir-adv-dx",
        flips: tuple[str, ...] = (),
        storage: Storage | None = None,
        start: datetime = START,
        functions: tuple[str, ...] = ("TLS",),
        policies: tuple[str, ...] = ("hq", "branch"),
        set_up: bool = True,
        capacity: Capacity | None = None,
        caps: tuple[str, ...] | None = None,
        **values: object,
    ) -> None:
        self.clock = FrozenClock(start)
        self.scheduler = Scheduler(self.clock)
        self.entropy = Entropy(7)
        self.network = Network()
        self.recorder = Recorder(self.clock)
        problems = Problems()
        rules = read_script(load_text(script), problems)
        problems.raise_if_any()
        shape = ca_profile("rfc8894")
        self.ca = ScepService(
            profile=shape if caps is None else replace(shape, capabilities=caps),
            clock=self.clock,
            entropy=self.entropy.fork("ca"),
            keys=PooledKeys(self.entropy.fork("keys"), side=1),
            challenge=StaticChallenge("s3cret"),
            script=Script(rules),
            policy=CaPolicy(capacity=capacity),
        )
        model = profile_named(profile) if isinstance(profile, str) else profile
        for flip in flips:
            assumption, _, reading = flip.partition("=")
            model = with_reading(model, assumption, reading or None)
        self.model = replace(model, **values)  # type: ignore[arg-type]
        self.storage = storage or MemoryStorage()
        self.functions, self.policies = functions, policies
        self.printer = self.make_printer()
        self.printer.power_on()
        if set_up:
            self.printer.update_communication(url="http://ca.example/scep")

    def make_printer(self, serial: str = "SIM00001", storage: Storage | None = None) -> Printer:
        """A printer over the same clock and CA, and the same storage unless it has one of its own."""
        outside = Outside(
            scheduler=self.scheduler,
            wire=InProcess(self.scheduler, self.ca.handle, network=self.network),
            entropy=self.entropy.fork("printer"),
            keys=PooledKeys(self.entropy.fork("keys"), side=0),
            recorder=self.recorder,
            storage=storage or self.storage,
        )
        factory = Factory(serial=serial, functions=self.functions, policies=self.policies)
        listeners = Listeners(self.ca.ledger.report_installed, self.ca.ledger.report_abandoned)
        return Printer(self.model, outside, factory, listeners)

    @property
    def state(self) -> DeviceState:
        """What the printer knows at present."""
        return self.printer.machine.state

    def outside(self, **other: object) -> None:
        """From now on the requests of the printer work with something else."""
        requests = self.printer.requests
        requests.outside = replace(requests.outside, **other)  # type: ignore[arg-type]

    def listeners(self, **other: object) -> None:
        """From now on somebody else hears of the requests."""
        requests = self.printer.requests
        requests.listeners = replace(requests.listeners, **other)  # type: ignore[arg-type]

    def pass_time(self, **span: float) -> None:
        self.scheduler.run_until(self.clock.now() + timedelta(**span))

    def timer(self, **settings: object) -> None:
        """The timer at 09:00 local time, with polling twice at ten minutes."""
        defaults: dict[str, object] = {"timer": True, "start": NINE, "key": KEY, "polling": Polling(2, 10)}
        self.printer.update_auto_request(AutoRequestSettings(**(defaults | settings)))  # type: ignore[arg-type]

    @property
    def asked(self) -> list[str]:
        return [entry.name for entry in self.ca.journal.entries]

    @property
    def shown(self) -> tuple[str, str | None]:
        row = self.printer.status()[0]
        return row.state, row.details.slug if row.details else None

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.printer.key_list()]

    @property
    def diagnoses(self) -> str:
        return "\n".join(f"{e.operation} {e.result}: {e.diagnosis}" for e in self.printer.audit)


@pytest.fixture
def machine() -> Callable[..., Machine]:
    """Makes machines."""
    return Machine
