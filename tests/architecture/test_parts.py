"""The printer is put together from parts: none reaches into another, and a base class leaves nothing open."""

import ast
import inspect
from collections.abc import Iterator

from mfp_sim.device.printer import Printer

PARAMETERS = 8


def _device(modules) -> list:
    return [module for module in modules if module.name.startswith("mfp_sim.device.")]


def _foreign(tree: ast.Module) -> Iterator[ast.Attribute]:
    """Private members of objects other than itself and others of a class that is in this module."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            name = node.value.id if isinstance(node.value, ast.Name) else None
            if name not in {"self", "cls"} and (name is None or node.attr not in own):
                yield node


def test_no_part_uses_the_private_members_of_another(modules) -> None:
    looked = _device(modules)
    assert len(looked) > 20
    found = [f"{module.path}:{node.lineno}: {node.attr}" for module in looked for node in _foreign(module.tree)]
    assert found == []


def test_a_private_member_of_another_part_is_found() -> None:
    tree = ast.parse("class A:\n    def f(self):\n        return self._own, self.machine._own\n")
    assert [node.attr for node in _foreign(tree)] == ["_own"]


def test_no_part_leaves_members_to_those_that_are_built_on_it(modules) -> None:
    found = [
        f"{module.path}:{node.lineno}: {node.id}"
        for module in _device(modules)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id in {"ABC", "abstractmethod"}
    ]
    assert found == []


def test_a_printer_is_handed_few_things() -> None:
    assert len(inspect.signature(Printer).parameters) <= PARAMETERS
