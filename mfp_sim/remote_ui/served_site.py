"""Printers, their network and their CA on one clock, behind one lock, for the pages and the time-keeper.

Browser requests and scheduled events come from several threads; the thread that holds the lock acts, and the others
wait. No thread holds it during an exchange. On a simulated clock the CA is called in process, and time moves when a
user moves it, or runs `speed` times as fast as real time. An observer receives every act as a scenario step.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, get_args

from mfp_sim.device.machine import ADMINISTRATOR
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Printer
from mfp_sim.shared.errors import MfpSimError, Refused
from mfp_sim.shared.scep.http_messages import Delivery, HttpRequest
from mfp_sim.shared.simtime import Booking, Clock, FrozenClock, Scheduler, SystemClock
from mfp_sim.transport import EXCHANGE_LABELS, Done, InProcess, Network, NetworkState, UnderWay
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.scope import OPERATIONS
from mock_scep_server.script_file import script_of
from mock_scep_server.service import ScepService

__all__ = [
    "NETWORK_STATES",
    "OPERATOR_ACTS",
    "Busy",
    "NextFault",
    "Performed",
    "Site",
    "Street",
    "UnwatchedPoints",
]

T = TypeVar("T")

NETWORK_STATES: tuple[NetworkState, ...] = get_args(NetworkState)
_ANSWERS: dict[str, str | None] = {
    "policy": None,
    "pending": "pending",
    **{f"failure-{number}": f"{{failure: {number}}}" for number in range(5)},
    **{f"http-{number}": f"{{http: {number}}}" for number in (404, 500, 503)},
    "none": "none",
}
"""How the mock can be set to reply from now on: the `then` of a rule, or None for the mock's own policy."""
_SCRIPT = "script"
"""The answer of a mock that follows the rules with which it was started, besides `_ANSWERS`."""
OPERATOR_ACTS: Mapping[str, Callable[[CaOperator, str | None], int]] = {
    "approve": lambda operator, transaction: operator.approve(transaction=transaction),
    "reject": lambda operator, transaction: operator.reject(transaction=transaction),
    "hold": lambda operator, _: operator.hold(),
    "release": lambda operator, _: operator.release(),
}
"""What the pages let the CA's operator do, each with the transactionID of a waiting request if it is about one."""
_TICK = 0.25
_LONGEST_PAUSE = timedelta(seconds=1)


class Busy(Exception):
    """Another thread has held the lock for longer than the caller waits; nothing was done."""


@dataclass(frozen=True)
class Performed:
    """An act as a scenario step: the name and argument, and the reason if the printer refused it.

    `ended`: whether all its consequences had happened when it returned; a request may still be in progress.
    """

    kind: str
    argument: object
    role: str = ADMINISTRATOR
    refused: str | None = None
    ended: bool = True


@dataclass(frozen=True)
class NextFault:
    """A fault that the mock applies once: at the next request of this operation or message type ("": any request)."""

    slug: str
    at: str

    @property
    def rule(self) -> str:
        """The rule for the mock's script, in YAML."""
        key = "operation" if self.at in OPERATIONS else "type"
        when = f"when: {{{key}: {self.at}}}, " if self.at else ""
        return f"- {{{when}faults: [{FAULTS[self.slug].example}], times: 1, optional: true}}\n"


@dataclass(frozen=True)
class Trouble:
    """A problem while time passed by itself: when it occurred, and what it was."""

    at: datetime
    text: str


class UnwatchedPoints(PowerPoints):
    """The power points of a served printer. They are not recorded, since it may run for years."""

    def reach(self, name: str) -> None:
        super().reach(name)
        self.passed.clear()


class Street:
    """The simulated network: the CA replies at its address, its other ports refuse, and other names are unknown."""

    def __init__(
        self, scheduler: Scheduler, handle: Callable[[HttpRequest, str], Delivery], network: Network,
        hosts: tuple[str, ...], port: int, client: Callable[[], str],
    ) -> None:  # fmt: skip
        self._hosts, self._port, self._network = hosts, port, network
        self._at_home = InProcess(scheduler, handle, network=network, client=client)
        self._elsewhere = {
            state: InProcess(scheduler, handle, network=Network(state), client=client)
            for state in ("refused", "no-such-host")
        }

    def state_for(self, host: str, port: int) -> NetworkState:
        """The state of the network for a connection to that address."""
        if host.lower() not in self._hosts:
            return "no-such-host"
        return self._network.state if port == self._port else "refused"

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See `mfp_sim.transport.Wire`."""
        at_home = host.lower() in self._hosts and port == self._port
        wire = self._at_home if at_home else self._elsewhere[self.state_for(host, port)]
        return wire.begin(host, port, request, timeout, done)


class Site:
    """Everything that is served; see the module.

    Args:
        clock, scheduler: simulated, or the system's.
        speed: how many times as fast as real time a simulated clock runs by itself; 0 if it stands still.
        ca: the mock, or None with a real server.
        ca_url: the URL of the CA.
        network: the state of the simulated network, on a simulated clock.
        script: the rules with which the mock was started, in YAML; None if there are none.
        observer: called with every act.
    """

    def __init__(
        self,
        clock: Clock,
        scheduler: Scheduler,
        *,
        ca: ScepService | None,
        ca_url: str,
        speed: float = 0.0,
        network: Network | None = None,
        script: str | None = None,
        observer: Callable[[Performed], None] | None = None,
    ) -> None:
        self.clock, self.scheduler, self.speed = clock, scheduler, speed
        self.ca, self.ca_url, self.network = ca, ca_url, network
        self.printers: list[Printer] = []
        self.ports: dict[str, int] = {}
        """By serial number: the port of each printer's pages, once they are served."""
        self.answer = "policy" if script is None else _SCRIPT
        self._script, self._faults = script, list[NextFault]()
        self.observer = observer
        self.trouble: Trouble | None = None
        """The last problem while time passed by itself, until a page has shown it."""
        self._lock = threading.RLock()

    @property
    def simulated(self) -> bool:
        """Whether the clock can be moved."""
        return isinstance(self.clock, FrozenClock)

    @property
    def next_event(self) -> Booking | None:
        """The next scheduled event; the arrival of a reply is not known in advance."""
        return next((booking for booking in self.scheduler.planned() if booking.label not in EXCHANGE_LABELS), None)

    # --- acting -------------------------------------------------------------------------------------------

    @contextmanager
    def held(self, patience: float = -1) -> Iterator[None]:
        """Hold the lock.

        Raises:
            Busy: it was not free within `patience` seconds of real time (-1 waits forever).
        """
        if not self._lock.acquire(timeout=patience):
            raise Busy
        try:
            yield
        finally:
            self._lock.release()

    def act(self, kind: str, argument: object, do: Callable[[], T], *, role: str = ADMINISTRATOR) -> T:
        """Do something, with all consequences that take no time, and report it to the observer, even if it is refused.

        Raises:
            Refused: the printer refused it.
        """
        with self._lock:
            try:
                done = do()
            except Refused as refusal:
                self._tell(Performed(kind, argument, role, refusal.reason))
                raise
            self.scheduler.run_due()
            self._tell(Performed(kind, argument, role))
            return done

    def _tell(self, act: Performed) -> None:
        if self.observer is not None:
            self.observer(act)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass, with everything that is due in that time."""
        with self._lock:
            self.scheduler.run_until(self.clock.now() + timedelta(seconds=seconds))
            self._tell(Performed("advance", seconds))

    def advance_to_next(self) -> None:
        """Let simulated time pass until the next event has happened."""
        with self._lock:
            booking = self.next_event
            if booking is not None:
                self.advance(max(0.0, (booking.due - self.clock.now()).total_seconds()))

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers that can be chosen."""
        return (*_ANSWERS, *([] if self._script is None else [_SCRIPT]))

    def set_answer(self, answer: str) -> None:
        """From now on, the mock sends this one of `answers` to every request for a certificate."""
        with self._lock:
            self._use_rules(self.faults, answer)
            self.answer = answer

    @property
    def faults(self) -> tuple[NextFault, ...]:
        """The faults that still wait for their request."""
        if self.ca is None or not self._faults:
            return ()
        rules = self.ca.script.describe()  # those of the faults are the first
        return tuple(fault for fault, rule in zip(self._faults, rules, strict=False) if not rule["taken"])

    def add_fault(self, fault: NextFault) -> None:
        """The mock applies a fault once. Other rules start again."""
        with self._lock:
            self._use_rules((*self.faults, fault), self.answer)

    def drop_faults(self) -> None:
        """No fault waits for its request any more. Other rules start again."""
        with self._lock:
            self._use_rules((), self.answer)

    def _use_rules(self, faults: tuple[NextFault, ...], answer: str) -> None:
        assert self.ca is not None
        then = _ANSWERS.get(answer)
        usual = (self._script or "") if answer == _SCRIPT else "" if then is None else _RULES.format(then=then)
        text = "".join(fault.rule for fault in faults) + usual or "[]"
        self.ca.replace_script(script_of(text))
        self._faults = list(faults)
        self._tell(Performed("ca_script", text))

    def operate(self, act: str, transaction: str | None = None) -> int:
        """An act of the CA's operator (one of `OPERATOR_ACTS`) on a waiting request, or `hold` and `release` on all.

        Returns:
            How much has changed.
        """
        with self._lock:
            assert self.ca is not None
            operator = self.ca.operator
            subjects = [one.subject for one in operator.waiting if one.transaction == transaction]
            if transaction is not None and not subjects:
                return 0
            count = OPERATOR_ACTS[act](operator, transaction)
            self.scheduler.run_due()
            pattern = re.sub(r"([*?[])", r"[\1]", subjects[0]) if subjects else "*"
            self._tell(Performed("ca_operator", {act: pattern}))
            return count

    def set_network(self, state: NetworkState) -> None:
        """Change the simulated network."""
        with self._lock:
            assert self.network is not None
            self.network.state = state
            self._tell(Performed("network", state))

    # --- time that passes by itself -----------------------------------------------------------------------

    def keep_time(self, stop: threading.Event, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Run what is due, and move a simulated clock that has a speed, until `stop`.

        It continues after any exception, such as a full disk: `trouble` holds the problem, and `tell` is called.
        """
        if not self.simulated:
            self._follow(stop, tell)
        elif self.speed:
            self._move(stop, tell)

    @contextmanager
    def _survived(self, tell: Callable[[str], None]) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - time has to go on, whatever an event does
            named = isinstance(error, MfpSimError)
            text = str(error) if named else f"internal error: {type(error).__name__}: {error}"
            self.trouble = Trouble(self.clock.now(), text)
            tell(text)

    def _follow(self, stop: threading.Event, tell: Callable[[str], None]) -> None:
        while not stop.is_set():
            until = self.clock.now() + _LONGEST_PAUSE
            with self._survived(tell), self._lock:
                self.scheduler.run_due()
                until = min(self.scheduler.next_due() or until, until)
            self.scheduler.listen(until)

    def _move(self, stop: threading.Event, tell: Callable[[str], None]) -> None:
        real = SystemClock()
        before: datetime = real.now()
        while not stop.wait(_TICK):
            now = real.now()
            with self._survived(tell):
                self.advance((now - before).total_seconds() * self.speed)
            before = now


_RULES = """\
- {{when: {{type: PKCSReq}}, then: {then}, optional: true}}
- {{when: {{type: CertPoll}}, then: {then}, optional: true}}
- {{when: {{type: RenewalReq}}, then: {then}, optional: true}}
"""
