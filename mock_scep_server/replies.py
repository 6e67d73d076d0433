"""Makes the CertReps of a CA according to its profile: algorithms, nonces, and the parts of a SUCCESS or a FAILURE.

Decides nothing and knows no bytes: it makes values that a codec encodes. RFC 8894, 3.2.1 and 3.3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import HASHES, KeyTransport
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.messages import CertRep, Note, Oddities, PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo, PkiStatus
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.asked import Refusal
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.ca_parts import CaParts

__all__ = ["Decision", "Replies"]


@dataclass(frozen=True)
class Decision:
    """A reply: a CertRep to encode, a line for the journal, the delivered certificate, if any, and what was tolerated.
    `authority` is the CA that the request addressed and that signs the reply. `status`: the HTTP status that is sent
    instead, or 0."""

    reply: CertRep
    text: str
    authority: CertificateAuthority
    issued: Certificate | None = None
    notes: tuple[Note, ...] = ()
    status: int = 0

    @property
    def kind(self) -> str:
        """The kind: `success`, `pending` or `failure`."""
        return "failure" if self.status else PkiStatus(self.reply.status).name.lower()


class Replies:
    """Makes the replies of one CA according to its profile; `entropy` is the source of nonces."""

    def __init__(self, parts: CaParts, entropy: Entropy) -> None:
        self._profile, self._clock, self._entropy = parts.profile, parts.clock, entropy
        self._forms = Oddities(
            digest_parameters=parts.profile.digest_parameters,
            signature_name=parts.profile.signature_name,
            signature_parameters=parts.profile.signature_parameters,
            key_transport=KeyTransport(parameters=parts.profile.transport_parameters),
            constructed_ciphertext=parts.profile.constructed_ciphertext,
        )

    def frame(self, message: PkiMessage) -> CertRep:
        """The common parts of replies to a message: nonces, transaction, and algorithms, from the profile or the
        request."""
        profile = self._profile
        cipher = message.envelope.cipher if message.envelope else "aes-128-cbc"
        oaep = cipher.startswith("aes") and profile.transport_for_aes == "oaep"
        cipher, digest = self._cipher(cipher), self._digest(message.digest)
        odd = self._forms
        if oaep:
            odd = replace(odd, key_transport=KeyTransport("oaep", parameters="minimal"))
        if cipher == "des-cbc" or digest == "md5":
            odd = replace(odd, single_des=cipher == "des-cbc", md5=digest == "md5")
        fresh = self._entropy.octets(16)
        return CertRep(
            status=PkiStatus.SUCCESS,
            transaction_id=message.transaction_id,
            recipient_nonce=message.sender_nonce,
            sender_nonce=message.sender_nonce if profile.sender_nonce == "copied" else fresh,
            digest=digest,
            cipher=cipher,
            empty_content=profile.empty_content,
            signing_time=self._clock.now() if profile.signing_time else None,
            repeatable=self._entropy.repeatable,
            oddities=odd,
        )

    def _cipher(self, asked: str) -> str:
        if asked == "des-cbc" or not asked.endswith("-cbc"):
            return self._profile.reply_cipher_for_weak
        return asked if self._profile.reply_cipher == "as-asked" else self._profile.reply_cipher

    def _digest(self, asked: str) -> str:
        if self._profile.reply_digest != "as-asked":
            return self._profile.reply_digest
        return "sha1" if asked == "md5" else asked if asked in HASHES else "sha256"

    def issued(
        self, reply: CertRep, certificate: Certificate, authority: CertificateAuthority, recipient: Certificate | None
    ) -> CertRep:
        """Make a SUCCESS with a certificate."""
        profile, odd, outer = self._profile, reply.oddities, reply.outer_certificates
        chain = (authority.issuer.certificate.der,) if profile.ca_in_reply else ()
        if profile.bag_empty_crls:
            odd = replace(odd, bag_empty_sets=True)
        if profile.outer_certificates == "none":
            odd = replace(odd, certificates="absent")
        if profile.server_message:
            odd = replace(odd, extra_signed=((v.NDES_MESSAGE, (der.utf8_string(profile.server_message),)),))
        both = profile.outer_certificates == "issued-and-signer"
        return replace(
            reply,
            certificates=(certificate.der, *chain),
            recipient=recipient,
            outer_certificates=(certificate,) if both else outer,
            signer_last=both,
            oddities=odd,
        )

    def failure(self, reply: CertRep, refusal: Refusal, authority: CertificateAuthority) -> Decision:
        """Make a FAILURE as in the profile, or the HTTP status that the profile sends instead."""
        profile, text = self._profile, f"FAILURE {refusal.fail_info.label}: {refusal.text}"
        if refusal.status or refusal.fail_info.label in profile.failure_status:
            status = refusal.status or 500
            return Decision(reply, f"HTTP {status} for {text}", authority, status=status)
        odd = reply.oddities
        hresult = profile.hresult if refusal.hresult is None else refusal.hresult
        if hresult:
            odd = replace(odd, extra_signed=((v.NDES_RESULT, (der.printable_string(hresult),)),))
        if profile.failure_certificates == "absent":
            odd = replace(odd, certificates="absent")
        if refusal.written is not None:
            value = der.tlv(der.PRINTABLE_STRING, refusal.written.encode())
            odd = replace(odd, instead=(("failInfo", (value,)),))
            text += f" (failInfo as written: {refusal.written!r})"
        reply = replace(
            reply,
            status=PkiStatus.FAILURE,
            fail_info=FailInfo.BAD_REQUEST if profile.failures == "badRequest" else refusal.fail_info,
            fail_info_text=refusal.text if profile.fail_info_text or refusal.worded else None,
            printable_text=profile.fail_info_text_type == "printable",
            oddities=odd,
        )
        return Decision(reply, text, authority)
