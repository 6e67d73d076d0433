"""The rules of polling, independent of exchanges: how a reply is shown, and whether the printer polls.

Serves MFP-POLL-01 to -05, MFP-DETAIL-*; A-22, A-23, A-34, A-35.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mfp_sim.device.printer_profile import Profile
from mfp_sim.device.settings import Polling
from mfp_sim.device.status import Detail

__all__ = ["Ends", "PollReply", "Polls", "counted_at_first", "detail_of", "what_follows"]


@dataclass(frozen=True)
class PollReply:
    """What an inquiry about a request brought, other than a certificate; ``number`` is the HTTP status or the failInfo,
    if there is one."""

    kind: Literal["pending", "lost", "http", "failure", "unusable"]
    number: int | None = None


@dataclass(frozen=True)
class Polls:
    """The machine asks again ``minutes`` after the answer; ``anew``: as a request with another transactionID."""

    minutes: int
    anew: bool = False


@dataclass(frozen=True)
class Ends:
    """The request has ended; ``keep``: the next one asks about the same transaction (A-23)."""

    detail: Detail
    keep: bool = False


PollingRule: TypeAlias = Callable[[PollReply, Profile], bool]

_DETAILS: Mapping[str, Callable[[int | None], Detail]] = {
    "pending": lambda _: Detail("deferred"),
    "lost": lambda _: Detail("top-error"),
    "http": lambda status: Detail("http", status),
    "failure": lambda info: Detail("fail-info", info) if info is not None and 0 <= info <= 4 else Detail("scep-error"),
    "unusable": lambda _: Detail("scep-error"),
}
_HTTP_ERRORS: Mapping[str, range] = {"none": range(0), "5xx": range(500, 600), "all": range(1000)}
_MAY_POLL: Mapping[str, PollingRule] = {
    "pending": lambda *_: True,
    "lost": lambda *_: True,
    "http": lambda answer, profile: answer.number in _HTTP_ERRORS[profile.http_errors_that_poll],
    "failure": lambda *_: False,
    "unusable": lambda *_: False,
}


def detail_of(answer: PollReply) -> Detail:
    """What the status page shows when the request ends with this answer (MFP-DETAIL-*)."""
    return _DETAILS[answer.kind](answer.number)


def counted_at_first(polling: Polling | None, profile: Profile) -> int:
    """What the first request counts as, where there is polling at all (A-35)."""
    return int(polling is not None and profile.first_request_counts)


def what_follows(answer: PollReply, polls: int, polling: Polling | None, profile: Profile) -> Polls | Ends:
    """Whether the machine polls after this answer, when it has polled ``polls`` times (MFP-POLL-01 to -05)."""
    if polling is not None and polls < polling.count and _MAY_POLL[answer.kind](answer, profile):
        return Polls(polling.minutes, anew=answer.kind == "lost" and profile.resend == "new-transaction")
    return Ends(detail_of(answer), keep=answer.kind == "pending" and profile.pending_at_end == "keep")
