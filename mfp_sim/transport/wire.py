"""The interface of a wire, and its adapters: a client that waits, a recorder of messages, the state of the network.

Clients that make one exchange after another (conformance, tests of the carriers) use `Sequential`, which lets time
pass until an exchange ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from mfp_sim.run_trace import Attachment, Recorder
from mfp_sim.shared.errors import ConnectionLost, TransportError
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, outgoing
from mfp_sim.shared.simtime import Booking, Clock, PassingClock, Scheduler

__all__ = [
    "EXCHANGE_LABELS",
    "Done",
    "Network",
    "NetworkState",
    "Overheard",
    "Result",
    "Sequential",
    "Spell",
    "Transport",
    "UnderWay",
    "Wire",
]

NetworkState: TypeAlias = Literal["up", "refused", "unreachable", "no-such-host", "silent"]


@dataclass
class Spell:
    """A period in which the network has one state. ``exchanges`` counts the exchanges in it."""

    state: NetworkState
    exchanges: int = 0


class Network:
    """The state of the simulated wire in process; scenario steps change it.

    ``refused``: no server listens; ``unreachable``: no route; ``no-such-host``: the name does not resolve; ``silent``:
    all packets are lost, so connecting runs into the deadline.
    """

    def __init__(self, state: NetworkState = "up") -> None:
        self.spell = Spell(state)

    @property
    def state(self) -> NetworkState:
        """The present state. Setting it begins a new `Spell`."""
        return self.spell.state

    @state.setter
    def state(self, state: NetworkState) -> None:
        self.spell = Spell(state)


class Transport(Protocol):
    """One HTTP exchange: a request goes out, a reply or a `TransportError` comes back."""

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """Send ``request`` to ``host:port``; ``timeout`` (seconds) is one deadline over connect, send and receive.

        Raises:
            ConnectFailed, ConnectionLost, DeadlineExceeded, MalformedHttp: see `mfp_sim.shared.errors`.
        """
        ...


EXCHANGE_LABELS: Final = ("request", "reply", "deadline")
"""The labels of an exchange's events on the scheduler."""

Result: TypeAlias = "HttpReply | Exception"
"""The result of an exchange: a reply, a `TransportError`, or an unexpected exception."""

Done: TypeAlias = Callable[[Result], None]
"""Takes the result of an exchange, within the event that ends it."""


class UnderWay:
    """An exchange in progress. Its next event is booked."""

    def __init__(self, booking: Booking | None = None) -> None:
        self.booking = booking

    def cancel(self) -> None:
        """Cancel the exchange; none of its events happens any more."""
        if self.booking is not None:
            self.booking.cancel()


class Wire(Protocol):
    """Where exchanges begin."""

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """Send ``request`` to ``host:port``; ``timeout`` (seconds) is one deadline over connect, send and receive.

        Returns at once. ``done`` is called later, as an event, unless the exchange is cancelled before.

        Raises:
            UsageError: HTTP has no bytes for such a request.
        """
        ...


class Sequential:
    """A `Transport` on a wire, for clients that only wait.

    Each exchange has its own scheduler, on which time passes until the reply is there.
    """

    def __init__(self, clock: PassingClock, make: Callable[[Scheduler], Wire]) -> None:
        self._clock, self._make = clock, make

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        """See `Transport.exchange`."""
        scheduler, ended = Scheduler(self._clock), list[Result]()
        under_way = self._make(scheduler).begin(host, port, request, timeout, ended.append)
        try:
            while not ended:
                if not scheduler.run_next():
                    raise RuntimeError("an exchange has begun, but no booked event can end it")
        finally:
            under_way.cancel()
        if isinstance(ended[0], Exception):
            raise ended[0]
        return ended[0]


class Overheard:
    """Wraps another wire and records its exchanges as attachments, which a report shows as messages."""

    def __init__(self, wire: Wire, clock: Clock, recorder: Recorder) -> None:
        self._wire, self._clock, self._recorder = wire, clock, recorder

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        """See `Wire.begin`."""
        event, begun = len(self._recorder.events) - 1, self._clock.now()
        sent = outgoing(request, host, port)

        def keep(result: Result) -> None:
            now = self._clock.now()
            if isinstance(result, HttpReply):
                self._recorder.attach(Attachment(event, begun, now, sent, result))
            else:
                left = isinstance(result, TransportError) and result.sent
                self._recorder.attach(Attachment(event, begun, now, sent, None, str(result), left))

        def overhear(result: Result) -> None:
            keep(result)
            done(result)

        under_way = self._wire.begin(host, port, request, timeout, overhear)
        return _OverheardUnderWay(under_way, lambda: keep(ConnectionLost("the printer broke off the exchange")))


class _OverheardUnderWay(UnderWay):
    def __init__(self, under_way: UnderWay, keep: Callable[[], None]) -> None:
        super().__init__()
        self._under_way, self._keep = under_way, keep

    def cancel(self) -> None:
        """See `UnderWay.cancel`."""
        self._under_way.cancel()
        self._keep()
