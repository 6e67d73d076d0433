"""The modelled CA, one request after another: what each gets and when, and what is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from fleet_plans import few
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.histogram import bucket_of
from mfp_sim.fleet.plan import DrawnTime, NetworkPlan, Outage, PendingPlan, QueuePlan, ServiceTimes
from mfp_sim.fleet.queueing import (
    CA_CERT,
    CAPS,
    CLOSED,
    CODES,
    EXPIRED,
    ISSUED,
    LOST,
    PENDING,
    POLL,
    SUBMIT,
    UNANSWERED,
    CaQueue,
    Draws,
)

_LATENCY = 0.25
_TAKEN, _UNKNOWN = CODES.index("taken"), CODES.index("unknown")
_SERVICE = ServiceTimes(caps=(0.5,), ca_cert=(1.0,), pki=(2.0,), poll=(4.0,))


class _Always(Draws):
    """Draws that are all this fraction."""

    def __init__(self, fraction: float) -> None:
        super().__init__(1)
        self._fraction = fraction

    def fraction(self, printer: int, occasion: int) -> float:
        return self._fraction


def _queue(draws: Draws | None = None, loss: float = 0.0, outages: tuple[Outage, ...] = (), **ca: Any) -> CaQueue:
    """A CA whose times are exact as binary fractions."""
    plan = few(20)
    ca = {"workers": 1, "service": _SERVICE, **ca}
    network = NetworkPlan(_LATENCY, loss)
    return CaQueue(replace(plan, network=network, outages=outages, ca=replace(plan.ca, **ca)), draws or Draws(1))


def _submit(queue: CaQueue, *times: float, timeout: float = 30.0) -> list[tuple[int, float]]:
    """The results of requests for certificates at these times, each from another printer."""
    return [queue.take(now, timeout, SUBMIT, printer, 0, 0.0) for printer, now in enumerate(times)]


# --- chance ---


def test_draws_are_splitmix64() -> None:
    """The first numbers of the generator with seed 0, as its author published them."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert [Draws(seed).number(0, 0) for seed in range(4)] == published


@given(st.integers(0, 2**40), st.integers(0, 10**6), st.integers(0, 2**40))
def test_a_fraction_is_below_1_and_a_whole_number_within_its_limits(seed: int, printer: int, occasion: int) -> None:
    draws = Draws(seed)
    assert draws.fraction(printer, occasion) == (draws.number(printer, occasion) >> 11) / 2**53
    assert draws.integer(7, 7, printer, occasion) == 7
    assert draws.integer(3, 5, printer, occasion) == 3 + draws.number(printer, occasion) % 3


def test_draws_differ_by_printer_occasion_and_seed() -> None:
    numbers = {
        Draws(seed).number(printer, occasion) for seed in range(5) for printer in range(50) for occasion in range(50)
    }
    assert len(numbers) == 5 * 50 * 50


def test_no_two_draws_of_a_printer_are_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss, service time, share and time of approvals, and keys: each occasion has a number of its own."""
    drawn: Counter[tuple[int, int]] = Counter()
    number = Draws.number

    def counted(draws: Draws, printer: int, occasion: int) -> int:
        drawn[printer, occasion] += 1
        return number(draws, printer, occasion)

    monkeypatch.setattr(Draws, "number", counted)
    plan = few(
        40, days=100, service="10ms, 90ms", network=", loss: 20%", more=", key_time: {least: 1s, most: 9s}",
        ca=", pending: {share: 60%, approved_after: {least: 1m, most: 90m}}",
    )  # fmt: skip
    assert run_fleet(plan).exchanges > 700
    assert len(drawn) > 1_500
    assert max(drawn.values()) == 1


# --- outages and losses ---

_NINE = datetime(2026, 3, 2, 9)


@pytest.mark.parametrize(
    ("looks", "code", "when"),
    [
        ("silent", LOST, 40 - _LATENCY + 30),
        ("hangs", UNANSWERED, 40 - _LATENCY + 30),
        ("refused", LOST, 40 - _LATENCY),
        ("closed", CLOSED, 40 + _LATENCY),
        ("429", len(CODES), 40 + _LATENCY),
        ("504", len(CODES) + 1, 40 + _LATENCY),
    ],
)
def test_a_request_during_an_outage(looks: str, code: int, when: float) -> None:
    queue = _queue(outages=(Outage(_NINE, 50.0, looks),))
    assert _submit(queue, 40.0) == [(code, when)]
    assert (queue.asked, queue.unserved, queue.waits.total(), queue.busy, queue.minted) == ({4: 1}, {4: 1}, 0, 0.0, 0)


def test_the_statuses_of_a_plan_have_their_codes() -> None:
    outages = (Outage(_NINE, 10.0, "503"), Outage(_NINE, 20.0, "429"), Outage(_NINE, 30.0, "closed"))
    assert _queue(outages=outages).statuses == (429, 503)
    assert _queue().statuses == (503,)


def test_an_outage_has_its_first_second_but_not_the_last() -> None:
    """Outages that touch, overlap and stand apart, in the order of time and not of the plan."""
    outages = (
        Outage(datetime(2026, 3, 2, 9, 5), 60.0, "closed"),
        Outage(datetime(2026, 3, 2, 9, 2), 60.0, "hangs"),
        Outage(datetime(2026, 3, 2, 9, 1), 60.0, "refused"),
        Outage(datetime(2026, 3, 2, 9, 2, 30), 60.0, "silent"),
    )
    times = (59.0, 60.0, 119.0, 120.0, 179.0, 180.0, 209.0, 210.0, 299.0, 300.0, 359.0, 360.0)
    codes = [code for code, _ in _submit(_queue(outages=outages), *times)]
    assert codes == [
        ISSUED, LOST, LOST, UNANSWERED, UNANSWERED, LOST, LOST, ISSUED, ISSUED, CLOSED, CLOSED, ISSUED,
    ]  # fmt: skip


def test_a_request_is_lost_below_the_share_that_is_lost() -> None:
    lost = _queue(_Always(0.2), loss=0.25)
    assert _submit(lost, 15.0) == [(UNANSWERED, 15.0 - _LATENCY + 30.0)]
    assert (lost.unserved, lost.minted) == ({1: 1}, 0)
    arrived = _queue(_Always(0.25), loss=0.25)
    assert _submit(arrived, 15.0) == [(ISSUED, 17.25)]
    assert (arrived.unserved, arrived.minted) == ({}, 1)


# --- the queue ---


def test_what_is_counted() -> None:
    queue = _queue()
    assert _submit(queue, 1.0, 1.0, 1.0, 7.0, 11.0, timeout=5.0) == [
        (ISSUED, 3.25), (ISSUED, 5.25), (UNANSWERED, 5.75), (ISSUED, 9.25), (ISSUED, 13.25),
    ]  # fmt: skip
    assert (queue.asked, queue.unserved, queue.queue, queue.longest) == ({0: 4, 1: 1}, {}, {0: 2}, 2)
    assert queue.waits == {0: 3, bucket_of(2.0): 1, bucket_of(4.0): 1}
    assert (queue.busy, queue.wasted, queue.minted) == (10.0, 2.0, 5)
    assert _queue().longest == 0


def test_every_operation_has_its_time() -> None:
    queue = _queue()
    operations = ((CAPS, 0.5), (CA_CERT, 1.0), (SUBMIT, 2.0), (POLL, 4.0))
    results = [queue.take(100.0 * n, 30.0, one, 0, n, 0.0) for n, (one, _) in enumerate(operations)]
    codes = (_TAKEN, _TAKEN, ISSUED, ISSUED)
    assert results == [
        (code, 100.0 * n + time + _LATENCY) for n, (code, (_, time)) in enumerate(zip(codes, operations, strict=True))
    ]
    listed = _queue(_Always(0.5), service=replace(_SERVICE, pki=(2.0, 8.0, 16.0)))
    assert _submit(listed, 0.0) == [(ISSUED, 8.25)]


def test_a_reply_in_the_last_instant_is_in_time() -> None:
    assert _submit(_queue(), 10.0, timeout=2.5) == [(ISSUED, 12.25)]
    assert _submit(_queue(), 10.0, timeout=2.25) == [(UNANSWERED, 12.0)]


@pytest.mark.parametrize(("beyond", "code"), [("refused", LOST), ("503", len(CODES))])
def test_a_full_queue(beyond: Any, code: int) -> None:
    """One is served, two wait, and the next finds no place until the first of them has its turn, at 2 s."""
    queue = _queue(queue=QueuePlan(length=2, beyond=beyond))
    results = _submit(queue, 0.0, 0.0, 0.0, 0.0, 1.75, 2.0, 2.0)
    full = [(code, 0.25), (code, 2.0)]
    assert results == [(ISSUED, 2.25), (ISSUED, 4.25), (ISSUED, 6.25), *full, (ISSUED, 8.25), (code, 2.25)]
    assert (queue.unserved, queue.queue, queue.minted, queue.busy) == ({0: 3}, {0: 2}, 4, 8.0)
    assert queue.waits == {0: 1, bucket_of(2.0): 1, bucket_of(4.0): 2}


def test_no_one_waits_if_the_queue_has_no_place_or_a_worker_is_just_done() -> None:
    queue = _queue(queue=QueuePlan(length=0))
    assert _submit(queue, 0.0, 1.0, 2.0) == [(ISSUED, 2.25), (LOST, 1.25), (ISSUED, 4.25)]
    assert (queue.queue, queue.waits) == ({}, {0: 2})


def test_what_was_given_up_is_dropped_or_served_in_vain() -> None:
    """The third has its turn after 4 s, in the last instant of its timeout or later; the second is done too late."""
    dropped = QueuePlan(given_up="dropped")
    for queue, timeout, wasted, busy in (
        (_queue(queue=dropped), 4.25, 4.0, 6.0),
        (_queue(queue=dropped), 4.125, 2.0, 4.0),
        (_queue(), 4.125, 4.0, 6.0),
    ):
        results = _submit(queue, 0.0, 0.0, 0.0, timeout=timeout)
        assert results == [(ISSUED, 2.25), *[(UNANSWERED, timeout - _LATENCY)] * 2]
        assert (queue.wasted, queue.busy) == (wasted, busy)


# --- decisions ---


def test_a_request_that_an_operator_approves() -> None:
    """It is asked about until its time has come, gets one certificate, and is forgotten with its transaction."""
    queue = _queue(_Always(0.5), pending=PendingPlan(1.0, DrawnTime(60.0, 100.0)))  # approved after 80 s

    def decided(now: float, operation: int) -> int:
        return queue.decide(now, operation, 7, 0, 0.0)

    assert decided(5.0, POLL) == _UNKNOWN
    assert [decided(10.0, SUBMIT), decided(20.0, SUBMIT), decided(89.5, POLL), queue.minted] == [PENDING] * 3 + [0]
    assert [decided(90.0, POLL), queue.minted] == [ISSUED, 1]
    assert [decided(91.0, POLL), decided(92.0, SUBMIT), queue.minted] == [ISSUED, ISSUED, 1]
    queue.forget(7)
    assert [decided(95.0, POLL), decided(95.0, SUBMIT), queue.minted] == [_UNKNOWN, PENDING, 1]


def test_a_share_is_approved_by_an_operator() -> None:
    pending = PendingPlan(0.5, DrawnTime(60.0))
    assert _queue(_Always(0.25), pending=pending).decide(1.0, SUBMIT, 0, 0, 0.0) == PENDING
    assert _queue(_Always(0.5), pending=pending).decide(1.0, SUBMIT, 0, 0, 0.0) == ISSUED


def test_a_challenge_password_is_valid_from_the_planned_start_on() -> None:
    queue = _queue(challenge_lifetime=300.0, pending=PendingPlan(1.0, DrawnTime(60.0)))
    assert queue.decide(400.5, SUBMIT, 0, 0, 100.0) == EXPIRED
    assert queue.decide(400.0, SUBMIT, 1, 0, 100.0) == PENDING
    assert queue.decide(500.0, POLL, 1, 0, 100.0) == ISSUED, "it was checked with the request"
    assert queue.minted == 1
