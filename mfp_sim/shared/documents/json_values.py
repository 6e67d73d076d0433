"""JSON as nodes, so that document classes can read it too. The place of a value is its path in the file, not a line.

The input is hostile. Nodes are made only where a reader looks, so the depth and width of the rest do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, TypeVar, cast

from mfp_sim.shared.documents.kinds import Definitions, Kind, Leaf, Schema, or_null
from mfp_sim.shared.documents.nodes import YEARS, Node, Problems, is_secret
from mfp_sim.shared.documents.records import Record, read
from mfp_sim.shared.errors import DecodeError

__all__ = ["Anything", "Exchanged", "Hex", "Instant", "JsonNode", "Kept", "Strings", "read_json"]

T = TypeVar("T")


class JsonNode(Node):
    """A JSON value; ``place`` is the name of its file, or its position in the value ``above`` it.

    ``value`` of a list or a map is the JSON value itself. Its entries become nodes each time they are requested, so
    the nodes of a large file never exist all at once.
    """

    line = column = 0
    quoted = True

    _place: str
    _above: JsonNode | None

    def __init__(self, value: object, place: str, above: JsonNode | None = None, *, secret: bool = False) -> None:
        kind = "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"
        self.__dict__.update(value=value, kind=kind, _place=place, _above=above, secret=secret)

    def hidden(self) -> Node:
        """The node at the place of a secret; what is in it is marked when it becomes a node."""
        return JsonNode(self.value, self._place, self._above, secret=True)

    @cached_property
    def file(self) -> str:
        """The name of the file and the path in it: ``report.json.steps[3].text``."""
        return self._place if self._above is None else self._above.file + self._place

    @property
    def items(self) -> tuple[Node, ...]:
        entries: Any = self.value
        return tuple(JsonNode(entry, f"[{number}]", self, secret=self.secret) for number, entry in enumerate(entries))

    @property
    def pairs(self) -> tuple[tuple[Node, Node], ...]:
        entries: Any = self.value
        return tuple(
            (
                JsonNode(key, "", self),
                JsonNode(value, f".{key}", self, secret=self.secret and is_secret(key, within=True)),
            )
            for key, value in entries.items()
        )


def read_json(record: type[T], value: object, place: str) -> T:
    """The document in a JSON value; ``place`` is the name of its file.

    Raises:
        DocumentError: the value has mistakes; the error lists each with its path.
    """
    problems = Problems()
    found = read(record, JsonNode(value, place), problems, "it")
    problems.raise_if_any()
    assert found is not None
    return found


@dataclass(frozen=True)
class Anything(Leaf):
    """A JSON value as it is."""

    shape: ClassVar[Schema] = {}

    def read(self, node: Node, problems: Problems, what: str) -> object:  # noqa: ARG002 - every kind has these parameters
        return node.value

    value = read


class Exchanged:
    """Marks a document that people write, in the form that programs exchange: see `Record`."""

    def around(self, inner: Kind) -> Kind:
        record = cast(Record, inner)
        null = {entry.name: or_null(entry.kind) for entry in record.fields if entry.default is None}
        fields = tuple(replace(entry, kind=null.get(entry.name, entry.kind)) for entry in record.fields)
        return replace(record, fields=fields, exchanged=True)


class Kept:
    """Marks a frozen document that is written often: its written form is made once and cached in the value."""

    def around(self, inner: Kind) -> Kind:
        return _WrittenOnce(inner)


@dataclass(frozen=True)
class _WrittenOnce:
    inner: Kind

    def read(self, node: Node, problems: Problems, what: str) -> object:
        return self.inner.read(node, problems, what)

    def schema(self, found: Definitions) -> Schema:
        return self.inner.schema(found)

    def write(self, value: Any) -> object:
        if (written := value.__dict__.get("_written")) is None:
            written = value.__dict__["_written"] = self.inner.write(value)
        return written


@dataclass(frozen=True)
class Instant(Leaf):
    """An ISO 8601 time with its UTC offset; without an offset if ``local``.

    It may lie a hundred years beyond the last year of documents, because a run may last that long.
    """

    shape: ClassVar[Schema] = {"type": "string"}
    local: bool = False

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        try:
            instant = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if text is not None and (instant is None or (instant.tzinfo is None) != self.local):
            problems.add(node, f"{what} has to be a time {'without' if self.local else 'with'} an offset")
            return None
        if instant is not None and not self.local and not YEARS[0] <= instant.year <= YEARS[1] + 101:
            problems.year(node, instant, what)
            return None
        return instant

    def write(self, value: Any) -> object:
        return value.isoformat()


@dataclass(frozen=True)
class Hex(Leaf):
    """Bytes in hex, or the value that ``make`` builds from them; `octets` turns that value back into bytes.

    ``make`` may raise ValueError or DecodeError.
    """

    shape: ClassVar[Schema] = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
    make: Callable[[bytes], object] = bytes
    octets: Callable[[Any], bytes] = bytes

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        try:
            return None if text is None else self.make(bytes.fromhex(text))
        except (ValueError, DecodeError):
            problems.add(node, f"{what} is not readable")
            return None

    def write(self, value: Any) -> object:
        return self.octets(value).hex()


@dataclass(frozen=True)
class Strings(Leaf):
    """A list of ``count`` strings, as a tuple."""

    count: int

    def value(self, node: Node, problems: Problems, what: str) -> object:
        entries = [problems.text(entry, f"an entry of {what}") for entry in problems.list(node, what)]
        if node.kind == "list" and len(entries) != self.count:
            problems.add(node, f"{what} has to be a list of {self.count}")
        return tuple(entries) if len(entries) == self.count and None not in entries else None

    def write(self, value: Any) -> object:
        return list(value)

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        entries = [{"type": "string"}] * self.count
        return {"type": "array", "prefixItems": entries, "items": False, "minItems": self.count}
