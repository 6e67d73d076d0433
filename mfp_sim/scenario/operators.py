"""Operators: comparisons other than equality, in place of one value in an `expect`.

An operator is compared like a value, with `==`, so the comparisons of `expectations` need not know about it. Owns the
table of operators, how a file writes them, and their words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from mfp_sim.shared.documents import Node, Problems, describe, did_you_mean
from mfp_sim.shared.documents.kinds import (
    WRONG,
    Definitions,
    Either,
    Kind,
    Leaf,
    LocalTime,
    OneWay,
    Scalar,
    Schema,
    Text,
    Within,
)
from mfp_sim.shared.documents.records import Forms, ListOf, MapOf, Record, map_of

__all__ = ["OPERATORS", "Operator", "comparable"]


@dataclass(frozen=True)
class _Rule:
    """One operator: `holds`, a function of its operands and the value found; its words; and its number of operands.

    `numbers` and `texts` say whether it applies to numbers and to texts; `count` is None for two or more operands.
    """

    holds: Callable[[tuple[Any, ...], Any], bool]
    words: str
    count: int | None
    numbers: bool = True
    texts: bool = False


def _orderly(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


OPERATORS: Mapping[str, _Rule] = {
    "one_of": _Rule(lambda allowed, found: found in allowed, "one of {}", None, texts=True),
    "at_least": _Rule(lambda low, found: _orderly(found) and found >= low[0], "at least {}", 1),
    "at_most": _Rule(lambda high, found: _orderly(found) and found <= high[0], "at most {}", 1),
    "between": _Rule(lambda ends, found: _orderly(found) and ends[0] <= found <= ends[1], "between {}", 2),
    "matches": _Rule(
        lambda pattern, found: isinstance(found, str) and re.fullmatch(pattern[0], found) is not None,
        "text that matches {}", 1, numbers=False, texts=True,
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Operator:
    """``{at_least: 2}``: equal to every value for which it holds."""

    name: str
    operands: tuple[Any, ...]

    def __eq__(self, found: object) -> bool:
        if isinstance(found, Operator):
            return (self.name, self.operands) == (found.name, found.operands)
        return OPERATORS[self.name].holds(self.operands, found)

    def __hash__(self) -> int:
        return hash((self.name, self.operands))

    def __str__(self) -> str:
        between = " and " if self.name == "between" else ", "
        return OPERATORS[self.name].words.format(between.join(str(operand) for operand in self.operands))

    __repr__ = __str__


class _OrOperator(OneWay):
    """The values that `inner` accepts, or a map with one operator."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        number = isinstance(inner, Within) or (isinstance(inner, Scalar) and inner.shape["type"] == "integer")
        self.rules = {name: rule for name, rule in OPERATORS.items() if (rule.numbers if number else rule.texts)}

    def read(self, node: Node, problems: Problems, what: str) -> object:
        if node.kind != "map":
            return self.inner.read(node, problems, what)
        names = [str(key.value) for key, _ in node.pairs]
        if len(names) != 1 or names[0] not in self.rules:
            hint = did_you_mean(names[0], self.rules) if names else None
            problems.add(node, f"{what} has to be a value, or one of {', '.join(self.rules)} with its value", hint)
            return WRONG
        (name,), inner = names, node.pairs[0][1]
        rule, entries = self.rules[name], tuple(value for _, value in node.pairs)
        if rule.count != 1:
            entries = tuple(problems.list(inner, name))
            if inner.kind != "list":
                return WRONG
            if len(entries) < 2 or rule.count not in (None, len(entries)):
                problems.add(inner, f"{name} takes {'a list of two' if rule.count else 'a list of two or more'} values")
                return WRONG
        kind: Kind = _Regex() if name == "matches" else self.inner
        values = tuple(kind.read(entry, problems, f"a value of {name}") for entry in entries)
        if WRONG in values:
            return WRONG
        if name == "between" and values[0] > values[1]:  # type: ignore[operator]
            problems.add(inner, f"between takes the lower value first, not {describe(entries[0])}")
            return WRONG
        return Operator(name, values)

    def schema(self, found: Definitions) -> Schema:
        one = self.inner.schema(found)
        several = {"type": "array", "items": one, "minItems": 2}
        shapes: dict[str, Schema] = {
            "one_of": several,
            "between": {**several, "maxItems": 2},
            "matches": _Regex().schema(found),
        }
        properties = {name: shapes.get(name, one) for name in self.rules}
        return {"anyOf": [one, {**map_of(properties), "minProperties": 1, "maxProperties": 1}]}


class _Regex(Text):
    """A regular expression of Python's `re` that has to match the whole text."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = super().value(node, problems, what)
        if isinstance(text, str):
            try:
                re.compile(text)
            except re.error as error:
                problems.add(node, f"{what} is not a regular expression: {error}")
                return None
        return text


def comparable(kind: Kind) -> Kind:
    """The kind with an operator allowed in place of each number, word and text in it; times stay exact."""
    if isinstance(kind, Record):
        return _comparable_record(kind)
    if isinstance(kind, ListOf):
        return replace(kind, entry=comparable(kind.entry))
    if isinstance(kind, MapOf):
        return replace(kind, value=comparable(kind.value))
    if isinstance(kind, Either):
        return replace(kind, inner=comparable(kind.inner))
    if isinstance(kind, Forms):
        return replace(kind, forms=tuple(comparable(form) for form in kind.forms))
    exact = isinstance(kind, LocalTime) or (isinstance(kind, Scalar) and kind.shape["type"] == "boolean")
    return _OrOperator(kind) if isinstance(kind, Leaf) and not exact else kind


@cache
def _comparable_record(record: Record) -> Record:
    """One result per record, since a schema contains each document once."""
    return replace(record, fields=tuple(replace(entry, kind=comparable(entry.kind)) for entry in record.fields))
