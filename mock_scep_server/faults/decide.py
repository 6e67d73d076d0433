"""Faults of the decide layer: another answer than the CA's own. RFC 8894, 3.3.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mfp_sim.scep.http import HttpRequest
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.combined import InTurn
from mock_scep_server.faults.scope import OPERATIONS, TYPES
from mock_scep_server.script import Answer

__all__ = ["FAILURE", "PENDING", "SUCCESS", "Answered", "Unless", "failed", "http", "pending"]


@dataclass(frozen=True)
class Answered(Fault):
    """This answer, whatever the CA would say. What the CA's own checks refuse stays refused."""

    answer: Answer

    @property
    def only(self) -> frozenset[str]:
        """An HTTP status suits any request, a pkiStatus only messages."""
        return frozenset((*OPERATIONS, *TYPES) if self.answer.kind == "http" else TYPES)

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        return self.answer


SUCCESS = Answered(Answer("success"))
PENDING = Answered(Answer("pending"))
FAILURE = Answered(Answer("failure", 2, "refused by the fault"))


def failed(fail_info: int, text: str) -> Answered:
    """FAILURE with this failInfo and failInfoText."""
    return Answered(Answer("failure", fail_info, text))


def pending(count: int, then: Answered | None = None) -> InTurn:
    """So many PENDING in each transaction, then ``then``."""
    return InTurn((*[PENDING] * count, then))


def http(status: int) -> Answered:
    """An HTTP status and nothing decided."""
    return Answered(Answer("http", status=status))


@dataclass(frozen=True)
class Unless(Fault):
    """An HTTP status for requests that do not fit."""

    status: int
    fits: Callable[[HttpRequest], bool]

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        return answer if self.fits(context.request) else Answer("http", status=self.status)
