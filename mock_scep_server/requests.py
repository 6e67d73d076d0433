"""What a PKIOperation asks, after every check that does not depend on the CA's memory.

The order of checks: signature (badMessageCheck), digest and cipher policy (badAlg), decryption (badMessageCheck),
messageData and CSR (badRequest), challenge (badRequest). Decides nothing: a refusal is a value that the registrar
answers with. RFC 8894, 3.2.1.4 and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mfp_sim.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.scep import messages
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.messages import PkiMessage
from mfp_sim.scep.vocabulary import FailInfo, MessageType
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.challenges import ChallengePolicy
from mock_scep_server.profiles.registry import CaProfile

__all__ = ["Asked", "Refusal", "RequestReader"]


@dataclass(frozen=True)
class Refusal:
    """Why the CA says no: failInfo and failInfoText of the CertRep. The text never holds a challenge."""

    fail_info: FailInfo
    text: str


@dataclass(frozen=True)
class Asked:
    """A PKIOperation after all checks: what it asks for, or why it is refused."""

    message: PkiMessage
    signer: Certificate | None
    csr: Csr | None = None
    subject: bytes | None = None
    issuer: bytes | None = None
    refusal: Refusal | None = None


class RequestReader:
    """The checks, with what they depend on: the CA's shape, its keys, and who may enrol."""

    def __init__(self, profile: CaProfile, ca: CertificateAuthority, challenge: ChallengePolicy) -> None:
        self._profile, self._ca, self._challenge = profile, ca, challenge

    def read(self, message: PkiMessage) -> Asked:
        """Check one decoded message; raises nothing for what a client sent."""
        signer = message.signer()
        if signer is None:
            return Asked(message, None, refusal=Refusal(FailInfo.BAD_MESSAGE_CHECK, "no signer certificate"))
        asked = Asked(message, signer)
        try:
            message.verify(signer)
            if message.digest in self._profile.refuse_digests:
                return replace(asked, refusal=Refusal(FailInfo.BAD_ALG, f"{message.digest} is refused"))
            data = messages.open_envelope(
                message,
                self._ca.recipient.key,
                self._ca.recipient.certificate,
                refuse=self._profile.refuse_ciphers,
            )
        except AlgorithmRefused as error:
            return replace(asked, refusal=Refusal(FailInfo.BAD_ALG, f"{error.got} is refused"))
        except (SignatureInvalid, EnvelopeUnreadable, DecodeError) as error:
            return replace(asked, refusal=Refusal(FailInfo.BAD_MESSAGE_CHECK, error.message))
        try:
            return self._read_data(asked, data)
        except DecodeError as error:
            return replace(asked, refusal=Refusal(FailInfo.BAD_REQUEST, f"the messageData is wrong: {error}"))

    def _read_data(self, asked: Asked, data: bytes) -> Asked:
        if asked.message.message_type == MessageType.CERT_POLL:
            issuer, subject = messages.read_issuer_and_subject(data)
            return replace(asked, issuer=issuer, subject=subject)
        if asked.message.message_type != MessageType.PKCS_REQ:
            text = f"{asked.message.label} is not supported"
            return replace(asked, refusal=Refusal(FailInfo.BAD_REQUEST, text))
        csr = Csr.from_der(data)
        asked = replace(asked, csr=csr)
        try:
            csr.verify()
        except SignatureInvalid as error:
            return replace(asked, refusal=Refusal(FailInfo.BAD_REQUEST, error.message))
        reason = self._challenge.check(csr)
        return replace(asked, refusal=Refusal(FailInfo.BAD_REQUEST, reason)) if reason else asked
