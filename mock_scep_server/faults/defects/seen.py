"""A request as a gate sees it: its readable parts, even if the message is wrong. This module answers nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, der, messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import HttpRequest, ScepQuery, read_scep_query
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.service import ScepService

__all__ = ["GateState", "Seen", "asks", "csr_forged", "wrong_challenge"]


@dataclass
class GateState:
    """The service behind a gate, its source of chance, and its memory between requests."""

    service: ScepService
    octets: Callable[[int], bytes]
    count: int = 0  # of the requests that came
    dead: bool = False
    locked: bool = False
    guesses: int = 0  # wrong challenges in a row
    csrs: dict[str, Csr] = field(default_factory=dict)  # what was asked for, by transactionID
    met: set[bytes] = field(default_factory=set)  # the messages whose first reply was lost


@dataclass(frozen=True)
class Seen:
    """A request as the gate sees it; an unreadable part is None."""

    http: HttpRequest
    gate: GateState = field(repr=False)
    count: int = 0  # the number of earlier requests

    @property
    def service(self) -> ScepService:
        """The service behind the gate."""
        return self.gate.service

    @property
    def authority(self) -> CertificateAuthority:
        """The CA that GetCACert serves."""
        return self.service.authority

    @property
    def now(self) -> datetime:
        """The CA's time."""
        return self.service.clock.now()

    @cached_property
    def query(self) -> ScepQuery | None:
        """Operation and message."""
        try:
            return read_scep_query(self.http)
        except DecodeError:
            return None

    @property
    def operation(self) -> str | None:
        """The operation as spelled in the request."""
        return self.query.operation if self.query else None

    @property
    def raw_query(self) -> str:
        """The query as it was on the wire."""
        return self.http.target.partition("?")[2]

    @property
    def octets(self) -> bytes:
        """The message of a PKIOperation."""
        if self.query is None or self.operation != Operation.PKI_OPERATION:
            return b""
        return self.query.message or b""

    @cached_property
    def message(self) -> PkiMessage | None:
        """The pkiMessage, if it is one."""
        try:
            return messages.decode(self.octets)
        except MfpSimError:
            return None

    @cached_property
    def frame(self) -> der.Element | None:
        """The SignedData, even if its signers are wrong."""
        try:
            return der.read(self.octets, "", trailing=True).child(1, "content").child(0, "signedData", der.SEQUENCE)
        except DecodeError:
            return None

    @cached_property
    def signers(self) -> tuple[Certificate, ...]:
        """The certificates in the message."""
        found = []
        for part in self.frame.children if self.frame else ():
            for entry in part.children if part.tag == 0xA0 else ():
                try:
                    found.append(Certificate.from_der(entry.raw))
                except MfpSimError:
                    continue
        return tuple(found)

    @cached_property
    def data(self) -> bytes | None:
        """The decrypted messageData, regardless of its form; unencrypted content is accepted too."""
        try:
            assert self.frame is not None
            content = self.frame.child(2, "encapContentInfo").child(1, "eContent").child(0, "value").to_octets()
        except (MfpSimError, AssertionError):
            return None
        for key in (self.authority.recipient.key, self.authority.issuer.key):
            if not isinstance(key, RSAPrivateKey):
                continue
            try:
                return cms.open_envelope(cms.read_envelope(content), key)
            except MfpSimError:
                continue
        return content

    @cached_property
    def csr(self) -> Csr | None:
        """The CSR in the message; its signature is not verified."""
        try:
            return Csr.from_der(self.data) if self.data else None
        except MfpSimError:
            return _subject_and_key(self.data or b"")

    @cached_property
    def signer(self) -> Certificate | None:
        """The signer's certificate, if the message contains it."""
        return self.message.signer() if self.message else None

    @cached_property
    def forged(self) -> bool:
        """Whether the message's signature is missing or does not verify."""
        if self.message is None or self.signer is None:
            return True
        try:
            self.message.verify(self.signer)
        except MfpSimError:
            return True
        return False

    @property
    def kind(self) -> int | None:
        """messageType."""
        return self.message.message_type if self.message else None


def _subject_and_key(octets: bytes) -> Csr | None:
    """A CSR of which only the name and the key are read."""
    try:
        info = der.read(octets, "csr").child(0, "certificationRequestInfo", der.SEQUENCE)
        subject, spki = info.child(1, "subject", der.SEQUENCE).raw, info.child(2, "subjectPKInfo", der.SEQUENCE).raw
        x509.public_key_of(spki, "csr")
    except MfpSimError:
        return None
    return Csr(octets, subject, spki, None, {}, "sha256", info.raw, b"")


def asks(seen: Seen) -> bool:
    """Whether the message is a PKCSReq or RenewalReq."""
    return seen.kind in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ)


def csr_forged(seen: Seen) -> bool:
    """Whether the CSR's own signature does not verify."""
    try:
        if seen.csr is not None:
            seen.csr.verify()
    except MfpSimError:
        return True
    return False


def wrong_challenge(seen: Seen) -> bool:
    """Whether there is a CSR whose challenge the CA does not accept."""
    return seen.csr is not None and seen.service.challenge.check(seen.csr, seen.now) is not None
