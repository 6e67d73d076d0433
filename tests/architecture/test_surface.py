"""``__all__`` is true: what others take from a module stands in it, and what stands in it is taken by others.

Others are the modules of both packages, the tests, ``benchmarks``, ``.ci``, and the code in the documentation. Tests
count, since the limits and tables that they name are what a module promises. A test may also reach for a private name
or patch what a module imports: neither makes it public.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from mfp_sim.cli.verbs import VERBS

Taken = Mapping[str, Mapping[str, set[str]]]
"""By module and name: who takes it."""

WHOLE = {
    "mfp_sim.shared.scep.der": "written with the module's name: der.sequence",
    "mfp_sim.shared.scep.vocabulary": "written with the module's name: v.SIGNED_DATA",
}
"""Modules without ``__all__``: each of their public names is for others."""
CALLED_BY_NAME = {
    "mfp_sim.pytest_plugin": {"SimulatedTime", "frozen_clock", "printer", "scep_ca"},  # pytest does
    **{
        f"mfp_sim.cli.{module}": {verb.function for verb in VERBS if verb.module == module}
        for module in {verb.module for verb in VERBS}
    },
}
DOCUMENTED = {
    "mfp_sim.conformance.selftest": {"CLEAN", "Proven", "SelfTest"},  # CONTRIBUTING; what it hands out
    "mfp_sim.testing": {"ScepClient"},  # docs/how-to/testing.md: what bench.client() gives
}
IMPORT = re.compile(r"^from (\S+) import ([\w, ]+)$", re.MULTILINE)


def listed(tree: ast.Module) -> list[str] | None:
    """The names in ``__all__``, or None where a module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def defined(tree: ast.Module) -> set[str]:
    """The names that a module makes itself, at its top."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def imported(tree: ast.Module) -> set[str]:
    """The names that a module has from others, imports within functions and for types only left out."""
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def take(tree: ast.Module, modules: set[str]) -> set[tuple[str, str]]:
    """The (module, name) that a file takes: imported, written as ``module.name``, or patched in a module."""
    found, known = set(), defaultdict(set)  # functions may call different modules by one name
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (whole := f"{node.module}.{alias.name}") in modules:
                    known[alias.asname or alias.name].add(whole)
                elif node.module in modules:
                    found.add((node.module, alias.name))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name].add(alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found |= {(module, node.attr) for module in known.get(ast.unparse(node.value), ())}
        elif isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            found |= {(module, str(node.args[1].value)) for module in known.get(ast.unparse(node.args[0]), ())}
    return {(module, name) for module, name in found if module in modules}


@pytest.fixture(scope="module")
def taken(root: Path, modules) -> Taken:
    """What is taken from each module, and by whom."""
    names = {module.name for module in modules}
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in modules:
        for home, name in take(module.tree, names):
            found[home][name].add(module.name)
    others = [file for place in ("tests", "benchmarks", "tools", ".ci") for file in (root / place).rglob("*.py")]
    assert len(others) > 100
    for file in others:
        for home, name in take(ast.parse(file.read_text("utf-8")), names):
            found[home][name].add(file.relative_to(root).as_posix())
    for text in (root / ".ci" / "run", *(root / "docs").rglob("*.md")):
        for home, imports in IMPORT.findall(text.read_text("utf-8")):
            for name in imports.split(", "):
                found[home][name].add(text.name)
    for home, by_name in (*CALLED_BY_NAME.items(), *DOCUMENTED.items()):
        for name in by_name:
            found[home][name].add("by name")
    return found


def unlisted(module, users: Mapping[str, Iterable[str]]) -> list[str]:
    """The names that others take, and that do not stand in ``__all__``.

    What a module only imports, a module of the product may not take from it; what a test patches there is its matter.
    """
    own, public = defined(module.tree), listed(module.tree) or []
    return sorted(
        name
        for name, takers in users.items()
        if not name.startswith("_") and name not in public
        if name in own or (name in imported(module.tree) and not all("/" in taker for taker in takers))
    )


def test_the_scan_sees_what_is_taken() -> None:
    tree = ast.parse(
        "from a import b, name\nimport a.c as c\nb.other\nc.x.y\npatch.setattr(b, 'z', 1)\nsetattr(b, 'w', 1)\n"
    )
    assert take(tree, {"a", "a.b", "a.c"}) == {
        ("a", "name"),
        ("a.b", "other"),
        ("a.c", "x"),
        ("a.b", "z"),
        ("a.b", "w"),
    }


def test_what_others_take_is_listed(modules, taken: Taken) -> None:
    found = {m.name: names for m in modules if m.name not in WHOLE if (names := unlisted(m, taken.get(m.name, {})))}
    assert found == {}


def test_what_is_listed_is_there_and_others_take_it(modules, taken: Taken) -> None:
    found = {
        module.name: idle
        for module in modules
        if (idle := sorted(set(listed(module.tree) or []) - set(taken.get(module.name, {}))))
    }
    assert found == {}
    missing = {
        module.name: gone
        for module in modules
        if (gone := set(listed(module.tree) or []) - defined(module.tree) - imported(module.tree))
    }
    assert missing == {}


@pytest.mark.parametrize("name", WHOLE)
def test_a_module_that_is_public_as_a_whole_has_no_name_in_vain(modules, taken: Taken, name: str) -> None:
    (module,) = [module for module in modules if module.name == name]
    assert listed(module.tree) is None
    own = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    idle = {name for name in defined(module.tree) if not name.startswith("_")} - set(taken[name]) - own
    assert idle == set()
