"""Faults of the decide layer: replies that differ from the CA's own decision. RFC 8894, 3.3.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mfp_sim.shared.scep.http_messages import HttpRequest
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.combined import InTurn
from mock_scep_server.faults.scope import OPERATIONS, TYPES
from mock_scep_server.ruled import RuledAnswer

__all__ = ["FAILURE", "PENDING", "SUCCESS", "Answered", "Unless", "failed", "http", "pending"]


@dataclass(frozen=True)
class Answered(Fault):
    """Give this answer regardless of the CA's decision. Requests that the CA's own checks refuse stay refused."""

    answer: RuledAnswer

    @property
    def only(self) -> frozenset[str]:
        """An HTTP status can answer any request, a pkiStatus only messages."""
        return frozenset((*OPERATIONS, *TYPES) if self.answer.kind == "http" else TYPES)

    def on_answer(self, answer: RuledAnswer | None, context: Context) -> RuledAnswer | None:
        return self.answer


SUCCESS = Answered(RuledAnswer("success"))
PENDING = Answered(RuledAnswer("pending"))
FAILURE = Answered(RuledAnswer("failure", 2, "refused by the fault"))


def failed(fail_info: int, text: str) -> Answered:
    """Answer with FAILURE, this failInfo and this failInfoText."""
    return Answered(RuledAnswer("failure", fail_info, text))


def pending(count: int, then: Answered | None = None) -> InTurn:
    """Answer with `times` PENDINGs in each transaction, then with `then`."""
    return InTurn((*[PENDING] * count, then))


def http(status: int) -> Answered:
    """Answer with an HTTP status without a decision."""
    return Answered(RuledAnswer("http", status=status))


@dataclass(frozen=True)
class Unless(Fault):
    """Answer unsuitable requests with an HTTP status."""

    status: int
    fits: Callable[[HttpRequest], bool]

    def on_answer(self, answer: RuledAnswer | None, context: Context) -> RuledAnswer | None:
        return answer if self.fits(context.request) else RuledAnswer("http", status=self.status)
