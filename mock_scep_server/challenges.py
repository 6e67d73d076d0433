"""How a CA knows that a request is allowed: the challengePassword of the CSR. RFC 8894, 2.4 and 7.3."""

from __future__ import annotations

import hmac
from typing import Protocol

from mfp_sim.scep.csr import Csr

__all__ = ["ChallengePolicy", "NoChallenge", "StaticChallenge"]


class ChallengePolicy(Protocol):
    """Decides on a CSR."""

    def check(self, csr: Csr) -> str | None:
        """Why the request is refused, or None. The text never holds a challenge."""
        ...


class NoChallenge:
    """Everybody may enrol; a challenge that is given is not looked at."""

    def check(self, csr: Csr) -> str | None:  # noqa: ARG002 - the protocol's argument
        return None


class StaticChallenge:
    """One password for all."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def check(self, csr: Csr) -> str | None:
        if csr.challenge is None:
            return "a challenge password is required"
        if not hmac.compare_digest(csr.challenge.encode(), self._secret.encode()):
            return "the challenge password is wrong"
        return None
