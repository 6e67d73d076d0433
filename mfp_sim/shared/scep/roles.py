"""The roles of the certificates of GetCACert: which CA issues, and for whom requests are enveloped.

Owns the choice, which depends on the content of the certificates; their position decides only between equal ones. Used
by the printer's client and by the checks of servers. Must not record or refuse anything: the callers do. RFC 8894,
2.1.2, 4.2.
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

    ``tolerant`` treats a malformed extension as absent. Without it, each property raises DecodeError if an extension
    that it has to read is malformed.
    """

    certificates: tuple[Certificate, ...]
    tolerant: bool = False

    @cached_property
    def issuer(self) -> Certificate:
        """The CA that will issue: one that issued a non-CA certificate of the set, else the lowest, else the first."""
        authorities, others = self._split
        authorities = authorities or list(self.certificates)
        for authority in authorities:
            if any(other.issuer == authority.subject for other in others):
                return authority
        # In a chain the lowest CA issues: it did not issue any other CA of the set.
        for authority in authorities:
            if not any(c.issuer == authority.subject for c in authorities if c is not authority):
                return authority
        return authorities[0]

    @cached_property
    def recipient(self) -> Certificate | None:
        """The certificate for which requests are enveloped, by keyUsage, an RA before a CA; None if none is suitable.

        The keyUsage of the issuing CA alone does not rule it out (SCEP-3.5.2-*).
        """
        authorities, others = self._split
        # If the root and the issuing CA may both encrypt, the request is for the issuing CA.
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
    """Whether the key is RSA, as an envelope requires. Certificates with other keys are skipped."""
    try:
        return isinstance(certificate.public_key(), RSAPublicKey)
    except DecodeError:
        return False
