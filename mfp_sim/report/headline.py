"""The result of a run of scenarios in words: how many failed, which ones, and what each got that it did not expect.

The page begins with it, and the console ends with it. It knows no markup; every text may come from a server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mfp_sim.report.labels import Say
from mfp_sim.report.model import RunReport, ScenarioReport

__all__ = ["Headline", "headline", "reason"]

_NAMED = 5
"""How many failed scenarios a headline names."""
_LONGEST = 120
"""The longest reason in a headline, in characters."""
_WORD = re.compile(r"[\w.:/-]{1,40}")
"""A value that can be quoted in a sentence; anything else is shown as expected and actual values."""


@dataclass(frozen=True)
class Headline:
    """A sentence without its full stop, the failed scenarios that it names, and how many failed beside these."""

    words: str
    named: tuple[ScenarioReport, ...] = ()
    more: int = 0


def headline(report: RunReport, say: Say) -> Headline | None:
    """The headline; None if no scenario passed or failed, so that there is nothing to say about scenarios."""
    total = len(report.scenarios)
    failed = tuple(scenario for scenario in report.scenarios if scenario.outcome in ("failed", "error"))
    passed = report.counts["passed"]
    if failed:
        key = "headline-failed-one" if total == 1 else "headline-failed"
        return Headline(say(key).format(failed=len(failed), total=total), failed[:_NAMED], len(failed[_NAMED:]))
    if not passed:
        return None
    if passed == total:
        return Headline(say("headline-passed-one" if total == 1 else "headline-passed").format(total=total))
    return Headline(say("headline-skipped").format(passed=passed, total=total, skipped=total - passed))


def reason(scenario: ScenarioReport, say: Say) -> str:
    """Why a scenario failed, by its first failure: a clause, shortened if it is long."""
    first = scenario.failures[0]
    if first.error:
        text = f"{first.path}: {first.got}"
    elif all(map(_WORD.fullmatch, (first.path, first.expected, first.got))):
        text = say("headline-is").format(path=first.path, got=first.got, expected=first.expected)
    else:
        text = f"{first.path}: {say('expected').lower()} {first.expected}, {say('got').lower()} {first.got}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
