"""No circles: of two modules, one can be read, imported and tested without the other.

Imports within functions and those for types only count too: they hide a circle from Python, not from a reader.
"""

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

KNOWN = {
    ("mfp_sim.conformance.model", "mfp_sim.conformance.client"): "what a check is handed, as a type",
}
"""Imports (from, of) that close a circle, each with the reason why it stays."""


def graph(modules: Iterable) -> dict[str, set[str]]:
    """Which modules each module names in its imports; a package is its ``__init__``."""
    names = {module.name for module in modules}
    found: dict[str, set[str]] = {}
    for module in modules:
        asked = {name if name in names else name.rpartition(".")[0] for name, _ in module.imports()}
        found[module.name] = (asked & names) - {module.name}
    return found


def circle(imports: Mapping[str, set[str]], without: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The modules of one circle in order, or nothing."""
    removed = set(without)
    kept = {name: {other for other in others if (name, other) not in removed} for name, others in imports.items()}
    try:
        TopologicalSorter(kept).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_the_search_finds_a_circle_and_what_closes_it() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert set(circle(imports)) == {"a", "b", "c"}
    assert circle(imports, [("c", "a")]) == []


def test_late_and_typed_imports_count(modules) -> None:
    tree = ast.parse("if TYPE_CHECKING:\n    from a import B\ndef f():\n    from c import d\n    import e\n")
    assert {name for name, _ in type(modules[0])("", "", "", tree).imports()} == {"a.B", "c.d", "e"}


def test_no_module_imports_in_circles(modules) -> None:
    assert circle(graph(modules), KNOWN) == []


@pytest.mark.parametrize("known", KNOWN, ids=" ".join)
def test_an_exception_is_still_needed(modules, known: tuple[str, str]) -> None:
    assert circle(graph(modules), set(KNOWN) - {known})
