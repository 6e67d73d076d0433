"""What asking a server comes to, beside its answers: certificates, doubt about certificates, and nothing to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Came", "Inconclusive", "Minted", "NotApplicable", "Untold"]


Came = Literal["granted", "parked", "refused", "unreadable", "http-4xx", "http-5xx", "other", "nothing"]
"""What kind of answer came: a CertRep by its pkiStatus, one that cannot be read, an HTTP error, anything else under
another status, or no reply at all."""


class Inconclusive(Exception):
    """Raised by a check whose precondition does not hold; the text says which."""


class NotApplicable(Exception):
    """Raised by a check that this server gives no occasion for; the text says why."""


@dataclass(frozen=True)
class Minted:
    """A certificate that the run caused. ``expected`` is False where none should have been issued."""

    serial: int
    subject: str
    issuer: str
    not_after: str
    fingerprint: str
    check: str
    expected: bool


@dataclass(frozen=True)
class Untold:
    """A request of which it cannot be told whether a certificate was made. ``claimed``: the server says so, and what it
    sent cannot be read."""

    subject: str
    check: str
    why: str
    expected: bool
    claimed: bool = False
