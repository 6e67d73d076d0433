"""Exchanges in the same process, as events on the injected clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mfp_sim.shared.errors import DeadlineExceeded, TransportError
from mfp_sim.shared.scep.http_messages import (
    IDLE_SECONDS,
    Close,
    Delivery,
    Fate,
    HttpRequest,
    Serve,
    Wait,
    outgoing,
    render_outgoing,
)
from mfp_sim.shared.simtime import FrozenClock, Scheduler
from mfp_sim.transport.reader import Deadline, PlayedSource, connect_failed, deadline_exceeded, place_of, read_reply
from mfp_sim.transport.wire import Done, Network, NetworkState, Result, Spell, UnderWay

__all__ = ["InProcess"]


class InProcess:
    """Carries exchanges to ``serve`` in the same process.

    Two events make up an exchange: the request arrives, and the exchange ends, at the latest at the deadline.

    ``client`` is the address that the server sees, or a function that returns it for each exchange; ``latency`` is in
    seconds each way. A reply is read when it is sent, on a separate clock that runs ahead, with the same reader
    and the same instants as over sockets. If the network falls silent meanwhile, bytes in transit are lost.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        serve: Serve,
        *,
        network: Network | None = None,
        client: str | Callable[[], str] = "192.0.2.10",
        latency: float = 0.0,
    ) -> None:
        self._scheduler, self._serve = scheduler, serve
        self.network = network or Network()
        self._client = client if callable(client) else lambda: client
        self._latency = latency

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See `Wire.begin`."""
        received = outgoing(request, host, port)
        render_outgoing(received)  # a request that sockets could not send is refused here too
        return _Simulated(self, received, place_of(host, port), timeout, done)

    def answer(self, request: HttpRequest) -> Delivery:
        """Have the server handle a request that has arrived."""
        return self._serve(request, self._client())

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler of the events."""
        return self._scheduler

    @property
    def latency(self) -> float:
        """Seconds each way."""
        return self._latency


class _Simulated(UnderWay):
    """One exchange in process, event by event."""

    def __init__(self, wire: InProcess, request: HttpRequest, where: str, timeout: float, done: Done) -> None:
        super().__init__()
        self._wire, self._request, self._where, self._done = wire, request, where, done
        now = wire.scheduler.clock.now()
        self._tell: Callable[[Fate], None] = lambda _: None
        self._ahead = FrozenClock(now)  # the reader's own time
        self._deadline = Deadline(self._ahead, timeout)
        self._met: Spell | None = None
        match self._meet():
            case "up":
                self._book(min(now + timedelta(seconds=wire.latency), self._deadline.instant), self._arrive, "request")
            case "silent":
                self._end(self._deadline.instant, deadline_exceeded(where, self._deadline, sent=False))
            case state:
                self._end(now, connect_failed(where, state))

    def _book(self, instant: datetime, action: Callable[[], None], label: str) -> None:
        self.booking = self._wire.scheduler.at(instant, action, label)

    def _end(self, instant: datetime, result: Result) -> None:
        self._book(instant, lambda: self._finish(result), "reply")

    def _finish(self, result: Result) -> None:
        """End with a result; without the booking, which refers to the exchange, the exchange is freed at once."""
        self.booking = None
        self._done(result)

    def _arrive(self) -> None:
        if self._swallowed():
            return
        wire = self._wire
        try:
            delivery = wire.answer(self._request)
        except Exception as error:  # noqa: BLE001 - an error in the server ends only this exchange
            self._end(wire.scheduler.clock.now(), error)
            return
        acts = (Wait(wire.latency), *delivery.acts) if wire.latency else delivery.acts
        if delivery.keep_alive and self._request.keep_alive:
            acts = (*acts, Wait(IDLE_SECONDS), Close())
        self._tell = delivery.tell
        self._ahead.move_to(wire.scheduler.clock.now())
        result: Result
        try:
            result = read_reply(PlayedSource(acts, self._ahead), self._deadline, self._request.method, self._where)
        except TransportError as error:
            result = error

        def end() -> None:
            if not self._swallowed():
                self._became("late" if isinstance(result, DeadlineExceeded) else "ended")
                self._finish(result)

        self._book(self._ahead.now(), end, "reply")

    def _meet(self) -> NetworkState:
        """The present state of the network, counted as met by this exchange."""
        spell = self._wire.network.spell
        if spell is not self._met:
            self._met = spell
            spell.exchanges += 1
        return spell.state

    def _swallowed(self) -> bool:
        """Whether the bytes in transit were lost because the network has become silent since.

        Refused connections and unresolved names do not affect a connection that is already open.
        """
        if self._wire.network.state in ("refused", "no-such-host") or self._meet() == "up":
            return False
        self._became("lost")
        self._end(self._deadline.instant, deadline_exceeded(self._where, self._deadline, sent=True))
        return True

    def cancel(self) -> None:
        """See `UnderWay.cancel`."""
        super().cancel()
        self._became("cut")

    def _became(self, fate: Fate) -> None:
        """Report to the server, once, what happened to its reply."""
        tell, self._tell = self._tell, lambda _: None
        tell(fate)
