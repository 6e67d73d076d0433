"""The checks of a PKIOperation that do not depend on earlier requests.

The checks, in order: signature (badMessageCheck), digest, cipher and signer's key (badAlg), decryption
(badMessageCheck), signingTime (badTime), messageData, CSR, key and extensions (badRequest, badAlg). They decide
nothing: a refusal is a value that the registrar turns into a reply. RFC 8894, 3.2.1.4 and 3.3.
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate, name_pairs
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType
from mock_scep_server.asked import Asked, Refusal
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.grants import Grant, grant

__all__ = ["RequestReader"]


class RequestReader:
    """The checks, based on the CA's profile, keys and policy, and on the certificates that it has issued."""

    def __init__(self, parts: CaParts) -> None:
        self._parts, self._profile, self._policy = parts, parts.profile, parts.policy

    def read(self, message: PkiMessage, authority: CertificateAuthority | None = None) -> Asked:
        """Check one decoded message; a client's mistakes raise nothing.

        `authority` is the CA that the request addressed; without it, the recipient of the envelope.
        """
        if authority is None:
            now, authorities = self._parts.clock.now(), self._parts.authorities
            authority = authorities.addressed(message.envelope, now) or authorities.default.current(now)
        signer = message.signer()
        if signer is None:
            return Asked(message, signer, authority).refused(FailInfo.BAD_MESSAGE_CHECK, "no signer certificate")
        own = self._parts.ledger.own(signer)
        legacy = self._profile.legacy_renewal or message.message_type != MessageType.PKCS_REQ
        wrong = self._unverified(message, signer)
        renews = own if legacy else None
        asked = Asked(message, signer, authority, own, renews, refusal=wrong, verified=wrong is None)
        if wrong is not None:
            return asked
        data = self._opened(message, signer, authority)
        if isinstance(data, Refusal):
            return replace(asked, refusal=data)
        forms, strict = self._profile.refuse_forms, self._profile.tolerance == "strict"
        odd = next((note for note in message.notes if strict or note.requirement in forms), None)
        if odd is not None:
            return asked.refused(FailInfo.BAD_MESSAGE_CHECK, f"an odd form: {odd}")
        if message.sender_nonce is None and self._profile.sender_nonce == "copied":
            return asked.refused(FailInfo.BAD_MESSAGE_CHECK, "senderNonce is missing")
        late = self._out_of_time(message, signer)
        if late is not None:
            return asked.refused(FailInfo.BAD_TIME, late)
        if message.message_type not in self._profile.message_types:
            refusal = Refusal(
                FailInfo.BAD_REQUEST, f"{message.label} is not supported", self._profile.unsupported_status
            )
            return replace(asked, refusal=refusal)
        try:
            return self._read_data(asked, data)
        except DecodeError as error:
            refusal = self._unreadable(f"the messageData is wrong: {error}")
            return replace(asked, refusal=refusal, unreadable=str(error))

    def _unverified(self, message: PkiMessage, signer: Certificate) -> Refusal | None:
        """The reason why the signature does not count, or None."""
        try:
            message.verify(signer)
        except AlgorithmRefused as error:
            return Refusal(FailInfo.BAD_ALG, f"{error.got} is refused")
        except (SignatureInvalid, DecodeError) as error:
            return Refusal(FailInfo.BAD_MESSAGE_CHECK, error.message)
        return None

    def _opened(self, message: PkiMessage, signer: Certificate, authority: CertificateAuthority) -> bytes | Refusal:
        """The decrypted messageData, or why the CA refuses to decrypt it or cannot."""
        if message.digest in self._profile.refuse_digests:
            return Refusal(FailInfo.BAD_ALG, f"{message.digest} is refused")
        try:
            if not isinstance(signer.public_key(), RSAPublicKey):
                # Refuse before issuing: no reply could be enveloped to this signer (F-A10).
                return Refusal(self._unserved, "the reply cannot be enveloped to an elliptic key")
            return messages.open_envelope(
                message, authority.decrypts_with, authority.recipient.certificate, refuse=self._profile.refuse_ciphers
            )
        except AlgorithmRefused as error:
            return Refusal(FailInfo.BAD_ALG, f"{error.got} is refused")
        except (EnvelopeUnreadable, DecodeError) as error:
            return Refusal(FailInfo.BAD_MESSAGE_CHECK, error.message)

    def _unreadable(self, text: str) -> Refusal:
        return Refusal(FailInfo.BAD_REQUEST, text, self._profile.unreadable_data_status)

    @property
    def _unserved(self) -> FailInfo:
        """Refuse a key that the CA does not serve. The message is correct: even a CA that answers badAlg with an HTTP
        error answers this with a CertRep."""
        return FailInfo.BAD_REQUEST if self._profile.failures == "badRequest" else FailInfo.BAD_ALG

    def _out_of_time(self, message: PkiMessage, signer: Certificate) -> str | None:
        window = self._policy.time_window
        if message.signing_time is None:
            return None
        within = signer.not_before <= message.signing_time <= signer.not_after
        if self._profile.signing_times == "of-signer" and not within:
            return "signingTime is outside the validity of the signer's certificate"
        if window is None:
            return None
        off = message.signing_time - self._parts.clock.now()
        if abs(off) <= window:
            return None
        return f"signingTime is off by {abs(off).total_seconds():.0f} s, {window.total_seconds():.0f} s are allowed"

    def _read_data(self, asked: Asked, data: bytes) -> Asked:
        kind = asked.message.message_type
        if kind == MessageType.CERT_POLL:
            issuer, subject = messages.read_issuer_and_subject(data)
            return replace(asked, issuer=issuer, subject=subject)
        if kind in (MessageType.GET_CERT, MessageType.GET_CRL):
            issuer, serial = messages.read_issuer_and_serial(data)
            return replace(asked, issuer=issuer, serial=serial)
        csr = Csr.from_der(data)
        name_pairs(csr.subject)  # a certificate whose subject is not a Name would be unreadable
        granted = self._granted(csr)
        if isinstance(granted, Refusal):
            return replace(asked, csr=csr, refusal=granted)
        notes = tuple(f"not granted: {what}" for what in granted.refused)
        return replace(asked, csr=csr, granted=granted, notes=notes)

    def _granted(self, csr: Csr) -> Grant | Refusal:
        """The extensions that the certificate gets, or why the CSR is refused."""
        if csr.version != 0:
            return self._unreadable(f"the CSR's version is {csr.version} but must be 0")
        try:
            public = csr.public_key()
        except AlgorithmRefused as error:
            return Refusal(self._unserved, f"a CSR for {error.got}; {error.expected} is required")
        try:
            if self._profile.csr_signature == "checked":
                csr.verify(md5="md5" not in self._profile.refuse_digests)
        except AlgorithmRefused as error:
            return Refusal(FailInfo.BAD_ALG, f"{error.got} is refused in a CSR")
        except SignatureInvalid as error:
            # Not badMessageCheck, which is about the signature of the CMS message (RFC 8894, 3.2.1.4).
            return self._unreadable(error.message)
        least = self._policy.minimum_rsa or self._profile.minimum_rsa
        if isinstance(public, RSAPublicKey) and public.key_size < least:
            return Refusal(self._unserved, f"an RSA key of {public.key_size} bits; at least {least} are required")
        granted = grant(csr)
        if granted.refused and self._policy.extensions == "refuse":
            return Refusal(FailInfo.BAD_REQUEST, f"not granted: {', '.join(granted.refused)}")
        return granted
