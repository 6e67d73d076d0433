"""Building and reading each message type, over the RSA operations that it cannot do without.

Twenty messages and the same RSA operations alone are timed in turn: signing for a build (and wrapping the content key,
where there is an envelope), verifying and unwrapping for a read. The ratio is that of the fastest tenth on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from statistics import median
from time import perf_counter

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from benchmarks.stage import no_collection
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, messages
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus
from mfp_sim.shared.simtime import Entropy, PooledKeys

__all__ = ["Comparison", "Row", "beside_pyscep", "measure"]

START, END = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2036, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Row:
    """One message type one way; times in seconds."""

    name: str
    seconds: float
    rsa_seconds: float

    @property
    def ratio(self) -> float:
        """How many times its own RSA operations it takes."""
        return self.seconds / self.rsa_seconds


class _Parties:
    def __init__(self) -> None:
        keys = PooledKeys(Entropy(7))
        self.octets = Entropy(9).octets
        self.client, self.ca = keys.rsa(2048), keys.rsa(2048)
        subject, issuer = x509.name(("CN", "192.0.2.10")), x509.name(("CN", "Example CA"))
        self.signer = x509.self_signed(self.client, subject=subject, serial=1, not_before=START, not_after=END)
        self.authority = x509.self_signed(self.ca, subject=issuer, serial=2, not_before=START, not_after=END)
        request = csr.build(self.client, subject=subject, challenge="s3cret")
        who = messages.issuer_and_subject(issuer, subject)
        which = messages.issuer_and_serial(issuer, 4711)
        self.data = {
            MessageType.PKCS_REQ: request,
            MessageType.RENEWAL_REQ: request,
            MessageType.CERT_POLL: who,
            MessageType.GET_CERT: which,
            MessageType.GET_CRL: which,
        }

    def request(self, kind: MessageType) -> bytes:
        asked = messages.RequestContent(kind, "0123456789abcdef", self.octets(16), self.data[kind], self.authority)
        return messages.encode_request(
            asked, signer_key=self.client, signer_certificate=self.signer, octets=self.octets
        )

    def reply(self, status: PkiStatus) -> bytes:
        success = status is PkiStatus.SUCCESS
        answer = messages.CertRep(
            status=status,
            transaction_id="0123456789abcdef",
            recipient_nonce=self.octets(16),
            sender_nonce=self.octets(16),
            fail_info=FailInfo.BAD_REQUEST if status is PkiStatus.FAILURE else None,
            certificates=(self.signer.der,) if success else (),
            recipient=self.signer if success else None,
            digest="sha256",
        )
        return messages.encode_cert_rep(
            answer, signer_key=self.ca, signer_certificate=self.authority, octets=self.octets
        )


def measure(rounds: int) -> Iterator[Row]:
    """Every message type, built and read."""
    who = _Parties()
    wrapped = who.authority.public_key().encrypt(bytes(16), padding.PKCS1v15())  # type: ignore[union-attr]
    signature = who.client.sign(b"x", padding.PKCS1v15(), hashes.SHA256())

    def sign() -> None:
        who.client.sign(b"x", padding.PKCS1v15(), hashes.SHA256())

    def seal() -> None:
        sign()
        who.authority.public_key().encrypt(bytes(16), padding.PKCS1v15())  # type: ignore[union-attr]

    def verify() -> None:
        who.client.public_key().verify(signature, b"x", padding.PKCS1v15(), hashes.SHA256())

    def unseal() -> None:
        verify()
        who.ca.decrypt(wrapped, padding.PKCS1v15())

    for kind in who.data:
        octets = who.request(kind)
        yield _row(f"{kind.label}, built", lambda kind=kind: who.request(kind), seal, rounds)  # type: ignore[misc]
        yield _row(f"{kind.label}, read", lambda octets=octets: _read(octets, who, True), unseal, rounds)  # type: ignore[misc]
    for status in PkiStatus:
        octets = who.reply(status)
        success = status is PkiStatus.SUCCESS
        name = f"CertRep {status.name}"
        build, read = (seal, unseal) if success else (sign, verify)
        yield _row(f"{name}, built", lambda status=status: who.reply(status), build, rounds)  # type: ignore[misc]
        yield _row(f"{name}, read", lambda octets=octets: _read(octets, who, False), read, rounds)  # type: ignore[misc]


@dataclass(frozen=True)
class Comparison:
    """A PKCSReq built by us and by PyScep, in turn; seconds of the fastest tenth."""

    ours: float
    theirs: float

    @property
    def factor(self) -> float:
        """How many times faster ours is."""
        return self.theirs / self.ours


def beside_pyscep(rounds: int) -> Comparison | None:
    """The same CSR, keys, certificates, digest and cipher in one run; None where PyScep is not installed.

    What PyScep wrote is read first, so that both are known to do the same.
    """
    from benchmarks import pyscep

    who = _Parties()
    request = who.data[MessageType.PKCS_REQ]
    try:
        build = pyscep.builder(who.client, who.signer, who.authority, request)
    except ImportError:
        return None
    message = messages.decode(build())
    message.verify(who.signer)
    if messages.open_envelope(message, who.ca) != request:
        raise SystemExit("what PyScep enveloped is not the request")
    row = _row("PKCSReq", lambda: who.request(MessageType.PKCS_REQ), build, rounds)
    return Comparison(row.seconds, row.rsa_seconds)


def _read(octets: bytes, who: _Parties, by_ca: bool) -> None:
    message = messages.decode(octets)
    message.verify(who.signer if by_ca else who.authority)
    if message.envelope is not None:
        messages.open_envelope(message, who.ca if by_ca else who.client)


def _row(name: str, work: Callable[[], object], rsa: Callable[[], object], rounds: int) -> Row:
    ours: list[float] = []
    theirs: list[float] = []
    with no_collection():
        # In turns of twenty, so that both see the same machine and neither pays for the other's cold caches.
        for _ in range(max(1, rounds // 20)):
            for act, times in ((work, ours), (rsa, theirs)):
                for _ in range(20):
                    begun = perf_counter()
                    act()
                    times.append(perf_counter() - begun)
    tenth = max(1, len(ours) // 10)
    return Row(name, median(sorted(ours)[:tenth]), median(sorted(theirs)[:tenth]))
