"""What a CA's operator does for the checks: approve, reject, revoke, by a command or by a person at the terminal.

Owns the acts and the environment of the commands; judges nothing. RFC 8894, 2.4, 4.4 and 4.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from mfp_sim.conformance.commands import carried_out
from mfp_sim.shared.errors import UsageError

__all__ = ["Act", "ActByCommand", "OperatorAct", "OperatorCase"]

SECONDS = 120.0


class Act(Enum):
    """What an operator does; the value is the word of its option, ``--approve-command`` and so on."""

    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"

    @property
    def permission(self) -> str:
        """The ``opt_in`` word of the checks that need this act."""
        return _PERMISSIONS[self]


_PERMISSIONS = {Act.APPROVE: "approval", Act.REJECT: "rejection", Act.REVOKE: "revocation"}


@dataclass(frozen=True)
class OperatorCase:
    """The object of an act: a waiting request, by its transactionID, or a certificate, by its serial number in
    hexadecimal digits. ``subject`` is its name as text, if known."""

    transaction: str = ""
    serial: str = ""
    subject: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that pass it to a command."""
        named = {"SCEP_TRANSACTION": self.transaction, "SCEP_SERIAL": self.serial, "SCEP_SUBJECT": self.subject}
        return {name: value for name, value in named.items() if value}


OperatorAct = Callable[[OperatorCase], bool]
"""Carries out one act; returns whether it was done."""


@dataclass(frozen=True)
class ActByCommand:
    """A command that does the act; exit code 0 means that it was done."""

    act: Act
    words: Sequence[str] = field(repr=False)

    def __call__(self, case: OperatorCase) -> bool:
        """Run it.

        Raises:
            UsageError: it cannot be run, or its exit code shows that the act was not done.
        """
        done = carried_out(self.act.value, self.words, seconds=SECONDS, environment=case.environment)
        if done.returncode:
            raise UsageError(f"the {self.act.value} command {self.words[0]} ended with exit code {done.returncode}")
        return True
