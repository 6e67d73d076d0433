"""The mock beside micromdm's ``scepserver``: enrolments a second over sockets, side by side in one run.

Both are processes of their own, and get distinct requests that were built before: RSA-2048, SHA-256, AES, one
connection for each client, which is kept. Rounds alternate, and each changes who begins; what counts is the median of
the rounds' ratios, since the machine changes from one round to the next and hits both sides of a round. What each
server refuses, leaves without an answer, and which serial numbers it gives twice, is counted after the
clock has stopped.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.errors import MfpSimError, UsageError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpRequest, render_request, scep_request
from mfp_sim.shared.scep.vocabulary import MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock

__all__ = [
    "Beside", "Makers", "Missing", "Tally", "ca_certificate", "certificate_in", "exchange", "measure", "mock",
    "rendered", "requests_for", "run_clients", "sort_out",
]  # fmt: skip

LEVELS = (1, 8, 16)
"""How many clients ask at the same time."""
CHALLENGE = "s3cret"
_START_SECONDS = 120.0


class Missing(Exception):
    """The other server is not installed: nothing can be compared."""


@dataclass(frozen=True)
class Server:
    """A running server, and the certificate to which its requests are enveloped."""

    name: str
    port: int
    recipient: Certificate
    process: int

    @property
    def cpu(self) -> float:
        """The seconds of processor time that it has had so far."""
        stat = Path(f"/proc/{self.process}/stat").read_text()
        ticks = stat.rpartition(")")[2].split()[11:13]  # user and system time; what stands before may have blanks
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@dataclass
class Tally:
    """What became of the requests to one server at one level."""

    asked: int = 0
    refused: int = 0
    failed: int = 0
    serials: Counter[int] = field(default_factory=Counter)

    @property
    def twice(self) -> int:
        """Certificates whose serial number another one has."""
        return sum(number - 1 for number in self.serials.values())


@dataclass(frozen=True)
class Beside:
    """One line: the ratios of enrolments a second, mock over other, of each round, and what became of them."""

    what: str
    ratios: tuple[float, ...]
    rates: tuple[float, float]
    goal: float | None
    limit: float
    tallies: tuple[Tally, Tally]
    names: tuple[str, str] = ("mock", "micromdm")
    cpu: tuple[float, float] = (0.0, 0.0)
    """Milliseconds of processor time a request: how fast a server can be where it has the cores for itself. A loaded
    machine hits it less than the ratio."""

    @property
    def ratio(self) -> float:
        """The median."""
        return median(self.ratios)

    @property
    def fine(self) -> bool:
        """Whether the mock is as fast as it has to be, refused nothing and gave no serial number twice."""
        mine = self.tallies[0]
        return self.ratio >= self.limit and not (mine.refused or mine.failed or mine.twice)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able object."""
        counts = {
            name: {"asked": t.asked, "refused": t.refused, "failed": t.failed, "duplicate_serials": t.twice}
            for name, t in zip(self.names, self.tallies, strict=True)
        }
        rates, cpu = (dict(zip(self.names, pair, strict=True)) for pair in (self.rates, self.cpu))
        return {
            "name": self.what, "ratio": self.ratio, "ratios": self.ratios, "per_second": rates, "cpu_ms": cpu,
            "goal": self.goal, "limit": self.limit, "fine": self.fine, **counts,
        }  # fmt: skip


# --- servers ----------------------------------------------------------------------------------------------


@contextmanager
def micromdm(room: Path) -> Iterator[Server]:
    """micromdm's server with a new CA.

    Raises:
        Missing: it is not installed.
    """
    path = shutil.which("scepserver")
    if path is None:
        raise Missing("micromdm's scepserver is not installed (Debian package scep)")
    depot = room / "depot"
    subprocess.run([path, "ca", "-init", "-depot", str(depot), "-keySize", "2048"], check=True, capture_output=True)
    words = [path, "-depot", str(depot), "-challenge", CHALLENGE, "-allowrenew", "0", "-port"]
    with _running(words, room / "micromdm.log") as (port, process):
        yield Server("micromdm", port, ca_certificate(port), process)


@contextmanager
def mock(room: Path, *options: str, name: str = "mock") -> Iterator[Server]:
    """The mock as people start it, with further ``options``."""
    secret = room / "secret"
    secret.write_text(CHALLENGE + "\n")
    words = [sys.executable, "-m", "mock_scep_server.cli", "--challenge-file", str(secret), *options, "--port"]
    with _running(words, room / f"{name.replace(' ', '-')}.log") as (port, process):
        yield Server(name, port, ca_certificate(port), process)


@contextmanager
def _running(words: Sequence[str], log: Path) -> Iterator[tuple[int, int]]:
    """The port and the id of the process, once the port is open; the port is the last word."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with log.open("wb") as told:
        server = subprocess.Popen([*words, str(port)], stdout=told, stderr=told)
        try:
            _wait_for(port, server, log)
            yield port, server.pid
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    pause, begun = threading.Event(), perf_counter()
    while perf_counter() - begun < _START_SECONDS and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    raise SystemExit(f"a server did not open its port: {log.read_text(errors='replace')[-2000:]}")


def exchange(port: int, request: bytes) -> bytes | None:
    """The reply to one request, on a connection of its own; None where there is none."""
    try:
        with closing(_Client(port)) as client:
            return client.ask(request)
    except OSError:
        return None


def ca_certificate(port: int) -> Certificate:
    """What GetCACert gives, where that is one certificate."""
    octets = exchange(port, _get(Operation.GET_CA_CERT, port))
    assert octets is not None, "GetCACert was not answered"
    return Certificate.from_der(reply_of(octets).body)


def _get(operation: Operation, port: int) -> bytes:
    return rendered(scep_request("/scep", operation), port)


def rendered(request: HttpRequest, port: int) -> bytes:
    """In bytes, for a connection that is kept."""
    kept = replace(request, headers=(*request.headers, ("Connection", "keep-alive")))
    return render_request(kept, "127.0.0.1", port)


# --- clients ----------------------------------------------------------------------------------------------


class Makers:
    """Build distinct requests: few keys, names and transactionIDs without end."""

    def __init__(self, seed: int = 5) -> None:
        self._entropy, now = Entropy(seed), SystemClock().now()
        keys = PooledKeys(self._entropy.fork("keys"), side=0)
        self._now, self._count = now, 0
        self._signers = [
            x509.Identity(
                x509.self_signed(
                    key, subject=x509.name(("CN", f"signer-{number}")), serial=number + 1,
                    not_before=now - timedelta(hours=1), not_after=now + timedelta(days=30),
                ),
                key,
            )
            for number, key in enumerate(keys.rsa(2048) for _ in range(8))
        ]  # fmt: skip

    def next(self, recipient: Certificate, challenge: str = CHALLENGE) -> tuple[bytes, x509.Identity]:
        """A PKCSReq that has not been sent yet, and its signer."""
        self._count += 1
        signer = self._signers[self._count % len(self._signers)]
        subject = x509.name(("O", "Example AS"), ("CN", f"printer-{self._count}.example"))
        plan = messages.RequestContent(
            MessageType.PKCS_REQ, self._entropy.octets(16).hex(), self._entropy.octets(16),
            csr.build(signer.key, subject=subject, challenge=challenge), recipient,
        )  # fmt: skip
        octets = messages.encode_request(
            plan, signer_key=signer.key, signer_certificate=signer.certificate, octets=self._entropy.octets
        )
        return octets, signer


def requests_for(server: Server, count: int, makers: Makers) -> list[tuple[bytes, x509.Identity]]:
    """The given number of distinct enrolments for a server: the bytes of HTTP, and the signer of each."""
    made = (makers.next(server.recipient) for _ in range(count))
    return [
        (rendered(scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"), server.port), signer)
        for octets, signer in made
    ]


def run_clients(port: int, requests: Sequence[bytes], clients: int) -> tuple[float, list[bytes | None]]:
    """Send them all, by so many clients at once: seconds, and the reply to each, None where there was none."""
    replies: list[bytes | None] = [None] * len(requests)
    gate = threading.Barrier(clients + 1)

    def work(number: int) -> None:
        with closing(_Client(port)) as client:
            gate.wait()
            for place in range(number, len(requests), clients):
                replies[place] = client.ask(requests[place])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    gate.wait()
    begun = perf_counter()
    for thread in threads:
        thread.join()
    return perf_counter() - begun, replies


class _Client:
    """One client: a connection that is kept, and opened again where the server closed it."""

    def __init__(self, port: int) -> None:
        self._port, self._connection = port, socket.create_connection(("127.0.0.1", port), timeout=60)

    def ask(self, request: bytes) -> bytes | None:
        """The reply, or None where there is none."""
        try:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.sendall(request)
            return _reply(self._connection)
        except OSError:
            self.close()
            with suppress(OSError):  # the next request tries again
                self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            return None

    def close(self) -> None:
        self._connection.close()


def _reply(connection: socket.socket) -> bytes:
    octets = b""
    while (end := octets.find(b"\r\n\r\n")) < 0:
        octets += _more(connection)
    head = octets[:end].lower()
    if b"transfer-encoding" in head:
        while not octets.endswith(b"0\r\n\r\n"):
            octets += _more(connection)
        return octets
    length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
    while len(octets) < end + 4 + int(length or b"0"):
        octets += _more(connection)
    return octets


def _more(connection: socket.socket) -> bytes:
    octets = connection.recv(65536)
    if not octets:
        raise ConnectionResetError("the server closed")
    return octets


def sort_out(tally: Tally, replies: Sequence[bytes | None], signers: Sequence[x509.Identity]) -> None:
    """What they were: certificates, refusals, or nothing."""
    for octets, signer in zip(replies, signers, strict=True):
        tally.asked += 1
        try:
            found = certificate_in(octets or b"", signer)
        except (MfpSimError, http.client.HTTPException):
            tally.failed += 1
            continue
        if found is None:
            tally.refused += 1
        else:
            tally.serials[found.serial] += 1


def certificate_in(octets: bytes, signer: x509.Identity) -> Certificate | None:
    """The certificate in a reply; None for a FAILURE.

    Raises:
        MfpSimError, HTTPException: it is not a CertRep for the signer.
    """
    reply = reply_of(octets)
    if reply.status != 200:
        raise UsageError(f"the server answers {reply.status}")
    message = messages.decode(reply.body)
    if message.pki_status != PkiStatus.SUCCESS:
        return None
    assert isinstance(signer.key, RSAPrivateKey)
    return messages.read_certs_only(messages.open_envelope(message, signer.key, signer.certificate))[0]


# --- rounds -----------------------------------------------------------------------------------------------

GOALS: dict[int, tuple[float, float]] = {1: (2.0, 1.0), 8: (1.4, 0.6), 16: (1.4, 0.6)}
"""By level: what the ratio should be, and what it must not fall below on a machine that others use too."""
CAPS = (1.0, 0.3)
KEEPING = (0.7, 0.5)


def measure(count: int, rounds: int, tell: Callable[[str], None] = lambda _: None) -> list[Beside]:
    """``count`` enrolments for each server, level and round.

    Raises:
        Missing: the other server is not installed.
    """
    with ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        other = stack.enter_context(micromdm(room))
        plain = stack.enter_context(mock(room))
        found = between((plain, other), count, rounds, tell)
        keeping = stack.enter_context(mock(room, "--state-dir", str(room / "state"), name="mock with --state-dir"))
        makers = Makers(seed=6)
        for clients in (1, 8):
            tell(f"{clients} client{'s' * (clients > 1)}, a mock that keeps its state beside one that does not")
            found.append(_line(f"--state-dir / memory, {clients} at once", (keeping, plain), clients, KEEPING, rounds,
                               lambda server: requests_for(server, count, makers)))  # fmt: skip
        return found


def between(pair: tuple[Server, Server], count: int, rounds: int, tell: Callable[[str], None]) -> list[Beside]:
    """The lines for two running servers, the first over the second."""
    makers, found = Makers(), []
    for clients in LEVELS:
        tell(f"{clients} client{'s' * (clients > 1)}, {rounds} rounds of {count} enrolments at each server")
        goal, limit = GOALS[clients]
        found.append(_line(f"enrolments, {clients} at once", pair, clients, (goal, limit), rounds,
                           lambda server: requests_for(server, count, makers)))  # fmt: skip
    tell("GetCACaps")
    found.append(_line("GetCACaps, 1 at once", pair, 1, CAPS, rounds,
                       lambda server: [(_get(Operation.GET_CA_CAPS, server.port), None)] * (5 * count)))  # fmt: skip
    return found


def _line(
    what: str,
    pair: tuple[Server, Server],
    clients: int,
    bounds: tuple[float, float],
    rounds: int,
    make: Callable[[Server], Sequence[tuple[bytes, x509.Identity | None]]],
) -> Beside:
    tallies = (Tally(), Tally())
    rates: list[tuple[float, float]] = []
    spent, sent = [0.0, 0.0], [0, 0]
    for number in range(-1, rounds):  # the first one warms both up
        rate = [0.0, 0.0]
        for side in (0, 1) if number % 2 else (1, 0):
            wanted = make(pair[side])
            before = pair[side].cpu
            seconds, replies = run_clients(pair[side].port, [octets for octets, _ in wanted], clients)
            if number < 0:
                continue
            spent[side] += pair[side].cpu - before
            sent[side] += len(wanted)
            rate[side] = len(wanted) / seconds
            signers = [signer for _, signer in wanted if signer is not None]
            if signers:
                sort_out(tallies[side], replies, signers)
            else:
                tallies[side].asked += len(replies)
                tallies[side].failed += sum(octets is None or reply_of(octets).status != 200 for octets in replies)
        if number >= 0:
            rates.append((rate[0], rate[1]))
    ratios = tuple(first / second for first, second in rates)
    middle = (median(first for first, _ in rates), median(second for _, second in rates))
    cpu = (1000 * spent[0] / sent[0], 1000 * spent[1] / sent[1])
    return Beside(what, ratios, middle, *bounds, tallies, (pair[0].name, pair[1].name), cpu)
