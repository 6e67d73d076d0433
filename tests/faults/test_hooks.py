"""What a fault is made of: hooks that exist, typed and in their layer, in every fault of the registry."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

from mock_scep_server import faults
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.base import HOOKS, LAYERS, Fault
from mock_scep_server.faults.message import odd
from mock_scep_server.faults.registry import FaultEntry
from mock_scep_server.script_file import script_of


def primitives(fault: Fault) -> Iterator[Fault]:
    """The faults that a fault consists of in the end."""
    if not fault.members:
        yield fault
    for member in fault.members:
        yield from primitives(member)


def everything(fault: Fault) -> Iterator[Fault]:
    """A fault and all that it consists of, combinations among them."""
    yield fault
    for member in fault.members:
        yield from everything(member)


def made(entry: FaultEntry, variant: str | None) -> Fault:
    (rule,) = script_of(f"[{{faults: [{entry.written(variant)}]}}]")
    return rule.faults[0].fault


def classes() -> Iterator[type[Fault]]:
    """Every class of faults that the package has."""
    for module in pkgutil.walk_packages(faults.__path__, "mock_scep_server.faults."):
        found = importlib.import_module(module.name)
        for _, one in inspect.getmembers(found, inspect.isclass):
            if issubclass(one, Fault) and one is not Fault and one.__module__ == module.name:
                yield one


def own_hooks(fault: Fault) -> set[str]:
    """The hooks that do not come from the base, found without :attr:`Fault.hooks`."""
    return {name for name in HOOKS if getattr(type(fault), name) is not getattr(Fault, name)}


@pytest.mark.parametrize("entry", FAULTS.values(), ids=lambda entry: entry.slug)
def test_every_part_of_every_fault_has_a_hook_of_its_own(entry: FaultEntry) -> None:
    if not entry.in_scripts:
        assert entry.option
        return
    for variant in entry.variants:
        parts = list(primitives(made(entry, variant)))
        assert parts
        for part in parts:
            assert own_hooks(part), f"{entry.written(variant)}: {part}"
            assert own_hooks(part) == part.hooks


def test_every_class_is_in_some_fault_of_the_registry() -> None:
    faults_made = [made(entry, variant) for entry in FAULTS.values() if entry.in_scripts for variant in entry.variants]
    assert len(faults_made) > 400
    assert {type(part) for fault in faults_made for part in everything(fault)} == set(classes())


def test_some_part_of_every_fault_works_in_the_layer_that_the_registry_names() -> None:
    for entry in FAULTS.values():
        if entry.in_scripts:
            parts = (part for variant in entry.variants for part in primitives(made(entry, variant)))
            assert entry.layer in {HOOKS[name] for part in parts for name in part.hooks}, entry.slug


def test_every_hook_of_the_base_is_in_the_table_and_gives_what_it_took() -> None:
    assert list(HOOKS) == [name for name in vars(Fault) if name.startswith("on_")]
    assert list(dict.fromkeys(HOOKS.values())) == list(LAYERS)
    nothing, value = Fault(), object()
    assert all(getattr(nothing, name)(value, None) is value for name in HOOKS)


def test_every_class_says_the_types_of_its_hooks() -> None:
    """mypy compares them with the base; without annotations it would not look inside."""
    for one in classes():
        for name in one.hooks:
            assert set(getattr(one, name).__annotations__) == {*inspect.signature(getattr(one, name)).parameters} - {
                "self"
            } | {"return"}


def test_a_class_with_a_misspelt_hook_is_refused() -> None:
    with pytest.raises(TypeError, match="Inert: there is no hook on_mesage"):
        type("Inert", (Fault,), {"on_mesage": lambda self, reply, context: reply})
    with pytest.raises(TypeError, match="there is no hook on_reply"):
        type("Half", (Fault,), {"on_reply": lambda *_: None, "on_http": lambda self, reply, context: reply})


def test_a_class_without_any_hook_is_refused() -> None:
    with pytest.raises(TypeError, match="Inert has no hook"):
        type("Inert", (Fault,), {"message": lambda self, reply, context: reply})


def test_a_class_has_the_hooks_of_its_bases() -> None:
    first: Any = type("First", (Fault,), {"on_http": lambda self, reply, context: reply})
    second: Any = type("Second", (first,), {"on_bytes": lambda self, octets, context: octets})
    assert second.hooks == {"on_http", "on_bytes"}
    assert first.hooks == {"on_http"}


def test_an_option_of_the_writers_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="paddding"):
        odd(paddding="wrong")  # type: ignore[call-arg]
