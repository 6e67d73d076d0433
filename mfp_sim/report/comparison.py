"""Compares two conformance runs by cause, and reports what was fixed, and what is new, worse or better.

A cause counts as fixed only if the checks that showed it pass in the later run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mfp_sim.report.model import CauseChange, CauseReport, RunComparison, RunReport
from mfp_sim.shared.errors import UsageError

__all__ = ["compared"]

_RANK = {"finding": 1, "warn": 2, "fail": 3}
_JUDGED = ("pass", *_RANK)


def compared(earlier: RunReport, later: RunReport) -> RunComparison:
    """What changed from the earlier run to the later one.

    Raises:
        UsageError: a run is not a conformance run, or comes from a version that did not report causes.
    """
    for report, which in ((earlier, "earlier"), (later, "later")):
        if report.grade is None:
            raise UsageError(
                f"the {which} report lists no causes, so there is nothing to compare",
                remedy="give the report.json of two runs of mfp-sim conform --report DIR, by this version",
            )
    before, after = ({entry.id: entry for entry in report.findings} for report in (earlier, later))
    seen_before, seen_after = _judged(earlier), _judged(later)
    found = [
        _change(before.get(name), after.get(name), seen_before.__contains__, seen_after)
        for name in dict.fromkeys([*after, *before])
    ]
    was, now = ({printer.model: printer.verdict for printer in report.printers} for report in (earlier, later))
    assert earlier.grade is not None
    return RunComparison(
        target=earlier.target,
        begun=earlier.provenance.begun,
        letter=earlier.grade.letter,
        changes=tuple(change for change in found if change is not None),
        printers=tuple(
            f"{model}: {was.get(model, 'not-tried')} → {now.get(model, 'not-tried')}"
            for model in dict.fromkeys([*now, *was])
            if was.get(model, "not-tried") != now.get(model, "not-tried")
        ),
    )


def _judged(report: RunReport) -> Mapping[str, str]:
    return {check.id: check.verdict for check in report.checks if check.verdict in _JUDGED}


def _change(
    was: CauseReport | None,
    now: CauseReport | None,
    looked_at_before: Callable[[str], bool],
    verdicts: Mapping[str, str],
) -> CauseChange | None:
    """The change of one cause; None if it has not changed."""
    entry = now or was
    assert entry is not None
    before, after = _places(was), _places(now)
    gone = [check for check in before if check not in after]
    unseen = [check for check in gone if check not in verdicts]
    passed = [check for check in gone if verdicts.get(check) == "pass"]
    more = [check for check in after if check not in before]
    steps = {check: _RANK[after[check]] - _RANK[before[check]] for check in after if check in before}
    worse = [check for check in after if (looked_at_before(check) if check in more else steps[check] > 0)]
    better = [check for check in before if (check in passed if check in gone else steps[check] < 0)]
    if now is None:
        outcome, checks = ("not-judged", unseen) if unseen else ("mended", gone) if passed == gone else ("turned", gone)
    elif was is None:
        outcome, checks = ("new", more) if any(map(looked_at_before, more)) else ("not-judged-before", more)
    elif worse:
        outcome, checks = "worse", worse
    elif better:
        outcome, checks = "better", better
    elif unseen:
        outcome, checks = "not-judged", unseen
    elif more:
        outcome, checks = "not-judged-before", more
    else:
        return None
    return CauseChange(entry.id, entry.title, entry.kind, outcome, tuple(checks))  # type: ignore[arg-type]


def _places(entry: CauseReport | None) -> Mapping[str, str]:
    """The verdict of each check that shows the cause."""
    return {place.check: place.verdict for place in entry.places} if entry is not None else {}
