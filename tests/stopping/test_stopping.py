"""SIGTERM and SIGINT end a wait whenever they come, and whichever thread they come to."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from mfp_sim.shared.stopping import stop_on_signals

TO_ANOTHER_THREAD = """
import os, signal, sys, threading
from mfp_sim.shared.stopping import stop_on_signals, wait_for

number = getattr(signal, sys.argv[1])
ready = threading.Event()

def other():
    ready.wait()
    os.kill(os.getpid(), number)
    threading.Event().wait()

with stop_on_signals() as stop:
    threading.Thread(target=other, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})  # so the system has to give it to the other thread
    ready.set()
    wait_for(stop)
print("stopped")
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_another_thread_gets_ends_the_wait(name: str) -> None:
    words = [sys.executable, "-c", TO_ANOTHER_THREAD, name]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.returncode) == ("stopped\n", 0), run.stderr


def test_a_signal_sets_it_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGTERM) is before
    assert isinstance(stop, threading.Event)
