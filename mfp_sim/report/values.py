"""Frozen dataclasses as JSON and back, and the JSON schema of them: one walk over type hints for each of the three.

Knows the few kinds of hints that :mod:`mfp_sim.report.model` uses and nothing of what they mean. What is read may come
from anybody: a value that does not fit is an error with its path, and nothing is made from it.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mfp_sim.errors import UsageError

__all__ = ["as_value", "read", "schema_of"]

T = TypeVar("T")
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def as_value(value: object) -> Any:
    """A dataclass, and all in it, as a JSON-able value; every field is written, also an empty one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: as_value(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_value(entry) for entry in value]
    return value


def read(kind: type[T], value: object, path: str) -> T:
    """A dataclass from what :func:`as_value` wrote; keys that it does not know are left out, so that a later minor
    addition can still be read.

    Raises:
        UsageError: a field is missing or of another type; with its path.
    """
    return _read(kind, value, path)  # type: ignore[no-any-return]


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it has to be there."""
    hints = get_type_hints(kind)
    return tuple(
        (
            entry.name,
            hints[entry.name],
            entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING,
        )
        for entry in dataclasses.fields(kind)
    )


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _read(kind: Any, value: object, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is object:
        return value
    if _is_record(kind):
        return _read_record(kind, value, path)
    if origin in (Union, UnionType):
        (hint,) = [argument for argument in arguments if argument is not NoneType]
        return None if value is None else _read(hint, value, path)
    if origin is Literal:
        if value not in arguments:
            raise UsageError(f"{path} is none of {', '.join(arguments)}")
        return value
    if origin is tuple:
        return _read_list(arguments, value, path)
    if origin is Mapping:
        return {name: _read(arguments[1], entry, f"{path}.{name}") for name, entry in _as_map(value, path).items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{path} is not {_NAMES[kind]}")
    return value


def _read_record(kind: Any, value: object, path: str) -> Any:
    given = _as_map(value, path)
    for name, _, needed in _fields(kind):
        if needed and name not in given:
            raise UsageError(f"{path}.{name} is missing")
    found = {name: _read(hint, given[name], f"{path}.{name}") for name, hint, _ in _fields(kind) if name in given}
    return kind(**found)


def _read_list(arguments: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise UsageError(f"{path} is not a list")
    if arguments[-1] is Ellipsis:
        return tuple(_read(arguments[0], entry, f"{path}[{number}]") for number, entry in enumerate(value))
    if len(value) != len(arguments):
        raise UsageError(f"{path} is not a list of {len(arguments)}")
    return tuple(_read(hint, entry, path) for hint, entry in zip(arguments, value, strict=True))


def _as_map(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{path} is not an object")
    return value


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON schema (2020-12) of what :func:`as_value` writes: all that follows from types and docstrings."""
    found: dict[str, Any] = {}
    reference = _schema(kind, found)
    return {**reference, "$defs": dict(sorted(found.items()))}


def _schema(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is object:
        return {}
    if _is_record(kind):
        name = kind.__name__
        if name not in found:
            found[name] = {}  # a place held, should a type name itself
            found[name] = {
                "type": "object",
                "description": " ".join((inspect.getdoc(kind) or "").replace("``", "").split()),
                "required": [entry for entry, _, needed in _fields(kind) if needed],
                "properties": {entry: _schema(hint, found) for entry, hint, _ in _fields(kind)},
            }
        return {"$ref": f"#/$defs/{name}"}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(argument, found) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return {"type": "array", "items": _schema(arguments[0], found)}
        whole = [_schema(argument, found) for argument in arguments]
        return {"type": "array", "prefixItems": whole, "items": False, "minItems": len(whole)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], found)}
    return {"type": _JSON_TYPES[kind]}
