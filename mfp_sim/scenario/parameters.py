"""``parameters:`` makes one file into many named instances: a scalar ``$word`` stands for the parameter's value."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from mfp_sim.shared.documents import Node, Problems, did_you_mean
from mfp_sim.shared.documents.kinds import Definitions, OneWay, Schema

__all__ = ["NAME", "ParameterSets", "instances", "with_parameters"]

NAME = "[a-z0-9]+(-[a-z0-9]+)*"
_WORD = r"\$[a-z_]+"


def instances(root: Node, problems: Problems) -> list[tuple[str, Node]]:
    """The instances of a file, each with its `[name]` and its parameters put in; without parameters, one named `""`."""
    parameters = root.get("parameters")
    if parameters is None:
        return [("", root)]
    found: list[tuple[str, Node]] = []
    names: set[str] = set()
    for name, place, values in _sets(parameters, problems):
        if name in names:
            problems.add(place, f"the parameter set {name!r} occurs twice")
        names.add(name)
        used: set[str] = set()
        pairs = tuple((k, _substitute(v, values, used, problems)) for k, v in root.pairs if k.value != "parameters")
        for unused in values.keys() - used:
            problems.add(
                values[unused], f"the parameter {unused!r} is not used", f"use ${unused} somewhere, or remove it"
            )
        found.append((f"[{name}]", dataclasses.replace(root, value=pairs)))
    if not found:
        if not problems.found:
            problems.add(parameters, "parameters has no sets")
        return [("", root)]
    return found


Set = tuple[str, Node, Mapping[str, Node]]
"""A parameter set: its name, its place, and its values."""


def _sets(parameters: Node, problems: Problems) -> list[Set]:
    """The sets of a list; for a map of lists, every combination of one set from each list."""
    if parameters.kind != "map":
        return [found for entry in problems.list(parameters, "parameters") if (found := _set(entry, problems))]
    combined: list[Set] = [("", parameters, {})]
    for axis, entries in parameters.pairs:
        sets = [found for entry in problems.list(entries, str(axis.value)) if (found := _set(entry, problems))]
        if not sets:
            problems.add(entries, f"{axis.value} has no sets")
        before = {name for _, _, values in combined for name in values}
        for _, _, values in sets:
            for twice in before & values.keys():
                problems.add(values[twice], f"the parameter {twice!r} is in two lists of parameters")
        combined = [
            (f"{first}-{name}".lstrip("-"), place, {**known, **values})
            for first, _, known in combined
            for name, place, values in sets
        ]
    return [entry for entry in combined if entry[0]]


def _set(entry: Node, problems: Problems) -> Set | None:
    if entry.kind != "map":
        problems.add(entry, "a parameter set has to be a map with a name")
        return None
    values = {str(key.value): value for key, value in entry.pairs}
    name_node = values.pop("name", None)
    name = problems.text(name_node, "name") if name_node is not None else None
    if name is None or not re.fullmatch(NAME, name):
        problems.add(name_node or entry, "a parameter set needs a name of small letters, digits and hyphens")
        return None
    return name, name_node or entry, values


def _substitute(node: Node, values: Mapping[str, Node], used: set[str], problems: Problems) -> Node:
    if node.kind == "map":
        pairs = tuple((key, _substitute(value, values, used, problems)) for key, value in node.pairs)
        return dataclasses.replace(node, value=pairs)
    if node.kind == "list":
        return dataclasses.replace(node, value=tuple(_substitute(e, values, used, problems) for e in node.items))
    if not node.quoted and isinstance(node.value, str) and re.fullmatch(_WORD, node.value):
        word = node.value[1:]
        if word not in values:
            problems.add(node, f"there is no parameter {word!r}", did_you_mean(word, values))
            return node
        used.add(word)
        return dataclasses.replace(values[word], file=node.file, line=node.line, column=node.column)
    return node


class ParameterSets(OneWay):
    """Sets of values for `$words`; `instances` has read them."""

    def read(self, node: Node, problems: Problems, what: str) -> object:  # noqa: ARG002
        return None

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        sets: Schema = {"type": "array", "items": {"type": "object", "required": ["name"]}, "minItems": 1}
        return {"anyOf": [sets, {"type": "object", "additionalProperties": sets, "minProperties": 1}]}


_NO_VALUES = ("enum", "const", "not", "required", "propertyNames", "dependentRequired")
_PARTS = ("properties", "$defs")


def with_parameters(whole: Schema) -> Schema:
    """The schema with `$word` allowed for every value, for files whose parameters are not put in yet."""
    parts = {key: {name: _or_word(part) for name, part in whole.get(key, {}).items()} for key in _PARTS}
    parts["$defs"]["parameter"] = {"type": "string", "pattern": f"^{_WORD}$"}
    return {**whole, **parts}


def _or_word(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_or_word(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: inner if key in _NO_VALUES else _or_word(inner) for key, inner in schema.items()}
    changed |= {key: {k: _or_word(v) for k, v in schema[key].items()} for key in _PARTS if key in schema}
    if not {"enum", "const", "type"} & schema.keys():
        return changed
    says = {"description": changed.pop("description")} if "description" in changed else {}
    return {"anyOf": [changed, {"$ref": "#/$defs/parameter"}], **says}
