"""Time passes between events only: a scheduler alone waits on a clock, or moves it."""

import ast

import pytest

OWNER = "mfp_sim/shared/simtime.py"
READER = "mfp_sim/transport/reader.py"  # moves the private clock of a reply that it reads ahead
MOVES = {"wait_until": {OWNER}, "move_to": {OWNER, READER, "mfp_sim/transport/in_process.py"}}


def moves(tree: ast.Module) -> list[tuple[int, str]]:
    """Places (line, name) where a clock is waited on or moved."""
    return [
        (node.lineno, node.func.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MOVES
    ]


@pytest.mark.parametrize("name", MOVES)
def test_the_scan_sees(name: str) -> None:
    assert moves(ast.parse(f"self.clock.{name}(x)")) == [(1, name)]


def test_only_the_scheduler_lets_time_pass(modules) -> None:
    found = [(module.path, name) for module in modules for _, name in moves(module.tree)]
    assert {name for path, name in found if path == OWNER} == set(MOVES), "the scan sees the owner itself"
    assert [place for place in found if place[0] not in MOVES[place[1]]] == []
