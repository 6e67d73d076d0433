"""The result of a search as a value: failures with their small scenarios, and the *sometimes* properties it reached.

Results of several machines become one with `merged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from mfp_sim.exploration.against import SAME
from mfp_sim.exploration.comparing import COMPARISONS, Comparison
from mfp_sim.exploration.running import NO_CRASH
from mfp_sim.exploration.sometimes import SOMETIMES, SometimesProperty
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.always.watching import AlwaysRule
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.kinds import Pattern, Scalar, Within
from mfp_sim.shared.documents.records import document
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import json_of

__all__ = ["ExploreResult", "FoundFailure", "merged", "read_result", "sentence_of"]

_CAP = 16 * 2**20
"""The largest file that is read, in bytes; a result with ten failures has about 30 kB."""
_HIGHEST = 10**12
_BETWEEN = ", "
"""Between the seeds of a merged result."""


def _seconds(problems: Problems, node: Node, what: str) -> float | None:
    value = problems.number(node, what)
    if value is not None and not 0 <= value <= _HIGHEST:
        problems.add(node, f"{what} has to be from 0 to {_HIGHEST}, not {value:g}")
        return None
    return value


_Rule = Pattern("[a-z][a-z0-9-]{0,59}", "a rule in small letters, digits and hyphens")
"""It is part of a file name; another version may have rules that this one does not know."""
_Case = Pattern(r"[0-9]+:[0-9]+(\.[0-9]+)*", "a case such as 7:12.85")
_Seeds = Pattern(f"[0-9]+({_BETWEEN}[0-9]+)*", "one or several seeds")


@document("a failure", exchanged=True)
@dataclass(frozen=True)
class FoundFailure:
    """A rule that did not hold. ``scenario`` is the small case as YAML, ``case`` names the case that first had it
    after ``cases`` cases; ``times`` counts the cases that failed for this reason."""

    rule: Annotated[str, _Rule]
    text: str
    case: Annotated[str, _Case]
    cases: Annotated[int, Within(1, _HIGHEST)]
    times: Annotated[int, Within(1, _HIGHEST)]
    scenario: str


@document("a result", exchanged=True)
@dataclass(frozen=True)
class ExploreResult:
    """``seed`` lists the seeds of a merged result. ``seconds`` is the time of the search without the shrinking.
    ``features`` counts the states and edges seen, ``reached`` the cases in which each *sometimes* property came true.
    """

    format: Annotated[int, Within(1, 1)]
    seed: Annotated[str, _Seeds]
    cases: Annotated[int, Within(0, _HIGHEST)]
    seconds: Annotated[float, Scalar(_seconds, {"type": "number", "minimum": 0, "maximum": _HIGHEST})]
    features: Annotated[int, Within(0, _HIGHEST)]
    failures: tuple[FoundFailure, ...]
    reached: Mapping[str, Annotated[int, Within(0, _HIGHEST)]]

    @property
    def missed(self) -> tuple[str, ...]:
        """The *sometimes* properties that never came true."""
        return tuple(name for name in SOMETIMES if not self.reached.get(name))


def sentence_of(rule: str) -> str:
    """A rule or a *sometimes* property in one sentence."""
    if rule == NO_CRASH:
        return "No step ends in an internal error, and every case ends within its bounds."
    if rule == SAME:
        return "Another version of mfp-sim shows the same in this case."
    tables: tuple[Mapping[str, AlwaysRule | Comparison | SometimesProperty], ...] = (ALWAYS, COMPARISONS, SOMETIMES)
    return next((table[rule].sentence for table in tables if rule in table), "a rule of another version")


def read_result(file: Path) -> ExploreResult:
    """A result from a file, which may be hostile.

    Raises:
        UsageError: it cannot be read, is too large, or is not JSON.
        DocumentError: it is not the result of a search.
    """
    return read_json(ExploreResult, json_of(file, _CAP, "give explore.json of a search"), str(file))


def merged(results: Sequence[ExploreResult]) -> ExploreResult:
    """One result of several searches.

    Raises:
        UsageError: two results have the same seed, so their cases are the same.
    """
    seeds = [seed for result in results for seed in result.seed.split(_BETWEEN)]
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
        seed=_BETWEEN.join(seeds),
        cases=sum(result.cases for result in results),
        seconds=max(result.seconds for result in results),
        features=max(result.features for result in results),
        failures=tuple(failures.values()),
        reached={name: reached[name] for name in sorted(reached)},
    )
