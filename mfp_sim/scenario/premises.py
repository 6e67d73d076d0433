"""The premises of a scenario: what has to happen in the run, so that its result proves something.

Examples: a rule is hit, a fault has an effect, an armed power failure occurs, an act of the CA's operator matches
something, an exchange meets a state of the network, a time is in the future. A premise that did not come true by the
end of the run fails the scenario, unless the step has ``optional: true``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mock_scep_server.script import Script

__all__ = ["Failure", "Missing", "Premise", "broken_premises", "premises_of"]

Missing = Callable[[], str | None]
"""What is still missing, in words; None once the premise has come true."""


@dataclass(frozen=True)
class Failure:
    """A failed expectation: its place in the file, the field, the expected and the actual value.

    ``error``: the scenario could not be completed, and ``got`` is the reason.
    """

    step: int
    place: str
    path: str
    expected: str
    got: str
    error: bool = False

    def __str__(self) -> str:
        return f"{self.place}: step {self.step}: {self.path}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class Premise:
    """One premise: its step, its ``file:line:column``, and what has to come true, in words."""

    step: int
    place: str
    path: str
    expected: str
    missing: Missing


def premises_of(script: Script, step: int) -> Iterator[Premise]:
    """The premises of a script that applies from a step on."""
    for premise in script.premises():
        yield Premise(step, premise.place, "script", premise.expected, premise.missing)


def broken_premises(premises: Iterable[Premise]) -> Iterator[Failure]:
    """The premises that did not come true, in the order of their steps."""
    for premise in premises:
        got = premise.missing()
        if got is not None:
            yield Failure(premise.step, premise.place, premise.path, premise.expected, got)
