"""The result of a search as a value: failures with their small scenarios, and the *sometimes* properties it reached.

Results of several machines become one with `merged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from mfp_sim.exploration.against import SAME
from mfp_sim.exploration.comparing import COMPARISONS
from mfp_sim.exploration.running import NO_CRASH
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.shared.documents.kinds import Within
from mfp_sim.shared.documents.records import document
from mfp_sim.shared.errors import UsageError

__all__ = ["ExploreResult", "FoundFailure", "merged", "sentence_of"]


@document("a failure", exchanged=True)
@dataclass(frozen=True)
class FoundFailure:
    """A rule that did not hold. ``scenario`` is the small case as YAML, ``case`` names the case that first had it
    after ``cases`` cases; ``times`` counts the cases that failed for this reason."""

    rule: str
    text: str
    case: str
    cases: Annotated[int, Within(1)]
    times: Annotated[int, Within(1)]
    scenario: str


@document("a result", exchanged=True)
@dataclass(frozen=True)
class ExploreResult:
    """``seconds`` is the elapsed time; ``reached`` counts the cases in which each *sometimes* property came true."""

    format: Annotated[int, Within(1, 1)]
    seed: str
    cases: Annotated[int, Within(0)]
    seconds: float
    features: Annotated[int, Within(0)]
    failures: tuple[FoundFailure, ...]
    reached: Mapping[str, int]

    @property
    def missed(self) -> tuple[str, ...]:
        """The *sometimes* properties that never came true."""
        return tuple(name for name in SOMETIMES if not self.reached.get(name))


def sentence_of(rule: str) -> str:
    """The rule in a sentence."""
    if rule == NO_CRASH:
        return "No step ends in an internal error, and every case ends within its bounds."
    if rule == SAME:
        return "Another version of mfp-sim shows the same in this case."
    return ALWAYS[rule].sentence if rule in ALWAYS else COMPARISONS[rule].sentence if rule in COMPARISONS else rule


def merged(results: Sequence[ExploreResult]) -> ExploreResult:
    """One result of several searches.

    Raises:
        UsageError: two results are of the same seed and shard, so their cases are the same.
    """
    seeds = [result.seed for result in results]
    if twice := [seed for seed, count in Counter(seeds).items() if count > 1]:
        raise UsageError(f"two results have the seed {twice[0]}", remedy="give each machine its own --seed or --shard")
    failures: dict[tuple[str, str], FoundFailure] = {}
    for result in results:
        for one in result.failures:
            key = (one.rule, one.scenario)
            known = failures.get(key)
            failures[key] = one if known is None else replace(known, times=known.times + one.times)
    reached: Counter[str] = Counter()
    for result in results:
        reached.update(result.reached)
    return ExploreResult(
        format=1,
        seed=", ".join(seeds),
        cases=sum(result.cases for result in results),
        seconds=max(result.seconds for result in results),
        features=max(result.features for result in results),
        failures=tuple(failures.values()),
        reached={name: reached[name] for name in sorted(reached)},
    )
