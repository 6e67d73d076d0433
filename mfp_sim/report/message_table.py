"""The messages of a JSON report: each is written once, under its digest, and exchanges refer to it.

A run repeats most of its messages: scenarios with the same seed send the same requests, and a CA sends its certificate
again and again. In memory, each exchange holds its own messages; only the file uses references. A file may come from
anyone: a reference to a missing message is reported with its place, and a message is read only once.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from mfp_sim.shared.documents.json_values import JsonNode
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Kind, Leaf, Schema
from mfp_sim.shared.documents.nodes import Node, Problems

__all__ = ["Base64", "Reading", "Referred", "table_of", "table_schema"]

_DIGEST = "^[0-9a-f]{64}$"


@dataclass(frozen=True)
class Base64(Leaf):
    """Bytes, written as base64."""

    shape: ClassVar[Schema] = {"type": "string", "contentEncoding": "base64"}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        try:
            return None if text is None else base64.b64decode(text, validate=True)
        except ValueError:
            problems.add(node, f"{what} has to be base64")
            return None

    def write(self, value: Any) -> object:
        return base64.b64encode(value).decode()


class Referred:
    """A document that is written as its digest; the table holds its contents."""

    def around(self, inner: Kind) -> Kind:
        return _Reference(inner)


@dataclass(frozen=True)
class _Reference:
    inner: Kind

    def read(self, node: Node, problems: Problems, what: str) -> object:
        key = problems.text(node, what)
        found = problems.table.get(key) if isinstance(problems, Reading) and key is not None else None
        if key is not None and found is None:
            problems.add(node, f"{what} is not among the messages of this report")
        return WRONG if found is None else found

    def schema(self, found: Definitions) -> Schema:
        self.inner.schema(found)
        return {"type": "string", "pattern": _DIGEST}

    def write(self, value: Any) -> object:
        return _digest(self.inner, value)


class Reading(Problems):
    """The mistakes in a report that is being read, and the messages that its exchanges refer to."""

    def __init__(self, kind: Kind, table: object, place: str) -> None:
        super().__init__()
        node = JsonNode(table, place)
        if node.kind != "map":
            self.add(node, "messages has to be a map")
        pairs = node.pairs if node.kind == "map" else ()
        self.table: Mapping[str, object] = {
            str(key.value): kind.read(entry, self, "an entry of messages") for key, entry in pairs
        }


def table_of(kind: Kind, messages: Iterable[object]) -> dict[str, object]:
    """The table of these messages, each once."""
    return {_digest(kind, message): kind.write(message) for message in dict.fromkeys(messages)}


def table_schema(kind: Kind, found: Definitions) -> Schema:
    """The schema of the value that `table_of` returns."""
    says = "Every message of the report, by the SHA-256 in hex of its compact JSON."
    return {
        "type": "object",
        "propertyNames": {"pattern": _DIGEST},
        "additionalProperties": kind.schema(found),
        "description": says,
    }


_DIGESTS: WeakKeyDictionary[object, str] = WeakKeyDictionary()
"""The digests of the messages that still exist: a run has five times as many messages as different ones."""


def _digest(kind: Kind, message: object) -> str:
    found = _DIGESTS.get(message)
    if found is None:
        written = json.dumps(kind.write(message), separators=(",", ":"))
        found = _DIGESTS[message] = hashlib.sha256(written.encode()).hexdigest()
    return found
