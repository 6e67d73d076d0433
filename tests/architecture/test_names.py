"""One name for one thing: no two public types share a name, and no module hides one of the standard library."""

import ast
import sys
from collections import defaultdict

import pytest

ALLOWED = {
    "mfp_sim.conformance.checks.time": "a chapter of checks: people write its name after --only",
    "mock_scep_server.faults.defects.http": "the defects of one layer; its sisters have the names of theirs",
    "mock_scep_server.faults.families.http": "a family of faults: people read its name in lists and reports",
}
"""Modules with the name of one of the standard library, each with the reason. Absolute imports keep them apart."""
VARIABLES = {"TypeVar", "ParamSpec", "TypeVarTuple"}


def types_of(tree: ast.Module) -> list[str]:
    """The public classes, and the aliases and made types that read like one, at the top of a module."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            made = node.value.func if isinstance(node.value, ast.Call) else None
            if isinstance(made, ast.Name) and made.id in VARIABLES:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [name.id for name in targets if isinstance(name, ast.Name) and _like_a_class(name.id)]
    return [name for name in found if not name.startswith("_")]


def _like_a_class(name: str) -> bool:
    return name[0].isupper() and not name.isupper() and "_" not in name


@pytest.mark.parametrize(
    "line",
    ["class Entry: ...", "Entry = int | str", "Entry: TypeAlias = int", "Entry = NamedTuple('Entry', [])"],
)
def test_the_scan_sees(line: str) -> None:
    assert types_of(ast.parse(line)) == ["Entry"]


@pytest.mark.parametrize("line", ["class _Entry: ...", "ENTRY = 1", "entry = 1", "Entry = TypeVar('Entry')", "A_B = 1"])
def test_the_scan_leaves_out(line: str) -> None:
    assert types_of(ast.parse(line)) == []


def test_no_two_public_types_have_one_name(modules) -> None:
    homes = defaultdict(list)
    for module in modules:
        for name in types_of(module.tree):
            homes[name].append(module.name)
    assert len(homes) > 300
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_no_module_has_the_name_of_one_of_the_standard_library(modules) -> None:
    found = {module.name for module in modules if module.name.rpartition(".")[2] in sys.stdlib_module_names}
    assert found == set(ALLOWED)
