"""The file that Locust runs: a master that adds up results, and workers that enrol. Only Locust imports it.

Each worker has one dispatcher. With a rate it begins each enrolment when it is due, even if others still run (an open
load); without a rate, each of its clients makes one enrolment after another. Threads make and read messages, so the
event loop keeps time. Counts go to the master as custom messages. Locust must be imported after its monkey-patching,
and this module is loaded after that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import gevent
from gevent.threadpool import ThreadPool
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from mfp_sim.client.exchange import (
    ClientPolicy,
    ClientTransaction,
    Enrolment,
    Failed,
    HttpError,
    Issued,
    Lost,
    Outcome,
    Pending,
)
from mfp_sim.load.job import CHALLENGE, JOB, REACH, asked_of, reach_handed_on, read_job, refuse_strangers, share_of
from mfp_sim.load.material import enrolment_of, read_keys
from mfp_sim.load.result import ENROLMENT, ISSUED, Gathered, LoadResult
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import ConnectFailed, MfpSimError, TransportError
from mfp_sim.shared.simtime import Entropy, SystemClock
from mfp_sim.transport.sockets import SocketClient

__all__: list[str] = []

T = TypeVar("T")

TOLD, DONE, FAILED = "mfp-sim-counts", "mfp-sim-done", "mfp-sim-failed"
_EVERY = 0.5
"""The seconds between two messages of a worker."""
_ENOUGH, _FAILURES, _IN_A_ROW = 20, 0.05, 10
"""After ``_ENOUGH`` ends, a larger share of failures ends the run. So do ``_IN_A_ROW`` failures in a row."""

job, reach = read_job(Path(os.environ[JOB])), reach_handed_on(os.environ[REACH])
clock = SystemClock()
threads = ThreadPool(2)


def _apart(call: Callable[..., T], *arguments: object) -> T:
    """Call in a thread while the event loop continues."""
    result: T = threads.apply(call, arguments)
    return result


class Worker:
    """The enrolments of one worker process."""

    def __init__(self, runner: Any, number: int) -> None:
        self._runner, self._number = runner, number
        self._share = share_of(job.certificates, number, job.workers)
        self._first = sum(share_of(job.certificates, other, job.workers) for other in range(number))
        self._entropy = Entropy(None)
        self._chance = Entropy(job.seed).fork(f"arrivals/{number}")
        self._gathered = Gathered()
        self._ready: list[Enrolment] = []
        self._row = self._ends = self._failures = 0
        self._stopped: str | None = None

    def run(self) -> None:
        """Run all enrolments, and wait for the last to end."""
        try:
            refuse_strangers(job.target, allowed=job.allowed)
            self._prepare()
        except MfpSimError as error:
            self._send(FAILED, {"worker": self._number, "error": str(error)})
            return
        telling = gevent.spawn(self._tell)
        try:
            if job.rate is None:
                clients = share_of(job.clients, self._number, job.workers)
                gevent.joinall([gevent.spawn(self._one_after_the_other) for _ in range(clients)], raise_error=True)
            else:
                self._as_they_are_due(job.rate / job.workers)
        finally:
            telling.kill()
        self._send(TOLD, self._gathered.message())
        self._send(DONE, {"worker": self._number, "stopped": self._stopped, "asked": asked_of(job)})

    def _prepare(self) -> None:
        """Make keys and certification requests before the first arrival."""
        challenge = os.environ.get(CHALLENGE)
        for number, key in enumerate(_apart(read_keys, Path(job.keys), self._first, self._share), self._first):
            made = _apart(lambda key=key, number=number: enrolment_of(
                key, f"{job.prefix}-{number}.example", challenge=challenge, entropy=self._entropy, now=clock.now()
            ))  # fmt: skip
            self._ready.append(made)
        self._ready.reverse()

    # --- arrivals ------------------------------------------------------------------------------------------

    def _one_after_the_other(self) -> None:
        while self._ready and self._stopped is None:
            self._enrol(self._ready.pop(), None)

    def _as_they_are_due(self, rate: float) -> None:
        """Begin enrolments at random intervals with the mean rate, which rises linearly during the ramp."""
        begun, due, going = clock.now(), 0.0, []
        while self._ready and self._stopped is None:
            passed = min(1.0, max(0.05, due / job.ramp)) if job.ramp else 1.0
            due += self._chance.exponential(rate * passed)
            gevent.sleep(max(0.0, due - (clock.now() - begun).total_seconds()))
            late = (clock.now() - begun).total_seconds() - due
            going.append(gevent.spawn(self._enrol, self._ready.pop(), max(0.0, late)))
        gevent.joinall(going, raise_error=True)

    # --- one enrolment ------------------------------------------------------------------------------------

    def _enrol(self, enrolment: Enrolment, late: float | None) -> None:
        begun = clock.now()
        self._gathered.began(begun.timestamp())
        waited: list[float] = []
        try:
            outcome = self._outcome(enrolment, waited)
        except MfpSimError as error:
            self._end(type(error).__name__, None)
            return
        finally:
            if late is not None:
                self._gathered.delayed(late + max(0.0, _since(begun) - sum(waited)))
        self._gathered.took(ENROLMENT, _since(begun))
        serial = f"{outcome.certificate.serial:x}" if isinstance(outcome, Issued) else None
        self._end(_slug(outcome), serial, outcome.error if isinstance(outcome, Lost) else None)

    def _outcome(self, enrolment: Enrolment, waited: list[float]) -> Outcome:
        """The outcome. ``waited`` collects the seconds of each exchange; the rest is the generator's own time."""
        target, transport = job.target, SocketClient(clock, reach)
        transaction = ClientTransaction(
            enrolment,
            target=target.target,
            policy=ClientPolicy(read_single_des=True),
            entropy=self._entropy,
            clock=clock,
        )
        while True:
            request = replace(_apart(transaction.next_request), scheme=target.scheme)
            operation = transaction.operation
            at = clock.now()
            try:
                reply = transport.exchange(target.host, target.port, request, job.timeout)
            except TransportError as error:
                waited.append(_since(at))
                self._gathered.unanswered += error.sent and operation == "PKCSReq"
                outcome = transaction.lost(error)
            else:
                waited.append(_since(at))
                self._gathered.took(operation, waited[-1])
                outcome = _apart(transaction.received, reply)
            if outcome is not None:
                return outcome

    def _end(self, outcome: str, serial: str | None, error: MfpSimError | None = None) -> None:
        said = f"{outcome}: {error}" if isinstance(error, ConnectFailed) else outcome
        failed = outcome not in (ISSUED, "pending")
        self._gathered.ended(clock.now().timestamp(), outcome, serial)
        self._ends, self._failures = self._ends + 1, self._failures + failed
        self._row = self._row + 1 if failed else 0
        if self._row >= _IN_A_ROW:
            self._stopped = f"{_IN_A_ROW} enrolments failed in a row, the last with {said}"
        elif self._ends >= _ENOUGH and self._failures > _FAILURES * self._ends:
            self._stopped = f"{self._failures} of {self._ends} enrolments of a worker failed, the last with {said}"

    # --- reports to the master -------------------------------------------------------------------------

    def _tell(self) -> None:
        while True:
            gevent.sleep(_EVERY)
            self._send(TOLD, self._gathered.message())

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind, data)


def _since(begun: datetime) -> float:
    return (clock.now() - begun).total_seconds()


def _slug(outcome: Outcome) -> str:
    match outcome:
        case Issued():
            return ISSUED
        case Pending():
            return "pending"
        case Failed():
            return f"fail-info-{outcome.fail_info}"
        case HttpError():
            return f"http-{outcome.status}"
        case Lost():
            return f"lost-{type(outcome.error).__name__}"
        case _:
            return outcome.reason


class Master:
    """Adds up the counts of the workers, and writes the result."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._gathered, self._done = Gathered(), set[int]()
        self._stopped: str | None = None

    def told(self, message: Any) -> None:
        """Add the counts of a worker."""
        self._gathered.add(message.data)
        Path(job.result).with_suffix(".progress").write_text(
            f"{self._gathered.outcomes.total()} {self._gathered.outcomes[ISSUED]}\n", "utf-8"
        )

    def done(self, message: Any) -> None:
        """Handle the end of a worker."""
        self._done.add(message.data["worker"])
        self._stopped = self._stopped or message.data["stopped"]
        if message.data["asked"] != asked_of(job):
            self._stopped = self._stopped or f"worker {message.data['worker']} was started with other options"
        if len(self._done) >= job.workers:
            gevent.spawn(self._runner.quit)

    def failed(self, message: Any) -> None:
        """Handle a worker that could not begin."""
        self._stopped = f"worker {message.data['worker']}: {message.data['error']}"

    def watch(self) -> None:
        """End the run if a worker is gone or has stopped, because the remaining load would differ."""
        while True:
            gevent.sleep(_EVERY)
            if len(self._runner.clients.missing) or self._stopped is not None:
                gevent.sleep(2 * _EVERY)  # messages in transit are counted too
                self._runner.quit()
                return

    def write(self) -> None:
        """Write the result to the job's file."""
        result = self._gathered.result(job, done=len(self._done), stopped=self._stopped)
        told: Any = record_of(LoadResult).write(result)
        told["all_serials"] = self._gathered.serials
        Path(job.result).write_text(json.dumps(told), "utf-8")


class Dispatcher(User):
    """The dispatcher of a worker."""

    @task
    def all_of_it(self) -> None:
        """Run the worker's enrolments once. Locust restarts a task that returns or raises."""
        runner: Any = self.environment.runner
        try:
            Worker(runner, runner.worker_index).run()
        except Exception as error:  # noqa: BLE001 - after any exception, the task must not restart
            runner.send_message(FAILED, {"worker": runner.worker_index, "error": f"{type(error).__name__}: {error}"})
        while True:  # until the master ends the run
            gevent.sleep(3600)


def begin(environment: Environment, **_: object) -> None:
    """Make the process a master; otherwise it remains a worker."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        master = Master(runner)
        runner.register_message(TOLD, lambda environment, msg, **_: master.told(msg))  # noqa: ARG005 - Locust's names
        runner.register_message(DONE, lambda environment, msg, **_: master.done(msg))  # noqa: ARG005
        runner.register_message(FAILED, lambda environment, msg, **_: master.failed(msg))  # noqa: ARG005
        gevent.spawn(master.watch)
        _quitting.add_listener(lambda environment, **_: master.write())  # noqa: ARG005
    elif not isinstance(runner, WorkerRunner):
        raise SystemExit("mfp-sim load runs this file with a master and workers")


_quitting: Any = events.quitting
_init: Any = events.init
_init.add_listener(begin)
