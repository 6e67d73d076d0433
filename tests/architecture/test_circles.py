"""No circles: of two modules, one can be read, imported and tested without the other.

Imports within functions and those for types only count too: they hide a circle from Python, not from a reader.
"""

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def graph(modules: Iterable) -> dict[str, set[str]]:
    """Which modules each module names in its imports; a package is its ``__init__``."""
    names = {module.name for module in modules}
    found: dict[str, set[str]] = {}
    for module in modules:
        asked = {name if name in names else name.rpartition(".")[0] for name, _ in module.imports()}
        found[module.name] = (asked & names) - {module.name}
    return found


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """The modules of one circle in order, or nothing."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_the_search_finds_a_circle_and_what_closes_it() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert set(circle(imports)) == {"a", "b", "c"}
    assert circle({**imports, "c": set()}) == []


def test_late_and_typed_imports_count(modules) -> None:
    tree = ast.parse("if TYPE_CHECKING:\n    from a import B\ndef f():\n    from c import d\n    import e\n")
    assert {name for name, _ in type(modules[0])("", "", "", tree).imports()} == {"a.B", "c.d", "e"}


def test_no_module_imports_in_circles(modules) -> None:
    assert circle(graph(modules)) == []
