"""The script: ordered rules "the n-th request that matches -> answer + faults".

``--script FILE`` holds exactly a scenario's ``ca.script`` list. The first matching rule that is not spent wins; a
request counts in ``nth`` of every rule whose ``when`` it fits, also when another rule takes it. Taking is atomic.
A success or pending that the CA refuses by itself is given back: such rules count the requests that they decided.
The rules of a ``{shuffle: [...]}`` stand in an order that is drawn from the CA's own chance, so that a seed repeats it.
The CA's own checks of a message come first for success and pending: a script cannot make a forged request good.
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
"""In how many steps chance is drawn."""


@dataclass(frozen=True)
class Facts:
    """What a rule can match on; None where a request has no such thing."""

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

    ``subject``, ``transaction``, ``path`` (without the query) and the values of ``headers`` are shell-style patterns;
    one of the fields of that name has to fit. ``target_over``: path and query have more bytes.
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
        """Why the request does not fit (``nth`` left aside), a phrase each."""
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
            f"{name} is {actual or 'absent'}, the rule wants {wanted}"
            for name, wanted, actual, pattern in pairs
            if wanted is not None and not _fits(wanted, actual, pattern)
        ]
        size = len(facts.target.encode())
        if self.target_over is not None and size <= self.target_over:
            reasons.append(f"the target has {size} bytes, the rule wants more than {self.target_over}")
        for name, wanted in self.headers.items():
            values = [value for given, value in facts.headers if given.lower() == name.lower()]
            if not any(_fits(wanted, value, pattern=True) for value in values):
                # No value: it may be a password.
                reasons.append(f"{name} is {'another' if values else 'absent'}, the rule wants {wanted}")
        return reasons


def _fits(wanted: str, actual: str | None, pattern: bool) -> bool:
    if actual is None:
        return False
    return fnmatch.fnmatchcase(actual, wanted) if pattern else actual == wanted


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds."""

    requests: Annotated[int, Within(0, 100_000)]
    per: Annotated[float, Duration()]


@dataclass(frozen=True)
class Rule:
    """One rule as written. ``answer`` None leaves the decision to the CA; ``place`` is ``file:line:column``.

    ``chance`` is the probability with which it takes a request that fits, from 0 to 1. ``over``: it takes those only
    that are more than so many in a span.

    ``number`` counts rules from 1 as they are written; rules with the same ``shuffle`` stand in a drawn order.
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
        """Whether it wants an answer that the CA gives only where its own checks find nothing wrong."""
        return self.answer is not None and self.answer.kind in GRANTS

    def mismatches(self, facts: Facts) -> list[str]:
        """Why the request does not fit: its conditions, else that it cannot be answered so."""
        reasons = self.when.mismatches(facts)
        if not reasons and self.answer is not None and not ANSWERS[self.answer.kind].suits(facts.type):
            reasons.append(f"{facts.type or facts.operation} is never answered {self.answer.kind}")
        return reasons

    def describe(self) -> dict[str, object]:
        """The rule as a JSON-able object, for people; empty parts are left out."""
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
    """``number`` is that of the rule; 0 once another rule has its place."""

    number: int = 0
    seen: int = 0
    taken: int = 0
    effects: set[int] = field(default_factory=set)
    near_miss: str = ""
    recent: deque[datetime] = field(default_factory=deque)

    def to_row(self) -> Row:
        """As it is kept."""
        moments = [moment.isoformat() for moment in self.recent]
        return {"seen": self.seen, "taken": self.taken, "near_miss": self.near_miss, "recent": moments,
                "effects": sorted(self.effects)}  # fmt: skip

    @classmethod
    def from_row(cls, number: str, row: Row) -> _State:
        """As it was kept."""
        if not re.fullmatch("[0-9]{1,18}", number):
            raise ValueError("its key is no number of a rule")
        said = read_row(row, seen=COUNT, taken=COUNT, near_miss=TEXT, recent=list_of(TIME), effects=list_of(COUNT))
        return cls(int(number), **{**said, "effects": set(said["effects"]), "recent": deque(said["recent"])})


@dataclass(frozen=True)
class Taken:
    """What the script says about one request. ``rule`` is the 1-based number, None when no rule matched; ``overruled``
    the number of one that matched, and the CA did not give its answer.

    ``effects`` are the faults of the rule, by their index, that have had an effect so far.
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
    """What a script takes for granted: a rule is hit, a fault has an effect.

    ``expected`` says so in words. ``missing`` gives what is not so yet, or None; it holds for these rules also after
    others have replaced them. ``rule`` is the number of the rule.
    """

    place: str
    rule: int
    expected: str
    missing: Callable[[], str | None] = field(repr=False, compare=False)


@dataclass
class Script:
    """Rules at work. ``zone`` and ``start`` give ``until: HH:MM`` its day.

    ``take`` is atomic; ``replace`` swaps the rules while running.
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
        """No rule is used yet."""
        for state in self._states:
            state.number = 0
        self._states = [_State(rule.number) for rule in self.rules]
        self._store.clear("rules")
        said = {"rules": [rule.describe() for rule in self.rules]}
        self._store.put("script", "", lambda: said)

    def begin(self, entropy: Entropy, store: Store | None = None) -> None:
        """Draw the order of shuffled rules; the CA does it once, and it holds for rules that come later too.

        ``store``: where the order and the use of the rules is kept. If these are the rules that were at work before,
        they go on where they were.
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
        """Say what became of these."""
        for state in changed:
            if state.number:
                self._store.put("rules", str(state.number), state.to_row)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Other rules from now on, none of them used yet."""
        with self._lock:
            self._set(rules)

    def restart(self) -> None:
        """The same rules in the same order, none of them used yet."""
        with self._lock:
            self._anew()

    def describe(self) -> list[dict[str, object]]:
        """The rules in the order in which they are tried, each with how often it fitted and was taken."""
        with self._lock:
            return [
                {**rule.describe(), "fitted": state.seen, "taken": state.taken}
                for rule, state in zip(self.rules, self._states, strict=True)
            ]

    def take(self, facts: Facts, now: datetime) -> Taken:
        """What applies to this request; counts it."""
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
        """The CA decided by itself: rules that would have granted the request have not counted it.

        ``overruled``: the answer of the rule that was taken is not what the client gets, so that it is not used either.
        """
        with self._lock:
            for state in taken.counted:
                state.seen -= 1
            if not overruled or taken.used is None:
                self._keep(taken.counted)
                return replace(taken, counted=())
            taken.used.taken -= 1
            taken.used.seen -= taken.used not in taken.counted
            miss = f"rule {taken.rule} matched with {taken.answer}, and the CA decided otherwise by itself"
            taken.used.near_miss = miss
            self._keep((*taken.counted, taken.used))
        near = (*taken.near_misses, miss)
        return replace(taken, rule=None, overruled=taken.rule, near_misses=near, counted=(), used=None)

    def had_effect(self, taken: Taken, effective: Iterable[int]) -> None:
        """These faults of the rule that was taken, by their index, have changed or decided something."""
        with self._lock:
            taken.effects.update(effective)
            self._keep(state for state in self._states if state.effects is taken.effects)

    def _spent(self, rule: Rule, state: _State, now: datetime) -> list[str]:
        if rule.when.nth is not None and state.seen != rule.when.nth:
            return [f"this was match {state.seen}, the rule wants {rule.when.nth}"]
        if rule.times is not None and state.taken >= rule.times:
            return [f"it has been used {state.taken} times, which is all"]
        if rule.until is not None and now >= self._until(rule.until, now):
            return [f"it ended at {rule.until}"]
        if rule.over is not None and (came := _counted(state.recent, rule.over, now)) <= rule.over.requests:
            return [f"this was number {came} in {rule.over.per:g} s, the rule wants more than {rule.over.requests}"]
        return [] if rule.chance is None or self._happens(rule.chance) else ["by chance it did not"]

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
        """The rules that were never hit and are not optional, a sentence each."""
        with self._lock:
            return [
                f"{rule.place or 'script'}: rule {rule.number} was never hit"
                for rule, state in zip(self.rules, self._states, strict=True)
                if not state.taken and not rule.optional
            ]

    def premises(self) -> list[ScriptPremise]:
        """What the present rules take for granted and do not call optional."""
        with self._lock:
            pairs = list(zip(self.rules, self._states, strict=True))
        return [premise for rule, state in pairs for premise in _premises(rule, state)]


def _counted(recent: deque[datetime], rate: Rate, now: datetime) -> int:
    """How many came within the span until now, this one included; only as many are remembered as decide."""
    recent.append(now)
    while recent and ((now - recent[0]).total_seconds() >= rate.per or len(recent) > rate.requests + 1):
        recent.popleft()
    return len(recent)


def _as_kept(rule: Rule) -> object:
    """What is said of a rule, as it is read back."""
    return json.loads(json.dumps(rule.describe()))


def _rules(_: str, row: Row) -> tuple[Mapping[str, object], ...]:
    """The rules that were at work, as they were described; each has its number."""

    def rule(value: object) -> Mapping[str, object]:
        if not isinstance(value, dict) or not re.fullmatch("[0-9]{1,18}", str(value.get("rule"))):
            raise ValueError("is no rule")
        return value

    found: tuple[Mapping[str, object], ...] = read_row(row, rules=list_of(rule))["rules"]
    return found


def _number(said: Mapping[str, object]) -> int:
    return int(str(said["rule"]))


def _premises(rule: Rule, state: _State) -> Iterator[ScriptPremise]:
    """A rule is hit, and each of its faults has an effect where the rule was hit."""

    def never_hit() -> str | None:
        near = f"; {state.near_miss}" if state.near_miss else ""
        return None if state.taken else f"rule {rule.number} was never hit{near}"

    def without_effect(index: int) -> str | None:
        if not state.taken or index in state.effects:
            return None
        times = "once" if state.taken == 1 else f"{state.taken} times"
        return f"rule {rule.number} was hit {times}, and {rule.faults[index].slug} changed nothing"

    if not rule.optional:
        yield ScriptPremise(rule.place or "script", rule.number, "every rule hit", never_hit)
    for index, chosen in enumerate(rule.faults):
        if not chosen.optional:
            expected = f"{chosen.slug} to have an effect"
            yield ScriptPremise(chosen.place or rule.place, rule.number, expected, partial(without_effect, index))


def _shuffled(rules: Sequence[Rule], entropy: Entropy) -> list[Rule]:
    """The rules with those of each shuffle in a drawn order, in the places that they had (Fisher and Yates)."""
    found = list(rules)
    for group in dict.fromkeys(rule.shuffle for rule in rules if rule.shuffle is not None):
        places = [place for place, rule in enumerate(found) if rule.shuffle == group]
        for last in range(len(places) - 1, 0, -1):
            drawn = entropy.integer(0, last)
            here, there = places[last], places[drawn]
            found[here], found[there] = found[there], found[here]
    return found
