"""Runs a plan with real printers and real messages: the same queue, with the mock behind it, issues every certificate.

It verifies the modelled engine: both must give the same outcomes with the same number of exchanges. The queue decides
when a request is served and whether the CA issues; printer and mock do everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import instant_of
from mfp_sim.device.outside import Factory, Outside
from mfp_sim.device.printer import Printer
from mfp_sim.device.settings import KeySettings
from mfp_sim.events import Event, StatusRowAdded
from mfp_sim.fleet.engine import occasion_of
from mfp_sim.fleet.plan import URL, FleetPlan, PrinterClass
from mfp_sim.fleet.queueing import (
    CA_CERT,
    CAPS,
    CLOSED,
    CODES,
    EXPIRED,
    LOST,
    PENDING,
    POLL,
    SUBMIT,
    UNANSWERED,
    CaQueue,
    Draws,
)
from mfp_sim.fleet.result import SUCCESSFUL, FleetRun, Tally
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.errors import ConnectionLost, DeadlineExceeded, TransportError, UsageError
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, outgoing, read_scep_query
from mfp_sim.shared.scep.messages import decode
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mfp_sim.shared.simtime import Clock, Entropy, FrozenClock, PooledKeys, Scheduler
from mfp_sim.transport.reader import Deadline, PlayedSource, read_reply
from mfp_sim.transport.wire import Done, Result, UnderWay
from mock_scep_server.policy import CaPolicy
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.setup import CaSetup

__all__ = ["run_real"]

_MOST = 1000
"""The largest number of real printers in a run."""
_CHALLENGE, _HOST = "fleet", "ca.example"


def run_real(plan: FleetPlan, seed: int | None = None, progress: Callable[[float], None] = lambda _: None) -> FleetRun:
    """Run a plan with real messages; the arguments are those of `run_fleet`.

    Raises:
        UsageError: the plan has more than a thousand printers.
    """
    if plan.total > _MOST:
        raise UsageError(f"{plan.total} printers are too many for real messages; the limit is {_MOST}")
    fleet = _RealFleet(plan, plan.seed if seed is None else seed)
    fleet.go(progress)
    return fleet.tally.result(fleet.queue, sum(wire.exchanges for wire in fleet.wires))


class _Challenges:
    """One challenge password, expired for each request that the queue considers too late."""

    wanted: ClassVar[bool] = True

    def __init__(self) -> None:
        self.expired = False

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002 - the protocol's arguments
        return "the challenge has expired" if self.expired else None


class _Queue(CaQueue):
    """A queue that remembers its decision on the present request, and when that is served."""

    decided: tuple[float, int] | None = None

    def asked_by(
        self, now: float, timeout: float, operation: int, printer: int, number: int, planned: float
    ) -> tuple[int, float]:
        """See `CaQueue.take`."""
        self.decided = None
        return self.take(now, timeout, operation, printer, number, planned)

    def decide(self, now: float, operation: int, printer: int, number: int, planned: float) -> int:
        code = super().decide(now, operation, printer, number, planned)
        self.decided = now, code
        return code


class _RealFleet:
    """The printers, the mock and the queue on one scheduler."""

    def __init__(self, plan: FleetPlan, seed: int) -> None:
        self.plan, self.draws = plan, Draws(seed)
        self.begins = plan.begins
        self.scheduler = Scheduler(FrozenClock(self.begins - timedelta(minutes=1)), max_events=10**9)
        self.queue, self.tally = _Queue(plan, self.draws), Tally(plan, seed)
        self.challenges = _Challenges()
        entropy = Entropy(seed)
        self.ca = _ca(plan, self.scheduler, entropy, self.challenges)
        classes = [(number, one) for number, one in enumerate(plan.printers) for _ in range(one.count)]
        self.wires = [_FleetWire(self, place, number, one) for place, (number, one) in enumerate(classes)]
        for wire in self.wires:
            wire.switch_on(entropy)

    def served(self, request: HttpRequest, subject: str, decided: int | None) -> Result:
        """The mock's reply to a request that a worker has taken; the mock is made to decide as the queue did."""
        pattern, operator, now = f"*CN={subject}", self.ca.operator, self.scheduler.clock.now()
        self.challenges.expired = decided == EXPIRED
        if decided == PENDING:
            operator.hold(pattern)
        elif decided is not None:
            operator.release(pattern)
        sent = outgoing(request, _HOST, 80)
        delivery = self.ca.handle(sent, subject)
        ahead = FrozenClock(now)
        try:
            return read_reply(PlayedSource(delivery.acts, ahead), Deadline(ahead, 1.0), sent.method, _HOST)
        except TransportError as error:
            return error

    def seconds(self, instant: datetime) -> float:
        """The seconds since the beginning of the plan."""
        return (instant - self.begins).total_seconds()

    def instant(self, seconds: float) -> datetime:
        """The instant a number of seconds after the beginning of the plan."""
        return self.begins + timedelta(seconds=seconds)

    def go(self, progress: Callable[[float], None]) -> None:
        """Run all events up to the horizon."""
        end = self.plan.days * 86400.0
        while (due := self.scheduler.next_due()) is not None and self.seconds(due) < end:
            self.scheduler.run_next()
            progress(self.seconds(due) / end)


def _ca(plan: FleetPlan, scheduler: Scheduler, entropy: Entropy, challenges: _Challenges) -> ScepService:
    policy = CaPolicy(validity=timedelta(seconds=plan.ca.validity))
    return make_service(
        CaSetup(policy=policy),
        clock=scheduler.clock,
        entropy=entropy.fork("ca"),
        keys=PooledKeys(entropy.fork("ca-keys"), side=1),
        zone=ZoneInfo("UTC"),
        challenge=challenges,
    )


class _Chance(Entropy):
    """A printer's random numbers. Adjustments are drawn as in the modelled engine."""

    def __init__(self, seed: int | None, *, stream: str, draw: Callable[[str, int, int], int]) -> None:
        super().__init__(seed, stream=stream)
        self._name, self._draw = stream, draw

    def fork(self, name: str) -> Entropy:
        return _Chance(self.seed, stream=f"{self._name}/{name}", draw=self._draw)

    def integer(self, low: int, high: int) -> int:
        place, _, planned = self._name.rpartition("/adjust/")
        return self._draw(planned, low, high) if place else super().integer(low, high)


class _Rows(Recorder):
    """A recorder that passes on each row of the status page, and stores nothing."""

    def __init__(self, clock: Clock, heard: Callable[[StatusRowAdded], None]) -> None:
        super().__init__(clock)
        self._heard = heard

    def record(self, event: Event) -> None:
        if isinstance(event, StatusRowAdded):
            self._heard(event)


class _FleetWire:
    """A printer and its wire to the CA."""

    def __init__(self, fleet: _RealFleet, place: int, of: int, one: PrinterClass) -> None:
        self._fleet, self._place, self._of, self._class = fleet, place, of, one
        self._zone = fleet.plan.zone_of(one)
        self.exchanges = 0
        self._transaction: str | None = None
        self._begun = 0.0
        self._subject = f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}"
        self._printer: Printer | None = None

    def switch_on(self, entropy: Entropy) -> None:
        """Switch on the new printer and enter its settings."""
        serial, fleet = f"SIM{self._place:05}", self._fleet
        outside = Outside(
            scheduler=fleet.scheduler,
            wire=self,
            entropy=_Chance(entropy.seed, stream=f"/{serial}", draw=self._adjustment),
            keys=PooledKeys(entropy.fork(f"keys/{serial}"), side=0),
            recorder=_Rows(fleet.scheduler.clock, self._ended),
        )
        factory = Factory(serial=serial, timezone=self._zone.key, ip=self._subject)
        self._printer = printer = Printer(self._class.model, outside, factory)
        printer.power_on()
        printer.update_communication(url=URL, timeout=int(self._class.seconds))
        key = KeySettings("fleet", self._subject, challenge=_CHALLENGE)
        printer.update_auto_request(self._class.auto_request(key))

    def _adjustment(self, planned: str, low: int, high: int) -> int:
        instant = instant_of(datetime.fromisoformat(planned), self._zone)
        return self._fleet.draws.integer(low, high, self._place, occasion_of(instant.timestamp()))

    @property
    def _planned(self) -> float:
        """The planned start of the present request, in seconds from the beginning of the plan."""
        assert self._printer is not None
        planned = self._printer.machine.state.planned
        assert planned is not None
        return self._fleet.seconds(instant_of(planned, self._zone))

    def _ended(self, row: StatusRowAdded) -> None:
        now = self._fleet.seconds(self._fleet.scheduler.clock.now())
        if row.state == SUCCESSFUL:
            self._fleet.tally.issued(self._place, self._of, now, now - self._begun)
        else:
            self._fleet.tally.failed(self._place, self._of, now, str(row.details))

    def begin(self, host: str, _port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See `Wire.begin`: the request leaves when its key is ready, and arrives one latency later."""
        fleet, number, under_way = self._fleet, self.exchanges, UnderWay()
        scheduler, operation = fleet.scheduler, _operation(request)
        self.exchanges += 1

        def book(when: float, action: Callable[[], None]) -> None:
            at = max(fleet.instant(when), scheduler.clock.now())
            under_way.booking = scheduler.at(at, action, "reply")

        def arrive() -> None:
            code, when = fleet.queue.asked_by(
                fleet.seconds(scheduler.clock.now()), timeout, operation, self._place, number, self._planned
            )
            served = fleet.queue.decided
            if code in _LOST:
                error = _LOST[code](f"{host} did not reply")
                book(when, lambda: done(error))
            elif code >= len(CODES):
                reply = HttpReply(fleet.queue.statuses[code - len(CODES)], "", (), b"")
                book(when, lambda: done(reply))
            elif served is None:
                book(when, lambda: done(fleet.served(request, self._subject, None)))
            if served is not None:
                ends, decided = served
                scheduler.at(
                    fleet.instant(ends), lambda: answered(fleet.served(request, self._subject, decided)), "request"
                )

            def answered(result: Result) -> None:
                if code not in _LOST:
                    book(when, lambda: done(result))

        leaves = fleet.seconds(scheduler.clock.now()) + self._key_time(number)
        book(leaves + fleet.plan.network.latency, arrive)
        return under_way

    def _key_time(self, number: int) -> float:
        """The seconds that the printer needs for the key of a new transaction; 0 if it has the key."""
        assert self._printer is not None
        current = self._printer.requests.current
        assert current is not None
        self._begun = self._fleet.seconds(current.started)
        if current.transaction_id == self._transaction:
            return 0.0
        self._transaction = current.transaction_id
        self._fleet.queue.forget(self._place)
        span = self._class.key_time
        return span.least + (span.width * self._fleet.draws.fraction(self._place, number * 8 + 5) if span.most else 0.0)


_LOST: Mapping[int, Callable[[str], TransportError]] = {
    LOST: lambda text: DeadlineExceeded(text, sent=False),
    UNANSWERED: lambda text: DeadlineExceeded(text, sent=True),
    CLOSED: lambda text: ConnectionLost(text, sent=True),
}


def _operation(request: HttpRequest) -> int:
    query = read_scep_query(request)
    if query.operation == Operation.GET_CA_CAPS:
        return CAPS
    if query.operation == Operation.GET_CA_CERT:
        return CA_CERT
    assert query.message is not None
    return POLL if decode(query.message).message_type == MessageType.CERT_POLL else SUBMIT
