"""Watches a run: what the printers show and store between steps, and every commit, for the rules of this package.

It only looks: a run that is watched has the same trace as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mfp_sim.device.invariants import WatchedStorage
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Printer
from mfp_sim.device.storage import Storage
from mfp_sim.events import Event
from mfp_sim.run_trace import Recorder, TraceEvent
from mfp_sim.scenario.setting import Setting
from mfp_sim.shared.errors import PowerLost
from mfp_sim.shared.simtime import Clock
from mock_scep_server.service import ScepService

__all__ = ["AlwaysRule", "Course", "Happening", "PrinterSeen", "StepSeen", "StoredCommit", "Violation", "Watch"]

StoredState = Mapping[str, Any]


@dataclass(frozen=True)
class Violation:
    """A rule that did not hold: its slug, what was seen, and the number of the step after which it was noticed."""

    rule: str
    text: str
    step: int


@dataclass(frozen=True)
class StoredCommit:
    """A state that a printer stored: the run's time, the printer's own time, and the number of events before it."""

    time: datetime
    own_time: datetime
    state: StoredState
    events: int


class _Noted(WatchedStorage):
    """A watched storage that also keeps every commit."""

    def __init__(self, inner: Storage, points: PowerPoints, note: Callable[[StoredState], None]) -> None:
        super().__init__(inner, points)
        self._note = note

    def commit(self, state: StoredState) -> None:
        try:
            super().commit(state)
        except PowerLost:
            if self.read_again() == state:  # the power failed just after it was stored
                self._note(state)
            raise
        self._note(state)


@dataclass(frozen=True)
class Happening:
    """An event of the trace, read once; ``number`` is its place in the trace."""

    number: int
    time: datetime
    printer: str
    event: Event


@dataclass(frozen=True)
class PrinterSeen:
    """One printer between two steps. ``keys`` are id, name, use and policy; ``sent`` counts its exchanges so far."""

    powered: bool
    kept: StoredState | None
    timer: bool
    busy: bool
    transfer: bool
    keys: tuple[tuple[int, str, str, str | None, bool], ...]
    in_use: Mapping[str, str]
    own_time: datetime
    sent: int


@dataclass(frozen=True)
class StepSeen:
    """A step, with the printers before and after it. ``refused`` is the reason of a refusal."""

    number: int
    kind: str
    role: str
    serial: str
    begun: datetime
    ended: datetime
    before: Mapping[str, PrinterSeen]
    after: Mapping[str, PrinterSeen]
    refused: str | None


@dataclass(frozen=True)
class Course:
    """A run so far, as the rules see it."""

    setting: Setting
    printers: Mapping[str, Printer]
    ca: ScepService | None
    happenings: tuple[Happening, ...]
    commits: Mapping[str, tuple[StoredCommit, ...]]
    storages: Mapping[str, WatchedStorage]
    steps: tuple[StepSeen, ...]
    now: datetime

    def of(self, serial: str) -> tuple[Happening, ...]:
        """What happened to one printer."""
        return tuple(one for one in self.happenings if one.printer == serial)


@dataclass(frozen=True)
class AlwaysRule:
    """A rule in one sentence, and what it serves.

    It looks at the printers and the CA after each step (``now``), at a step (``step``), or at the whole course so far
    (``course``). Each returns a sentence for everything that violates the rule.
    """

    sentence: str
    now: Callable[[Course], Iterator[str]] | None = None
    step: Callable[[StepSeen], Iterator[str]] | None = None
    course: Callable[[Course], Iterator[str]] | None = None
    serves: tuple[str, ...] = ()


def _violations(name: str, step: int, check: Callable[[Any], Iterator[str]] | None, seen: object) -> list[Violation]:
    """What violates a rule; an exception is a bug in what the rule looks at, so it violates the rule too."""
    if check is None:
        return []
    try:
        return [Violation(name, text, step) for text in check(seen)]
    except Exception as error:  # noqa: BLE001 - whatever a wrong state raises
        return [Violation(name, f"the rule cannot look: {type(error).__name__}: {error}", step)]


@dataclass
class Watch:
    """Watches one run, for the given rules. `printers` and `ca` are those of the world, which adds printers later."""

    setting: Setting
    clock: Clock
    recorder: Recorder
    printers: Mapping[str, Printer]
    ca: ScepService | None
    rules: Mapping[str, AlwaysRule]
    steps: list[StepSeen] = field(default_factory=list)
    _found: list[Violation] = field(default_factory=list)
    _commits: dict[str, list[StoredCommit]] = field(default_factory=dict)
    _storages: dict[str, WatchedStorage] = field(default_factory=dict)
    _happenings: list[Happening] = field(default_factory=list)

    def over(self, storage: Storage, points: PowerPoints, serial: str) -> Storage:
        """The storage, watched."""
        commits = self._commits.setdefault(serial, [])

        def note(state: StoredState) -> None:
            printer = self.printers.get(serial)
            own = printer.clock.now() if printer is not None else self.clock.now()
            commits.append(StoredCommit(self.clock.now(), own, state, len(self.recorder.events)))

        self._storages[serial] = watched = _Noted(storage, points, note)
        return watched

    def begin(self) -> Mapping[str, PrinterSeen]:
        """The printers before a step."""
        return {serial: self._seen(serial, printer) for serial, printer in self.printers.items()}

    def end(
        self,
        before: Mapping[str, PrinterSeen],
        *,
        kind: str,
        role: str,
        serial: str,
        begun: datetime,
        refused: str | None,
    ) -> None:
        """Note a step that has been carried out."""
        number = len(self.steps) + 1
        after = self.begin()
        seen = StepSeen(number, kind, role, serial, begun, self.clock.now(), before, after, refused)
        self.steps.append(seen)
        course = self.course
        for name, rule in self.rules.items():
            self._found += _violations(name, number, rule.now, course)
            self._found += _violations(name, number, rule.step, seen)

    def violations(self, *, whole: bool = True) -> list[Violation]:
        """What violated the rules so far, in order; ``whole``: also the rules about the whole course."""
        if not whole:
            return list(self._found)
        course, number = self.course, len(self.steps)
        ended = [one for name, rule in self.rules.items() for one in _violations(name, number, rule.course, course)]
        return [*self._found, *ended]

    @property
    def course(self) -> Course:
        """The run so far."""
        return Course(
            self.setting,
            dict(self.printers),
            self.ca,
            tuple(self._read()),
            {serial: tuple(commits) for serial, commits in self._commits.items()},
            dict(self._storages),
            tuple(self.steps),
            self.clock.now(),
        )

    def _read(self) -> list[Happening]:
        events: tuple[TraceEvent, ...] = self.recorder.events
        first = next(iter(self.printers))
        for number in range(len(self._happenings), len(events)):
            entry = events[number]
            self._happenings.append(Happening(number, entry.time, entry.printer or first, entry.event))
        return self._happenings

    def _seen(self, serial: str, printer: Printer) -> PrinterSeen:
        kept = self._storages[serial].kept
        powered = printer.powered
        rows = printer.status() if powered else ()
        return PrinterSeen(
            powered,
            kept,
            timer=bool(kept and kept["auto"]["timer"]),
            busy=any(row.state == "processing" for row in rows),
            transfer=powered and printer.transfer is not None,
            keys=tuple((k.id, k.name, k.use, k.policy, k.assigned) for k in printer.key_list()) if powered else (),
            in_use=dict(printer.functions_in_use()) if powered else {},
            own_time=printer.clock.now(),
            sent=sum(one.printer == serial and one.event.kind == "exchange.request" for one in self._read()),
        )
