"""What is public says what it is. ruff holds modules, classes and functions; methods are held here.

A method that overrides one of a base or fulfils a protocol needs no words of its own: those of the base count. Words
may stand in the docstring of the class, which then names the ``method``.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator

import pytest


def silent_methods(tree: ast.Module, spoken: set[str]) -> Iterator[tuple[int, str]]:
    """The public methods (line, class.method) of public classes that nothing is said about."""
    owners = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for owner in owners:
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            if node.name not in spoken and not _said(owner, node):
                yield node.lineno, f"{owner.name}.{node.name}"


def _said(owner: ast.ClassDef, method: ast.FunctionDef) -> bool:
    return ast.get_docstring(method) is not None or f"``{method.name}``" in (ast.get_docstring(owner) or "")


def spoken_for(trees: list[ast.Module]) -> set[str]:
    """The names of methods that a protocol, or a class with heirs, says something about."""
    bases: set[str] = set()
    said: dict[str, set[str]] = defaultdict(set)
    for tree in trees:
        for owner in ast.walk(tree):
            if isinstance(owner, ast.ClassDef):
                names = {ast.unparse(base).partition("[")[0] for base in owner.bases}
                bases |= names | ({owner.name} if "Protocol" in names else set())
                said[owner.name] |= {
                    node.name for node in owner.body if isinstance(node, ast.FunctionDef) and _said(owner, node)
                }
    return {method for base in bases for method in said[base]}


@pytest.mark.parametrize(
    ("base", "found"),
    [("class Base(Protocol):", []), ("class Other:", [(5, "A.act")])],
)
def test_the_scan_sees(base: str, found: list[tuple[int, str]]) -> None:
    tree = ast.parse(
        f"{base}\n    def act(self):\n        'Do it.'\nclass A:\n    def act(self): ...\n    def _own(self): ...\n"
    )
    assert list(silent_methods(tree, spoken_for([tree]))) == found


def test_public_methods_say_what_they_do(modules) -> None:
    spoken = spoken_for([module.tree for module in modules])
    assert "on_message" in spoken
    found = [
        f"{module.path}:{line}: {name}" for module in modules for line, name in silent_methods(module.tree, spoken)
    ]
    assert found == []
