"""Where a client stands with one request, and what each result of an exchange leads to: a table, without any message.

:class:`~mfp_sim.client.exchange.ClientTransaction` finds out what a reply is worth; what is asked next follows from
here alone (RFC 8894, 2.2; A-27, A-34, A-40).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, TypeAlias

__all__ = ["GOES_ON", "NEXT", "Stage", "StageResult", "State"]


class State(Enum):
    """What is asked next."""

    CAPS = "GetCACaps"
    CA_CERT = "GetCACert"
    SUBMIT = "PKCSReq"
    POLL = "CertPoll"
    DONE = "done"


StageResult: TypeAlias = Literal[
    "taken", "closed", "pending", "decided", "changed-ca", "lost", "unanswered", "unusable"
]
"""What came of an exchange: a reply that is taken, a connection that was closed without one, PENDING, a final answer of
the CA, a reply that speaks of another CA, an exchange that was lost before or (``unanswered``) after the request had
left whole, or a reply of which nothing can be taken."""

GOES_ON: frozenset[StageResult] = frozenset({"taken", "closed", "changed-ca"})
"""The results after which the same inquiry asks on; any other ends it."""

NEXT: Mapping[tuple[State, StageResult], State] = {
    (State.CAPS, "taken"): State.CA_CERT,
    (State.CAPS, "closed"): State.CA_CERT,  # no capabilities, as old servers say it (A-27, F-T20)
    (State.CA_CERT, "taken"): State.SUBMIT,
    (State.SUBMIT, "decided"): State.DONE,
    (State.POLL, "decided"): State.DONE,
    (State.SUBMIT, "changed-ca"): State.CA_CERT,
    (State.POLL, "changed-ca"): State.CA_CERT,
}
"""Where a result leads; whatever is not here leaves the client where it is, to ask the same again."""


@dataclass(frozen=True)
class Stage:
    """Where the client stands. ``pending``: the CA has said PENDING; ``unanswered``: a PKCSReq left whole, and no reply
    came."""

    state: State = State.CAPS
    pending: bool = False
    unanswered: bool = False

    def after(self, result: StageResult) -> Stage:
        """Where the client stands after an exchange."""
        state = NEXT.get((self.state, result), self.state)
        if state is State.SUBMIT and self.pending:
            state = State.POLL
        unanswered = self.unanswered if result != "lost" else False
        if result == "unanswered":
            unanswered = self.state is State.SUBMIT
        return Stage(state, self.pending or result == "pending", unanswered)

    def again(self, resend: str) -> Stage:
        """Where the next inquiry about the same request begins; what never left is sent as it was (A-34)."""
        asks_for_it = self.state is State.SUBMIT and self.unanswered and resend == "CertPoll"
        if (self.pending and self.state is not State.CA_CERT) or asks_for_it:
            return replace(self, state=State.POLL)
        return self
