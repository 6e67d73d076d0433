"""What a client's requests say about the client: findings with the requirement and a verdict. Decides no answer.

A verdict follows from the requirement's level in the catalogue: MUST and MUST NOT fail, SHOULD warns, all else is a
note; except where the catalogue's own check says what a deviation is worth (:data:`WORTH`). What one message cannot
show (a nonce used twice, a transactionID for two requests) is remembered, within bounds.
No finding holds a challenge. RFC 8894, 2 to 4, as far as it speaks of clients.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import Capabilities, HttpRequest
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import MessageType, Operation

__all__ = ["ClientJudge", "Finding", "verdict_of"]

_K = TypeVar("_K")
_V = TypeVar("_V")
Severity = Literal["fail", "warn", "note"]
REMEMBERED = 10_000
"""How many nonces and transactions are remembered; the oldest goes first."""


NO_USAGE = "the self-signed certificate has no keyUsage"
WORTH: Mapping[tuple[str, str], Severity] = {
    ("SCEP-2.3-02", NO_USAGE): "warn",  # unrestricted; sscep and others send none
    ("SCEP-3.2.1.1-07", ""): "warn",
    ("SCEP-4.3-02", ""): "warn",
}
"""By requirement and the end of the sentence: what the catalogue's check says, other than the level would."""


@dataclass(frozen=True)
class Finding:
    """Something about a client: the requirement, and a sentence."""

    requirement: str
    text: str

    @property
    def verdict(self) -> Severity:
        """``fail``, ``warn`` or ``note``."""
        for (requirement, end), verdict in WORTH.items():
            if requirement == self.requirement and self.text.endswith(end):
                return verdict
        return verdict_of(self.requirement)

    def __str__(self) -> str:
        return f"{self.verdict} {self.requirement} {self.text}"

    def to_json(self) -> dict[str, str]:
        """As a JSON-able object."""
        return {"requirement": self.requirement, "verdict": self.verdict, "text": self.text}


def verdict_of(requirement: str) -> Severity:
    """The worst that missing a requirement can be: by its level, and only where it speaks of clients."""
    entry = requirements().get(requirement)
    if entry is None or entry.level is None or entry.on == "server":
        return "note"
    if entry.level.startswith("MUST"):
        return "fail"
    return "warn" if entry.level.startswith("SHOULD") else "note"


class ClientJudge:
    """Looks at requests in the order in which they come; thread-safe.

    Args:
        capabilities: what the server advertises; None: not known, and nothing is said about what depends on it.
        wants_challenge: whether it wants a challenge from who has no certificate.
    """

    def __init__(self, capabilities: Sequence[str] | None = (), *, wants_challenge: bool = False) -> None:
        self._capabilities = None if capabilities is None else Capabilities(tuple(capabilities))
        self._wants_challenge = wants_challenge
        self._lock = threading.Lock()
        self._nonces: OrderedDict[bytes, None] = OrderedDict()
        self._transactions: OrderedDict[bytes, bytes] = OrderedDict()

    def learn(self, keywords: Sequence[str]) -> None:
        """What the server advertises, once it has said so to a client."""
        self._capabilities = Capabilities(tuple(keywords))

    def operation(self, operation: str | None, *, next_advertised: bool) -> tuple[Finding, ...]:
        """About a GetCACaps, GetCACert or GetNextCACert."""
        if operation == Operation.GET_NEXT_CA_CERT and not next_advertised:
            return (Finding("SCEP-4.7-03", "GetNextCACert is asked of a CA that does not advertise it"),)
        return ()

    def noted(self, notes: Iterable[str]) -> tuple[Finding, ...]:
        """The findings of odd forms that reading found, ``SCEP-… where: what``."""
        return tuple(dict.fromkeys(Finding(*_split(text)) for text in notes))

    def message(
        self,
        request: HttpRequest | None,
        message: PkiMessage,
        *,
        now: datetime | None,
        signer: Certificate | None = None,
        csr: Csr | None = None,
        renews: bool = False,
        noted: Iterable[str] = (),
    ) -> tuple[Finding, ...]:
        """About a PKIOperation.

        Args:
            request: how it came; None: not known.
            message: as decoded.
            now: the time at the server; None: not known.
            signer: the signer's certificate, if there is one.
            csr: what is in the envelope, if it was opened.
            renews: whether the signer's certificate is one of this CA.
            noted: odd forms that reading found, ``SCEP-… where: what``.
        """
        found = self.noted(noted)
        told = {finding.requirement for finding in found}
        more = [
            *self._transport(request),
            *self._algorithms(message),
            *self._memory(message, csr, renews),
            *self._signer(message, signer, csr, now, renews),
            *(self._request(message, signer, csr, renews) if csr is not None else ()),
        ]
        # What reading has noted already is not told twice.
        return (*found, *(finding for finding in more if finding.requirement not in told))

    def seen(
        self,
        request: HttpRequest | None,
        message: PkiMessage,
        *,
        now: datetime | None,
        csr: Csr | None,
        renews: bool = False,
        noted: Iterable[str] = (),
    ) -> tuple[Finding, ...]:
        """About a PKIOperation that no CA has checked yet: :meth:`message`, and whether the signature verifies."""
        signer = message.signer()
        noted = (*noted, *(str(note) for note in (*message.notes, *(csr.notes if csr else ()))))
        found = self.message(request, message, now=now, signer=signer, csr=csr, renews=renews, noted=noted)
        try:
            if signer is not None:
                message.verify(signer)
        except MfpSimError as error:
            return (Finding("SCEP-3.2-05", error.message), *found)
        return found

    def _transport(self, request: HttpRequest | None) -> Iterator[Finding]:
        caps = self._capabilities
        if request is None or caps is None:
            return
        if request.method == "GET" and caps.post:
            yield Finding("SCEP-4.1-06", "GET is used although the CA advertises POST")
        if request.method == "POST" and not caps.post:
            yield Finding("SCEP-4.1-08", "POST is used although the CA does not advertise it")

    def _algorithms(self, message: PkiMessage) -> Iterator[Finding]:
        cipher = message.envelope.cipher if message.envelope else None
        if message.digest == "md5":
            yield Finding("SCEP-2.9-10", "the message is signed with MD5")
        if cipher == "des-cbc":
            yield Finding("SCEP-2.9-09", "the envelope is encrypted with single DES")
        caps = self._capabilities
        if cipher == "des-ede3-cbc" and caps is not None and caps.cipher.startswith("aes"):
            yield Finding("SCEP-3.5.2-17", "3DES is used although the CA advertises AES")
        if message.digest == "sha1" and caps is not None and caps.digest == "sha256":
            yield Finding("SCEP-3.5.2-16", "SHA-1 is used although the CA advertises SHA-256")
        if message.digest in ("sha384", "sha512") and (caps is None or caps.digest != message.digest):
            yield Finding(
                "SCEP-3.5.2-18",
                f"{_spelled(message.digest)} is used instead of SHA-256{self._unlisted(message.digest)}",
            )
        if cipher is not None and cipher.startswith("aes-") and cipher != "aes-128-cbc":
            yield Finding("SCEP-3.5.2-18", f"{cipher.upper()} is used instead of AES-128-CBC{self._unlisted(cipher)}")

    def _unlisted(self, name: str) -> str:
        """What is to be added where the CA does not list an algorithm: AES stands for AES-128-CBC (RFC 8894, 3.5.2)."""
        caps = self._capabilities
        keyword = name.upper() if name.startswith("aes-") else _spelled(name)
        return "" if caps is None or caps.has(keyword) else ", and the CA does not advertise it"

    def _memory(self, message: PkiMessage, csr: Csr | None, renews: bool) -> Iterator[Finding]:
        with self._lock:
            if message.sender_nonce is not None:
                nonce = _mark(message.sender_nonce)
                if nonce in self._nonces:
                    yield Finding("SCEP-3.2.1.5-02", "the senderNonce was used before")
                _remember(self._nonces, nonce, None)
            if csr is not None:
                identifier, request = _mark(message.transaction_id.encode("utf-8", "replace")), _mark(csr.der)
                if self._transactions.get(identifier, request) != request:
                    yield (
                        Finding("SCEP-3.2.1.1-07", "a renewal carries the transactionID of an earlier operation")
                        if renews
                        else Finding("SCEP-3.2.1.1-01", "the transactionID was used for another request before")
                    )
                _remember(self._transactions, identifier, request)

    def _signer(
        self, message: PkiMessage, signer: Certificate | None, csr: Csr | None, now: datetime | None, renews: bool
    ) -> Iterator[Finding]:
        if signer is None:
            yield Finding("SCEP-2.3-12", "the message carries no certificate of its signer")
            return
        if now is not None and now > signer.not_after:
            yield Finding("SCEP-3.2-14", f"the signer's certificate expired at {signer.not_after:%Y-%m-%d %H:%M}")
        if now is not None and now < signer.not_before:
            text = f"the signer's certificate is not valid before {signer.not_before:%Y-%m-%d %H:%M}"
            yield Finding("SCEP-3.2-14", text)
        if renews or signer.issuer != signer.subject:
            return
        try:
            usage = signer.key_usage
        except DecodeError as error:
            yield Finding("SCEP-2.3-02", f"the self-signed certificate's keyUsage is malformed: {error}")
            return
        wanted = {"digitalSignature", *(["keyEncipherment"] if _can_encrypt(signer) else [])}
        lacking = wanted - (usage or set())
        if usage is None:
            yield Finding("SCEP-2.3-02", NO_USAGE)
        elif lacking:
            yield Finding(
                "SCEP-2.3-02", f"the self-signed certificate's keyUsage lacks {' and '.join(sorted(lacking))}"
            )
        if message.message_type == MessageType.RENEWAL_REQ:
            yield Finding("SCEP-2.3-07", "a RenewalReq is signed with a self-signed certificate")
        if csr is not None and signer.subject != csr.subject:
            yield Finding("SCEP-2.3-04", "the self-signed certificate's subject is not the CSR's")
        if csr is not None and signer.spki != csr.spki:
            yield Finding("SCEP-2.3-05", "the self-signed certificate's key is not the CSR's")

    def _request(self, message: PkiMessage, signer: Certificate | None, csr: Csr, renews: bool) -> Iterator[Finding]:
        renewal = message.message_type == MessageType.RENEWAL_REQ
        if csr.challenge is not None and len(csr.challenge) > 5 and csr.challenge.encode() in message.octets:
            yield Finding("SCEP-2.4-12", "the challenge password stands outside the envelope")
        caps = self._capabilities
        if renewal and caps is not None and not caps.renewal:
            yield Finding("SCEP-3.2.1.2-06", "a RenewalReq is sent to a CA that does not advertise Renewal")
        if not renews:
            if csr.challenge is None and self._wants_challenge:
                yield Finding("SCEP-3.3.1-03", "the CSR has no challengePassword, and the CA wants one")
            return
        if not renewal and caps is not None and caps.renewal:
            yield Finding("SCEP-2.5-03", "renews with a PKCSReq although the CA advertises Renewal")
        if csr.challenge is not None:
            yield Finding("SCEP-2.4-06", "a renewal carries a challengePassword")
        if signer is not None and signer.spki == csr.spki:
            yield Finding("SCEP-2.5-04", "the key of the old certificate is kept")


def _spelled(digest: str) -> str:
    """A digest as GetCACaps spells it: ``SHA-512``."""
    return f"SHA-{digest.removeprefix('sha')}"


def _can_encrypt(certificate: Certificate) -> bool:
    try:
        return isinstance(certificate.public_key(), RSAPublicKey)
    except DecodeError:
        return False


def _split(noted: str) -> tuple[str, str]:
    requirement, _, text = noted.partition(" ")
    return requirement, text


def _mark(octets: bytes) -> bytes:
    """What is remembered of octets, however many a client sent."""
    return hashlib.sha256(octets).digest()


def _remember(table: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    table[key] = value
    if len(table) > REMEMBERED:
        table.popitem(last=False)
