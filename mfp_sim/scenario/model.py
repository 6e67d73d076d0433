"""A scenario as frozen values, and what a run of one yields. No YAML, no running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mfp_sim.device.outside import Factory
from mfp_sim.run_trace import Attachment, TraceEvent
from mfp_sim.shared.redaction import Redactor
from mock_scep_server.setup import CaSetup

if TYPE_CHECKING:
    from mfp_sim.scenario.steps import Step
    from mock_scep_server.ledger import LedgerEntry

__all__ = ["CaSetup", "Failure", "Grounds", "PrinterSetup", "Scenario", "ScenarioResult", "StepRecord"]


@dataclass(frozen=True)
class PrinterSetup(Factory):
    """The ``printer:`` section: how the printer is delivered, and how it is set up.

    ``profile`` is a shipped model, or a file with ``mfp-sim run --profile``; ``settings`` are other values of it.
    ``place`` is where its communication settings stand, or the section itself: a set-up that is refused names it.
    """

    profile: str = "canon-ir-adv-dx"
    url: str | None = None
    port: int = 80
    timeout: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class Scenario:
    """One runnable scenario: one instance of a file with ``parameters:``, or the file itself.

    ``others`` are the printers beside the first, on from the start too.
    ``digest`` is of all that the file says about how it runs, in hex.
    """

    name: str
    why: str
    file: str
    clock: datetime
    steps: tuple[Step, ...]
    covers: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    seed: int = 1
    keys: Literal["pool", "generate"] = "pool"
    printer: PrinterSetup = PrinterSetup()
    others: tuple[PrinterSetup, ...] = ()
    ca: CaSetup = field(default_factory=CaSetup)
    virtual_seconds: float = 800 * 86400.0
    events: int = 100_000
    digest: str = ""


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
class StepRecord:
    """One step as it was carried out; times are aware, UTC."""

    number: int
    text: str
    place: str
    begun: datetime
    ended: datetime


@dataclass(frozen=True)
class Grounds:
    """The assumptions that a result rests on. ``declared`` are those of them that nobody measured: all where the
    scenario was not ``examined`` as it ran, else those that have no other reading."""

    rests_on: tuple[str, ...]
    declared: tuple[str, ...]
    examined: bool


@dataclass(frozen=True)
class ScenarioResult:
    """What a run gave. ``skipped`` says why nothing was run; ``attachments`` are the messages, where they were kept;
    ``redactor`` knows the secrets of the run."""

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
        """Ran, and everything held."""
        return self.skipped is None and not self.failures
