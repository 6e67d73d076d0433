"""The exchanges of a case once more, over real sockets: a server reads each request and plays the same delivery.

Both ends must understand the same as in process. No time passes: waits are left out. So are deliveries that end only at
the client's deadline, and those whose last bytes a reset may overtake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import ClassVar

from mfp_sim.exploration.ways import CaseWay
from mfp_sim.scenario.world import World
from mfp_sim.shared.errors import TransportError
from mfp_sim.shared.scep.http_messages import (
    Delivery,
    DeliveryAct,
    HttpReply,
    HttpRequest,
    Reset,
    Serve,
    Stall,
    Wait,
    render_outgoing,
)
from mfp_sim.shared.simtime import FrozenClock
from mfp_sim.transport import Result, SocketClient, place_of
from mfp_sim.transport.reader import Deadline, PlayedSource, read_reply
from mock_scep_server.server import ServerHost

__all__ = ["OverSockets"]

_SECONDS = 30.0
"""Far more than an exchange without waits takes."""


@dataclass(frozen=True)
class OverSockets(CaseWay):
    """Collects the exchanges of a run, and repeats them at its end."""

    rule: ClassVar = "carriers-agree"
    exchanges: list[tuple[HttpRequest, Delivery]] = field(default_factory=list)

    def served(self, serve: Serve) -> Serve:
        """See `CaseWay.served`."""

        def collected(request: HttpRequest, client: str) -> Delivery:
            delivery = serve(request, client)
            self.exchanges.append((request, delivery))
            return delivery

        return collected

    def wrong(self, world: World) -> Iterator[str]:  # noqa: ARG002 - every way has this parameter
        """The exchanges that are different over sockets, one sentence each."""
        player = _Player()
        with ServerHost(player) as host:
            client = SocketClient(_clock())
            for request, delivery in self.exchanges:
                acts = tuple(act for act in delivery.acts if not isinstance(act, Wait))
                if Stall() in acts or Reset() in acts[1:]:
                    continue
                player.play(replace(delivery, acts=acts, tell=lambda _: None))
                expected = _in_process(acts, request, place_of(host.host, host.port))
                result = _result(client, host, request)
                if player.request != replace(request, scheme="http"):  # in process, https is without TLS too
                    yield f"over sockets, the server reads {player.request} instead of {request}"
                elif _told(result) != _told(expected):
                    at = f"the reply to {request.method} {request.target[:60]}"
                    yield f"{at} is {_told(result)} over sockets, and {_told(expected)} in process"


class _Player:
    """A service that answers with the given delivery, and remembers the request."""

    def __init__(self) -> None:
        self._delivery = Delivery(())
        self.request: HttpRequest | None = None

    def play(self, delivery: Delivery) -> None:
        self._delivery, self.request = delivery, None

    def handle(self, request: HttpRequest, client: str) -> Delivery:  # noqa: ARG002 - every service has it
        self.request = request
        return self._delivery


def _clock() -> FrozenClock:
    """A clock for deadlines that are not to be reached."""
    return FrozenClock(datetime(2026, 1, 1, tzinfo=timezone.utc))


def _result(client: SocketClient, host: ServerHost, request: HttpRequest) -> Result:
    try:
        return client.converse(host.host, host.port, [render_outgoing(request)], _SECONDS)[0]
    except TransportError as error:
        return error


def _in_process(acts: tuple[DeliveryAct, ...], request: HttpRequest, where: str) -> Result:
    ahead = _clock()
    try:
        return read_reply(PlayedSource(acts, ahead), Deadline(ahead, _SECONDS), request.method, where)
    except TransportError as error:
        return error


def _told(result: Result) -> str:
    if isinstance(result, HttpReply):
        return f"{result} with the body {result.body.hex()}"
    return f"{type(result).__name__}: {result}"
