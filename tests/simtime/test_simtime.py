"""Time, chance and keys come from outside and are repeatable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.shared.errors import BoundExceeded, KeyGenerationFailed, UsageError
from mfp_sim.shared.simtime import Entropy, FrozenClock, KeysAhead, PassingClock, PooledKeys, Scheduler, SystemClock

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)


def test_a_frozen_clock_stands_still_until_it_is_moved_and_never_goes_back() -> None:
    clock = FrozenClock(START)
    assert clock.now() == clock.now() == START
    clock.advance(90)
    clock.move_to(START)
    assert clock.now() == START + timedelta(seconds=90)


def test_a_frozen_clock_tells_its_listener_each_new_instant() -> None:
    clock, seen = FrozenClock(START), []
    clock.listener = seen.append
    clock.advance(1)
    clock.advance(0)
    assert seen == [START + timedelta(seconds=1)]


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="time zone"):
        FrozenClock(datetime(2026, 3, 2))


def test_bookings_run_in_order_of_time_and_then_of_booking_at_their_instants() -> None:
    clock = FrozenClock(START)
    scheduler = Scheduler(clock)
    ran: list[tuple[str, float]] = []

    def note(name: str) -> None:
        ran.append((name, (clock.now() - START).total_seconds()))

    scheduler.after(5, lambda: note("late"), "late")
    scheduler.after(1, lambda: note("first"), "first")
    scheduler.after(1, lambda: note("second"), "second")
    scheduler.after(2, lambda: note("cancelled"), "cancelled").cancel()
    scheduler.after(9, lambda: note("beyond"), "beyond")
    scheduler.run_until(START + timedelta(seconds=6))
    assert ran == [("first", 1), ("second", 1), ("late", 5)]
    assert clock.now() == START + timedelta(seconds=6)
    assert scheduler.next_due() == START + timedelta(seconds=9)


@pytest.mark.parametrize("lets_pass", [Scheduler.run_next, lambda scheduler: scheduler.run_until(START)])
def test_no_time_passes_within_an_event(lets_pass: Callable[[Scheduler], object]) -> None:
    scheduler = Scheduler(FrozenClock(START))

    def impatient() -> None:
        lets_pass(scheduler)

    scheduler.after(0, impatient, "impatient")
    with pytest.raises(RuntimeError, match="time may not pass within an event, and this is 'impatient'"):
        scheduler.run_next()
    assert scheduler.run_next() is False, "the event is over, and time may pass again"


def test_events_happen_one_by_one() -> None:
    clock = FrozenClock(START)
    scheduler = Scheduler(clock)
    ran: list[str] = []
    scheduler.after(5, lambda: ran.append("second"), "second")
    scheduler.after(1, lambda: ran.append("first"), "first")
    assert scheduler.run_next() is True
    assert (ran, clock.now()) == (["first"], START + timedelta(seconds=1))
    assert scheduler.run_next() is True
    assert (ran, clock.now()) == (["first", "second"], START + timedelta(seconds=5))
    assert scheduler.run_next() is False


@pytest.mark.parametrize("clock", [SystemClock(), FrozenClock(START)], ids=["real", "frozen"])
def test_what_another_thread_posts_is_an_event_that_is_waited_for(clock: PassingClock) -> None:
    scheduler = Scheduler(clock)
    ran: list[str] = []
    post = scheduler.expect("from outside")
    outside = threading.Thread(target=lambda: post(lambda: ran.append(threading.current_thread().name)))
    outside.start()
    assert scheduler.run_next() is True
    assert ran == [threading.current_thread().name]
    assert scheduler.run_next() is False, "nothing else is expected"
    outside.join()


def test_waiting_on_the_real_clock_ends_with_the_news() -> None:
    clock = SystemClock()
    scheduler = Scheduler(clock)
    post, ran = scheduler.expect("from outside"), list[str]()
    threading.Thread(target=lambda: post(lambda: ran.append("posted"))).start()
    scheduler.listen(clock.now() + timedelta(hours=9))
    assert ran == [], "listening runs nothing"
    scheduler.run_due()
    assert ran == ["posted"]


def test_a_loop_of_bookings_is_stopped_by_the_bound() -> None:
    clock = FrozenClock(START)
    scheduler = Scheduler(clock, max_events=50)

    def again() -> None:
        scheduler.after(0, again, "again")

    again()
    with pytest.raises(BoundExceeded, match="more than 50 events ran; the next is 'again'"):
        scheduler.run_until(START)


def test_streams_are_repeatable_and_independent_of_each_other() -> None:
    first, second = Entropy(7), Entropy(7)
    second.fork("other").octets(100)
    assert first.fork("printer").octets(16) == second.fork("printer").octets(16)
    assert first.fork("printer").octets(16) != first.fork("ca").octets(16)
    assert Entropy(8).fork("printer").octets(16) != Entropy(7).fork("printer").octets(16)


def test_without_a_seed_chance_is_the_systems() -> None:
    assert Entropy(None).octets(16) != Entropy(None).octets(16)
    assert 1 <= Entropy(None).integer(1, 600) <= 600


def test_the_sides_of_the_pool_never_share_a_key() -> None:
    def moduli(side: int) -> set[int]:
        keys = PooledKeys(Entropy(1), side=side)
        return {keys.rsa(2048).public_key().public_numbers().n for _ in range(40)}

    assert len(moduli(0)) == 32
    assert not moduli(0) & moduli(1)


def test_every_key_of_the_pool_is_a_valid_key_of_its_length() -> None:
    from mfp_sim.shared import simtime

    for bits in (1024, 2048):
        for line in simtime._pool(bits):
            numbers = simtime._load_pooled(line).private_numbers()
            assert numbers.public_numbers.n.bit_length() == bits
            assert numbers.p * numbers.q == numbers.public_numbers.n


def test_a_length_the_pool_does_not_have_is_refused_with_a_remedy() -> None:
    with pytest.raises(UsageError, match="no RSA keys of 3072 bits.*1024, 2048 or 4096"):
        PooledKeys(Entropy(1)).rsa(3072)


class CountingKeys(PooledKeys):
    """Counts what is asked of it, in whichever thread; ``held`` keeps it waiting."""

    def __init__(self) -> None:
        super().__init__(Entropy(3), side=0)
        self.asked: list[int] = []
        self.held = threading.Event()

    def rsa(self, bits: int):
        assert self.held.wait(30)
        self.asked.append(bits)
        return super().rsa(bits)


def test_keys_are_made_ahead_and_each_is_given_once() -> None:
    source = CountingKeys()
    with KeysAhead(source, ahead=4) as keys:
        assert source.asked == [], "nobody has asked"
        source.held.set()
        found = [keys.rsa(2048).private_numbers().p for _ in range(6)]
        assert keys.rsa(1024).key_size == 1024
        assert keys.ec(256).key_size == 256
    assert len(set(found)) == 6
    assert source.asked.count(1024) == 1
    assert 6 <= source.asked.count(2048) <= 6 + 4, "no more than lie ready"


def test_what_goes_wrong_ahead_is_told_to_who_asks() -> None:
    class Failing(CountingKeys):
        def rsa(self, bits: int):
            raise KeyGenerationFailed("planted")

    with KeysAhead(Failing()) as keys, pytest.raises(KeyGenerationFailed, match="planted"):
        keys.rsa(2048)
