"""A machine on a frozen clock with the mock CA behind an in-process wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from mfp_sim.device.printer import Factory
from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.settings import AutoRequestSettings, Polling
from mfp_sim.device.state import DeviceState
from mfp_sim.device.storage import Storage
from mfp_sim.testing import KEY, START, Bench
from mock_scep_server.capacity import Capacity
from mock_scep_server.policy import CaPolicy
from mock_scep_server.setup import CaSetup

NINE = datetime(2026, 3, 2, 9)


class Machine(Bench):
    """A bench whose printer is on from the start, and what tests of the printer look at."""

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
        super().__init__(
            CaSetup(caps=caps, policy=CaPolicy(capacity=capacity)),
            script=script,
            model=profile,
            flips=flips,
            values=values,
            factory=Factory(functions=functions, policies=policies),
            storage=storage,
            start=start,
            url="http://ca.example/scep" if set_up else None,
        )
        assert self.printer.powered

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

    def timer(self, **settings: object) -> None:
        """The timer at 09:00 local time, with polling twice at ten minutes."""
        defaults: dict[str, object] = {"timer": True, "start": NINE, "key": KEY, "polling": Polling(2, 10)}
        self.printer.update_auto_request(AutoRequestSettings(**(defaults | settings)))  # type: ignore[arg-type]

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.printer.key_list()]

    @property
    def diagnoses(self) -> str:
        return "\n".join(f"{e.operation} {e.result}: {e.diagnosis}" for e in self.printer.audit)


@pytest.fixture
def machine() -> type[Machine]:
    """Makes machines."""
    return Machine
