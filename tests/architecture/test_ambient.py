"""Only simtime.py touches the system's clock, its randomness and key generation."""

import ast

import pytest

OWNER = "mfp_sim/shared/simtime.py"
POOL_MAKER = "mfp_sim/shared/keypool/__main__.py"  # makes the committed pool, by hand, never at run time
BANNED_MODULES = {"random", "secrets"}
BANNED_CALLS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now",
    "datetime.datetime.utcnow", "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns",
    "time.perf_counter", "time.sleep", "time.localtime", "time.gmtime", "os.urandom",
    "uuid.uuid1", "uuid.uuid4", "rsa.generate_private_key",
    "ec.generate_private_key", "x509.random_serial_number",
}  # fmt: skip


def ambient(tree: ast.Module) -> list[tuple[int, str]]:
    """Places (line, name) where a module reads the machine's clock or chance, or makes a key."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in BANNED_CALLS:
            found.append((node.lineno, ast.unparse(node)))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names if alias.name in BANNED_MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found += [(node.lineno, name) for name in sorted(names & BANNED_CALLS)]
            if node.module in BANNED_MODULES:
                found.append((node.lineno, node.module))
    return found


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("datetime.now(UTC)", "datetime.now"),
        ("from time import sleep", "time.sleep"),
        ("import random", "random"),
        ("key = rsa.generate_private_key(65537, 2048)", "rsa.generate_private_key"),
        ("default_factory(time.monotonic)", "time.monotonic"),
    ],
)
def test_the_scan_sees(line: str, name: str) -> None:
    assert ambient(ast.parse(line)) == [(1, name)]


def test_only_simtime_touches_time_and_chance(modules) -> None:
    found = [
        f"{module.path}:{line}: {name}"
        for module in modules
        if module.path not in {OWNER, POOL_MAKER}
        for line, name in ambient(module.tree)
    ]
    assert found == []


def test_simtime_is_where_they_are(modules) -> None:
    (owner,) = [module for module in modules if module.path == OWNER]
    assert {name for _, name in ambient(owner.tree)} >= {"datetime.now", "random", "os.urandom"}
