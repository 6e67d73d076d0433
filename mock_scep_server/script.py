"""The script: ordered rules "the n-th request that matches -> answer + faults".

`--script FILE` contains exactly a scenario's `ca.script` list. The first matching rule that is not used up applies. A
request counts for `nth` of every rule whose `when` it matches, even if another rule applies. Applying a rule is atomic.
If the CA refuses a request by itself, a rule with success or pending does not count it: such rules count the requests
that they decided. The rules of a `{shuffle: [...]}` are in random order drawn from the CA's entropy, so that a seed
repeats it. The CA's own checks of a message take precedence over success and pending: a script cannot make a forged
request valid.
"""

from __future__ import annotations

import fnmatch
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from mfp_sim.shared.documents.kinds import Duration, Within, Words
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.faults.chosen import Chosen
from mock_scep_server.faults.scope import ANSWERS, OPERATIONS, TYPES
from mock_scep_server.rows import COUNT, TEXT, TIME, list_of, read_row
from mock_scep_server.ruled import RuledAnswer
from mock_scep_server.store import MemoryStore, Row, Store

__all__ = ["GRANTS", "Condition", "Facts", "Rate", "Rule", "Script", "Taken"]

GRANTS = ("success", "pending")
_STEPS = 1_000_000
"""The number of steps in which probabilities are drawn."""


@dataclass(frozen=True)
class Facts:
    """The properties of a request that a rule can match; None if the request lacks one."""

    operation: str | None
    method: str
    type: str | None = None
    transaction: str | None = None
    subject: str | None = None
    client: str = ""
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Condition:
    """The conditions of a rule; None matches everything.

    `subject`, `transaction`, `path` (without the query) and the values of `headers` are shell-style patterns; one of
    the header fields with that name has to match. `target_over`: path and query together are longer than this number of
    bytes.
    """

    operation: Annotated[str | None, Words(lambda: OPERATIONS)] = None
    method: Literal["GET", "POST"] | None = None
    type: Annotated[str | None, Words(lambda: TYPES)] = None
    subject: str | None = None
    transaction: str | None = None
    client: str | None = None
    nth: Annotated[int | None, Within(1)] = None
    path: str | None = None
    target_over: Annotated[int | None, Within(1)] = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def mismatches(self, facts: Facts) -> list[str]:
        """Why the request does not match (apart from `nth`), one phrase for each reason."""
        pairs = (
            ("operation", self.operation, facts.operation, False),
            ("method", self.method, facts.method, False),
            ("type", self.type, facts.type, False),
            ("subject", self.subject, facts.subject, True),
            ("transaction", self.transaction, facts.transaction, True),
            ("client", self.client, facts.client, False),
            ("path", self.path, facts.target.partition("?")[0], True),
        )
        reasons = [
            f"{name} is {actual or 'absent'}, the rule requires {wanted}"
            for name, wanted, actual, pattern in pairs
            if wanted is not None and not _fits(wanted, actual, pattern)
        ]
        size = len(facts.target.encode())
        if self.target_over is not None and size <= self.target_over:
            reasons.append(f"the target has {size} bytes, the rule requires more than {self.target_over}")
        for name, wanted in self.headers.items():
            values = [value for given, value in facts.headers if given.lower() == name.lower()]
            if not any(_fits(wanted, value, pattern=True) for value in values):
                # Do not show the value: it may be a password.
                reasons.append(f"{name} is {'different' if values else 'absent'}, the rule requires {wanted}")
        return reasons


def _fits(wanted: str, actual: str | None, pattern: bool) -> bool:
    if actual is None:
        return False
    return fnmatch.fnmatchcase(actual, wanted) if pattern else actual == wanted


@dataclass(frozen=True)
class Rate:
    """A number of requests in a number of seconds."""

    requests: Annotated[int, Within(0, 100_000)]
    per: Annotated[float, Duration()]


@dataclass(frozen=True)
class Rule:
    """One rule as written. With `answer` None, the CA decides; `place` is `file:line:column`.

    `chance` is the probability that it applies to a matching request, from 0 to 1. `over`: it applies only to requests
    beyond a number within a time span.

    `number` counts rules from 1 as written; rules with the same `shuffle` are in random order.
    """

    when: Condition
    answer: RuledAnswer | None
    faults: tuple[Chosen, ...] = ()
    times: int | None = None
    until: str | None = None
    chance: float | None = None
    over: Rate | None = None
    optional: bool = False
    place: str = ""
    number: int = 0
    shuffle: int | None = None

    @property
    def grants(self) -> bool:
        """Whether its answer is one that the CA gives only if its own checks pass."""
        return self.answer is not None and self.answer.kind in GRANTS

    def mismatches(self, facts: Facts) -> list[str]:
        """Why the request does not match: the conditions, or the fact that it cannot have this answer."""
        reasons = self.when.mismatches(facts)
        if not reasons and self.answer is not None and not ANSWERS[self.answer.kind].suits(facts.type):
            reasons.append(f"{facts.type or facts.operation} never gets the reply {self.answer.kind}")
        return reasons

    def describe(self) -> dict[str, object]:
        """The rule as a JSON-able object for display; empty parts are omitted."""
        when = {name: value for name, value in vars(self.when).items() if value not in (None, {})}
        found: dict[str, object] = {
            "rule": self.number,
            "place": self.place,
            "when": when,
            "then": None if self.answer is None else str(self.answer),
            "faults": [chosen.slug for chosen in self.faults],
            "times": self.times,
            "until": self.until,
            "chance": None if self.chance is None else f"{self.chance:.4%}",
            "over": None if self.over is None else f"{self.over.requests} in {self.over.per:g} s",
        }
        return {name: value for name, value in found.items() if value not in (None, [], {}, "")}


@dataclass(eq=False)
class _State:
    """`number` is that of the rule; 0 once another rule has replaced it."""

    number: int = 0
    seen: int = 0
    taken: int = 0
    effects: set[int] = field(default_factory=set)
    near_miss: str = ""
    recent: deque[datetime] = field(default_factory=deque)

    def to_row(self) -> Row:
        """The use of the rule as a row for storage."""
        moments = [moment.isoformat() for moment in self.recent]
        return {"seen": self.seen, "taken": self.taken, "near_miss": self.near_miss, "recent": moments,
                "effects": sorted(self.effects)}  # fmt: skip

    @classmethod
    def from_row(cls, number: str, row: Row) -> _State:
        """Read the use of a rule from its row."""
        if not re.fullmatch("[0-9]{1,18}", number):
            raise ValueError("its key is not the number of a rule")
        said = read_row(row, seen=COUNT, taken=COUNT, near_miss=TEXT, recent=list_of(TIME), effects=list_of(COUNT))
        return cls(int(number), **{**said, "effects": set(said["effects"]), "recent": deque(said["recent"])})


@dataclass(frozen=True)
class Taken:
    """The result of the script for one request. `rule` is the number of the rule, from 1, or None if no rule matched;
    `overruled` is the number of a rule that matched but whose answer the CA did not give.

    `effects` holds the indexes of those faults of the rule that have had an effect so far.
    """

    rule: int | None = None
    answer: RuledAnswer | None = None
    faults: tuple[Chosen, ...] = ()
    near_misses: tuple[str, ...] = ()
    overruled: int | None = None
    counted: tuple[_State, ...] = field(default=(), repr=False)
    used: _State | None = field(default=None, repr=False)
    effects: set[int] = field(default_factory=set, compare=False, repr=False)


@dataclass(frozen=True)
class ScriptPremise:
    """What a script is expected to do: a rule is hit, a fault has an effect.

    `expected` describes it. `missing` returns what has not happened yet, or None; it works for these rules even after
    others have replaced them. `rule` is the number of the rule.
    """

    place: str
    rule: int
    expected: str
    missing: Callable[[], str | None] = field(repr=False, compare=False)


@dataclass
class Script:
    """Rules in use. `zone` and `start` determine the day of `until: HH:MM`.

    `take` is atomic; `replace` swaps the rules while the mock runs.
    """

    rules: tuple[Rule, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    start: datetime | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._entropy: Entropy | None = None
        self._store: Store = MemoryStore()
        self._states: list[_State] = []
        self._set(self.rules)

    def _set(self, rules: Sequence[Rule]) -> None:
        numbered = [rule if rule.number else replace(rule, number=place) for place, rule in enumerate(rules, 1)]
        self.rules = tuple(numbered if self._entropy is None else _shuffled(numbered, self._entropy))
        self._anew()

    def _anew(self) -> None:
        """Forget all uses of the rules."""
        for state in self._states:
            state.number = 0
        self._states = [_State(rule.number) for rule in self.rules]
        self._store.clear("rules")
        said = {"rules": [rule.describe() for rule in self.rules]}
        self._store.put("script", "", lambda: said)

    def begin(self, entropy: Entropy, store: Store | None = None) -> None:
        """Draw the order of shuffled rules; the CA does it once, also for rules that come later.

        `store` holds the order and the use of the rules. If the rules are the same as before, they continue where they
        were.
        """
        with self._lock:
            store = store or MemoryStore()
            self._entropy, numbered = entropy, {rule.number: rule for rule in self.rules}
            for before in store.rows("script", _rules):
                if sorted(before, key=_number) == [_as_kept(rule) for rule in numbered.values()]:
                    self.rules = tuple(numbered[_number(said)] for said in before)
                    known = {state.number: state for state in store.rows("rules", _State.from_row)}
                    self._states = [known.get(rule.number, _State(rule.number)) for rule in self.rules]
                    self._store = store
                    return
            self._store = store
            self._set(self.rules)

    def _keep(self, changed: Iterable[_State]) -> None:
        """Store the use of these rules."""
        for state in changed:
            if state.number:
                self._store.put("rules", str(state.number), state.to_row)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Replace the rules; the new ones are unused."""
        with self._lock:
            self._set(rules)

    def restart(self) -> None:
        """Reset the same rules, in the same order, to unused."""
        with self._lock:
            self._anew()

    def describe(self) -> list[dict[str, object]]:
        """The rules in the order in which they are tried, each with how often it matched and applied."""
        with self._lock:
            return [
                {**rule.describe(), "fitted": state.seen, "taken": state.taken}
                for rule, state in zip(self.rules, self._states, strict=True)
            ]

    def take(self, facts: Facts, now: datetime) -> Taken:
        """Return what applies to this request, and count it."""
        with self._lock:
            winner: int | None = None
            near: list[str] = []
            counted: list[_State] = []
            changed: list[_State] = []
            for index, (rule, state) in enumerate(zip(self.rules, self._states, strict=True)):
                reasons = rule.mismatches(facts)
                if not reasons:
                    state.seen += 1
                    changed.append(state)
                    counted.extend([state] if rule.grants else [])
                    reasons = self._spent(rule, state, now)
                if reasons:
                    if len(reasons) == 1:
                        state.near_miss = f"rule {rule.number} nearly matched: {reasons[0]}"
                        near.append(state.near_miss)
                elif winner is None:
                    winner = index
                    state.taken += 1
            self._keep(changed)
            if winner is None:
                return Taken(near_misses=tuple(near), counted=tuple(counted))
            rule, used = self.rules[winner], self._states[winner]
            return Taken(rule.number, rule.answer, rule.faults, counted=tuple(counted), used=used, effects=used.effects)

    def give_back(self, taken: Taken, *, overruled: bool) -> Taken:
        """Note that the CA decided by itself: rules that would have granted the request do not count it.

        `overruled`: the client does not get the answer of the rule that applied, so that this rule does not count it
        either.
        """
        with self._lock:
            for state in taken.counted:
                state.seen -= 1
            if not overruled or taken.used is None:
                self._keep(taken.counted)
                return replace(taken, counted=())
            taken.used.taken -= 1
            taken.used.seen -= taken.used not in taken.counted
            miss = f"rule {taken.rule} matched with {taken.answer}, but the CA decided differently by itself"
            taken.used.near_miss = miss
            self._keep((*taken.counted, taken.used))
        near = (*taken.near_misses, miss)
        return replace(taken, rule=None, overruled=taken.rule, near_misses=near, counted=(), used=None)

    def had_effect(self, taken: Taken, effective: Iterable[int]) -> None:
        """Note that these faults of the rule that applied, by index, have changed or decided something."""
        with self._lock:
            taken.effects.update(effective)
            self._keep(state for state in self._states if state.effects is taken.effects)

    def _spent(self, rule: Rule, state: _State, now: datetime) -> list[str]:
        if rule.when.nth is not None and state.seen != rule.when.nth:
            return [f"this was match {state.seen}, the rule requires {rule.when.nth}"]
        if rule.times is not None and state.taken >= rule.times:
            return [f"it has already been used {state.taken} times"]
        if rule.until is not None and now >= self._until(rule.until, now):
            return [f"it ended at {rule.until}"]
        if rule.over is not None and (came := _counted(state.recent, rule.over, now)) <= rule.over.requests:
            return [f"this was number {came} in {rule.over.per:g} s, the rule requires more than {rule.over.requests}"]
        return [] if rule.chance is None or self._happens(rule.chance) else ["its chance excluded the request"]

    def _happens(self, chance: float) -> bool:
        assert self._entropy is not None, "a CA begins its script"
        return self._entropy.integer(0, _STEPS - 1) < chance * _STEPS

    def _until(self, text: str, now: datetime) -> datetime:
        if len(text) > 5:
            return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=self.zone)
        day = (self.start or now).astimezone(self.zone).date()
        clock = datetime.strptime(text, "%H:%M").replace(tzinfo=self.zone)
        return clock.replace(year=day.year, month=day.month, day=day.day)

    def unused(self) -> list[str]:
        """The rules that were never hit and are not optional, one sentence each."""
        with self._lock:
            return [
                f"{rule.place or 'script'}: rule {rule.number} was never hit"
                for rule, state in zip(self.rules, self._states, strict=True)
                if not state.taken and not rule.optional
            ]

    def premises(self) -> list[ScriptPremise]:
        """The expectations of the current rules, except those marked optional."""
        with self._lock:
            pairs = list(zip(self.rules, self._states, strict=True))
        return [premise for rule, state in pairs for premise in _premises(rule, state)]


def _counted(recent: deque[datetime], rate: Rate, now: datetime) -> int:
    """The number of requests within the span until now, including this one; only as many as needed are remembered."""
    recent.append(now)
    while recent and ((now - recent[0]).total_seconds() >= rate.per or len(recent) > rate.requests + 1):
        recent.popleft()
    return len(recent)


def _as_kept(rule: Rule) -> object:
    """The description of a rule, as read back."""
    return json.loads(json.dumps(rule.describe()))


def _rules(_: str, row: Row) -> tuple[Mapping[str, object], ...]:
    """Descriptions of the rules that were in use; each has its number."""

    def rule(value: object) -> Mapping[str, object]:
        if not isinstance(value, dict) or not re.fullmatch("[0-9]{1,18}", str(value.get("rule"))):
            raise ValueError("is not a rule")
        return value

    found: tuple[Mapping[str, object], ...] = read_row(row, rules=list_of(rule))["rules"]
    return found


def _number(said: Mapping[str, object]) -> int:
    return int(str(said["rule"]))


def _premises(rule: Rule, state: _State) -> Iterator[ScriptPremise]:
    """The rule is hit, and each of its faults has an effect when it is hit."""

    def never_hit() -> str | None:
        near = f"; {state.near_miss}" if state.near_miss else ""
        return None if state.taken else f"rule {rule.number} was never hit{near}"

    def without_effect(index: int) -> str | None:
        if not state.taken or index in state.effects:
            return None
        times = "once" if state.taken == 1 else f"{state.taken} times"
        return f"rule {rule.number} was hit {times}, and {rule.faults[index].slug} changed nothing"

    if not rule.optional:
        yield ScriptPremise(rule.place or "script", rule.number, "every rule to be hit", never_hit)
    for index, chosen in enumerate(rule.faults):
        if not chosen.optional:
            expected = f"{chosen.slug} to have an effect"
            yield ScriptPremise(chosen.place or rule.place, rule.number, expected, partial(without_effect, index))


def _shuffled(rules: Sequence[Rule], entropy: Entropy) -> list[Rule]:
    """Return the rules with those of each shuffle in random order in their places (Fisher and Yates)."""
    found = list(rules)
    for group in dict.fromkeys(rule.shuffle for rule in rules if rule.shuffle is not None):
        places = [place for place, rule in enumerate(found) if rule.shuffle == group]
        for last in range(len(places) - 1, 0, -1):
            drawn = entropy.integer(0, last)
            here, there = places[last], places[drawn]
            found[here], found[there] = found[there], found[here]
    return found
