"""Outcomes of requests besides the replies: certificates, possible certificates, and nothing to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Came", "Inconclusive", "Minted", "NotApplicable", "Untold"]


Came = Literal["granted", "parked", "refused", "unreadable", "http-4xx", "http-5xx", "other", "nothing"]
"""The kind of reply: a CertRep by its pkiStatus, an unreadable one, an HTTP error, anything else, or no reply."""


class Inconclusive(Exception):
    """Raised by a check whose precondition does not hold; the text says which."""


class NotApplicable(Exception):
    """Raised by a check that does not apply to this server; the text says why."""


@dataclass(frozen=True)
class Minted:
    """A certificate that the run caused. ``expected`` is False if it should not have been issued."""

    serial: int
    subject: str
    issuer: str
    not_after: str
    fingerprint: str
    check: str
    expected: bool


@dataclass(frozen=True)
class Untold:
    """A request for which it is unknown whether a certificate was made. ``claimed``: the server says so, but its reply
    cannot be read."""

    subject: str
    check: str
    why: str
    expected: bool
    claimed: bool = False
