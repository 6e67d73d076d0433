"""The last line of a verb for people: what happened, and what to do next.

It follows from the exit code, so that it cannot sound better than the code is. It is left out with ``--quiet``, with
``--json``, and where the line before it has said so already.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from mfp_sim.report.headline import headline, reason
from mfp_sim.report.labels import labels
from mfp_sim.report.model import RunReport

__all__ = ["of_checks", "of_fleet", "of_scenarios"]


def of_scenarios(report: RunReport, code: int, directory: Path | None) -> str:
    """The line of ``run``; ``directory`` has the reports, if any were written. Empty if there is nothing to add."""
    say = labels("en")
    told = headline(report, say)
    if told is None or (code == 0) is bool(told.named):
        return ""
    page = f"open {directory / 'report.html'}" if directory is not None else ""
    if not told.named:
        return f"{told.words}. Next: {page or '--report DIR writes what happened as a page'}"
    first = told.named[0]
    where = shlex.quote(f"{first.file}::{first.name}" if "[" in first.name else first.file)
    if not first.trace:
        reads = first.command.startswith("mfp-sim check ")  # a file with mistakes, and the other file of a name
        step = f"{first.command if reads else f'mfp-sim check {where}'} shows the mistakes"
    elif report.target == "in process":
        step = f"mfp-sim show {where} shows it step by step"
    else:
        step = "--report DIR writes the messages"
    return f"{told.words}: {first.name}, {reason(first, say)}. Next: {page or step}"


_DOUBTED = {
    "server": "the challenge password (--challenge-file FILE), and the server's settings and log",
    "client": "the client's settings and its log",
}
"""What to check if no right request succeeds."""


def of_fleet(directory: Path | None, *, unmet: bool, remedy: bool) -> str:
    """The line of ``fleet``: whether something is not as expected, and whether a remedy was shown."""
    page = f"open {directory / 'fleet.html'}" if directory is not None else "--report DIR writes charts of this run"
    if unmet:
        return f"Not as expected. Next: {page}"
    if remedy:
        return f"Next: {page}; compare in the plan shows what a remedy changes"
    return f"Next: {page}"


def of_checks(report: RunReport, code: int, subject: str, directory: Path | None) -> str:
    """The line of ``conform`` and ``examine`` about the server or the client. Empty if there is nothing to add."""
    first = report.to_mend[0] if report.to_mend else None
    if code == 3:
        return f"No verdict: not even a right request succeeded. Next: check {_DOUBTED[subject]}"
    if code == 5:
        reasons = [
            *(f"{check.id}: {check.because}" for check in report.checks if check.because),
            *(f"{printer.model}: {because}" for printer in report.printers for because in printer.because),
        ]
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        return f"No verdict: nothing was judged ({reasons[0]}{more})" if reasons else "No verdict: nothing was judged"
    if report.provenance.baseline is not None and code in (0, 1):
        return (
            "As the baseline expects"
            if code == 0
            else "Not as the baseline expects. Next: mend it, or change the lines of the baseline that are named above"
        )
    if code in (1, 6) and first is not None and first.verdict == "fail":
        return f"The {subject} failed. Next: mend the first finding, {first.title!r}, and run this again"
    if code == 0 and first is not None:
        more = f"{len(report.to_mend)} findings" if len(report.to_mend) > 1 else "1 finding"
        return f"The {subject} did not fail, with {more}. Next: look at the first one, {first.title!r}"
    passed = report.verdicts["pass"]
    if code == 0 and passed:
        quick = report.provenance.options.get("choice") == "quick"
        kept = "keep a report (--report DIR)" if directory is None else f"keep {directory / 'report.json'}"
        step = "run it without --quick" if quick else f"{kept} to compare later runs with (mfp-sim diff)"
        return f"{passed} passed, and nothing to mend was found. Next: {step}"
    return ""
