"""Browsers and time that passes by itself meet at one lock; what the time-keeper cannot do stops it and is told."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from mfp_sim.device.invariants import broken
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.served_site import Busy
from mfp_sim.shared.documents import load_text
from mfp_sim.shared.errors import UsageError

PIN = "canary-p1n"


def test_browsers_and_a_fast_clock_do_not_race(bench, auto) -> None:
    """Each browser sees whole states only, and every certificate that was issued is in the machine or was overwritten."""
    here = bench(speed=200_000.0)
    admin = here.administrator()
    here.connect(admin)
    admin.post(PAGES["auto"].url, {**auto, "periodic": "on", "every": "1", "delete_old": "on", "adjust": "on"})
    stop, enough = threading.Event(), threading.Event()
    failures: list[str] = []
    here.site.observer = lambda act: enough.set() if (here.site.ca.ledger.counts["minted"] >= 8) else None

    def look() -> None:
        visitor = here.administrator()
        while not stop.is_set():
            for page in (PAGES["status"].url, PAGES["keys"].url, PAGES["auto"].url, "/simulation"):
                answer = visitor.get(page)
                if answer.status_code not in (200, 503):
                    failures.append(f"{page}: {answer.status_code} {visitor.words}")
            visitor.post(PAGES["network"].url, {"dns": "on"})

    keeper = threading.Thread(target=here.site.keep_time, args=(stop,))
    lookers = [threading.Thread(target=look) for _ in range(3)]
    for thread in (keeper, *lookers):
        thread.start()
    assert enough.wait(60)
    stop.set()
    for thread in (keeper, *lookers):
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []
    assert broken(here.printer) == []
    counts = here.site.ca.ledger.counts
    assert counts["minted"] == counts["installed"] >= 8
    assert len([entry for entry in here.printer.key_list() if not entry.default]) == 1


def test_on_the_real_clock_what_is_due_happens(bench) -> None:
    here = bench(start=None)
    done, stop = threading.Event(), threading.Event()
    here.site.scheduler.after(0.01, done.set, "something")
    keeper = threading.Thread(target=here.site.keep_time, args=(stop,))
    keeper.start()
    assert done.wait(30)
    stop.set()
    keeper.join(30)
    assert not keeper.is_alive()
    assert not here.site.simulated


def test_a_clock_that_nobody_moves_needs_no_keeper(bench) -> None:
    here = bench()
    here.site.keep_time(threading.Event())  # returns at once
    assert here.site.clock.now() == here.served.start


@pytest.mark.parametrize("start", [None, "simulated"])
def test_the_keeper_survives_whatever_an_event_does_and_the_page_says_it(bench, start) -> None:
    here = bench(start=None) if start is None else bench(speed=1000.0)
    done, told = threading.Event(), []

    def full() -> None:
        raise UsageError("cannot keep the state: no space left on device")

    def bug() -> None:
        raise ZeroDivisionError("planted")

    for number, action in enumerate((full, bug, done.set)):
        here.site.scheduler.after(0.01 * (number + 1), action, "something")
    stop = threading.Event()
    keeper = threading.Thread(target=here.site.keep_time, args=(stop,), kwargs={"tell": told.append})
    keeper.start()
    assert done.wait(30)
    stop.set()
    keeper.join(30)
    assert told == [
        "cannot keep the state: no space left on device",
        "internal error: ZeroDivisionError: planted",
    ]
    visitor = here.administrator()
    assert "Something went wrong at" in visitor.get(PAGES["status"].url).text
    assert "internal error: ZeroDivisionError: planted" in visitor.words
    visitor.post("/simulation/seen", {"back": PAGES["status"].url})
    assert "planted" not in visitor.words


def test_the_lock_is_not_waited_for_for_ever(bench) -> None:
    here = bench()
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with here.site.held():
            taken.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(30)
    with pytest.raises(Busy), here.site.held(0.01):
        pytest.fail("somebody else has the lock")
    done.set()
    holder.join()
    with here.site.held(0.01):
        assert here.site.next_event is None


def test_the_next_event_is_gone_to_and_no_further(bench) -> None:
    here = bench()
    seen = []
    for minutes in (5, 7):
        here.site.scheduler.after(minutes * 60, lambda minutes=minutes: seen.append(minutes), f"event {minutes}")
    assert here.site.next_event.label == "event 5"
    here.site.advance_to_next()
    assert seen == [5]
    assert here.site.clock.now() - here.served.start == timedelta(minutes=5)


SLOW = load_text("- {when: {type: PKCSReq, nth: 1}, faults: [{delay: 20s}], optional: true}\n")


def test_the_pages_follow_a_request_while_the_ca_lets_it_wait(bench, key) -> None:
    here = bench(script=SLOW)
    admin = here.administrator()
    here.connect(admin)
    admin.post(PAGES["request"].url, key)
    assert "The request is being processed." in admin.words
    assert here.site.next_event is None, "when a reply comes is not known before"
    admin.get(PAGES["status"].url)
    assert "Processing" in admin.words
    assert '<span id="next-event">none</span>' in admin.page.text
    admin.post(PAGES["request"].url, key)
    assert admin.reason == "busy"
    here.site.advance(19)
    assert "Processing" in (admin.get(PAGES["status"].url), admin.words)[1]
    here.site.advance(1)
    assert "Successful" in (admin.get(PAGES["status"].url), admin.words)[1]


def test_time_that_is_let_pass_ends_on_the_instant(bench, key) -> None:
    here = bench(script=SLOW)
    admin = here.administrator()
    here.connect(admin)
    admin.post(PAGES["request"].url, key)
    here.site.advance(5)
    assert here.site.clock.now() - here.served.start == timedelta(seconds=5)


def test_on_the_real_clock_nobody_waits_while_the_ca_stalls(bench, key) -> None:
    here = bench(start=None, script=load_text("- {when: {type: PKCSReq, nth: 1}, faults: [stall], optional: true}\n"))
    admin = here.administrator()
    here.connect(admin)
    asked, stop = threading.Event(), threading.Event()
    record = here.site.ca.ledger.mint
    here.site.ca.ledger.mint = lambda *given: (record(*given), asked.set())
    keeper = threading.Thread(target=here.site.keep_time, args=(stop,))
    keeper.start()
    admin.post(PAGES["request"].url, key)
    assert "The request is being processed." in admin.words
    assert asked.wait(30), "the exchange goes on by itself"
    with here.site.held(20.0):  # for a moment the keeper may have it; were it held while the CA stalls, 30 seconds
        assert here.printer.status()[0].state == "processing"
    admin.post(PAGES["request"].url, key)
    assert admin.reason == "busy"
    here.printer.power_cut()
    stop.set()
    keeper.join(30)
    assert not keeper.is_alive()
    events = [event.kind for event in here.printer.recorder.events]
    assert "exchange.cut" in events
