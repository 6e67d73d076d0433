"""Kinds of values. A kind reads a value from a node, describes it in a JSON schema, and writes it back.

The kind of a field is given in ``Annotated``: ``Annotated[int, Within(1, 5)]``; ``records`` finds it there. Ranges
and "not empty" belong to the kind, so that reader and schema cannot differ. Does not know maps.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from mfp_sim.shared.documents.nodes import UNITS, Node, Problems, describe

__all__ = [
    "REMEDY", "WRONG", "Definitions", "Duration", "Either", "Kind", "Leaf", "LocalTime", "Modifier", "OneWay",
    "Pattern", "Scalar", "Schema", "Text", "Within", "Word", "Words", "or_null",
]  # fmt: skip

Schema = dict[str, Any]
Definitions = dict[str, tuple[object, Schema]]
"""The named parts of a schema: the owner of each, and its description."""
WRONG = type("Wrong", (), {"__repr__": lambda _: "WRONG"})()
"""What a reader returns after it has reported a mistake. None cannot be used for this: it is a value."""
REMEDY = "add a value, or leave it out"


@runtime_checkable
class Kind(Protocol):
    """One kind of values. ``read`` returns the value of a node, or `WRONG` after it has reported a mistake; ``schema``
    returns its JSON schema; ``write`` returns what ``read`` reads back."""

    def read(self, node: Node, problems: Problems, what: str) -> object: ...
    def schema(self, found: Definitions) -> Schema: ...
    def write(self, value: Any) -> object: ...


@runtime_checkable
class Modifier(Protocol):
    """Also used in ``Annotated``: ``around`` wraps the kind that the type would have without the modifier."""

    def around(self, inner: Kind) -> Kind: ...


class Leaf(ABC):
    """A kind of scalars. ``value`` returns None after a mistake; ``write`` writes the value unchanged."""

    @abstractmethod
    def value(self, node: Node, problems: Problems, what: str) -> object: ...

    def read(self, node: Node, problems: Problems, what: str) -> object:
        value = self.value(node, problems, what)
        return WRONG if value is None else value

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind has these parameters
        return dict(getattr(self, "shape", {}))

    def write(self, value: Any) -> object:
        return value


class OneWay:
    """A kind that cannot be written: its values do not keep their original form."""

    def write(self, value: Any) -> object:
        raise TypeError(f"{type(value).__name__} does not keep how it was written")


@dataclass(frozen=True)
class Scalar(Leaf):
    """A scalar that one of the readers of `Problems` reads."""

    reader: Callable[[Problems, Node, str], object]
    shape: Schema = field(hash=False)

    def value(self, node: Node, problems: Problems, what: str) -> object:
        return self.reader(problems, node, what)


@dataclass(frozen=True)
class Text(Leaf):
    """Text that is not empty."""

    shape: ClassVar[Schema] = {"type": "string", "minLength": 1}
    remedy: str = REMEDY

    def value(self, node: Node, problems: Problems, what: str) -> object:
        if node.value == "":
            problems.add(node, f"{what} is empty", self.remedy)
            return None
        return problems.text(node, what)


@dataclass(frozen=True)
class Within(Leaf):
    """A whole number within a range, both ends included."""

    low: int
    high: int | None = None

    def value(self, node: Node, problems: Problems, what: str) -> object:
        return problems.integer(node, what, self.low, self.high)

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        return {"type": "integer", "minimum": self.low, **({} if self.high is None else {"maximum": self.high})}


@dataclass(frozen=True)
class Words(Leaf):
    """One of the words of a table, which is looked up on demand. Words that are numbers do not need quotes."""

    table: Callable[[], Iterable[str]]

    def value(self, node: Node, problems: Problems, what: str) -> object:
        words = list(self.table())
        number = isinstance(node.value, int | float) and str(node.value) in words
        return str(node.value) if number else problems.choice(node, words, what)

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        words = list(self.table())
        return {"enum": [*words, *(int(word) for word in words if re.fullmatch("0|[1-9][0-9]*", word))]}


@dataclass(frozen=True)
class Pattern(Leaf):
    """Text that matches ``regex``; ``form`` describes it in words."""

    regex: str
    form: str

    def value(self, node: Node, problems: Problems, what: str) -> object:
        if (text := problems.text(node, what)) is not None and not re.fullmatch(self.regex, text):
            problems.add(node, f"{what} has to be {self.form}, not {describe(node)}")
            return None
        return text

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        return {"type": "string", "pattern": f"^({self.regex})$"}


@dataclass(frozen=True)
class Duration(Leaf):
    """``30s``, ``10m``, ``2h`` or ``31d``, in seconds; or in whole units of ``unit`` seconds, called ``name``."""

    unit: int = 0
    name: str = ""
    shape: ClassVar[Schema] = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        seconds = problems.seconds(node, what)
        if seconds is not None and self.unit and seconds % self.unit:
            problems.add(node, f"{what} has to be whole {self.name}")
            return None
        return int(seconds // self.unit) if seconds is not None and self.unit else seconds

    def write(self, value: Any) -> object:
        seconds = float(value * (self.unit or 1))
        unit = next((unit for unit, n in reversed(UNITS.items()) if seconds >= n and not seconds % n), "s")
        return f"{seconds / UNITS[unit]:.6f}".rstrip("0").rstrip(".") + unit


@dataclass(frozen=True)
class LocalTime(Leaf):
    """``YYYY-MM-DD HH:MM[:SS]``: a datetime without a zone, or the text as written.

    ``offset``: the text may end with a UTC offset; the datetime is then aware. ``seconds``: the seconds are required.
    """

    offset: bool = False
    seconds: bool = False
    as_text: bool = False

    def value(self, node: Node, problems: Problems, what: str) -> object:
        value = problems.moment(node, what, offset=self.offset)
        if value is not None and self.seconds and str(node.value)[16:17] != ":":
            problems.add(node, f"{what} needs seconds")
            return None
        return node.value if self.as_text and value is not None else value

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        seconds, offset = r":\d\d?" if self.seconds else r"(:\d\d?)?", r"([+-]\d\d:?\d\d|Z)?" if self.offset else ""
        return {"type": "string", "pattern": rf"^\d{{4}}-\d\d?-\d\d? \d\d?:\d\d?{seconds}{offset}$"}

    def write(self, value: Any) -> object:
        return value if self.as_text else value.isoformat(" ", "seconds")


@dataclass(frozen=True)
class Word:
    """A word, or null, that is accepted in place of the type: ``Annotated[int | None, Word("never", None)]``.

    The second argument is its value. ``says`` is its meaning, where the word alone is not clear.
    """

    word: str | None
    value: object
    says: str = ""

    def around(self, inner: Kind) -> Kind:
        return Either(self, inner)


@dataclass(frozen=True)
class Either:
    """A word, or a value of ``inner``."""

    word: Word
    inner: Kind

    def read(self, node: Node, problems: Problems, what: str) -> object:
        if node.kind == "scalar" and node.value == self.word.word:
            return self.word.value
        return self.inner.read(node, problems, what)

    def schema(self, found: Definitions) -> Schema:
        return {"anyOf": [{"const": self.word.word}, self.inner.schema(found)]}

    def write(self, value: Any) -> object:
        return self.word.word if value == self.word.value else self.inner.write(value)


def or_null(inner: Kind) -> Either:
    """A value of ``inner``, or null for None."""
    return Either(Word(None, None), inner)
