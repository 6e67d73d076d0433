"""An exchange begins, and its end is an event: what may happen between the two, on both carriers."""

from __future__ import annotations

import gc
import socket
import threading
import weakref
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from mfp_sim.shared.errors import ConnectFailed, DeadlineExceeded
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, Send, Wait
from mfp_sim.shared.simtime import FrozenClock, Scheduler, SystemClock
from mfp_sim.testing import START, Bench
from mfp_sim.transport import InProcess, Sockets
from mock_scep_server.server import ServerHost

CAPS = HttpRequest("GET", "/scep?operation=GetCACaps")
CERT = HttpRequest("GET", "/scep?operation=GetCACert")
SLOW = "[{when: {operation: GetCACaps}, faults: [{delay: 20s}], optional: true}]"


class Street:
    """A CA in process that answers after twenty seconds, one second away."""

    def __init__(self, rules: str = SLOW) -> None:
        bench = Bench(script=rules, challenge=None)
        self.clock, self.scheduler, self.network, self.ca = bench.clock, bench.scheduler, bench.network, bench.ca
        self.wire = InProcess(self.scheduler, self.ca.handle, network=self.network, latency=1.0)
        self.ended: list[tuple[float, HttpReply | Exception]] = []

    def begin(self, timeout: float = 60.0):
        return self.wire.begin("127.0.0.1", 80, CAPS, timeout, lambda r: self.ended.append((self.seconds, r)))

    @property
    def seconds(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def until(self, seconds: float) -> None:
        self.scheduler.run_until(START + timedelta(seconds=seconds))

    @property
    def asked(self) -> int:
        return len(self.ca.journal.entries)


def test_no_time_passes_while_it_begins_and_the_ca_is_asked_when_the_request_arrives() -> None:
    street = Street()
    street.begin()
    assert (street.seconds, street.ended, street.asked) == (0, [], 0)
    street.until(0.9)
    assert street.asked == 0
    street.until(1)
    assert (street.ended, street.asked) == ([], 1)
    street.until(60)
    ((when, reply),) = street.ended
    assert when == 22  # there, twenty seconds, and back
    assert isinstance(reply, HttpReply)
    assert reply.status == 200


@pytest.mark.parametrize("state", ["refused", "unreachable", "no-such-host"])
def test_a_refusal_is_an_event_too(state) -> None:
    street = Street()
    street.network.state = state
    street.begin()
    assert street.ended == []
    assert street.scheduler.run_next()
    ((when, error),) = street.ended
    assert when == 0
    assert isinstance(error, ConnectFailed)


@pytest.mark.parametrize("state", ["up", "refused", "silent"])
def test_an_exchange_that_has_ended_is_freed_without_the_garbage_collector(state) -> None:
    street = Street()
    street.network.state = state
    gc.disable()
    try:
        under_way = weakref.ref(street.begin())
        assert under_way() is not None
        street.until(100)
        assert len(street.ended) == 1
        assert under_way() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("cut", "asked"), [(0.0, 0), (0.5, 0), (1.0, 1), (10.0, 1), (21.9, 1)])
def test_what_is_cancelled_does_not_end_and_the_ca_is_asked_if_the_request_had_arrived(cut: float, asked: int) -> None:
    street = Street()
    under_way = street.begin()
    street.until(cut)
    under_way.cancel()
    street.until(100)
    assert (street.ended, street.asked) == ([], asked)
    assert street.scheduler.next_booking() is None


@pytest.mark.parametrize("state", ["silent", "unreachable"])
@pytest.mark.parametrize(("falls", "asked"), [(0.5, 0), (1.0, 1), (21.0, 1)])
def test_a_network_that_falls_silent_swallows_what_is_on_its_way(state, falls: float, asked: int) -> None:
    street = Street()
    street.begin()
    street.until(falls)
    street.network.state = state
    street.until(100)
    ((when, error),) = street.ended
    assert (when, street.asked) == (60, asked)
    assert isinstance(error, DeadlineExceeded)
    assert error.sent
    assert street.network.spell.exchanges == 1, "the new state was met"


def test_a_network_that_comes_back_in_time_has_swallowed_nothing() -> None:
    street = Street()
    street.begin()
    street.until(5)
    street.network.state = "silent"
    street.until(20)
    street.network.state = "up"
    street.until(100)
    ((when, reply),) = street.ended
    assert (when, isinstance(reply, HttpReply)) == (22, True)


def test_two_exchanges_overlap() -> None:
    street = Street("[{when: {operation: GetCACaps}, times: 1, faults: [{delay: 20s}]}]")
    street.begin()
    street.until(0.5)
    street.begin()
    street.until(100)
    assert [when for when, _ in street.ended] == [2.5, 22]


# --- over sockets, on the real clock ------------------------------------------------------------------------------


def carrier_threads(host: str, but: Collection[threading.Thread] = ()) -> list[threading.Thread]:
    """The threads of exchanges with a host, ``but`` those that a test before has left to their end."""
    return [thread for thread in threading.enumerate() if thread.name == f"to {host}" and thread not in but]


def test_over_sockets_too_one_exchange_does_not_wait_for_the_other() -> None:
    clock = SystemClock()
    scheduler = Scheduler(clock)
    rules = "[{when: {operation: GetCACaps}, faults: [stall], optional: true}]"
    ends = list[object]()
    with ServerHost(Bench(script=rules, challenge=None, clock=clock).ca) as host:
        wire, others = Sockets(scheduler), carrier_threads(host.host)
        stalled = wire.begin(host.host, host.port, CAPS, 60.0, lambda _: ends.append("stalled"))
        (waiting,) = carrier_threads(host.host, others)
        wire.begin(host.host, host.port, CERT, 60.0, ends.append)
        while not ends:
            assert scheduler.run_next()
        assert isinstance(ends[0], HttpReply)
        stalled.cancel()
        waiting.join(20)
        assert not waiting.is_alive(), "the connection is broken off, and its thread is gone"
        while scheduler.run_next():
            pass
        assert len(ends) == 1, "a cancelled exchange does not end"


def test_the_resolver_is_under_the_deadline_too(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        answer.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    scheduler, ends = Scheduler(SystemClock()), list[object]()
    Sockets(scheduler).begin("ca.example", 80, CAPS, 0.01, ends.append)
    (looking_up,) = carrier_threads("ca.example")
    assert scheduler.run_next()
    (error,) = ends
    assert isinstance(error, DeadlineExceeded)
    assert not error.sent
    answer.set()
    looking_up.join(20)
    assert scheduler.run_next()
    assert len(ends) == 1, "what the thread finds out later is not told"


def test_an_exception_that_nobody_foresaw_is_what_came_of_the_exchange(monkeypatch) -> None:
    def broken(*_: object, **__: object) -> list[object]:
        raise LookupError("no such table")

    monkeypatch.setattr(socket, "getaddrinfo", broken)
    scheduler, ends = Scheduler(SystemClock()), list[object]()
    Sockets(scheduler).begin("ca.example", 80, CAPS, 60.0, ends.append)
    assert scheduler.run_next()
    assert [repr(end) for end in ends] == ["LookupError('no such table')"]


def test_without_a_thread_the_exchange_ends_with_that(monkeypatch) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    scheduler, ends = Scheduler(SystemClock()), list[object]()
    Sockets(scheduler).begin("ca.example", 80, CAPS, 60.0, ends.append)
    assert ends == []
    assert scheduler.run_next()
    assert [str(end) for end in ends] == ["can't start new thread"]
    assert scheduler.run_next() is False, "nothing is expected any more"


def test_what_is_cancelled_while_the_connection_is_made_is_not_sent(monkeypatch) -> None:
    clock, made, go_on = SystemClock(), threading.Event(), threading.Event()
    connect = socket.socket.connect

    class Slow(socket.socket):
        def connect(self, address: Any) -> None:
            made.set()
            assert go_on.wait(30)
            connect(self, address)

    scheduler, ends = Scheduler(clock), list[object]()
    service = Bench(challenge=None, clock=clock).ca
    with ServerHost(service) as host:
        monkeypatch.setattr(socket, "socket", Slow)
        others = carrier_threads(host.host)
        under_way = Sockets(scheduler).begin(host.host, host.port, CAPS, 60.0, ends.append)
        assert made.wait(30)
        under_way.cancel()  # before there is a connection that could be shut down
        (working,) = carrier_threads(host.host, others)
        go_on.set()
        working.join(30)
        while scheduler.run_next():
            pass
    assert (ends, service.journal.count) == ([], 0)


def test_a_server_that_fails_ends_the_exchange_and_nothing_else() -> None:
    scheduler, ends = Scheduler(FrozenClock(START)), list[object]()

    def handle(request: HttpRequest, client: str):
        raise ZeroDivisionError("planted")

    InProcess(scheduler, handle).begin("ca.example", 80, CAPS, 60.0, ends.append)
    assert scheduler.run_next()
    assert scheduler.run_next()
    assert [repr(end) for end in ends] == ["ZeroDivisionError('planted')"]


def test_a_host_that_is_stopped_before_the_reply_has_not_delivered_it() -> None:
    clock = SystemClock()
    told: list[str] = []

    class Slow:
        def handle(self, request: HttpRequest, client: str) -> Delivery:
            stopping.set()
            return Delivery((Wait(60.0), Send(b"HTTP/1.1 204 No Content\r\n\r\n")), tell=told.append)

    stopping, scheduler = threading.Event(), Scheduler(clock)
    host = ServerHost(Slow())
    host.start()
    under_way = Sockets(scheduler).begin(host.host, host.port, CAPS, 60.0, lambda _: None)
    assert stopping.wait(30)
    host.stop()
    under_way.cancel()
    assert told == ["cut"]
