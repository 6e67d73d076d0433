"""A CA that serves so many requests at the same time: a queue forms, first come, first served."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.shared.scep.http_messages import HttpRequest, Wait
from mock_scep_server.capacity import Capacity, Workers

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("workers", "leaves"),
    [(1, [2, 4, 6, 8]), (2, [2, 2, 4, 4]), (4, [2, 2, 2, 2])],
)
def test_what_comes_together_leaves_one_after_the_other(workers: int, leaves: list[float]) -> None:
    queue = Workers(Capacity(workers, 2.0))
    assert [queue.take(NOON, "PKIOperation") for _ in range(4)] == leaves


def test_a_worker_that_is_done_waits_for_the_next() -> None:
    queue = Workers(Capacity(1, 2.0))
    assert [queue.take(after(at), "GetCACert") for at in (0, 1, 10, 11.5)] == [2, 3, 2, 2.5]


def test_the_worker_that_is_free_first_takes_the_next() -> None:
    queue = Workers(Capacity(2, 0.0, {"PKIOperation": 10.0, "GetCACaps": 1.0}))
    assert queue.take(NOON, "PKIOperation") == 10
    assert queue.take(NOON, "GetCACaps") == 1
    assert queue.take(NOON, "GetCACaps") == 2, "behind the other GetCACaps"


def test_the_time_is_the_message_types_or_the_operations_or_any_others() -> None:
    capacity = Capacity(1, 1.0, {"PKIOperation": 3.0, "CertPoll": 0.5})
    assert capacity.time_of("PKIOperation", "PKCSReq") == 3
    assert capacity.time_of("PKIOperation", "CertPoll") == 0.5
    assert capacity.time_of("GetCACert") == 1


def test_a_reply_leaves_when_a_worker_is_done_with_it_and_the_journal_says_so(make_ca) -> None:
    ca = make_ca("capacity: {workers: 1, time: 400ms}")
    request = HttpRequest("GET", "/scep?operation=GetCACaps")
    first, second = (ca.service.handle(request, "192.0.2.10") for _ in range(2))
    assert [delivery.acts[0] for delivery in (first, second)] == [Wait(0.4), Wait(0.8)]
    assert [entry.takes for entry in ca.service.journal.entries] == [0.4, 0.8]
    assert ca.service.journal.entries[0].to_json()["takes"] == 0.4
