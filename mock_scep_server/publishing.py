"""What a CA publishes about itself: capabilities and certificates, as values and as HTTP replies. RFC 8894, 3.5 and
4.2.

A publication is made, possibly changed by faults, and then encoded; it decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT, NEXT_CA_CERT, TEXT, HttpReply
from mock_scep_server.ca import CertificateAuthority

__all__ = ["CaCapabilities", "CaCertificates", "NextCaCertificates"]


@dataclass(frozen=True)
class CaCapabilities:
    """The reply to GetCACaps: one keyword per line (SCEP-3.5.2-01). `ends` are the line ends, in turn."""

    words: tuple[str, ...]
    ends: tuple[str, ...] = ("\n",)
    final_end: bool = True

    @classmethod
    def of(cls, words: tuple[str, ...], lines: str) -> CaCapabilities:
        """Encode in one of the forms of profiles."""
        return cls(
            words, ("\r\n",) if lines.startswith("crlf") else ("\n",), lines not in ("no-final-newline", "crlf-between")
        )

    def reply(self) -> HttpReply:
        """Encode the keywords as text/plain with the line ends."""
        text = "".join(word + self.ends[i % len(self.ends)] for i, word in enumerate(self.words))
        if not self.final_end and self.words:
            text = text.removesuffix(self.ends[(len(self.words) - 1) % len(self.ends)])
        return HttpReply(200, headers=(("Content-Type", TEXT),), body=text.encode())


@dataclass(frozen=True)
class CaCertificates:
    """The reply to GetCACert: a single certificate, or several in a certificates-only SignedData (SCEP-4.2.1-01)."""

    certificates: tuple[Certificate, ...]

    def reply(self) -> HttpReply:
        """Encode with the media type for one or several certificates (RFC 8894, 4.2.1)."""
        if len(self.certificates) == 1:
            return HttpReply(200, headers=(("Content-Type", CA_CERT),), body=self.certificates[0].der)
        bag = messages.certs_only([certificate.der for certificate in self.certificates])
        return HttpReply(200, headers=(("Content-Type", CA_RA_CERT),), body=bag)


@dataclass(frozen=True)
class NextCaCertificates:
    """The reply to GetNextCACert: the next certificates in a SignedData signed by the current CA (SCEP-4.7.1-01).

    `signer` signs them; `flat` puts them beside its certificate, as the servlet of jscep does.
    """

    certificates: tuple[Certificate, ...]
    signer: Identity
    flat: bool = False

    @classmethod
    def of(cls, present: CertificateAuthority, coming: CertificateAuthority) -> NextCaCertificates:
        """Make the publication of `coming` by `present`."""
        return cls(coming.certificates, present.issuer)

    def reply(self) -> HttpReply:
        """Encode a SignedData over the certificates, signed by `signer`."""
        body = messages.encode_next_ca(
            [certificate.der for certificate in self.certificates],
            signer_key=self.signer.key,
            signer_certificate=self.signer.certificate,
            flat=self.flat,
        )
        return HttpReply(200, headers=(("Content-Type", NEXT_CA_CERT),), body=body)
