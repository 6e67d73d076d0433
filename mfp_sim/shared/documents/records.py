"""A frozen dataclass describes a document: its reader, its writer, its JSON schema, and its table in the documentation.

The type of a field says which values it accepts, and ``Annotated`` adds what a type cannot express::

    @document("the key")
    @dataclass(frozen=True)
    class Key:
        name: Annotated[str, Doc("its name in the list")]
        length: Annotated[int, Within(1)] = 2048

``read(Key, node, problems)`` reports every mistake with its place, and returns None if there was one. A ``TypedDict``
describes a map in which only the given keys count. Types: str, int, float, bool, ``Literal`` words, ``X | None``,
list, tuple, frozenset, Mapping, documents, unions that can be distinguished (words, and documents by their first
key), and every ``Kind`` in ``Annotated``. Kinds are made on first use. Does not know what a document means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import MISSING, dataclass, replace
from functools import cache, cached_property, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from mfp_sim.shared.documents.kinds import REMEDY, WRONG, Definitions, Kind, Modifier, Scalar, Schema, Words, or_null
from mfp_sim.shared.documents.nodes import Node, Problems, describe, did_you_mean

__all__ = [
    "NEEDED", "Constraint", "Doc", "Field", "Forms", "Given", "Length", "ListOf", "MapOf", "Record", "agree", "apart",
    "beside", "described", "document", "kind_of", "map_of", "read", "record_of", "schema_of", "some",
]  # fmt: skip

T = TypeVar("T")
NEEDED: Any = type("Needed", (), {"__repr__": lambda _: "NEEDED"})()
"""The default of a required field."""


# --- lists, maps, forms -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ListOf:
    """A list; ``says`` is the meaning of an empty list, where it is not obvious."""

    make: Callable[[Iterable[Any]], object]
    entry: Kind
    low: int = 0
    says: str = ""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        entries = problems.list(node, what)
        values = [self.entry.read(entry, problems, f"an entry of {what}") for entry in entries]
        wrong = node.kind != "list" or _is_short(entries, self.low, node, problems, what)
        return WRONG if wrong or WRONG in values else self.make(values)

    def schema(self, found: Definitions) -> Schema:
        least = {"minItems": self.low} if self.low else {}
        return {"type": "array", "items": self.entry.schema(found), **least}

    def write(self, value: Any) -> object:
        return [self.entry.write(entry) for entry in (sorted(value) if self.make is frozenset else value)]


@dataclass(frozen=True)
class MapOf:
    """A map with one kind for its keys and one kind for its values."""

    key: Kind
    value: Kind
    low: int = 0
    says: str = ""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        if node.kind != "map":
            problems.add(node, f"{what} has to be a map, not {describe(node)}")
            return WRONG
        pairs = node.pairs
        wrong = _is_short(pairs, self.low, node, problems, what)
        keys = [self.key.read(key, problems, f"a key of {what}") for key, _ in pairs]
        values = [self.value.read(value, problems, str(key.value)) for key, value in pairs]
        return WRONG if wrong or WRONG in (*keys, *values) else dict(zip(keys, values, strict=True))

    def schema(self, found: Definitions) -> Schema:
        least = {"minProperties": self.low} if self.low else {}
        inner = {"propertyNames": self.key.schema(found), "additionalProperties": self.value.schema(found)}
        return {"type": "object", **inner, **least}

    def write(self, value: Any) -> object:
        return {self.key.write(name): self.value.write(entry) for name, entry in value.items()}


def _is_short(entries: Sized, low: int, node: Node, problems: Problems, what: str) -> bool:
    if len(entries) < low:
        text, remedy = (f"has at least {low} entries", None) if low > 1 else ("is empty", REMEDY)
        problems.add(node, f"{what} {text}", remedy)
    return len(entries) < low


@dataclass(frozen=True)
class Length:
    """The least number of entries of a list or a map; ``says`` is the meaning of an empty list."""

    low: int = 0
    says: str = ""

    def around(self, inner: Kind) -> Kind:
        return replace(cast(ListOf, inner), low=self.low, says=self.says)


@dataclass(frozen=True)
class Forms:
    """One of a few words, or one of several forms: a single kind, or documents distinguished by their first keys."""

    words: tuple[str, ...]
    forms: tuple[Kind, ...]

    def read(self, node: Node, problems: Problems, what: str) -> object:
        if node.kind == "scalar" and node.value in self.words:
            return node.value
        records = [form for form in self.forms if isinstance(form, Record)]
        if len(self.forms) == 1 and (node.kind != "scalar" or not records):
            return self.forms[0].read(node, problems, what)
        for record in records:
            if node.get(record.fields[0].key) is not None:
                return record.read(node, problems, what)
        shapes = [*self.words, *("{" + ", ".join(f"{key}: …" for key in record.keys) + "}" for record in records)]
        said = node.pairs[0][0].value if node.kind == "map" and node.pairs else node.value
        hint = did_you_mean(said, [*self.words, *(r.fields[0].key for r in records)]) if isinstance(said, str) else None
        text = f"{what} has to be {', '.join(shapes[:-1])} or {shapes[-1]}, not {describe(node)}"
        problems.add(node, text, hint, unknown=str(said) if node.kind == "map" else "")
        return WRONG

    def schema(self, found: Definitions) -> Schema:
        words = [{"enum": list(self.words)}] if self.words else []
        return {"anyOf": [*words, *(form.schema(found) for form in self.forms)]}

    def write(self, value: Any) -> object:
        if isinstance(value, str) and value in self.words:
            return value
        return next(f for f in self.forms if len(self.forms) == 1 or cast(Record, f).make is type(value)).write(value)


# --- constraints between the fields of a document ---------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """A map and its name, the nodes of its known keys, and the values that were read without a mistake, by key."""

    what: str
    node: Node
    keys: Mapping[str, Node]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Constraint:
    """A constraint between keys: its form in a schema, and the check that reports a violation."""

    shape: Schema
    check: Callable[[Given, Problems], None]


def some(text: str, *keys: str, hint: str | None = None) -> Constraint:
    """At least one of ``keys`` is given (of all keys, if ``keys`` is empty); ``text`` describes a map without one."""
    shape: Schema = {"anyOf": [{"required": [key]} for key in keys]} if keys else {"minProperties": 1}

    def check(given: Given, problems: Problems) -> None:
        if not (any(map(given.node.get, keys)) if keys else given.node.pairs):
            problems.add(given.node, f"{given.what} {text}", hint)

    return Constraint(shape, check)


def apart(first: str, second: str) -> Constraint:
    """Two keys that exclude each other."""

    def check(given: Given, problems: Problems) -> None:
        if {first, second} <= given.keys.keys():
            problems.add(given.keys[second], f"{first} is given too; give only one of the two")

    return Constraint({"not": {"required": [first, second]}}, check)


def beside(key: str, other: str, text: str) -> Constraint:
    """A key that only has a meaning together with another one."""

    def check(given: Given, problems: Problems) -> None:
        if key in given.keys and other not in given.keys:
            problems.add(given.keys[key], text)

    return Constraint({"dependentRequired": {key: [other]}}, check)


def agree(first: str, second: str, mistake: Callable[[Any, Any], str | None]) -> Constraint:
    """Two keys whose values have to agree if both are given; ``mistake`` says what is wrong with the second value."""

    def check(given: Given, problems: Problems) -> None:
        if {first, second} <= given.values.keys() and (text := mistake(given.values[first], given.values[second])):
            problems.add(given.keys[second], text)

    return Constraint({}, check)


# --- documents --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Doc:
    """A sentence about a field, and its key in the document if it differs from the field's name."""

    sentence: str = ""
    key: str = ""


@dataclass(frozen=True)
class Field:
    """A key of a map: the field for its value, its kind, and the default without it."""

    name: str
    key: str
    kind: Kind
    sentence: str = ""
    default: object = NEEDED


@dataclass(frozen=True, eq=False)
class Record:
    """A map with known keys that becomes a value. Messages call it ``what`` instead of its key.

    ``shorthand``: the field that a bare value sets. ``whole``: the first field is the whole document, without a map.
    ``place``: the value has a field of that name, for ``file:line:column``. ``exchanged``: programs write the
    document, so every field is written, null for None, and there is no ``place``. ``later``: keys of a later version
    are left out. ``says`` describes it. ``keys`` are its fields by key, ``required`` the keys without a default.
    """

    name: str
    make: Callable[..., object]
    fields: tuple[Field, ...]
    what: str = ""
    constraints: tuple[Constraint, ...] = ()
    shorthand: str = ""
    whole: bool = False
    place: bool = False
    exchanged: bool = False
    later: bool = False
    says: str = ""

    @cached_property
    def keys(self) -> Mapping[str, Field]:
        return {entry.key: entry for entry in self.fields}

    @cached_property
    def required(self) -> list[str]:
        return [entry.key for entry in self.fields if entry.default is NEEDED]

    def read(self, node: Node, problems: Problems, what: str) -> object:
        what, before = self.what or what, len(problems.found)
        if self.whole or (self.shorthand and node.kind != "map"):
            entry = self.keys[self.shorthand] if self.shorthand else self.fields[0]
            values = {entry.name: entry.kind.read(node, problems, self.shorthand or what)}
        else:
            given = problems.map(node, self.keys, what, self.required, others=self.later)
            found = {key: self.keys[key].kind.read(inner, problems, key) for key, inner in given.items()}
            problems.point_to(self.keys, what, before)
            right = {key: value for key, value in found.items() if value is not WRONG}
            for constraint in self.constraints if node.kind == "map" else ():
                constraint.check(Given(what, node, given, right), problems)
            values = {self.keys[key].name: value for key, value in found.items()}
        if len(problems.found) > before:
            return WRONG
        return self.make(**values, **({"place": node.place} if self.place else {}))

    def schema(self, found: Definitions) -> Schema:
        if self.whole:
            return self.fields[0].kind.schema(found)
        if self.name not in found:
            found[self.name] = (self, {})  # a placeholder, for a document that refers to itself
            properties = {entry.key: described(entry.kind.schema(found), entry.sentence) for entry in self.fields}
            rules = [constraint.shape for constraint in self.constraints if constraint.shape]
            shape = {**map_of(properties, self.required, others=self.later), **({"allOf": rules} if rules else {})}
            shape = described(shape, self.says)
            found[self.name] = (self, {"anyOf": [properties[self.shorthand], shape]} if self.shorthand else shape)
        assert found[self.name][0] is self, f"two documents are called {self.name}"
        return {"$ref": f"#/$defs/{self.name}"}

    def write(self, value: Any) -> object:
        get: Callable[[str, object], Any] = value.get if isinstance(value, dict) else partial(getattr, value)
        pairs = [(entry, get(entry.name, entry.default)) for entry in self.fields]
        if self.whole:
            return self.fields[0].kind.write(pairs[0][1])
        said = pairs if self.exchanged else [(entry, inner) for entry, inner in pairs if inner != entry.default]
        return {entry.key: entry.kind.write(inner) for entry, inner in said}


def described(shape: Schema, sentence: str) -> Schema:
    """A schema with its description."""
    return {**shape, "description": sentence} if sentence else shape


def map_of(properties: Schema, required: Iterable[str] = (), *, others: bool = False) -> Schema:
    """The schema of a map with these keys; other keys are allowed only with ``others``."""
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **({} if others else {"additionalProperties": False}), **needed}


def document(what: str = "", *constraints: Constraint, **parts: Any) -> Callable[[type[T]], type[T]]:
    """Mark a class as a document: its name in messages, its constraints, and further fields of `Record`."""

    def mark(record: type[T]) -> type[T]:
        record.__document__ = {"what": what, "constraints": constraints, **parts}  # type: ignore[attr-defined]
        return record

    return mark


def _record_of(record: Any) -> Record:
    hints = get_type_hints(record, localns={}, include_extras=True)  # a field must not hide a global of the same name
    fields = () if is_typeddict(record) else dataclasses.fields(record)
    defaults = {entry.name: _default(entry) for entry in fields} or dict.fromkeys(hints)
    about = record.__dict__.get("__document__", {})
    placed = "place" in defaults and not about.get("exchanged")
    rows = tuple(_field(n, hints[n], default, about) for n, default in defaults.items() if n != "place" or not placed)
    return Record(record.__name__.lstrip("_"), record, rows, place=placed, **about)


def _default(entry: dataclasses.Field[Any]) -> object:
    made = entry.default if entry.default_factory is MISSING else entry.default_factory()
    return NEEDED if made is MISSING else made


def _field(name: str, hint: Any, default: object, about: Mapping[str, Any]) -> Field:
    doc = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Doc)), Doc())
    inner, kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint, kind_of(hint)
    null = about.get("exchanged") and NoneType in get_args(inner)
    return Field(name, doc.key or name, or_null(kind) if null else kind, doc.sentence, default)


# --- kinds of types ---------------------------------------------------------------------------------------

_SCALARS: Mapping[Any, Kind] = {
    str: Scalar(Problems.text, {"type": "string"}),
    int: Scalar(Problems.integer, {"type": "integer"}),
    bool: Scalar(Problems.boolean, {"type": "boolean"}),
    float: Scalar(Problems.number, {"type": "number"}),
}


@cache
def kind_of(hint: Any) -> Kind:
    """The kind of a type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind = next((extra for extra in arguments[1:] if isinstance(extra, Kind)), None) or kind_of(arguments[0])
        for extra in arguments[1:]:
            kind = extra.around(kind) if isinstance(extra, Modifier) else kind
        return kind
    if origin is Literal:
        return Words(lambda: arguments)
    if origin in (Union, UnionType):
        words = tuple(word for part in arguments if get_origin(part) is Literal for word in get_args(part))
        forms = tuple(kind_of(part) for part in arguments if get_origin(part) is not Literal and part is not NoneType)
        if not forms:
            return Words(lambda: words)
        return forms[0] if len(forms) == 1 and not words else Forms(words, forms)
    if origin in (list, tuple, frozenset):
        return ListOf(origin, kind_of(arguments[0]))
    if origin is Mapping:
        return MapOf(kind_of(arguments[0]), kind_of(arguments[1]))
    return _record_of(hint) if dataclasses.is_dataclass(hint) or is_typeddict(hint) else _SCALARS[hint]


# --- using documents --------------------------------------------------------------------------------------


def record_of(record: Any) -> Record:
    """The description of a document, with a row for each field."""
    return cast(Record, kind_of(record))


def read(record: type[T], node: Node, problems: Problems, what: str = "") -> T | None:
    """The document of a node, or None after a mistake, which is added to ``problems``; messages call it ``what``."""
    value = record_of(record).read(node, problems, what)
    return None if value is WRONG else cast(T, value)


def schema_of(kind: Kind, title: str) -> Schema:
    """The complete JSON schema (draft 2020-12) of a kind, including the documents it contains."""
    found: Definitions = {}
    root = kind.schema(found)
    root = found.pop(kind.name)[1] if isinstance(kind, Record) and kind.name in found else root
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **root}
    parts = {name: part for name, (_, part) in sorted(found.items())}
    return {**head, "$defs": parts} if parts else head
