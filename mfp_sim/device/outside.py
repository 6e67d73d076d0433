"""The printer's surroundings: what it depends on, its state on delivery, and its listeners.

Values only. They keep traces deterministic: `device` has no other access to a clock, randomness, keys or a wire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mfp_sim.device.power import PowerPoints
from mfp_sim.device.state import DeviceState
from mfp_sim.device.storage import MemoryStorage, Storage
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import Entropy, KeySource, Scheduler
from mfp_sim.transport import Wire

__all__ = ["Factory", "Listeners", "Outside"]


@dataclass(frozen=True)
class Outside:
    """What a printer depends on.

    ``scheduler`` books what happens later, and its clock is the true time; exchanges begin on ``wire``; ``entropy`` and
    ``keys`` supply random numbers and key pairs; ``recorder`` records the events; ``storage`` keeps what survives a
    restart; ``points`` are the places where power may fail.
    """

    scheduler: Scheduler
    wire: Wire
    entropy: Entropy
    keys: KeySource
    recorder: Recorder
    storage: Storage = field(default_factory=MemoryStorage)
    points: PowerPoints = field(default_factory=PowerPoints)


@dataclass(frozen=True)
class Factory:
    """The state of a printer on delivery.

    ``serial`` is the number that a bundle names; ``timezone`` an IANA name, for the printer's wall clock; ``ip`` its
    address, which the CA sees; ``dns`` whether a DNS server is configured; ``functions`` the functions that are
    switched on, by use location (``TLS``, ``IEEE 802.1X`` …); ``policies`` the names of the IPSec policies, at
    most as many as the model holds (A-11). Address, DNS server and functions can be changed later.
    """

    serial: str = "SIM00001"
    timezone: str = "Europe/Oslo"
    ip: str = "192.0.2.10"
    dns: bool = False
    functions: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()

    def state(self) -> DeviceState:
        """The state of a printer that has never been switched on."""
        return DeviceState.first(self.functions, dns=self.dns)


def _raise(error: Exception) -> None:
    raise error


@dataclass(frozen=True)
class Listeners:
    """Callbacks for what a printer does.

    ``installed`` gets each registered certificate after the commit, and all of them again at each start; ``abandoned``
    gets each transactionID that is given up, and the reason; ``unforeseen`` gets an unexpected exception that ended a
    request, after the commit, and may raise it.
    """

    installed: Callable[[Certificate], None] = lambda _: None
    abandoned: Callable[[str, str], None] = lambda *_: None
    unforeseen: Callable[[Exception], None] = _raise
