"""The report at a terminal: one line per scenario, the failures, how to reproduce them, and a summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TextIO

from mfp_sim.report.labels import labels
from mfp_sim.report.model import BASES, NEXT, RunReport, ScenarioReport
from mfp_sim.report.story import StoryRow, story_of_trace, zone_named
from mfp_sim.shared.simtime import local
from mfp_sim.shared.visible import one_line, visible

__all__ = ["Console"]

_MARKS = {"passed": ("pass", "32"), "failed": ("FAIL", "31"), "error": ("ERR ", "31"), "skipped": ("skip", "33")}
"""The mark of each outcome, and its colour."""
_LAST = 8
"""How many events before a failure are shown; the report and `mfp-sim show` have all of them."""
_WIDEST = 160
"""The longest change of a reply that is printed, in characters; the trace has it in full."""


class Console:
    """Writes to one stream; colours only on a terminal and without NO_COLOR."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.terminal = stream.isatty()
        self._colours = self.terminal and not os.environ.get("NO_COLOR")
        self._progress = ""

    def progress(self, done: int, total: int, name: str) -> None:
        """Show the progress of a long run, only on a terminal."""
        if self.terminal:
            self.clear()
            self._progress = f"[{done}/{total}] {name}"[:78]
            self._stream.write(self._progress)
            self._stream.flush()

    def clear(self) -> None:
        """Remove the progress line."""
        if self._progress:
            self._stream.write("\r" + " " * len(self._progress) + "\r")
            self._progress = ""

    def line(self, text: str = "") -> None:
        """Print one line. Control characters from a server are made visible, so they cannot control the terminal."""
        self.clear()
        self._stream.write(visible(text) + "\n")

    def scenario(self, scenario: ScenarioReport) -> None:
        """Print the line of a scenario; after a failure also what failed, the preceding events and the command."""
        self._outcome(scenario)
        if scenario.failures:
            self._before(scenario)
            self.line(f"      repeat with  {scenario.command}")
        for place in scenario.unobserved:
            self.line(f"      not observable on a real server: {place}")

    def _outcome(self, scenario: ScenarioReport) -> None:
        mark, colour = _MARKS[scenario.outcome]
        self.clear()
        if self._colours:
            mark = f"\x1b[{colour}m{mark}\x1b[0m"
        self._stream.write(mark + "  ")
        self.line(scenario.name + (f"  ({scenario.skipped})" if scenario.skipped else ""))
        for failure in scenario.failures:
            self.line(f"      {failure.place}  {failure.path}")
            self.line(f"          expected  {failure.expected}")
            self.line(f"          got       {failure.got}")

    def _before(self, scenario: ScenarioReport) -> None:
        """The last things that the printer and the CA did before the first failed step."""
        told = _told(scenario, before=min(failure.step for failure in scenario.failures))
        if told:
            self.line(f"      preceding events{f', the last {_LAST}' if len(told) > _LAST else ''}")
        for at, text in told[-_LAST:]:
            self.line(f"          {at}  {text}")

    def summary(self, report: RunReport, seconds: float) -> None:
        """The closing line."""
        counts = report.counts
        parts = [f"{counts['passed']} passed", f"{counts['failed']} failed"]
        if counts["error"]:
            parts.append(f"{counts['error']} error{'s' * (counts['error'] != 1)}")
        if counts["skipped"]:
            parts.append(f"{counts['skipped']} skipped")
        virtual = timedelta(seconds=round(sum(s.virtual_seconds for s in report.scenarios)))
        self.line()
        took = f"in {seconds:.1f} s" if report.provenance.ca else f"{virtual} of simulated time in {seconds:.1f} s"
        self.line(f"{', '.join(parts)}  ({took}; {report.target})")
        unobserved = sum(len(scenario.unobserved) for scenario in report.scenarios)
        if unobserved:
            self.line(f"{unobserved} expectation{'s' * (unobserved != 1)} could not be observed on the real server")
        said, assumed, unknown = (report.resting[basis] for basis in BASES)
        if said or assumed or unknown:
            self.line(
                f"{said} depend{'s' * (said == 1)} only on the manual and the RFC; "
                f"{assumed} also depend{'s' * (assumed == 1)} on assumptions; "
                f"{unknown} {'was' if unknown == 1 else 'were'} not examined (mfp-sim check --assumptions FILE)"
            )

    def findings(self, report: RunReport) -> None:
        """Print the grade, the verdict in words, the three things to do next, and the other findings by class."""
        if report.grade is None:
            return
        self.line()
        reasons = "; ".join(report.grade.because)
        self.line(f"grade      {report.grade.letter or 'none'}{': ' + reasons if reasons else ''}")
        for words in report.grade.words:
            self.line(f"           {words}")
        for number, entry in enumerate(report.to_mend[:NEXT], 1):
            where = f": {entry.places[0].check}" if len(entry.places) == 1 else ""
            told = f"{entry.told} ({entry.kind}, {entry.verdict}{where})"
            self.line(f"{'next' if number == 1 else '':10} {number}. {told}")
            if entry.remedy:
                self.line(f"              {entry.remedy}")
        for number, entry in enumerate(report.to_mend[NEXT:]):
            self.line(f"{'' if number else 'then':10} {entry.kind}, {entry.verdict}: {entry.told}")
        policy = len(report.findings) - len(report.to_mend)
        if policy:
            self.line(f"policy     {policy} more that depend on the server's configuration (--report DIR lists them)")

    def baseline(self, report: RunReport) -> None:
        """Print how the run differs from its file of expected failures, one line per id."""
        baseline = report.provenance.baseline
        if baseline is not None:
            for name, words in baseline.differences:
                self.line(f"baseline   {name}: {words}")

    def story(self, scenario: ScenarioReport) -> None:
        """Print the scenario step by step, with what the printer and the CA did in between."""
        self.line(f"{scenario.name}: {scenario.why}")
        self.line(f"seed {scenario.seed}; {scenario.file}; times are in {scenario.timezone}")
        for at, text in _told(scenario, changes=True):
            self.line(f"  {at}  {text}")
        self.line()
        self._outcome(scenario)


def _told(scenario: ScenarioReport, *, before: int = 0, changes: bool = False) -> list[tuple[str, str]]:
    """The local time and the words of each event that has words, up to the step `before`; 0 for all. With `changes`,
    also what the faults of the CA changed in its replies."""
    zone = zone_named(scenario.timezone)

    def clock(at: datetime) -> str:
        return local(at, zone).strftime("%Y-%m-%d %H:%M:%S")

    rows = story_of_trace(scenario.trace, labels("en"))
    last = next((row.event for row in rows if before and row.step == before), len(scenario.trace))
    lines = sorted((line for row in rows for line in _lines(row, clock, changes)), key=lambda line: line[0])
    return [(clock(at), text) for event, at, text in lines if event < last]


def _lines(row: StoryRow, clock: Callable[[datetime], str], changes: bool) -> Iterator[tuple[int, datetime, str]]:
    """A row in words: the index of the event, the instant, and the text. An exchange gives the line of its request,
    that of the rule of the CA's script that matched it, and that of its reply."""
    name, text = row.printer or "printer", row.words(clock)
    if row.kind == "step":
        yield row.event, row.at, text
    elif row.kind == "exchange":
        yield row.event, row.at, f"     {name} -> CA   {text}"
        for line in _played(row, changes):
            yield row.event, row.at, f"     {line}"
        if row.end is not None and row.ended is not None:
            yield row.end, row.ended, f"     {name} {'   x  ' if row.lost else '<- CA '}  {row.alone}"
    elif not row.again:
        yield row.event, row.at, f"     {text}" if row.printer is None else f"     {name}: {text}"


def _played(row: StoryRow, changes: bool) -> Iterator[str]:
    """What the CA's script did to an exchange, if anything."""
    what = [f"rule {row.rule}"] if row.rule is not None else []
    what += [f"fault {slug}" for slug in row.faults]
    if what:
        yield f"CA: {', '.join(what)}"
    if changes:
        yield from (f"      changed {one_line(change, _WIDEST)}" for change in row.changes)
