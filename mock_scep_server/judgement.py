"""What a client's requests show about the client: findings, each with a requirement and a verdict. Decides no reply.

A verdict follows the requirement's level in the catalogue: `fail` for MUST and MUST NOT, `warn` for SHOULD, `note` for
the rest, unless the catalogue rates the deviation differently (`WORTH`). The judge remembers, within bounds, what a
single message cannot show: a nonce used twice, a transactionID used for two requests. No finding contains a challenge.
RFC 8894, 2 to 4, as far as it concerns clients.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.errors import DecodeError, MfpSimError, SignatureInvalid
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import malformation
from mfp_sim.shared.scep.http_messages import Capabilities, HttpRequest, ScepQuery
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import MessageType, Operation

__all__ = ["ClientJudge", "Finding", "requirement_of", "verdict_of"]

_K = TypeVar("_K")
_V = TypeVar("_V")
Severity = Literal["fail", "warn", "note"]
_MOST_CERTIFICATES = 100
REMEMBERED = 10_000
"""The number of nonces and transactions that are remembered; the oldest is dropped first."""


ADEQUATE_BITS = 2048
"""The smallest adequate RSA key, in bits (SCEP-7.1-01)."""
_NO_NAME = b"\x30\x00"
_KIND = "SCEP-3.2-03"
_INSIDE: Mapping[int, str] = {
    MessageType.CERT_POLL: "SCEP-3.3.3-01",
    MessageType.GET_CERT: "SCEP-3.3.4-01",
    MessageType.GET_CRL: "SCEP-3.3.4-01",
}
"""By message type, the requirement on the data it carries; for other types, `_KIND`."""
_SPELLED: Mapping[str, str] = {
    Operation.GET_CA_CAPS: "SCEP-3.5.1-01",
    Operation.GET_CA_CERT: "SCEP-4.2-01",
    Operation.PKI_OPERATION: "SCEP-4.3-01",
    Operation.GET_NEXT_CA_CERT: "SCEP-4.7-01",
}
"""The requirement on the spelling of an operation."""
NO_USAGE = "the self-signed certificate has no keyUsage"
WORTH: Mapping[tuple[str, str], Severity] = {
    ("SCEP-2.3-02", NO_USAGE): "warn",  # the key is unrestricted; sscep and others send no keyUsage
    ("SCEP-3.2.1.1-07", ""): "warn",
    ("SCEP-4.3-02", ""): "warn",
}
"""Verdicts that differ from the requirement's level, by requirement and the end of the sentence."""


@dataclass(frozen=True)
class Finding:
    """A finding about a client: the requirement and a sentence."""

    requirement: str
    text: str

    @property
    def verdict(self) -> Severity:
        """`fail`, `warn` or `note`."""
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
    """The worst verdict for violating a requirement: by its level, and only if it concerns clients."""
    entry = requirements().get(requirement)
    if entry is None or entry.level is None or entry.on == "server":
        return "note"
    if entry.level.startswith("MUST"):
        return "fail"
    return "warn" if entry.level.startswith("SHOULD") else "note"


class ClientJudge:
    """Judges requests in the order in which they arrive; thread-safe.

    Args:
        capabilities: what the server advertises; None if unknown: then findings that depend on it are omitted.
        wants_challenge: whether the server requires a challenge from a client without a certificate.
    """

    def __init__(self, capabilities: Sequence[str] | None = (), *, wants_challenge: bool = False) -> None:
        self._capabilities = None if capabilities is None else Capabilities(tuple(capabilities))
        self._wants_challenge = wants_challenge
        self._lock = threading.Lock()
        self._nonces: OrderedDict[bytes, None] = OrderedDict()
        self._transactions: OrderedDict[bytes, bytes] = OrderedDict()
        self._requesters: OrderedDict[bytes, bytes] = OrderedDict()
        self._requested: OrderedDict[bytes, bytes] = OrderedDict()
        self._certificates: tuple[Certificate, ...] = ()
        self._rolls_over = False

    def learn(self, keywords: Sequence[str]) -> None:
        """Note what the server advertises once it has sent it to a client."""
        self._capabilities = Capabilities(tuple(keywords))

    def know(self, certificates: Sequence[Certificate]) -> None:
        """Note the CA's certificates once a client has received them: requests have to be enveloped to one of them."""
        found = {certificate.der: certificate for certificate in (*self._certificates, *certificates)}
        self._certificates = tuple(found.values())[-_MOST_CERTIFICATES:]

    def operation(self, request: HttpRequest, query: ScepQuery, *, next_advertised: bool) -> tuple[Finding, ...]:
        """Judge a request that is not a PKIOperation: GetCACaps, GetCACert, GetNextCACert, or an unknown operation."""
        found: list[Finding] = []
        named = next((known for known in Operation if (query.operation or "").lower() == known.lower()), None)
        if named is not None and named != query.operation:
            found.append(
                Finding(_SPELLED[named], f"the operation is written {query.operation!r} instead of {named.value}")
            )
        if named not in (None, Operation.PKI_OPERATION) and request.method == "POST":
            found.append(Finding("SCEP-4.1-07", f"{query.operation} is sent by POST"))
        self._rolls_over |= named == Operation.GET_NEXT_CA_CERT
        if query.operation == Operation.GET_NEXT_CA_CERT and not next_advertised:
            found.append(Finding("SCEP-4.7-03", "GetNextCACert is sent to a CA that does not advertise it"))
        return tuple(found)

    def noted(self, notes: Iterable[str]) -> tuple[Finding, ...]:
        """The findings from odd forms that the reader noted, `SCEP-… where: what`."""
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
        unreadable: str | None = None,
        verified: bool = False,
    ) -> tuple[Finding, ...]:
        """Judge a PKIOperation, whether or not the CA grants it.

        Args:
            request: its HTTP request; None if unknown.
            message: the decoded message.
            now: the time at the server; None if unknown.
            signer: the signer's certificate, if there is one.
            csr: the CSR in the envelope, if it was decrypted.
            renews: whether this CA issued the signer's certificate.
            noted: odd forms that the reader found, `SCEP-… where: what`.
            unreadable: why the decrypted content is not what the message type announces.
            verified: whether the signature is known to be valid; otherwise it is verified here.
        """
        found = self.noted(noted)
        told = {finding.requirement for finding in found}
        more = [
            *self._transport(request),
            *self._shape(message),
            *self._algorithms(message),
            *self._memory(message, csr, renews),
            *self._polls(message, signer),
            *(() if verified else self._signature(message, signer)),
            *self._signer(message, signer, csr, now, renews),
            *(self._request(message, signer, csr, renews) if csr is not None else ()),
            *([Finding(_INSIDE.get(message.message_type, _KIND), unreadable)] if unreadable else []),
        ]
        # Do not report twice what the reader has already noted.
        return (*found, *(finding for finding in more if finding.requirement not in told))

    def broken(self, notes: Iterable[str], error: DecodeError, *, base64: bool) -> tuple[Finding, ...]:
        """Judge a PKIOperation whose message is unreadable; `base64`: not even its base64 is readable."""
        return (*self.noted(notes), Finding("SCEP-4.1-09" if base64 else requirement_of(error), str(error)))

    def _transport(self, request: HttpRequest | None) -> Iterator[Finding]:
        caps = self._capabilities
        if request is None or caps is None:
            return
        if request.method == "GET" and caps.post:
            yield Finding("SCEP-4.1-06", "GET is used although the CA advertises POST")
        if request.method == "POST" and not caps.post:
            yield Finding("SCEP-4.1-08", "POST is used although the CA does not advertise it")

    def _shape(self, message: PkiMessage) -> Iterator[Finding]:
        """Judge the envelope, as far as it is visible without a key."""
        envelope = message.envelope
        if envelope is None:
            if message.closed is not None:
                yield Finding("SCEP-3.5.2-18", f"the envelope uses something unknown here: {message.closed.got}")
            elif message.content is None:
                yield Finding("SCEP-3-01", "the request has no pkcsPKIEnvelope")
            return
        malformed = malformation(envelope)
        if malformed is not None:
            yield Finding("SCEP-3.2.2-05", malformed)
        known = () if self._rolls_over else self._certificates  # a request may be for the next CA
        named = [one for one in envelope.recipients if one.key_identifier is None]
        if known and named and not any(one.names(certificate) for one in named for certificate in known):
            yield Finding("SCEP-2.2-01", "the envelope is not for any certificate that GetCACert returned")

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
        """The addition if the CA does not list an algorithm: AES means AES-128-CBC (RFC 8894, 3.5.2)."""
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
                        Finding("SCEP-3.2.1.1-07", "a renewal has the transactionID of an earlier operation")
                        if renews
                        else Finding("SCEP-3.2.1.1-01", "the transactionID was used for another request before")
                    )
                _remember(self._transactions, identifier, request)

    def _polls(self, message: PkiMessage, signer: Certificate | None) -> Iterator[Finding]:
        """Compare a CertPoll with its request."""
        if signer is None:
            return
        who, identifier = _mark(signer.der), _mark(message.transaction_id.encode("utf-8", "replace"))
        with self._lock:
            if message.message_type in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
                _remember(self._requesters, identifier, who)
                _remember(self._requested, who, identifier)
            elif message.message_type == MessageType.CERT_POLL:
                asked_by = self._requesters.get(identifier)
                if asked_by is None and who in self._requested:
                    yield Finding("SCEP-4.4-03", "the CertPoll has a different transactionID from its request")
                elif asked_by is not None and asked_by != who:
                    yield Finding(
                        "SCEP-3.3.3-06", "the CertPoll is signed with a different certificate from its request"
                    )

    def _signature(self, message: PkiMessage, signer: Certificate | None) -> Iterator[Finding]:
        try:
            if signer is not None:
                message.verify(signer)
        except SignatureInvalid as error:
            yield Finding("SCEP-3-03" if "messageDigest" in error.message else "SCEP-3.2-05", error.message)
        except DecodeError as error:
            yield Finding("SCEP-3.2-12", f"the signature cannot be verified: {error}")

    def _signer(
        self, message: PkiMessage, signer: Certificate | None, csr: Csr | None, now: datetime | None, renews: bool
    ) -> Iterator[Finding]:
        if signer is None:
            yield Finding("SCEP-2.3-12", "the message does not contain its signer's certificate")
            return
        if now is not None and now > signer.not_after:
            yield Finding("SCEP-3.2-14", f"the signer's certificate expired at {signer.not_after:%Y-%m-%d %H:%M}")
        if now is not None and now < signer.not_before:
            text = f"the signer's certificate is not valid before {signer.not_before:%Y-%m-%d %H:%M}"
            yield Finding("SCEP-3.2-14", text)
        yield from _short("the signer's certificate", signer)
        if renews or signer.issuer != signer.subject:
            return
        if not _signs_itself(signer):
            yield Finding("SCEP-2.3-01", "the self-signed certificate's signature does not verify with its own key")
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
            yield Finding("SCEP-2.3-04", "the self-signed certificate's subject differs from the CSR's")
        if csr is not None and signer.spki != csr.spki:
            yield Finding("SCEP-2.3-05", "the self-signed certificate's key differs from the CSR's")

    def _request(self, message: PkiMessage, signer: Certificate | None, csr: Csr, renews: bool) -> Iterator[Finding]:
        renewal = message.message_type == MessageType.RENEWAL_REQ
        if csr.challenge is not None and len(csr.challenge) > 5 and csr.challenge.encode() in message.octets:
            yield Finding("SCEP-2.4-12", "the challenge password is outside the envelope")
        if csr.subject == _NO_NAME:
            yield Finding("SCEP-3.3.1-01", "the CSR has no subject")
        try:
            csr.public_key()
        except DecodeError as error:
            yield Finding("SCEP-3.3.1-02", f"the CSR's public key cannot be used: {error}")
        yield from _short("the CSR", csr)
        caps = self._capabilities
        if renewal and caps is not None and not caps.renewal:
            yield Finding("SCEP-3.2.1.2-06", "a RenewalReq is sent to a CA that does not advertise Renewal")
        if not renews:
            if csr.challenge is None and self._wants_challenge:
                yield Finding("SCEP-3.3.1-03", "the CSR has no challengePassword, but the CA requires one")
            return
        if not renewal and caps is not None and caps.renewal:
            yield Finding("SCEP-2.5-03", "a certificate is renewed with a PKCSReq although the CA advertises Renewal")
        if csr.challenge is not None:
            yield Finding("SCEP-2.4-06", "a renewal contains a challengePassword")
        if signer is not None and signer.spki == csr.spki:
            yield Finding("SCEP-2.5-04", "the renewal reuses the key of the old certificate")


def requirement_of(error: DecodeError) -> str:
    """The requirement that an unreadable message violates, by the place where reading stopped."""
    return next((requirement for fits, requirement in _BROKEN if fits(error)), "SCEP-3-01")


_BROKEN: tuple[tuple[Callable[[DecodeError], bool], str], ...] = (
    (lambda e: e.expected.startswith("a decimal number"), "SCEP-3.2.1-16"),
    (lambda e: e.expected in ("each attribute once", "exactly one value"), "SCEP-3.2.1-17"),
    (lambda e: e.path.endswith("signedAttrs") and e.got == "none", "SCEP-3.2-04"),
    (lambda e: e.path == "signerInfos", "SCEP-3.2-09"),
    (lambda e: e.path.endswith(".transactionID") and e.got == "none", "SCEP-3.2.1-01"),
    (lambda e: e.path.endswith(".messageType") and e.got == "none", "SCEP-3.2.1-02"),
    (lambda e: e.path.startswith("pkcsPKIEnvelope"), "SCEP-3.2-02"),
)
"""In order: a pattern in an error of the reader, and the violated requirement."""


def _signs_itself(certificate: Certificate) -> bool:
    """Whether a certificate verifies with its own key; True if that cannot be determined."""
    try:
        certificate.verify_issued_by(certificate)
    except SignatureInvalid:
        return False
    except MfpSimError:
        return True
    return True


def _short(what: str, holder: Certificate | Csr) -> Iterator[Finding]:
    """Find an RSA key of inadequate length."""
    try:
        public = holder.public_key()
    except DecodeError:
        return
    if isinstance(public, RSAPublicKey) and public.key_size < ADEQUATE_BITS:
        yield Finding("SCEP-7.1-01", f"the RSA key of {what} has {public.key_size} bits")


def _spelled(digest: str) -> str:
    """A digest as GetCACaps spells it: `SHA-512`."""
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
    """What is remembered of bytes, regardless of how many a client sent."""
    return hashlib.sha256(octets).digest()


def _remember(table: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    table[key] = value
    if len(table) > REMEMBERED:
        table.popitem(last=False)
