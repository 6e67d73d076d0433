"""What a scenario takes for granted, and what of it never came true.

A rule is hit, a fault has an effect, an armed power cut comes, an act of the CA's operator fits something, a state of
the network is met, a time is still to come. One that did not come true by the end of the run fails the scenario:
what the scenario was to show was not there. ``optional: true`` in the file is the one way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mock_scep_server.script import Script

__all__ = ["Failure", "Missing", "Premise", "broken_premises", "premises_of"]

Missing = Callable[[], str | None]
"""What is not so yet, in words; None once it has come true."""


@dataclass(frozen=True)
class Failure:
    """What did not hold: where in the file, which field, what was expected and what was there.

    ``error``: the scenario could not be carried out to its end, and ``got`` says why.
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
    """One of them: the step that brought it, its ``file:line:column``, and what was to come true, in words."""

    step: int
    place: str
    path: str
    expected: str
    missing: Missing


def premises_of(script: Script, step: int) -> Iterator[Premise]:
    """Those of a script that holds from a step on."""
    for premise in script.premises():
        yield Premise(step, premise.place, "script", premise.expected, premise.missing)


def broken_premises(premises: Iterable[Premise]) -> Iterator[Failure]:
    """The premises that did not come true, in the order in which the steps brought them."""
    for premise in premises:
        got = premise.missing()
        if got is not None:
            yield Failure(premise.step, premise.place, premise.path, premise.expected, got)
