"""What a PKIOperation asks for: the value that the checks make and that decisions and faults read. RFC 8894, 3.3."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mfp_sim.shared.scep.certificate import Certificate, name_text
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.grants import Grant

__all__ = ["Asked", "Refusal"]


@dataclass(frozen=True)
class Refusal:
    """Why the CA refuses: failInfo and failInfoText of the CertRep. The text never contains a challenge.

    `status` is the HTTP status that the profile sends instead, or 0. `worded`: a script demands this text, so that
    profiles without texts send it too; `hresult` replaces the profile's; `written` replaces the encoded failInfo.
    """

    fail_info: FailInfo
    text: str
    status: int = 0
    worded: bool = False
    hresult: str | None = None
    written: str | None = None


@dataclass(frozen=True)
class Asked:
    """A PKIOperation after all checks: what it asks for from which CA, or why it is refused.

    `own` is the signer's certificate if this CA issued it; `renews` is the same certificate if the request is a
    renewal. `granted` holds the extensions of `csr` that the certificate gets. `issuer` and `subject` are those of a
    CertPoll, `issuer` and `serial` those of a GetCert or GetCRL. `unreadable` says why the decrypted content is not
    what the message type announces. `verified`: the signature is valid.
    """

    message: PkiMessage
    signer: Certificate | None
    authority: CertificateAuthority
    own: Certificate | None = None
    renews: Certificate | None = None
    csr: Csr | None = None
    granted: Grant | None = None
    subject: bytes | None = None
    issuer: bytes | None = None
    serial: int | None = None
    refusal: Refusal | None = None
    unreadable: str | None = None
    notes: tuple[str, ...] = ()
    verified: bool = False

    @property
    def subject_text(self) -> str | None:
        """The subject that the request asks for."""
        subject = self.csr.subject if self.csr else self.subject
        return name_text(subject) if subject is not None else None

    def refused(self, fail_info: FailInfo, text: str) -> Asked:
        """A copy that is refused."""
        return replace(self, refusal=Refusal(fail_info, text))
