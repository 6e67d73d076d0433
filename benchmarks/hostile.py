"""The costliest messages that the reader's caps let in, and what reading one takes: goals 50 ms and 50 MiB a message.

Each is read as its recipient would read it: decoded, described, its signature checked, its envelope opened. Time is the
processor's, the best of several rounds, so that other load on the machine counts little; memory is the peak that Python
allocated for it, by tracemalloc, in a round of its own.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from time import process_time

from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.http_messages import HEAD_CAP, HttpRequest, read_capabilities, read_scep_query
from mfp_sim.shared.scep.messages import Oddities, RequestContent
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.shared.simtime import Entropy, PooledKeys

__all__ = ["GOAL_OCTETS", "GOAL_SECONDS", "Cost", "measure"]

GOAL_SECONDS, GOAL_OCTETS = 0.050, 50 * 1024 * 1024
START, END = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2036, 1, 1, tzinfo=timezone.utc)
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Cost:
    """One message: how large it is, and what reading it took."""

    name: str
    octets: int
    seconds: float
    peak: int

    @property
    def fine(self) -> bool:
        return self.seconds <= GOAL_SECONDS and self.peak <= GOAL_OCTETS


class _Makers:
    """Messages at the caps, made with the package's own writer and its options."""

    def __init__(self) -> None:
        keys = PooledKeys(Entropy(5))
        self.octets = Entropy(5).octets
        self.client, self.ca = keys.rsa(2048), keys.rsa(2048)
        named = {"serial": 1, "not_before": START, "not_after": END}
        self.signer = x509.self_signed(self.client, subject=x509.name(("CN", "p")), **named)  # type: ignore[arg-type]
        self.authority = x509.self_signed(self.ca, subject=x509.name(("CN", "ca")), **named)  # type: ignore[arg-type]

    def request(self, data: bytes, oddities: Oddities = messages.Oddities()) -> bytes:  # noqa: B008 - frozen
        asked = RequestContent(MessageType.PKCS_REQ, "t-1", bytes(16), data, self.authority, oddities=oddities)
        return messages.encode_request(
            asked, signer_key=self.client, signer_certificate=self.signer, octets=self.octets
        )

    def read(self, octets: bytes) -> None:
        message = messages.decode(octets)
        message.describe()
        message.verify(self.signer)
        messages.open_envelope(message, self.ca, self.authority)

    def password(self) -> bytes:
        made = self.request(b"x", Oddities(password="s3cret"))
        rounds = der.integer(2048)
        # Only the count of rounds is changed; the signature is not looked at by who opens the envelope.
        return made.replace(rounds, der.integer(32767), 1)


def _get(octets: bytes) -> None:
    read_scep_query(HttpRequest("GET", octets.decode()))


def _elements(octets: bytes) -> None:
    for _ in leaves(octets):
        pass


def _cases(make: _Makers) -> Iterator[tuple[str, bytes, Callable[[bytes], object]]]:
    big = MEGABYTE - 4096
    yield "a request of 2.4 kB, as it should be", make.request(bytes(720)), make.read
    yield "a request of 1 MiB", make.request(bytes(big)), make.read
    yield "the same in BER, in pieces of 1,000 bytes", make.request(bytes(big - 8192), Oddities(ber=True)), make.read
    others = [make.authority] * 7
    yield (
        "8 recipients, none of them ours",
        make.request(b"x", Oddities(other_recipients=others)),
        lambda octets: cms.open_envelope(messages.decode(octets).envelope, make.client),  # type: ignore[arg-type]
    )
    attributes = [(f"1.2.3.{number}", (der.octet_string(bytes(60)),)) for number in range(2000)]
    yield "2,000 signed attributes", make.request(b"x", Oddities(extra_signed=attributes)), make.read
    bag = messages.certs_only([make.authority.der] * 150)
    yield "150 certificates in a bag", bag, messages.read_certs_only
    yield "9,998 elements", der.sequence(*[der.null()] * 9997), _elements
    deep = der.octet_string(bytes(big))
    for _ in range(20):
        deep = der.tlv(0x24, deep)
    yield "1 MiB inside 20 constructed strings", der.sequence(der.oid(v.DATA), der.explicit(0, deep)), _elements
    yield "an object identifier of 1 MiB", der.tlv(der.OID, b"\xff" * big + b"\x01"), lambda o: der.read(o).to_oid()
    yield (
        "a password recipient with 32,767 rounds",
        make.password(),
        lambda octets: messages.open_envelope(messages.decode(octets), password="s3cret"),
    )
    numbers = der.sequence(der.integer(2**16383 + 1), der.integer(2**64 - 1))
    huge = der.sequence(x509.algorithm(v.RSA_ENCRYPTION, der.null()), der.bit_string(numbers))
    yield (
        "a signature by a key of 16,384 bits",
        huge,
        lambda octets: x509.verify_signature(
            x509.public_key_of(octets, "key"), bytes(2047) + b"\x02", b"x", "sha256", "the message"
        ),
    )
    head = "/scep?operation=PKIOperation&message="
    yield "a GET of 64 KiB, each letter escaped", (head + "%4D" * ((HEAD_CAP - len(head)) // 3)).encode(), _get
    yield "a GET of 1 MiB", (head + "%4D" * (MEGABYTE // 3)).encode(), _get
    yield "capabilities of 1 MiB", b"AES\n" * (MEGABYTE // 4), read_capabilities


def measure(rounds: int) -> Iterator[Cost]:
    """Each case; a refusal counts as a reading."""
    for name, octets, read in _cases(_Makers()):
        best = min(_timed(octets, read) for _ in range(max(3, rounds)))
        tracemalloc.start()
        _tried(octets, read)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield Cost(name, len(octets), best, peak)


def _timed(octets: bytes, read: Callable[[bytes], object]) -> float:
    begun = process_time()
    _tried(octets, read)
    return process_time() - begun


def _tried(octets: bytes, read: Callable[[bytes], object]) -> None:
    try:
        read(octets)
    except MfpSimError:
        return
