"""A search: rounds of cases, drawn new or from earlier cases that reached something rare.

Every round is drawn before it runs, from what earlier rounds reached, so a seed gives the same cases with any number of
processes. A case is named by its ancestors, ``7:12.85``: with seed 7, case 12 was drawn, and case 85 changed it.
"""

from __future__ import annotations

import atexit
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cache

from mfp_sim.exploration.against import SAME, OtherVersion, Reference, difference, expected_of
from mfp_sim.exploration.changing import VALUES, changed, with_value
from mfp_sim.exploration.comparing import COMPARISONS, compared
from mfp_sim.exploration.drawing import Space, drawn, scenario_of, whole
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.running import CaseOutcome, carried_out
from mfp_sim.exploration.shrinking import FailureReason, expecting, reason_of, shrunk
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.always.watching import Violation
from mfp_sim.scenario.runner import one_freeze
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.simtime import Entropy

__all__ = ["ROUND", "Found", "Search", "document_of", "forget_other", "run_again"]

ROUND = 96
"""The number of cases that are drawn together."""
_CHUNK = 12
_FRESH_PERCENT, _VALUE_PERCENT = 25, 15
_LONGEST = 12
"""The most ancestors of a case."""


@dataclass(frozen=True)
class CaseResult:
    """The result of a case: its name, document and failures, what it reached, and the names of the values of models
    that it read and a plain request does not read."""

    token: str
    document: Document = field(repr=False)
    violations: tuple[Violation, ...]
    features: frozenset[str] = field(repr=False)
    reached: frozenset[str] = field(repr=False)
    read: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class Found:
    """A failure, and the case that first had it; ``cases`` is the number of cases until then."""

    violation: Violation
    token: str
    document: Document
    cases: int


@dataclass(frozen=True)
class _Plan:
    """One case of a round: its number, the name and document of its parent, if it has one, and the name of the value of
    a model if only that differs. ``plain`` are the values that a plain request reads."""

    seed: int
    number: int
    parent: str
    document: Document | None
    value: str
    space: Space
    plain: frozenset[str]
    other: str | None = None

    @property
    def token(self) -> str:
        number = f"{self.number}~{self.value}" if self.value else str(self.number)
        return f"{self.parent}.{number}" if self.parent else f"{self.seed}:{number}"


def _made(seed: int, number: int, space: Space, parent: Document | None, value: str) -> Document:
    entropy = Entropy(seed).fork(str(number))
    if parent is None:
        return drawn(entropy, space)
    return with_value(parent, entropy, space, value) if value else changed(parent, entropy, space)


_PLAIN: Document = whole(
    {
        "format": 1,
        "name": "plain",
        "why": "A request that succeeds.",
        "clock": "2026-03-02T08:00:00+01:00",
        "printer": {"communication": {"url": "http://ca.example/scep"}},
        "steps": [{"request": {"name": "tls", "common_name": "192.0.2.10", "use": "TLS"}}],
    }
)


def _read_by(outcome: CaseOutcome) -> frozenset[str]:
    """The values of models that a run read, as far as they can be changed."""
    return frozenset(name for whose, name in outcome.read if name in VALUES[whose])


_TOKEN = re.compile(r"(\d+):(\d+)((?:\.\d+(?:~[a-z_]+)?)*)")


def document_of(token: str, space: Space) -> Document:
    """The document of a case by its name.

    Raises:
        UsageError: it is not the name of a case.
    """
    found = _TOKEN.fullmatch(token)
    changes = [one.partition("~") for one in found[3].split(".")[1:]] if found else []
    if not found or any(name and not any(name in names for names in VALUES.values()) for _, _, name in changes):
        raise UsageError(f"{token!r} is not the name of a case", remedy="write SEED:NUMBER.NUMBER, for example 7:12.85")
    document = _made(int(found[1]), int(found[2]), space, None, "")
    for number, _, name in changes:
        document = _made(int(found[1]), int(number), space, document, name)
    return document


def run_again(token: str, space: Space) -> tuple[Document, tuple[Violation, ...]]:
    """The document of a case by its name, and what violates a rule, also one about two runs.

    Raises:
        UsageError: it is not the name of a case.
    """
    document = document_of(token, space)
    with one_freeze():
        outcome = _outcome(document, COMPARISONS, None)
    assert outcome is not None, "only documents that the loader accepts are drawn"
    return document, outcome.violations


def run_cases(plans: Sequence[_Plan]) -> list[CaseResult]:
    """Draw and run some cases; called in worker processes."""
    with one_freeze():
        return [_run(plan) for plan in plans]


@cache
def _reference(python: str) -> Reference:
    """The process of another version; one for each process of this one. `forget_other` ends it."""
    reference = Reference(python)
    _STARTED.append(reference)
    atexit.register(reference.close)
    return reference


_STARTED: list[Reference] = []


def forget_other() -> None:
    """End the processes of other versions that this process started."""
    _reference.cache_clear()
    while _STARTED:
        reference = _STARTED.pop()
        atexit.unregister(reference.close)
        reference.close()


def _outcome(document: Document, compare: Collection[str], other: OtherVersion | None) -> CaseOutcome | None:
    """The outcome of a case, with those rules about two runs; None if the loader refuses it."""
    scenario = scenario_of(document)
    if scenario is None:
        return None
    outcome = carried_out(scenario)
    more: list[Violation] = []
    if not outcome.violations:
        more += compared(document, outcome, compare)
    if other is not None and not outcome.violations and (found := difference(document, outcome.seen, other(document))):
        more.append(found)
    return replace(outcome, violations=(*outcome.violations, *more))


def _run(plan: _Plan, other: OtherVersion | None = None) -> CaseResult:
    document = _made(plan.seed, plan.number, plan.space, plan.document, plan.value)
    if other is None and plan.other is not None:
        other = _reference(plan.other)
    compare = [name for name, comparison in COMPARISONS.items() if plan.number % comparison.every == 0]
    outcome = _outcome(document, compare, other)
    assert outcome is not None, "only documents that the loader accepts are drawn"
    read = _read_by(outcome) - plan.plain
    given = {**document["printer"].get("settings", {}), **document.get("ca", {})}
    features = outcome.features | {f"{name} is read: {str(given.get(name))[:40]}" for name in read}
    return CaseResult(plan.token, document, outcome.violations, features, outcome.reached, read)


def _saying_refusals(document: Document, refused: Mapping[int, str]) -> Document:
    """The case with ``refused`` at each step that the printer refuses, so that it fails for its own reason only."""
    steps = [{**step, "refused": refused[n]} if n in refused else step for n, step in enumerate(document["steps"], 1)]
    more = {**document, "steps": steps}
    return more if scenario_of(more) is not None else document


class Search:
    """One search: `round` runs the next round of cases, and `small` shrinks a failure. ``found`` has the first failure
    for each reason, ``times`` the number of cases that failed for it, ``reached`` the number of cases in which each
    *sometimes* property came true, and ``features`` the number of cases that had each feature.

    Every case is compared with another version of the product: that of the interpreter ``python``, or ``other``.
    """

    def __init__(
        self,
        seed: int,
        space: Space,
        *,
        python: str | None = None,
        other: OtherVersion | None = None,
    ) -> None:
        self.seed, self.space, self._python, self._other = seed, space, python, other
        self.cases = 0
        self.found: dict[FailureReason, Found] = {}
        self.times: Counter[FailureReason] = Counter()
        self.reached: Counter[str] = Counter()
        self.features: Counter[str] = Counter()
        self._corpus: list[CaseResult] = []
        self._having: dict[str, list[int]] = {}
        self._reading: dict[str, list[int]] = {}
        plain = scenario_of(_PLAIN)
        assert plain is not None
        with one_freeze():
            self._plain = _read_by(carried_out(plain))

    def round(self, most: int = ROUND, pool: Executor | None = None) -> Iterator[CaseResult]:
        """Run a round of at most ``most`` cases, and note what each reached, in the order of their numbers.

        The processes of ``pool`` run the cases; without it, this process does.

        A round that is left early has only noted the cases that it has yielded.
        """
        plans = [self._plan(number) for number in range(self.cases, self.cases + min(most, ROUND))]
        chunks = [plans[first : first + _CHUNK] for first in range(0, len(plans), _CHUNK)]
        results = pool.map(run_cases, chunks) if pool is not None else map(self._here, chunks)
        for chunk in results:
            for result in chunk:
                self._note(result)
                yield result

    def _here(self, plans: Sequence[_Plan]) -> list[CaseResult]:
        with one_freeze():
            return [_run(plan, self._other) for plan in plans]

    def small(self, found: Found) -> tuple[Document, Violation]:
        """The small case made from a failure, with the expectation that does not hold."""
        rule = found.violation.rule
        other = None
        if rule == SAME:
            other = self._other or _reference(self._python or "")
        with one_freeze():
            smaller = shrunk(
                found.document,
                reason_of(found.violation),
                lambda smaller: _outcome(smaller, COMPARISONS.keys() & {rule}, other),
            )
            once = replace(found.violation, text=f"{found.violation.text} (it failed once, and not again)")
            document, violation = smaller or (found.document, once)
            expected: Document = {"always": [rule] if rule in ALWAYS else "all"}
            outcome = _outcome(document, (), None)
            assert outcome is not None
            if other is not None:
                expected = expected_of(outcome.seen, other(document))
        return expecting(_saying_refusals(document, outcome.refused), expected), violation

    def _plan(self, number: int) -> _Plan:
        entropy = Entropy(self.seed).fork(f"choice/{number}")
        parent = self._parent(entropy)
        chance, value = entropy.integer(1, 100), ""
        if chance <= _FRESH_PERCENT:
            parent = None
        elif chance <= _FRESH_PERCENT + _VALUE_PERCENT and self._reading:
            parent, value = self._reader(entropy)
        name, document = ("", None) if parent is None else (parent.token, parent.document)
        return _Plan(self.seed, number, name, document, value, self.space, self._plain, self._python)

    def _reader(self, entropy: Entropy) -> tuple[CaseResult, str]:
        """A case that read a value which few cases read, and the name of that value."""
        rare = sorted(self._reading, key=lambda name: (len(self._reading[name]), name))
        name = rare[entropy.integer(0, (len(rare) - 1) // 2)]
        cases = self._reading[name]
        return self._corpus[cases[entropy.integer(0, len(cases) - 1)]], name

    def _parent(self, entropy: Entropy) -> CaseResult | None:
        """A case that reached something rare."""
        if not self._having:
            return None
        rare = sorted(self._having, key=lambda feature: (self.features[feature], feature))
        feature = rare[entropy.integer(0, max(0, len(rare) // 3 - 1))]
        cases = self._having[feature]
        return self._corpus[cases[entropy.integer(0, len(cases) - 1)]]

    def _note(self, result: CaseResult) -> None:
        self.cases += 1
        self.reached.update(result.reached)
        names = [*result.features, *(f"sometimes {name}" for name in result.reached)]
        fresh = [name for name in names if not self.features[name]]
        self.features.update(names)
        if fresh and result.token.count(".") < _LONGEST:
            self._corpus.append(result)
            for name in names:
                if self.features[name] <= 20:
                    self._having.setdefault(name, []).append(len(self._corpus) - 1)
            for value in result.read:
                self._reading.setdefault(value, []).append(len(self._corpus) - 1)
        for violation in result.violations:
            self.found.setdefault(reason_of(violation), Found(violation, result.token, result.document, self.cases))
        self.times.update({reason_of(violation) for violation in result.violations})
