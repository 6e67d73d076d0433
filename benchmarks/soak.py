"""``python -m benchmarks.soak``: hostile traffic against the mock over sockets, and hostile files for ``decode``.

Messages are changed outside (elements retagged, emptied, doubled, lost; bytes flipped; cut) and inside, before they
are enveloped and signed right, so that they reach everything that looks at a CSR or at a signer's certificate; and HTTP
itself is changed. Exit code 1 when an answer is 500 or has no entry in the journal, when a thread of the server is lost
or left, when ``decode`` ends in anything but 0 or 2, or when memory grows once the bounded memories are full.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import socket
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpRequest, render_request, scep_request
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing import Bench
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService

__all__ = ["Outcome", "decodes", "requests"]

FORGET_EVERY = 50_000
"""After so many requests ledger and transactions are emptied: they keep every certificate, and are meant to."""
FULL = 400_000
"""By half of so many requests the bounded memories are full, and memory has to stay as it is."""
TAGS = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x1C, 0x1E, 0x24, 0x30, 0x31, 0xA0, 0xA3)


@dataclass
class Outcome:
    """What was answered, and what must not be: ``bad`` holds the first inputs that went wrong."""

    answers: Counter[str] = field(default_factory=Counter)
    bad: list[bytes] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    threads: int = 0


class Changes:
    """Changes bytes, by chance."""

    def __init__(self, entropy: Entropy) -> None:
        self.entropy = entropy

    def among(self, things: list[bytes] | tuple[int, ...]) -> object:
        return things[self.entropy.integer(0, len(things) - 1)]

    def of(self, octets: bytes) -> bytes:
        """One to three changes of a message."""
        for _ in range(self.entropy.integer(1, 3)):
            octets = self._once(octets)
        return octets

    def _once(self, octets: bytes) -> bytes:
        draw = self.entropy.integer
        try:
            places = list(_places(octets))
        except Exception:  # noqa: BLE001 - what is not BER any longer is changed by bytes
            places = []
        if not places or draw(0, 3) == 0:
            if not octets:
                return b"\x30"
            at = draw(0, len(octets) - 1)
            return octets[:at] + bytes((draw(0, 255),)) + octets[at + 1 :]
        start, body, end = places[draw(0, len(places) - 1)]
        before, raw, after = octets[:start], octets[start:end], octets[end:]
        way = draw(0, 6)
        if way == 0:
            return before + after
        if way == 1:
            return before + raw + raw + after
        if way == 2:
            return before + raw[:1] + b"\x00" + after
        if way == 3:
            return octets[: draw(0, len(octets))]
        if way == 4:
            return before + raw[:1] + b"\x80" + octets[body:end] + b"\x00\x00" + after
        return before + bytes((int(str(self.among(TAGS))),)) + raw[1:] + after


def _places(octets: bytes) -> Iterator[tuple[int, int, int]]:
    waiting = [der.read(octets, trailing=True)]
    while waiting:
        element = waiting.pop()
        yield element.start, element.body, element.end
        if element.constructed:
            waiting.extend(element.children)


class Client:
    """Makes hostile requests: one changed outside, inside, or in its HTTP."""

    def __init__(self, service: ScepService, entropy: Entropy, url: tuple[str, int]) -> None:
        self._recipient, self._url = service.authority.recipient.certificate, url
        self.changes, self._entropy = Changes(entropy.fork("changes")), entropy
        self._key = PooledKeys(entropy.fork("key"), side=0).rsa(2048)
        self._now = service.clock.now()
        self._subject = x509.name(("O", "Example AS"), ("CN", "printer.example"))
        self._signer = self._certificate(self._subject, [x509.key_usage_extension("digitalSignature")])
        self._csr = csr.build(self._key, subject=self._subject, challenge="s3cret", sans=["printer.example"])
        self._good = [self._message(kind, data) for kind, data in self._bodies(self._csr)]
        self._inside: deque[bytes] = deque(maxlen=512)  # signing is what costs; each is sent several times

    def _certificate(self, name: bytes, extensions: list[tuple[str, bool, bytes]]) -> Certificate:
        return x509.self_signed(
            self._key, subject=name, serial=self._entropy.integer(1, 1 << 62), extensions=extensions,
            not_before=self._now - timedelta(hours=1), not_after=self._now + timedelta(days=30),
        )  # fmt: skip

    def _bodies(self, request: bytes) -> Iterator[tuple[MessageType, bytes]]:
        issuer = self._recipient.subject
        yield MessageType.PKCS_REQ, request
        yield MessageType.RENEWAL_REQ, request
        yield MessageType.CERT_POLL, messages.issuer_and_subject(issuer, self._subject)
        yield MessageType.GET_CERT, messages.issuer_and_serial(issuer, 5)
        yield MessageType.GET_CRL, messages.issuer_and_serial(issuer, 5)

    def _message(self, kind: MessageType, data: bytes, signer: Certificate | None = None) -> bytes:
        plan = messages.RequestContent(
            kind, self._entropy.octets(8).hex(), self._entropy.octets(16), data, self._recipient,
            signing_time=self._now,
        )  # fmt: skip
        return messages.encode_request(
            plan, signer_key=self._key, signer_certificate=signer or self._signer, octets=self._entropy.octets
        )

    def next(self) -> bytes:
        """The bytes of one request."""
        way = self._entropy.integer(0, 9)
        if way <= 4:
            octets = self.changes.of(bytes(self._pick(self._good)))
        elif way <= 7:
            if len(self._inside) < 8 or self._entropy.integer(0, 5) == 0:
                self._inside.append(self._changed_inside(way == 7))
            octets = self._inside[self._entropy.integer(0, len(self._inside) - 1)]
        else:
            return self._http()
        if self._entropy.integer(0, 4) == 0:
            return self._rendered(scep_request("/scep", Operation.PKI_OPERATION, octets))
        return self._rendered(scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"))

    def _changed_inside(self, signer: bool) -> bytes:
        if signer:
            return self._message(MessageType.PKCS_REQ, self._csr, self._hostile_signer())
        kind, data = list(self._bodies(self._csr))[self._entropy.integer(0, 4)]
        return self._message(kind, self._signed_anew(data) if data == self._csr else self.changes.of(data))

    def _pick(self, among: list[bytes]) -> bytes:
        return among[self._entropy.integer(0, len(among) - 1)]

    def _signed_anew(self, request: bytes) -> bytes:
        """A CSR that is changed inside, and whose signature is right again where it can be."""
        info = self.changes.of(der.read(request).children[0].raw)
        if self._entropy.integer(0, 3) == 0:
            return self.changes.of(request)
        signature = der.bit_string(x509.sign(self._key, info, "sha256"))
        return der.sequence(info, x509.signature_algorithm(self._key, "sha256"), signature)

    def _hostile_signer(self) -> Certificate:
        extension = (v.KEY_USAGE, v.BASIC_CONSTRAINTS, v.SUBJECT_ALT_NAME, v.SUBJECT_KEY_IDENTIFIER)
        value = self.changes.of(x509.key_usage_extension("digitalSignature")[2])
        name = self.changes.of(self._subject) if self._entropy.integer(0, 1) else self._subject
        try:
            name = der.read(name).expect(der.SEQUENCE).raw
            return self._certificate(name, [(extension[self._entropy.integer(0, 3)], True, value)])
        except Exception:  # noqa: BLE001 - it is not a certificate at all
            return self._signer

    def _http(self) -> bytes:
        """HTTP that is changed: request line, query, fields, body."""
        operation = self._pick([b"GetCACaps", b"GetCACert", b"GetNextCACert", b"PKIOperation", b"x\xff%00%1b"])
        request = scep_request("/scep", Operation.GET_CA_CAPS)
        octets = bytearray(self._rendered(request).replace(b"GetCACaps", operation, 1))
        for _ in range(self._entropy.integer(0, 4)):
            octets[self._entropy.integer(0, len(octets) - 1)] = self._entropy.integer(0, 255)
        return bytes(octets)

    def _rendered(self, request: HttpRequest) -> bytes:
        return render_request(request, *self._url)


def _rss() -> int:
    """The memory of this process in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def _ask(url: tuple[str, int], octets: bytes) -> str:
    """The status of the answer, or why there is none."""
    try:
        with socket.create_connection(url, timeout=60) as connection:
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionError:
        return "connection closed"
    return reply[9:12].decode("latin-1") if reply.startswith(b"HTTP/1.1 ") else "no answer"


def requests(count: int, *, seed: int = 1, workers: int = 2, tell: Callable[[str], None] = lambda _: None) -> Outcome:
    """So many requests over sockets."""
    entropy, outcome = Entropy(seed), Outcome()
    service = Bench(clock=SystemClock(), seed=seed).ca
    before = threading.active_count()
    lock, step = threading.Lock(), max(count // 20, 1)
    with ServerHost(service, on_refusal=service.record_refusal) as host:
        url = (host.host, host.port)

        def work(number: int) -> None:
            client = Client(service, entropy.fork(f"client {number}"), url)
            for done in range(number, count, workers):
                octets = client.next()
                answer = _ask(url, octets)
                with lock:
                    outcome.answers[answer] += 1
                    if answer == "500" and len(outcome.bad) < 10:
                        outcome.bad.append(octets)
                if done % FORGET_EVERY == 0:
                    service.operator.forget()
                    service.ledger.clear()
                if done % step == 0:
                    outcome.memory.append(_rss())
                    tell(f"{done} requests, {outcome.memory[-1]} KiB, {threading.active_count()} threads")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcome.memory.append(_rss())
        accepting = sum(thread.is_alive() for thread in host._serving | {host._accepting}) >= 1
        outcome.answers["no longer accepting"] += 0 if accepting and _ask(url, b"GET / HTTP/1.1\r\n\r\n") else 1
    outcome.threads = threading.active_count() - before
    answered = sum(number for answer, number in outcome.answers.items() if answer.isdigit())
    outcome.answers["without an entry of the journal"] = max(answered - service.journal.count, 0)
    return outcome


def decodes(count: int, *, seed: int = 2, tell: Callable[[str], None] = lambda _: None) -> Outcome:
    """So many files for ``mfp-sim decode``, a tenth of them with a key."""
    from mfp_sim.cli.main import main

    outcome, changes, entropy = Outcome(), Changes(Entropy(seed)), Entropy(seed + 1)
    folder = Path(__file__).parents[1] / "tests"
    files = sorted([*(folder / "vectors").rglob("*.der"), *(folder / "scep" / "data").glob("*.der")])
    originals = [path.read_bytes() for path in files]
    key = folder / "vectors" / "micromdm" / "ca-key.pem"
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "message"
        for number in range(count):
            octets = changes.of(originals[entropy.integer(0, len(originals) - 1)])
            path.write_bytes(octets)
            told = io.StringIO()
            options = ["--json"] if number % 2 else []
            options += ["--key", str(key)] if number % 10 == 0 else []
            with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
                code = main(["decode", str(path), *options])
            steering = any(not letter.isprintable() and letter != "\n" for letter in told.getvalue())
            outcome.answers[f"exit code {code}"] += 1
            if code not in (0, 2) or steering:
                outcome.answers["bad"] += 1
                outcome.bad = [*outcome.bad, octets][:10]
            if number % max(count // 20, 1) == 0:
                outcome.memory.append(_rss())
                tell(f"{number} files, {outcome.memory[-1]} KiB")
    outcome.memory.append(_rss())
    return outcome


def flat(memory: list[int], full: bool) -> bool:
    """Whether memory, in KiB, stayed: within 5 % of what it was at half of a long run, within 96 MiB in a short one."""
    half = max(memory[: len(memory) // 2 + 1])
    return memory[-1] <= half * 1.05 + 8192 if full else memory[-1] - memory[0] <= 96 * 1024


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="over sockets (default: 1,000,000)")
    parser.add_argument("--decodes", type=int, default=200_000, help="of mfp-sim decode (default: 200,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the changes (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the inputs that went wrong there")
    options = parser.parse_args()

    def tell(line: str) -> None:
        print(line, flush=True)

    asked = requests(options.requests, seed=options.seed, tell=tell)
    read = decodes(options.decodes, seed=options.seed + 1, tell=tell)
    wrong = {
        "answers of 500": asked.answers["500"],
        "answers without an entry of the journal": asked.answers["without an entry of the journal"],
        "threads left": asked.threads,
        "no longer accepting": asked.answers["no longer accepting"],
        "memory of the mock grows": int(not flat(asked.memory, options.requests >= FULL)),
        "decodes that end otherwise than with 0 or 2, or steer the terminal": read.answers["bad"],
        "memory of decode grows": int(not flat(read.memory, options.decodes >= 100_000)),
    }
    tell(f"requests: {dict(asked.answers)}, memory {asked.memory[0]} to {asked.memory[-1]} KiB")
    tell(f"decodes: {dict(read.answers)}, memory {read.memory[0]} to {read.memory[-1]} KiB")
    for what, number in wrong.items():
        tell(f"{what}: {number}  {'OVER' if number else 'ok'}")
    for number, octets in enumerate([*asked.bad, *read.bad]):
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{number}.bin").write_bytes(octets)
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
