"""Who does what among the certificates of GetCACert: which CA issues, and to whom requests are enveloped.

Owns the choice, which goes by what the certificates say; their position decides only between equals. The printer's
client and the checks of servers both use it. May not record or refuse anything: the callers do. RFC 8894, 2.1.2, 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["ENCRYPTS", "CaRoles"]

ENCRYPTS = "keyEncipherment"


@dataclass(frozen=True)
class CaRoles:
    """The roles among ``certificates``, of which there is at least one.

    ``tolerant`` treats a malformed extension as absent. Otherwise each property raises DecodeError if an extension that
    it has to read is malformed.
    """

    certificates: tuple[Certificate, ...]
    tolerant: bool = False

    @cached_property
    def issuer(self) -> Certificate:
        """The CA that will issue: one that issued another of the certificates, else the lowest CA, else the first."""
        authorities, others = self._split
        authorities = authorities or list(self.certificates)
        for authority in authorities:
            if any(other.issuer == authority.subject for other in others):
                return authority
        # In a chain the lowest CA issues: no other CA of the set was issued by it.
        for authority in authorities:
            if not any(c.issuer == authority.subject for c in authorities if c is not authority):
                return authority
        return authorities[0]

    @cached_property
    def recipient(self) -> Certificate | None:
        """The certificate that requests are enveloped to, or None if none is suitable: by keyUsage, an RA before a CA.

        The keyUsage of the issuing CA alone does not rule it out (SCEP-3.5.2-*).
        """
        authorities, others = self._split
        # Where root and issuing CA both may encrypt, the request is for the one that issues.
        authorities = sorted(authorities, key=lambda c: c is not self.issuer)
        choices: tuple[tuple[list[Certificate], Callable[[Certificate], bool]], ...] = (
            (others, self._encrypts),
            (others, lambda c: self._usage(c) is None),
            (authorities, self._encrypts),
            ([self.issuer], lambda _: True),
        )
        fitting = (c for candidates, fits in choices for c in candidates if _can_receive(c) and fits(c))
        return next(fitting, None)

    @cached_property
    def _split(self) -> tuple[list[Certificate], list[Certificate]]:
        """The CAs, and the others."""
        found: tuple[list[Certificate], list[Certificate]] = ([], [])
        for certificate in self.certificates:
            is_ca = certificate.says_ca if self.tolerant else certificate.is_ca
            found[not is_ca].append(certificate)
        return found

    def _usage(self, certificate: Certificate) -> frozenset[str] | None:
        return certificate.stated_usage if self.tolerant else certificate.key_usage

    def _encrypts(self, certificate: Certificate) -> bool:
        return ENCRYPTS in (self._usage(certificate) or ())


def _can_receive(certificate: Certificate) -> bool:
    """Whether its key is RSA, so that an envelope can be made for it. Certificates with other keys are passed over."""
    try:
        return isinstance(certificate.public_key(), RSAPublicKey)
    except DecodeError:
        return False
