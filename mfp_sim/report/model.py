"""What reports are made from: plain frozen values, so that reporters know nothing of scenarios or devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FailureReport", "RunReport", "ScenarioReport", "StepReport"]


@dataclass(frozen=True)
class StepReport:
    """One step; ``begun`` and ``ended`` are ISO 8601 instants."""

    number: int
    text: str
    place: str
    begun: str
    ended: str


@dataclass(frozen=True)
class FailureReport:
    """What did not hold."""

    step: int
    place: str
    path: str
    expected: str
    got: str


@dataclass(frozen=True)
class ScenarioReport:
    """One scenario as it ran. ``trace`` are the events as JSON-able objects; ``command`` repeats just this."""

    name: str
    why: str
    file: str
    seed: int
    covers: tuple[str, ...]
    rests_on: tuple[str, ...]
    tags: tuple[str, ...]
    steps: tuple[StepReport, ...]
    failures: tuple[FailureReport, ...]
    trace: tuple[Mapping[str, object], ...]
    virtual_seconds: float
    real_seconds: float
    command: str
    skipped: str | None = None
    unobserved: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """``passed``, ``failed`` or ``skipped``."""
        if self.skipped is not None:
            return "skipped"
        return "failed" if self.failures else "passed"


@dataclass(frozen=True)
class RunReport:
    """All scenarios of one run. ``target`` is the server's URL, or ``in process``."""

    scenarios: tuple[ScenarioReport, ...]
    target: str
    flips: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many passed, failed and were skipped."""
        found = Counter(scenario.outcome for scenario in self.scenarios)
        return {outcome: found[outcome] for outcome in ("passed", "failed", "skipped")}
