"""Faults of the decide layer: another answer than the CA's own. RFC 8894, 3.3.2."""

from __future__ import annotations

from dataclasses import dataclass

from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.combined import InTurn
from mock_scep_server.faults.scope import OPERATIONS, TYPES
from mock_scep_server.script import Answer

__all__ = [
    "FAILURE",
    "PENDING",
    "SUCCESS",
    "Answered",
    "TargetLimit",
    "UnlessContentType",
    "UnlessHeader",
    "UnlessPath",
    "failed",
    "http",
    "pending",
]


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
class TargetLimit(Fault):
    """414 for a GET whose target is longer than ``octets``: as IIS does with query strings."""

    octets: int

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        too_long = context.request.method == "GET" and len(context.request.target) > self.octets
        return Answer("http", status=414) if too_long else answer


@dataclass(frozen=True)
class UnlessPath(Fault):
    """404 for every path but this one; with a query (``/scep?ca=2``), the target has to begin with both."""

    path: str

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        target = context.request.target
        whole = "?" in self.path
        fits = f"{target}&".startswith(f"{self.path}&") if whole else target.partition("?")[0] == self.path
        return answer if fits else Answer("http", status=404)


@dataclass(frozen=True)
class UnlessContentType(Fault):
    """415 for a POST under another Content-Type than this one."""

    media_type: str

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        request = context.request
        fits = request.method != "POST" or (request.header("Content-Type") or "").lower() == self.media_type
        return answer if fits else Answer("http", status=415)


@dataclass(frozen=True)
class UnlessHeader(Fault):
    """A status for requests without a header field: 411 without Content-Length, 400 without Host."""

    name: str
    status: int

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        return answer if context.request.header(self.name) is not None else Answer("http", status=self.status)
