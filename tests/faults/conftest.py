"""Fixtures of the faults: the committed proofs, and one request for a certificate on either carrier."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from fault_matrix import PROOFS

from mfp_sim.client.exchange import (
    BadReply,
    ClientPolicy,
    ClientTransaction,
    Enrolment,
    Failed,
    HttpError,
    Issued,
    Lost,
)
from mfp_sim.shared.errors import DeadlineExceeded
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing import Bench, script_of
from mfp_sim.transport import SocketClient, Transport
from mock_scep_server.server import ServerHost

INQUIRIES = 2


@pytest.fixture(scope="session")
def proofs() -> dict[str, dict[str, str]]:
    """The committed proofs, by the fault as it is written."""
    return json.loads(PROOFS.read_text("utf-8"))


class Client:
    """One client behind a carrier."""

    def __init__(self, bench: Bench, transport: Transport, host: str, port: int) -> None:
        self.service, self.clock = bench.ca, bench.clock
        self.transport, self.host, self.port = transport, host, port
        self.entropy = Entropy(9)
        self.keys = PooledKeys(self.entropy, side=0)

    def under(self, faults: str) -> None:
        self.service.script.replace(script_of(f"[{{faults: [{faults}]}}]"))

    def enrol(self, timeout: float) -> list[str]:
        """What came of each inquiry, in words: two of them, where the first is no end."""
        key, now = self.keys.rsa(2048), self.clock.now()
        subject = x509.name(("CN", "client.example"))
        enrolment = Enrolment(
            key=key,
            csr=csr.build(key, subject=subject, challenge="s3cret"),
            signer=x509.self_signed(
                key, subject=subject, serial=7, not_before=now - timedelta(hours=1), not_after=now + timedelta(days=9)
            ),
            transaction_id=self.entropy.octets(8).hex(),
            subject=subject,
        )
        transaction = ClientTransaction(
            enrolment, target="/scep", policy=ClientPolicy(), entropy=self.entropy, clock=self.clock
        )
        found: list[str] = []
        for _ in range(INQUIRIES):
            outcome = self._inquiry(transaction, timeout)
            found.append(_words(outcome))
            if isinstance(outcome, Issued | Failed | BadReply | HttpError):
                break
            transaction.resume()
        return found

    def _inquiry(self, transaction: ClientTransaction, timeout: float) -> object:
        from mfp_sim.shared.errors import TransportError

        while True:
            request = transaction.next_request()
            try:
                reply = self.transport.exchange(self.host, self.port, request, timeout)
            except TransportError as error:
                outcome = transaction.lost(error)
            else:
                outcome = transaction.received(reply)
            if outcome is not None:
                return outcome


def _words(outcome: object) -> str:
    match outcome:
        case Lost(error, operation):
            return f"lost {operation} {type(error).__name__} sent={error.sent}"
        case BadReply(reason, _):
            return f"bad reply {reason}"
        case Failed(number, text):
            return f"failed {number} {text}"
        case HttpError(status):
            return f"HTTP {status}"
        case Issued(certificate, chain):
            return f"issued {certificate.subject_text}, chain of {len(chain)}"
        case _:
            return type(outcome).__name__


@pytest.fixture
def in_process() -> Client:
    bench = Bench(challenge=None)
    return Client(bench, bench.transport, "127.0.0.1", 80)


@contextmanager
def _sockets() -> Iterator[Client]:
    bench = Bench(challenge=None, clock=SystemClock())
    with ServerHost(bench.ca) as host:
        yield Client(bench, SocketClient(bench.clock), host.host, host.port)


@pytest.fixture
def over_sockets() -> Iterator[Client]:
    with _sockets() as client:
        yield client


def runs_out_of_time(words: list[str]) -> bool:
    """Whether an inquiry ended at its deadline: on real sockets that is waited for, so a short one is set."""
    return any(DeadlineExceeded.__name__ in word for word in words)


@pytest.fixture
def out_of_time() -> Callable[[list[str]], bool]:
    return runs_out_of_time
