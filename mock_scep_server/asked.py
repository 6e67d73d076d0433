"""What a PKIOperation asks: the value that checks make, and what decisions and faults read. RFC 8894, 3.3."""

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
    """Why the CA says no: failInfo and failInfoText of the CertRep. The text never holds a challenge.

    ``status``: the HTTP status that the profile answers with instead; 0: none. ``worded``: a script wants this text,
    so that it is sent by profiles without one too; ``hresult``: what it wants instead of the profile's; ``written``: as
    failInfo.
    """

    fail_info: FailInfo
    text: str
    status: int = 0
    worded: bool = False
    hresult: str | None = None
    written: str | None = None


@dataclass(frozen=True)
class Asked:
    """A PKIOperation after all checks: what it asks for and of which CA, or why it is refused.

    ``own`` is the signer's certificate if this CA issued it, ``renews`` the same where that makes it a renewal.
    ``granted`` is what a certificate gets of the extensions of ``csr``. ``issuer`` and ``subject`` are those of a
    CertPoll, ``issuer`` and ``serial`` those of a GetCert or GetCRL. ``unreadable`` says why what is in the
    envelope is not what the message type announces. ``verified``: the signature is the signer's.
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
        """The subject that it asks for."""
        subject = self.csr.subject if self.csr else self.subject
        return name_text(subject) if subject is not None else None

    def refused(self, fail_info: FailInfo, text: str) -> Asked:
        """The same, refused."""
        return replace(self, refusal=Refusal(fail_info, text))
