"""Puts a changed module in the place of the one that is loaded, without importing anything again.

The changed source is executed beside the module; the code and the defaults of each function, and each value and table,
are then taken over by the objects that the rest of the program holds. Works in a process that is thrown away after it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cached_property
from types import FunctionType, MemberDescriptorType, ModuleType

__all__ = ["graft"]

_AFTERWARDS = {"mfp_sim.device.printer_profile": ("PROFILES", "_load_shipped")}
"""What a module fills once, when it is imported, and by what: it is emptied, and filled by the changed code."""
_MADE_BY_PYTHON = {
    "__dict__", "__weakref__", "__module__", "__doc__", "__dataclass_fields__", "__dataclass_params__",
    "__match_args__", "__annotations__", "__hash__", "__abstractmethods__", "_abc_impl", "__parameters__",
    "__builtins__", "__name__", "__file__", "__cached__", "__loader__", "__spec__", "__package__",
}  # fmt: skip


def graft(module: ModuleType, tree: ast.Module) -> None:
    """Make ``module`` behave like ``tree``.

    Raises:
        Exception: whatever the changed module raises when it is imported.
    """
    space: dict[str, object] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(tree, module.__file__ or module.__name__, "exec"), space)
    _take_over(module, vars(module), space, module.__name__)
    if module.__name__ in _AFTERWARDS:
        filled, filler = _AFTERWARDS[module.__name__]
        getattr(module, filled).clear()
        if any(isinstance(line, ast.Expr) and ast.unparse(line) == f"{filler}()" for line in tree.body):
            getattr(module, filler)()


def _take_over(owner: object, live: Mapping[str, object], fresh: Mapping[str, object], name: str) -> None:
    for key, new in list(fresh.items()):
        old = live.get(key)
        if key in _MADE_BY_PYTHON or old is new or isinstance(new, MemberDescriptorType):
            continue
        old_function, new_function = _function(old), _function(new)
        if new_function is not None and new_function.__module__ != name:
            continue
        if old_function is not None and new_function is not None:
            old_function.__code__ = new_function.__code__
            old_function.__defaults__ = new_function.__defaults__
            old_function.__kwdefaults__ = new_function.__kwdefaults__
            for cell, fresh_cell in zip(old_function.__closure__ or (), new_function.__closure__ or (), strict=True):
                cell.cell_contents = _adopted(fresh_cell.cell_contents, name)  # a dataclass keeps its factories here
            if hasattr(old, "cache_clear"):
                old.cache_clear()
        elif isinstance(new, type) and isinstance(old, type):
            if new.__module__ == name:
                _take_over(old, vars(old), vars(new), name)
        elif isinstance(new, Enum) and isinstance(old, Enum) and type(new).__module__ == name:
            old._value_ = new._value_
        elif old != (adopted := _adopted(new, name)):
            _replace(owner, key, old, adopted)


def _function(value: object) -> FunctionType | None:
    """The function behind a property, a class method, a cache, and so on."""
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, cached_property):
        value = value.func
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    while hasattr(value, "__wrapped__"):
        value = value.__wrapped__
    return value if isinstance(value, FunctionType) else None


def _adopted(value: object, name: str) -> object:
    """A value of the changed module, with the functions and classes of the one that lives: others hold those."""
    kind = type(value)
    if isinstance(value, type | FunctionType) and value.__module__ == name:
        return _living(value, name)
    if kind is dict:
        return {_adopted(key, name): _adopted(inner, name) for key, inner in value.items()}  # type: ignore[attr-defined]
    if kind in (tuple, list, set, frozenset):
        return kind(_adopted(inner, name) for inner in value)  # type: ignore[call-arg, attr-defined]
    if kind.__module__ != name or not (is_dataclass(value) or isinstance(value, Enum)):
        return value
    lives = _living(kind, name)
    if isinstance(value, Enum):
        return lives[value.name]  # type: ignore[index]
    copy = object.__new__(lives)  # type: ignore[type-var]
    for field in fields(value):  # type: ignore[arg-type]
        object.__setattr__(copy, field.name, _adopted(getattr(value, field.name), name))
    return copy


def _living(value: type | FunctionType, name: str) -> object:
    """What lives under the same name; the value itself if nothing does, as with what a function defines inside."""
    found: object = sys.modules[name]
    for part in value.__qualname__.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    if isinstance(value, FunctionType):
        found = _function(found)
    return value if found is None else found


def _replace(owner: object, key: str, old: object, new: object) -> None:
    """Set a value of a module or class, and in each module that has imported it by its name."""
    setattr(owner, key, new)
    if isinstance(owner, ModuleType):
        for other in list(sys.modules.values()):
            if other is not owner and vars(other).get(key) is old:
                setattr(other, key, new)
