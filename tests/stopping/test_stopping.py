"""SIGTERM, SIGINT and SIGHUP end a wait whenever they come, and whichever thread they come to."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mfp_sim.shared.stopping import ended_as_interrupted, stop_on_signals

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


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_that_another_thread_gets_ends_the_wait(name: str) -> None:
    words = [sys.executable, "-c", TO_ANOTHER_THREAD, name]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.returncode) == ("stopped\n", 0), run.stderr


def test_a_signal_sets_it_and_the_handlers_come_back() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        before = signal.getsignal(number)
        with stop_on_signals() as stop:
            assert not stop.is_set()
            signal.raise_signal(number)
            assert stop.is_set()
        assert signal.getsignal(number) is before
        assert isinstance(stop, threading.Event)


@pytest.fixture
def nohup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("nohup")
def test_a_terminal_that_closes_is_ignored_if_it_was_before() -> None:
    with ended_as_interrupted(), stop_on_signals() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


WHILE_IT_ENDS = """
import atexit, os, signal, sys
from mfp_sim.cli import main

number = getattr(signal, sys.argv[1])

def kill(*_, **__):
    os.kill(os.getpid(), number)
    return 0

atexit.register(kill)
if sys.argv[2] == "interrupted":
    main._carried_out = kill
sys.argv = ["mfp-sim", "completion", "bash"]
sys.exit(main.main())
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
@pytest.mark.parametrize(("end", "said"), [("interrupted", (130, "mfp-sim: interrupted\n")), ("normal", (0, ""))])
def test_a_signal_while_the_process_ends_changes_nothing(name: str, end: str, said: tuple[int, str]) -> None:
    words = [sys.executable, "-c", WHILE_IT_ENDS, name, end]
    run = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == said
