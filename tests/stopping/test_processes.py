"""Worker processes: they end with this process, and at once when it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mfp_sim.shared.processes import worker_processes

ROOT = Path(__file__).parents[2]

KILLED = """
import os, sys
from mfp_sim.shared.processes import worker_processes
with worker_processes(2) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    sys.stdin.read()
"""

INTERRUPTED = """
import os, signal, sys
from mfp_sim.shared.processes import worker_processes
from mfp_sim.shared.stopping import ended_as_interrupted
try:
    with ended_as_interrupted(for_good=True), worker_processes(2) as pool:
        if sys.argv[1] == "while its calls end":
            pool.submit(signal.pause)
            print(pool.submit(os.getpid).result(), flush=True)
        else:
            paused = [pool.submit(signal.pause) for _ in range(4)]
            print("waiting", flush=True)
            paused[0].result()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_they_end_when_this_process_is_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert int(process.stdout.readline()) != process.pid
    process.kill()
    assert process.communicate(timeout=60) == (b"", None)  # the output ends when the last process does


@pytest.mark.parametrize("when", ["while a result is awaited", "while its calls end"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_ends_calls_that_never_end(when: str, times: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, when], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(times):
        process.send_signal(signal.SIGTERM)
    # The output ends when the last process does.
    assert process.communicate(timeout=60) == ("interrupted\n", "")
    assert process.returncode == 0


def test_they_give_the_results_of_calls() -> None:
    with worker_processes(2) as pool:
        assert list(pool.map(abs, [-1, 2, -3])) == [1, 2, 3]


def test_there_are_no_other_pools_of_processes() -> None:
    """Another pool would have to end its processes itself."""
    files = [file for place in ("mfp_sim", "mock_scep_server", "tools") for file in (ROOT / place).rglob("*.py")]
    having = [file.relative_to(ROOT).as_posix() for file in files if "ProcessPoolExecutor" in file.read_text("utf-8")]
    assert having == ["mfp_sim/shared/processes.py"]
