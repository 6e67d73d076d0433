"""``python -m benchmarks.kills``: a mock that keeps its state is killed at random points, and asked what it knows.

Clients enrol, each request with a challenge that counts once; the process gets SIGKILL in the midst of that, or while
it starts. The next process has to be the same CA: each request that was answered gets the same certificate again, each
that was not is granted, a challenge that was used up is refused, no serial number (they count from 1) comes twice, a
rule that was used up stays so, and the ledger has every certificate that a client was given. Exit code 1 when one is
not so.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import beside
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import render_request, scep_request
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Entropy

__all__ = ["Outcome", "kills"]

CLIENTS = 4
REQUESTS = 40
"""Prepared for each life of the process; it is killed before they are through, or a little later."""
REFUSED = 5
SCRIPT = f"- {{when: {{type: PKCSReq}}, then: {{failure: 4}}, times: {REFUSED}}}\n"
"""The first requests are refused; a mock that forgets where its script was refuses others after a restart."""
_START_SECONDS = 300.0


@dataclass
class Outcome:
    """What was seen; ``wrong`` are sentences about what must not be."""

    killed: int = 0
    at_start: int = 0
    answered: int = 0
    unanswered: int = 0
    refused: int = 0
    serials: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


class _Life:
    """The process from its start to its end."""

    def __init__(self, state: Path, *options: str) -> None:
        self.port, self.control = _free_port(), _free_port()
        words = [sys.executable, "-m", "mock_scep_server.cli", "--port", str(self.port), "--state-dir", str(state)]
        words += ["--control-port", str(self.control), "--set", "serials=sequential", *options]
        words += ["--set", "challenge={one_time: {cache: 1000000, lifetime: 30d}}"]
        told = {**os.environ, "PYTHONFAULTHANDLER": "1"}
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=told)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def ready(self) -> _Life:
        """Return once both ports are open."""
        pause, begun = threading.Event(), perf_counter()
        while perf_counter() - begun < _START_SECONDS:
            if self._process.poll() is not None:
                told = self._process.communicate()[1].decode(errors="replace")
                raise SystemExit(f"the mock does not start again: {told}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.control)) == 0:
                    return self
            pause.wait(0.02)
        self._process.send_signal(signal.SIGABRT)  # says where its threads are
        told = self._process.communicate()[1].decode(errors="replace")
        raise SystemExit(f"the mock did not open its ports within {_START_SECONDS:g} s: {told}")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The control port's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=60)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def send(self, octets: bytes) -> bytes | None:
        """The reply to a message, or None."""
        request = scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST")
        return beside.exchange(self.port, render_request(request, "127.0.0.1", self.port))

    @property
    def recipient(self) -> Certificate:
        return beside.ca_certificate(self.port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class _Order:
    """A request, who signed it, and the certificate that it was answered with: None for a refusal or no answer."""

    octets: bytes
    signer: x509.Identity
    challenge: str
    answered: bool = False
    given: Certificate | None = None

    def take(self, reply: bytes | None) -> None:
        self.answered = reply is not None
        self.given = None if reply is None else beside.certificate_in(reply, self.signer)


def kills(count: int, *, seed: int = 1, keeps: bool = True, tell: Callable[[str], None] = lambda _: None) -> Outcome:
    """Kill it so many times. Without ``keeps`` each process has another directory, so that it forgets everything."""
    entropy, outcome, makers = Entropy(seed), Outcome(), beside.Makers(seed)
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        (room / "script.yaml").write_text(SCRIPT)
        options, numbers = ("--script", str(room / "script.yaml")), itertools.count()

        def start() -> _Life:
            return _Life(room / ("state" if keeps else f"state-{next(numbers)}"), *options)

        known: Certificate | None = None
        while True:
            life = start()
            if outcome.killed < count and entropy.integer(0, 4) == 0:
                threading.Event().wait(entropy.integer(0, 700) / 1000)
                life.kill()
                outcome.killed, outcome.at_start = outcome.killed + 1, outcome.at_start + 1
                continue
            life.ready()
            if known is not None and life.recipient != known:
                outcome.wrong.append("it is another CA than before")
            known = life.recipient
            if outcome.killed == count:
                _compare_ledger(life, outcome)
                life.kill()
                return outcome
            orders = _orders(life, makers, known)
            _enrol_and_kill(life, orders, entropy)
            outcome.killed += 1
            again = start().ready()
            _compare(again, orders, outcome, makers, known)
            if outcome.killed % 20 == 0:
                _compare_ledger(again, outcome)
                tell(f"{outcome.killed} kills, {len(outcome.serials)} certificates, {len(outcome.wrong)} wrong")
            again.kill()  # nothing is asked of it: what it answered has to be kept all the same


def _orders(life: _Life, makers: beside.Makers, recipient: Certificate) -> list[_Order]:
    challenges = [str(life.ask("POST", "/challenge", {})["challenge"]) for _ in range(REQUESTS)]
    return [_Order(*makers.next(recipient, challenge), challenge) for challenge in challenges]


def _enrol_and_kill(life: _Life, orders: Sequence[_Order], entropy: Entropy) -> None:
    """Clients send the requests; the process ends some answers later, at whatever it does then."""
    enough, left = entropy.integer(0, REQUESTS - CLIENTS), threading.Semaphore(0)

    def work(number: int) -> None:
        for order in orders[number::CLIENTS]:
            reply = life.send(order.octets)
            order.take(reply)
            left.release()
            if reply is None:
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for _ in range(enough):
        left.acquire()
    threading.Event().wait(entropy.integer(0, 6000) / 1_000_000)
    life.kill()
    for thread in threads:
        thread.join()


def _compare(
    life: _Life, orders: Sequence[_Order], outcome: Outcome, makers: beside.Makers, recipient: Certificate
) -> None:
    """What the next process says to the same requests, and to a new one with a challenge that is used up."""
    wrong, used = outcome.wrong, ""
    for order in orders:
        before, answered = order.given, order.answered
        outcome.answered += answered
        outcome.unanswered += not answered
        order.take(life.send(order.octets))
        if answered and before is None:
            outcome.refused += 1
        if order.given is None:  # refused by the rule of the script; the request once more is a new one
            outcome.refused += 1
            order.take(life.send(order.octets))
        if order.given is None:
            wrong.append(
                f"a request that was {'answered' if answered else 'not answered'} is refused after the restart"
            )
            continue
        if before is not None and order.given != before:
            wrong.append(f"serial {before.serial} was given, and {order.given.serial} is after the restart")
        if order.given.serial in outcome.serials:
            wrong.append(f"serial {order.given.serial} is given twice")
        outcome.serials.add(order.given.serial)
        used = order.challenge
    octets, signer = makers.next(recipient, used)
    reply = life.send(octets)
    if reply is None or beside.certificate_in(reply, signer) is not None:
        wrong.append("a challenge that was used up is good for another request after the restart")
    if outcome.refused > REFUSED:
        wrong.append(f"a rule for {REFUSED} requests has taken {outcome.refused}")
    (rule,) = life.ask("GET", "/script")
    if rule["taken"] < outcome.refused:
        wrong.append(f"a rule has taken {outcome.refused} requests, and is said to have taken {rule['taken']}")
    requests = life.ask("GET", "/status")["requests"]
    if requests < outcome.answered:
        wrong.append(f"{outcome.answered} requests were answered, and the journal counts {requests}")


def _compare_ledger(life: _Life, outcome: Outcome) -> None:
    serials = [int(entry["serial"], 16) for entry in life.ask("GET", "/ledger")["entries"]]
    if len(set(serials)) != len(serials):
        outcome.wrong.append("the ledger has a serial number twice")
    if missing := outcome.serials - set(serials):
        outcome.wrong.append(f"the ledger does not know {len(missing)} certificates that were given")


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often it is killed (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the points (default: 1); the load decides too")
    options = parser.parse_args()
    outcome = kills(options.kills, seed=options.seed, tell=lambda line: print(line, flush=True))
    print(f"{outcome.killed} kills, {outcome.at_start} of them at the start;", end=" ")
    print(f"{outcome.answered} requests answered, {outcome.unanswered} not; {len(outcome.serials)} certificates")
    for sentence in outcome.wrong[:20]:
        print(f"wrong: {sentence}")
    print("nothing that was answered is lost" if not outcome.wrong else f"{len(outcome.wrong)} wrong")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
