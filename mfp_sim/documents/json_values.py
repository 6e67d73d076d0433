"""JSON as nodes, so that documents read it too: a value has no line, and its place is its path in the file.

What is read may come from anybody. Nodes are made only where a reader looks, so nothing depends on how deep or how
wide the rest is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from mfp_sim.documents.kinds import Definitions, Leaf, Schema
from mfp_sim.documents.nodes import Node, Problems
from mfp_sim.documents.records import read

__all__ = ["Anything", "JsonNode", "Strings", "read_json"]

T = TypeVar("T")


class JsonNode(Node):
    """A JSON value; ``place`` is the name of its file, or where it stands in the value ``above`` it.

    ``value`` of a list or a map is the value itself; its entries become nodes anew each time they are
    asked for, so that the nodes of a large file never exist at once.
    """

    line = column = 0
    quoted = True

    _place: str
    _above: JsonNode | None

    def __init__(self, value: object, place: str, above: JsonNode | None = None) -> None:
        kind = "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"
        self.__dict__.update(value=value, kind=kind, _place=place, _above=above)

    @cached_property
    def file(self) -> str:
        """The name of the file and the path in it: ``report.json.steps[3].text``."""
        return self._place if self._above is None else self._above.file + self._place

    @property
    def items(self) -> tuple[Node, ...]:
        entries: Any = self.value
        return tuple(JsonNode(entry, f"[{number}]", self) for number, entry in enumerate(entries))

    @property
    def pairs(self) -> tuple[tuple[Node, Node], ...]:
        entries: Any = self.value
        return tuple((JsonNode(key, "", self), JsonNode(value, f".{key}", self)) for key, value in entries.items())


def read_json(record: type[T], value: object, place: str) -> T:
    """The document in a JSON value; ``place`` is the name of its file.

    Raises:
        DocumentError: every mistake, by its path.
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

    def read(self, node: Node, problems: Problems, what: str) -> object:  # noqa: ARG002 - every kind is asked the same
        return node.value

    value = read


@dataclass(frozen=True)
class Strings(Leaf):
    """A list of so many strings, as a tuple."""

    count: int

    def value(self, node: Node, problems: Problems, what: str) -> object:
        entries = [problems.text(entry, f"an entry of {what}") for entry in problems.list(node, what)]
        if node.kind == "list" and len(entries) != self.count:
            problems.add(node, f"{what} has to be a list of {self.count}")
        return tuple(entries) if len(entries) == self.count and None not in entries else None

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        entries = [{"type": "string"}] * self.count
        return {"type": "array", "prefixItems": entries, "items": False, "minItems": self.count}
