"""What the architecture tests share: the product's modules as syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One product module: its path below the root, its dotted name, its tree."""

    path: str
    name: str
    text: str
    tree: ast.Module

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every imported dotted name (for ``from a import b``: ``a.b``) with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _modules(root: Path) -> list[Module]:
    found = []
    for package in ("mfp_sim", "mock_scep_server"):
        for file in sorted((root / package).rglob("*.py")):
            path = file.relative_to(root)
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            text = file.read_text("utf-8")
            found.append(Module(path.as_posix(), name, text, ast.parse(text, path.as_posix())))
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """All modules of both packages; a test that finds none would prove nothing."""
    found = _modules(ROOT)
    assert len(found) > 20
    return found
