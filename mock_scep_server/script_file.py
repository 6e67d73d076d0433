"""The format of a script, in a file or in a scenario's `ca.script`: a list of rules and shuffles.

Each class describes a part of a rule; `mock_scep_server.script` implements the rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, cast

from mfp_sim.shared.documents import Node, Problems, did_you_mean, load, load_text
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Leaf, OneWay, Schema, Within
from mfp_sim.shared.documents.records import Constraint, Doc, Given, Length, agree, document, kind_of, some
from mfp_sim.shared.scep.vocabulary import HRESULTS
from mock_scep_server.faults.chosen import Chosen, ChosenKind, check_scopes
from mock_scep_server.faults.scope import ANSWERS, names_of
from mock_scep_server.ruled import RuledAnswer
from mock_scep_server.script import Condition, Rate, Rule

__all__ = ["Rules", "load_script_file", "read_script", "script_of"]


def load_script_file(path: Path) -> tuple[Rule, ...]:
    """Read a file with a list of rules.

    Raises:
        DocumentError: with all mistakes.
    """
    return _whole(load(path))


def script_of(text: str, name: str = "script") -> tuple[Rule, ...]:
    """Read a list of rules in YAML; `name` is the file name in mistakes.

    Raises:
        DocumentError: with all mistakes.
    """
    return _whole(load_text(text, name))


def _whole(node: Node) -> tuple[Rule, ...]:
    problems = Problems()
    rules = read_script(node, problems)
    problems.raise_if_any()
    return rules


def read_script(node: Node, problems: Problems) -> tuple[Rule, ...]:
    """Read a list of rules and shuffles of rules; if there are mistakes, they go to `problems` and the result is
    empty."""
    rules = Rules().read(node, problems, "a script")
    return () if rules is WRONG else cast(tuple[Rule, ...], rules)


class Rules(OneWay):
    """The format of a script: a list of rules and of shuffles of rules."""

    def read(self, node: Node, problems: Problems, what: str) -> object:  # noqa: ARG002 - every kind has the same signature
        script = kind_of(_Script).read(node, problems, "a script")
        return WRONG if script is WRONG else _rules(cast("_Script", script))

    def schema(self, found: Definitions) -> Schema:
        return kind_of(_Script).schema(found)


def _rules(script: _Script) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for group, entry in enumerate(script):
        if isinstance(entry, _Shuffle):
            found += [replace(rule.made(), shuffle=group) for rule in entry.rules]
        else:
            found.append(entry.made())
    return tuple(replace(rule, number=number) for number, rule in enumerate(found, 1))


class _FailInfo(Leaf):
    """A failInfo of RFC 8894, or another number or text as written: the number, and the written text or None."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        if isinstance(node.value, str) and len(node.value) <= 100:
            return 2, node.value
        number = problems.integer(node, what, 0, 10**9)
        return None if number is None else (number, None) if number <= 4 else (2, str(number))

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind has the same signature
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 10**9}, {"type": "string", "maxLength": 100}]}


class _Hresult(Leaf):
    """An HRESULT, by name or as a signed or unsigned 32-bit number; becomes the signed decimal that NDES sends."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        number = node.value
        if isinstance(number, str):
            digits = re.fullmatch("0[xX]([0-9a-fA-F]{1,8})", number)
            number = int(digits[1], 16) if digits else HRESULTS.get(number)
        if not isinstance(number, int) or isinstance(number, bool) or not -(1 << 31) <= number < 1 << 32:
            hint = did_you_mean(str(node.value), HRESULTS)
            problems.add(node, f"{what} has to be a 32-bit number (0x80070057) or a name (E_INVALIDARG)", hint)
            return None
        return str(number - (1 << 32) if number >= 1 << 31 else number)

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        number = {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 32) - 1}
        return {"anyOf": [number, {"type": "string", "pattern": "^0[xX][0-9a-fA-F]{1,8}$"}, {"enum": list(HRESULTS)}]}


class _Until(Leaf):
    """A time on the day on which the script starts, or a local date and time."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        if text is None or re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
            return text
        try:
            day = datetime.strptime(text, "%Y-%m-%d %H:%M")  # noqa: DTZ007 - local time has no zone
        except ValueError:
            problems.add(node, f"{what} has to be HH:MM or YYYY-MM-DD HH:MM, not {text!r}")
            return None
        return text if problems.year(node, day, what) else None

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        return {"type": "string", "pattern": r"^(([01]\d|2[0-3]):[0-5]\d|\d{4}-\d\d?-\d\d? \d\d?:\d\d?)$"}


class _Percent(Leaf):
    """A percentage such as `10%`; becomes a number from 0 to 1."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        found = None if text is None else re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?) ?%", text)
        if text is not None and (found is None or not 0 < float(found[1]) <= 100):
            problems.add(node, f"{what} has to be more than 0% and at most 100%, not {text!r}", "write 10%")
            return None
        return found and float(found[1]) / 100

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        return {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,4})? ?%$"}


@dataclass(frozen=True)
class _Pending:
    times: Annotated[int, Within(1), Doc(key="pending")]


@dataclass(frozen=True)
class _Failure:
    fail_info: Annotated[tuple[int, str | None], _FailInfo(), Doc(key="failure")]
    text: str | None = None
    hresult: Annotated[str | None, _Hresult()] = None


@dataclass(frozen=True)
class _Http:
    status: Annotated[int, Within(200, 599), Doc(key="http")]
    retry_after: Annotated[int | None, Within(0)] = None


_Then = Literal["success", "pending", "none"] | _Pending | _Failure | _Http


def _answer(then: _Then | None) -> RuledAnswer | None:
    if isinstance(then, _Failure):
        number, written = then.fail_info
        return RuledAnswer("failure", number, then.text, written=written, hresult=then.hresult)
    if isinstance(then, _Http):
        return RuledAnswer("http", status=then.status, retry_after=then.retry_after)
    return None if then is None else RuledAnswer(then if isinstance(then, str) else "pending")


def _said_twice(then: _Then, times: int) -> str | None:  # noqa: ARG001 - whatever the number is
    return "times is redundant with {pending: n}, which already has a count" if isinstance(then, _Pending) else None


def _takes_requests(given: Given, problems: Problems) -> None:
    """Check that some requests can match `when`, and that each fault can act at one of them."""
    when, answer = given.values.get("when", Condition()), _answer(given.values.get("then"))
    kind = None if answer is None else answer.kind
    if not names_of(when.operation, when.type):
        text = f"no request can match: the operation {when.operation} has no message, and so no type {when.type}"
        problems.add(given.keys["when"], text, "omit one of the two")
    elif not names_of(when.operation, when.type) & ANSWERS[kind].names:
        text = f"{when.type or when.operation} never gets the reply {kind}"
        remedy = "only messages can be answered with a pkiStatus; http and none are for any request"
        problems.add(given.keys["then"], text, remedy)
    elif (node := given.keys.get("faults")) is not None and node.kind == "list":
        faults = given.values.get("faults")
        if faults is None:  # their mistakes have already been reported
            read = (ChosenKind().read(entry, Problems(), "") for entry in node)
            faults = [chosen for chosen in read if isinstance(chosen, Chosen)]
        check_scopes(node, faults, problems, operation=when.operation, kind=when.type, method=when.method, answer=kind)


@document(
    "a rule",
    some("needs 'then', 'faults', or both", "then", "faults"),
    agree("then", "times", _said_twice),
    Constraint({}, _takes_requests),
)
@dataclass(frozen=True)
class _Rule:
    """A rule as written."""

    when: Condition = field(default_factory=Condition)
    then: _Then | None = None
    faults: tuple[Annotated[Chosen, ChosenKind()], ...] = ()
    times: Annotated[int | None, Within(1)] = None
    until: Annotated[str | None, _Until()] = None
    chance: Annotated[float | None, _Percent()] = None
    over: Rate | None = None
    optional: bool = False
    place: str = ""

    def made(self) -> Rule:
        times = self.then.times if isinstance(self.then, _Pending) else self.times
        return Rule(
            self.when,
            _answer(self.then),
            self.faults,
            times,
            self.until,
            self.chance,
            self.over,
            self.optional,
            self.place,
        )


@document("a shuffle")
@dataclass(frozen=True)
class _Shuffle:
    rules: Annotated[tuple[_Rule, ...], Length(2), Doc(key="shuffle")]


class _Entry(OneWay):
    """A rule, or a shuffle of rules."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        return kind_of(_Rule if node.get("shuffle") is None else _Shuffle).read(node, problems, what)

    def schema(self, found: Definitions) -> Schema:
        return {"anyOf": [kind_of(_Rule).schema(found), kind_of(_Shuffle).schema(found)]}


_Script = tuple[Annotated[_Rule | _Shuffle, _Entry()], ...]
