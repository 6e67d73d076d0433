"""Which small changes there are to a module: one operator, one place, one changed syntax tree.

Owns the operators and the names of mutants. A name has no line numbers, so that a list of names outlives an edit
elsewhere in the file. Left out is what no test should look at: annotations, decorators, docstrings, assertions (they
narrow types), ``__all__``, f-strings and sentences for people, which are texts with a blank.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Mutant", "mutants_of"]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.BitXor: ast.BitOr, ast.Pow: ast.Mult,
}  # fmt: skip
_LEAPS = (ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True)
class _Place:
    """A node that can be changed: where it hangs, and the statement and function around it.

    ``inside``: the names of the classes and functions that it is in. ``whole``: the function, or the statement itself.
    """

    node: ast.AST
    parent: ast.AST
    slot: str
    index: int | None
    statement: ast.stmt
    function: str
    inside: tuple[str, ...]
    whole: ast.stmt


@dataclass(frozen=True)
class Mutant:
    """One change. ``lines`` are those of the statement that it is in; ``function`` is empty outside of functions.

    ``around``: the lines of that function, or of the statement outside of functions.
    ``names``: what a statement outside of functions defines, and the class that it is in, by which others use it.
    """

    module: str
    function: str
    change: str
    nth: int
    lines: range = field(compare=False)
    around: range = field(compare=False)
    names: frozenset[str] = field(compare=False)
    _whole: ast.Module = field(compare=False, repr=False)
    _place: _Place = field(compare=False, repr=False)
    _fresh: ast.AST = field(compare=False, repr=False)

    @property
    def tree(self) -> ast.Module:
        """The changed module: a copy, in which one node is another one."""
        fresh = ast.copy_location(copy.deepcopy(self._fresh), self._place.node)
        return ast.fix_missing_locations(copy.deepcopy(self._whole, {id(self._place.node): fresh}))

    @property
    def name(self) -> str:
        """Its name, unlike that of any other, as long as its statement stays as it is."""
        place = f"{self.module.rpartition('.')[2]}:{self.function or '(module)'}"
        return f"{place}: {self.change}" + (f" ({self.nth})" if self.nth > 1 else "")


def mutants_of(module: str, file: Path) -> Iterator[Mutant]:
    """All mutants of a module, in the order of the source."""
    tree = ast.parse(file.read_text("utf-8"))
    seen: Counter[tuple[str, str]] = Counter()
    for place in _places(tree):
        for change, fresh in _changes(place):
            seen[place.function, change] += 1
            lines = range(place.statement.lineno, _last_line(place.statement) + 1)
            nth, names = seen[place.function, change], _names(place.statement).union(place.inside)
            around = range(place.whole.lineno, (place.whole.end_lineno or place.whole.lineno) + 1)
            yield Mutant(module, place.function, change, nth, lines, around, names, tree, place, fresh)


def _last_line(statement: ast.stmt) -> int:
    """The last line of a statement, or of its head when it has a body."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body and not isinstance(statement, ast.ClassDef):
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _names(statement: ast.stmt) -> frozenset[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return frozenset((statement.name,))
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    names = (name for target in targets if target is not None for name in ast.walk(target))
    return frozenset(name.id for name in names if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))


def _places(tree: ast.Module) -> Iterator[_Place]:
    def walk(
        node: ast.AST, statement: ast.stmt | None, function: str, names: tuple[str, ...], whole: ast.stmt | None
    ) -> Iterator[_Place]:
        for slot, value in ast.iter_fields(node):
            if slot in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            children = value if isinstance(value, list) else [value]
            for index, child in enumerate(children):
                if not isinstance(child, ast.AST) or _left_out(child):
                    continue
                inner = child if isinstance(child, ast.stmt) else statement
                here, path, body = function, names, whole
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    path = (*names, child.name)
                    # A default is made where the function is: it belongs to what is around it.
                    here = ".".join(path) if isinstance(child, ast.FunctionDef) else function
                    body = child if isinstance(child, ast.FunctionDef) else whole
                if inner is not None:
                    number = index if isinstance(value, list) else None
                    outside = isinstance(node, ast.arguments) and slot in ("defaults", "kw_defaults")
                    owner = ".".join(names[:-1]) if outside and isinstance(statement, ast.FunctionDef) else function
                    yield _Place(child, node, slot, number, inner, "" if outside else owner, names, whole or inner)
                yield from walk(child, inner, here, path, body)

    yield from walk(tree, None, "", (), None)


def _left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring, or the dots of a protocol
    if not isinstance(node, ast.Assign):
        return False
    is_type = isinstance(node.value, ast.Subscript) and ast.unparse(node.value.value) == "Literal"
    return is_type or any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)


def _changes(place: _Place) -> Iterator[tuple[str, ast.AST]]:
    """What can be put in the place of a node, with words for it."""
    node = place.node
    if isinstance(node, ast.stmt):
        if (fresh := _statement(node)) is not None:
            yield f"{_text(node)} -> {_text(fresh)}", fresh
        return
    for fresh in _expressions(place):
        yield f"{_text(node)} -> {_text(fresh)}", fresh


def _statement(node: ast.stmt) -> ast.stmt | None:
    if isinstance(node, ast.Return):
        empty = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        return None if empty else ast.Return(ast.Constant(None))
    call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    kept = isinstance(node, ast.Assign) and any(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets)
    return ast.Pass() if call or kept or isinstance(node, (ast.AugAssign, *_LEAPS)) else None


def _expressions(place: _Place) -> Iterator[ast.expr]:
    node = place.node
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            fresh = copy.deepcopy(node)
            fresh.ops[number] = _COMPARISONS[type(operator)]()
            yield fresh
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    condition = place.slot == "test" or isinstance(place.parent, ast.BoolOp) or place.slot == "ifs"
    if condition and isinstance(node, ast.Name | ast.Attribute | ast.Call):
        yield ast.UnaryOp(ast.Not(), node)


def _constants(node: ast.Constant) -> Iterator[ast.Constant]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and not any(letter.isspace() for letter in value):
        yield ast.Constant(value + "X")
    elif isinstance(value, bytes):
        yield ast.Constant(value + b"X")


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Pass):
        return "nothing"
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) <= 100 else f"{text[:60]} ... {text[-35:]}"
