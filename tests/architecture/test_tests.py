"""Tests need the packages and what lies beside them, not the checkout on the path of every program."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("benchmarks", "docs", "mutation", "scenarios", "tests", "tools")


def _of_the_checkout(tree: ast.Module) -> Iterator[str]:
    """Imports of a folder of the checkout as if it were a package."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        yield from (f"{node.lineno}: {name}" for name in names if name.partition(".")[0] in FOLDERS)


def test_no_test_imports_a_folder_of_the_checkout(root: Path) -> None:
    files = sorted((root / "tests").rglob("*.py"))
    assert len(files) > 150
    found = [f"{file.name}:{name}" for file in files for name in _of_the_checkout(ast.parse(file.read_text("utf-8")))]
    assert found == [], "what tests share is in tests/support"


@pytest.mark.parametrize(
    "text", ["import tools.generate", "from tests.support import x", "def f():\n  from benchmarks import y"]
)
def test_such_an_import_is_found(text: str) -> None:
    assert len(list(_of_the_checkout(ast.parse(text)))) == 1


def test_no_two_modules_on_the_path_of_the_tests_have_one_name(root: Path) -> None:
    options = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    names = [
        file.stem for folder in options["pythonpath"] for file in (root / folder).glob("*.py") if file.stem[0] != "_"
    ]
    assert len(names) > 15
    assert len(set(names)) == len(names)
