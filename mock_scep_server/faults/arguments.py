"""Arguments of faults: how a script writes them, how the JSON schema describes them, what they are when left out.

``slug`` alone takes every default; ``{slug: value}`` gives the first argument; ``{slug: {name: value}}`` any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mfp_sim.documents import Node, Problems

__all__ = ["Argument", "Choice", "Number", "Seconds", "Text", "read_arguments", "schema_of"]


@dataclass(frozen=True)
class Number:
    """A whole number from ``low`` to ``high``; ``default`` None means that it has to be given."""

    name: str
    default: int | None
    low: int
    high: int
    help: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def read(self, node: Node, problems: Problems) -> int | None:
        return problems.integer(node, self.name, self.low, self.high)


@dataclass(frozen=True)
class Seconds:
    """A duration, ``31s`` or ``2m``; in seconds."""

    name: str
    default: float | None
    help: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"}

    def read(self, node: Node, problems: Problems) -> float | None:
        return problems.seconds(node, self.name)


@dataclass(frozen=True)
class Choice:
    """One of a few words; the first is the default."""

    name: str
    words: Sequence[str]
    help: str = ""

    @property
    def default(self) -> str:
        return self.words[0]

    @property
    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def read(self, node: Node, problems: Problems) -> str | None:
        if node.kind == "scalar" and not isinstance(node.value, str) and str(node.value) in self.words:
            return str(node.value)  # a number among words, as in {failinfo-undefined: 99}
        return problems.choice(node, self.words, self.name)


@dataclass(frozen=True)
class Text:
    """Any text."""

    name: str
    default: str
    help: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def read(self, node: Node, problems: Problems) -> str | None:
        return problems.text(node, self.name)


Argument = Number | Seconds | Choice | Text


def read_arguments(
    slug: str, arguments: Sequence[Argument], given: Node | None, problems: Problems, place: Node
) -> Mapping[str, Any] | None:
    """The values by name; None after a mistake, which is in ``problems``."""
    known = {argument.name: argument for argument in arguments}
    nodes: dict[str, Node] = {}
    if given is not None and not arguments:
        problems.add(place, f"{slug} takes no argument")
        return None
    if given is not None and given.kind == "map":
        nodes = dict(problems.map(given, list(known), slug))
        if len(nodes) < len(given.pairs):
            return None
    elif given is not None:
        nodes = {arguments[0].name: given}
    found: dict[str, Any] = {}
    for name, argument in known.items():
        value: Any = argument.read(nodes[name], problems) if name in nodes else argument.default
        if name not in nodes and value is None:
            problems.add(place, f"{slug} needs {name}{f': {argument.help}' if argument.help else ''}")
        if value is None:
            return None
        found[name] = value
    return found


def schema_of(arguments: Sequence[Argument]) -> dict[str, Any] | None:
    """The JSON schema of what may follow a slug; None where nothing may."""
    if not arguments:
        return None
    properties = {argument.name: argument.schema for argument in arguments}
    required = [argument.name for argument in arguments if argument.default is None]
    whole = {"type": "object", "properties": properties, "additionalProperties": False, "required": required}
    return {"anyOf": [arguments[0].schema, whole]}
