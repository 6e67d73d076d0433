"""Composes a scenario file before it is read: puts in shared blocks, and changes from the command line.

`include: office.part.yaml` in a map adds the keys of that file, and the map's own keys replace them; an entry `include`
of a list stands for the entries of that file. Paths are relative to the file that names them, and end in `.part.yaml`
so that a scenario cannot quote other files in its mistakes. Knows nothing of what a scenario means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfp_sim.shared.documents import Node, Problems, load, load_text
from mfp_sim.shared.documents.kinds import Schema
from mfp_sim.shared.errors import DocumentError, UsageError

__all__ = ["HIDDEN", "changed", "with_includes", "with_parts"]

HIDDEN = "..."
"""Stands for a secret value in a command of a report. In YAML it is the end of a document, and so never a value."""
_PART = ".part.yaml"
_DEEPEST = 8


def with_includes(root: Node, problems: Problems) -> Node:
    """The document with every ``include`` put in; mistakes go to ``problems``."""
    return _included(root, problems, ())


def _included(node: Node, problems: Problems, within: tuple[Path, ...]) -> Node:
    if node.kind == "list":
        entries: list[Node] = []
        for entry in node.items:
            part = entry.get("include") if entry.kind == "map" and len(entry.pairs) == 1 else None
            if part is None:
                entries.append(_included(entry, problems, within))
            elif (found := _part(part, "list", problems, within)) is not None:
                entries.extend(found.items)
        return replace(node, value=tuple(entries))
    if node.kind != "map":
        return node
    pairs: dict[str, tuple[Node, Node]] = {}
    for key, value in node.pairs:
        if key.value != "include":
            continue
        for part in value.items if value.kind == "list" else (value,):
            if (found := _part(part, "map", problems, within)) is not None:
                pairs |= {str(name.value): (name, inner) for name, inner in found.pairs}
    own = [(key, _included(value, problems, within)) for key, value in node.pairs if key.value != "include"]
    pairs |= {str(key.value): (key, value) for key, value in own}
    return replace(node, value=tuple(pairs.values()))


def _part(named: Node, kind: str, problems: Problems, within: tuple[Path, ...]) -> Node | None:
    """The content of a shared block, a map or a list; None after a mistake."""
    text = problems.text(named, "include")
    if text is None:
        return None
    if not text.endswith(_PART) or Path(text).is_absolute():
        problems.add(named, f"include takes a relative path that ends in {_PART}, not {text!r}")
        return None
    path = Path(named.file).parent / text
    if path.exists() and not path.is_file():
        problems.add(named, f"{text} is not a regular file")
        return None
    if path in within or len(within) == _DEEPEST:
        problems.add(named, f"{text} includes itself, or too many others one within the other")
        return None
    try:
        found = load(path)
    except UsageError as error:
        problems.add(named, error.message)  # the remedy is about a file of the command line
        return None
    except DocumentError as error:
        problems.found.extend(error.problems)
        return None
    if found.kind != kind:
        problems.add(named, f"{text} has to hold a {kind} to stand here")
        return None
    return _included(found, problems, (*within, path))


def changed(root: Node, changes: Sequence[str]) -> Node:
    """The document with the values of ``printer.settings.key_limit=3`` set, each at its path of keys.

    Raises:
        UsageError: a change that is not written in this way, or whose path passes through a value that is not a map.
        DocumentError: a value that is not YAML.
    """
    for change in changes:
        path, sign, text = change.partition("=")
        keys = path.split(".")
        if not sign or not all(keys):
            raise UsageError(f"--set takes KEY=VALUE, not {change!r}", remedy="for instance --set printer.timezone=UTC")
        file = f"--set {path}"
        if text.strip() == HIDDEN:
            told = f"{file}={HIDDEN} stands for a secret, which no report shows"
            raise UsageError(told, remedy="write the value in its place")
        value = load_text(text, file) if text.strip() else Node("scalar", None, file, 1, 1)
        root = _with(root, keys, (Node("scalar", keys[-1], file, 1, 1), value), file)
    return root


def _with(node: Node, keys: list[str], pair: tuple[Node, Node], file: str) -> Node:
    if node.kind != "map":
        raise UsageError(f"{file}: there is no map in which {keys[0]} could stand")
    pairs = {str(key.value): (key, value) for key, value in node.pairs}
    if len(keys) == 1:
        pairs[keys[0]] = pair
    else:
        key, inner = pairs.get(keys[0], (Node("scalar", keys[0], file, 1, 1), Node("map", (), file, 1, 1)))
        pairs[keys[0]] = (key, _with(inner, keys[1:], pair, file))
    return replace(node, value=tuple(pairs.values()))


_SHARED: Schema = {"type": "string", "pattern": r"\.part\.yaml$"}


def with_parts(schema: Any) -> Any:
    """The schema with `include` in every map; a map with `include` need not have the required keys itself."""
    if isinstance(schema, list):
        return [with_parts(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {
        key: with_parts(inner) if key not in ("enum", "const", "required") else inner for key, inner in schema.items()
    }
    if "properties" in schema and schema.get("type") == "object":
        inclusion = {"anyOf": [_SHARED, {"type": "array", "items": _SHARED, "minItems": 1}]}
        whole["properties"] = {**whole["properties"], "include": inclusion}
        if needed := whole.pop("required", None):
            whole["anyOf"] = [{"required": needed}, {"required": ["include"]}]
    elif schema.get("type") == "array" and "items" in schema:
        entry = {
            "type": "object",
            "properties": {"include": _SHARED},
            "required": ["include"],
            "additionalProperties": False,
        }
        whole["items"] = {"anyOf": [whole["items"], entry]}
    return whole
