"""The stages of a client's request, and the next stage after each result of an exchange: a table without messages.

`ClientTransaction` interprets a reply; this table alone decides the next request (RFC 8894, 2.2; A-27, A-34, A-40).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, TypeAlias

__all__ = ["GOES_ON", "NEXT", "Stage", "StageResult", "State"]


class State(Enum):
    """The next request."""

    CAPS = "GetCACaps"
    CA_CERT = "GetCACert"
    SUBMIT = "PKCSReq"
    POLL = "CertPoll"
    DONE = "done"


StageResult: TypeAlias = Literal[
    "taken", "closed", "pending", "decided", "changed-ca", "lost", "unanswered", "unusable"
]
"""The result of an exchange: an accepted reply, a connection closed without one, PENDING, a final reply of the CA, a
reply that suggests a changed CA, an exchange that was lost before or (``unanswered``) after the request had left,
or a reply that is not accepted."""

GOES_ON: frozenset[StageResult] = frozenset({"taken", "closed", "changed-ca"})
"""The results after which the inquiry continues; any other ends it."""

NEXT: Mapping[tuple[State, StageResult], State] = {
    (State.CAPS, "taken"): State.CA_CERT,
    (State.CAPS, "closed"): State.CA_CERT,  # no capabilities, as with old servers (A-27, F-T20)
    (State.CA_CERT, "taken"): State.SUBMIT,
    (State.SUBMIT, "decided"): State.DONE,
    (State.POLL, "decided"): State.DONE,
    (State.SUBMIT, "changed-ca"): State.CA_CERT,
    (State.POLL, "changed-ca"): State.CA_CERT,
}
"""The next state after a result. With any other result, the client stays in its state and repeats the request."""


@dataclass(frozen=True)
class Stage:
    """The client's stage. ``pending``: the CA has replied PENDING; ``unanswered``: a PKCSReq left without a reply."""

    state: State = State.CAPS
    pending: bool = False
    unanswered: bool = False

    def after(self, result: StageResult) -> Stage:
        """The stage after an exchange."""
        state = NEXT.get((self.state, result), self.state)
        if state is State.SUBMIT and self.pending:
            state = State.POLL
        unanswered = self.unanswered if result != "lost" else False
        if result == "unanswered":
            unanswered = self.state is State.SUBMIT
        return Stage(state, self.pending or result == "pending", unanswered)

    def again(self, resend: str) -> Stage:
        """The stage at which the next inquiry about the request begins. An unsent request is sent unchanged (A-34)."""
        asks_for_it = self.state is State.SUBMIT and self.unanswered and resend == "CertPoll"
        if (self.pending and self.state is not State.CA_CERT) or asks_for_it:
            return replace(self, state=State.POLL)
        return self
