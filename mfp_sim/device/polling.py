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
    """The result of an inquiry that brought no certificate. ``number`` is the HTTP status or the failInfo, if any."""

    kind: Literal["pending", "lost", "http", "failure", "unusable"]
    number: int | None = None


@dataclass(frozen=True)
class Polls:
    """The printer polls ``minutes`` after the reply. With `anew` it sends a request with another transactionID."""

    minutes: int
    anew: bool = False


@dataclass(frozen=True)
class Ends:
    """The request has ended; ``keep``: the next request asks about the same transaction (A-23)."""

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
    """The detail on the status page if the request ends with this reply (MFP-DETAIL-*)."""
    return _DETAILS[answer.kind](answer.number)


def counted_at_first(polling: Polling | None, profile: Profile) -> int:
    """The number of polls that the first request counts as, if polling is on (A-35)."""
    return int(polling is not None and profile.first_request_counts)


def what_follows(answer: PollReply, polls: int, polling: Polling | None, profile: Profile) -> Polls | Ends:
    """Whether the printer polls after this reply, having polled ``polls`` times (MFP-POLL-01 to -05)."""
    if polling is not None and polls < polling.count and _MAY_POLL[answer.kind](answer, profile):
        return Polls(polling.minutes, anew=answer.kind == "lost" and profile.resend == "new-transaction")
    return Ends(detail_of(answer), keep=answer.kind == "pending" and profile.pending_at_end == "keep")
