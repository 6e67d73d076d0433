"""A scenario as a frozen value, and the result of a run. No YAML, no running."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mfp_sim.run_trace import Attachment, TraceEvent
from mfp_sim.scenario.premises import Failure
from mfp_sim.scenario.setting import Setting
from mfp_sim.scenario.steps import Step
from mfp_sim.shared.redaction import Redactor
from mock_scep_server.ledger import LedgerEntry

__all__ = ["Grounds", "Scenario", "ScenarioResult", "StepRecord"]


@dataclass(frozen=True, kw_only=True)
class Scenario(Setting):
    """One runnable scenario: its setting and its steps."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class StepRecord:
    """One step as it was carried out; times are aware, UTC."""

    number: int
    text: str
    place: str
    begun: datetime
    ended: datetime


@dataclass(frozen=True)
class Grounds:
    """The assumptions that a result depends on. ``declared`` are those that were not measured: all of them if the
    scenario was not ``examined`` as it ran, otherwise those without another reading."""

    rests_on: tuple[str, ...]
    declared: tuple[str, ...]
    examined: bool


@dataclass(frozen=True)
class ScenarioResult:
    """The result of a run. ``skipped`` is the reason why nothing was run or judged; ``attachments`` are the messages,
    if kept; ``redactor`` knows the secrets of the run."""

    scenario: Scenario
    seed: int
    flips: tuple[str, ...]
    basis: Grounds
    failures: tuple[Failure, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    events: tuple[TraceEvent, ...] = ()
    virtual_seconds: float = 0.0
    real_seconds: float = 0.0
    skipped: str | None = None
    unobserved: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether it ran and every expectation held."""
        return self.skipped is None and not self.failures
