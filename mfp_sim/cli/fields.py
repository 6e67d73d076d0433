"""The fields of what can be written in a file, as rows: path, type in words, default, sentence. For ``explain``.

They follow from the kinds of values that read the file, so that they cannot differ from what is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mfp_sim.shared.documents.kinds import Definitions, Duration, Either, Kind, LocalTime, Schema
from mfp_sim.shared.documents.records import NEEDED, Forms, ListOf, MapOf, Record

__all__ = ["fields_of", "type_of"]

_WORDS = 8
"""The longest choice of words that is listed in full."""
_SCALARS = {
    "boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "text", "null": "nothing",
    "object": "a map", "array": "a list",
}  # fmt: skip


@dataclass(frozen=True)
class FieldRow:
    """A field by its path (``polling.count``, ``keys[].name``); without a default, ``default`` is None."""

    path: str
    type: str
    needed: bool
    default: str | None = None
    sentence: str = ""

    def __str__(self) -> str:
        about = "required" if self.needed else f"default {self.default}" if self.default is not None else "optional"
        return f"{self.path}: {self.type} ({about}){': ' if self.sentence else ''}{self.sentence}"


def fields_of(kind: Kind, above: str = "", seen: tuple[Record, ...] = ()) -> Iterator[FieldRow]:
    """The fields of a kind of values and of the maps in it; a map within a map of its kind is not repeated."""
    if isinstance(kind, Either):
        yield from fields_of(kind.inner, above, seen)
    elif isinstance(kind, ListOf):
        yield from fields_of(kind.entry, f"{above}[]", seen)
    elif isinstance(kind, MapOf):
        yield from fields_of(kind.value, f"{above}.NAME".lstrip("."), seen)
    elif isinstance(kind, Forms):
        for form in kind.forms:
            yield from fields_of(form, above, seen)
    elif isinstance(kind, Record) and kind not in seen:
        for field in kind.fields:
            if kind.whole:
                yield from fields_of(field.kind, above, (*seen, kind))
                continue
            path = f"{above}.{field.key}".lstrip(".")
            yield FieldRow(path, type_of(field.kind), field.default is NEEDED, _default(field.default), field.sentence)
            yield from fields_of(field.kind, path, (*seen, kind))
    elif not isinstance(kind, Record):
        yield from _described(kind, above)


def _described(kind: Kind, above: str) -> Iterator[FieldRow]:
    """The fields of a map that is not a record, by its schema; nothing for a scalar."""
    found: Definitions = {}
    shape = kind.schema(found)
    for key, inner in shape.get("properties", {}).items():
        needed = key in shape.get("required", ())
        yield FieldRow(
            f"{above}.{key}".lstrip("."), _in_words(inner, found), needed, None, inner.get("description", "")
        )


def _default(value: object) -> str | None:
    """A default as written in a file; None without a default, or if it is empty."""
    if value is NEEDED or value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | str) else None


def type_of(kind: Kind) -> str:
    """What a file may contain there, in words."""
    if isinstance(kind, Duration):
        return "a duration such as 10m"
    if isinstance(kind, LocalTime):
        return "a time such as 2026-03-02 09:00" + (":00" if kind.seconds else "")
    if isinstance(kind, Either):
        word = "nothing" if kind.word.word is None else kind.word.word
        return type_of(kind.inner) if kind.word.word is None else f"{word}, or {type_of(kind.inner)}"
    if isinstance(kind, ListOf):
        return f"a list, each entry {type_of(kind.entry)}"
    if isinstance(kind, MapOf):
        return f"a map, each value {type_of(kind.value)}"
    if isinstance(kind, Forms):
        return ", or ".join([*filter(None, [", ".join(kind.words)]), *(type_of(form) for form in kind.forms)])
    if isinstance(kind, Record):
        if kind.whole:
            return type_of(kind.fields[0].kind)
        short = f"{type_of(kind.keys[kind.shorthand].kind)}, or " if kind.shorthand else ""
        return f"{short}a map"
    inner: Any = getattr(kind, "inner", None)
    if isinstance(inner, Kind):  # with an operator in place of the value
        return f"{type_of(inner)}, or an operator"
    found: Definitions = {}
    return _in_words(kind.schema(found), found)


def _in_words(schema: Schema, found: Definitions) -> str:
    if "$ref" in schema:
        return _in_words(found[schema["$ref"].rpartition("/")[2]][1], found)
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(_in_words(part, found) for part in schema["anyOf"]))
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        words = [str(word) for word in schema["enum"] if isinstance(word, str)] or list(map(str, schema["enum"]))
        more = f", … ({len(words)} words)" if len(words) > _WORDS else ""
        return " | ".join(words[:_WORDS]) + more
    low, high = schema.get("minimum"), schema.get("maximum")
    limits = "" if low is None else f", {low} to {high}" if high is not None else f", {low} or more"
    return _SCALARS[str(schema.get("type", "string"))] + limits
