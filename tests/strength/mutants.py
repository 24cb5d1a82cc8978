"""Small changes of a file, one at a time: what a slip of the hand would do to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip

#: A text that the program reads, not a person: names of columns, states, keys.
_WORD = re.compile(r"[!-~]{1,40}")


@dataclass(frozen=True)
class Mutant:
    """One change: `statement` is the number of the module's statement that it is in."""

    line: int
    what: str
    tree: ast.Module
    statement: int

    @property
    def is_of_module(self) -> bool:
        """Whether it changes a name of the module itself, not a function."""
        return isinstance(self.tree.body[self.statement], (ast.Assign, ast.AnnAssign))


@dataclass(frozen=True)
class _Change:
    """`new` in place of what stands in a node's field, or at an index of a list of nodes."""

    place: Any
    name: str | int
    new: Any
    line: int
    what: str

    def swap(self) -> None:
        if isinstance(self.name, int):
            self.place[self.name] = self.new
        else:
            setattr(self.place, self.name, self.new)

    def undo(self, old: Any) -> None:
        if isinstance(self.name, int):
            self.place[self.name] = old
        else:
            setattr(self.place, self.name, old)

    @property
    def old(self) -> Any:
        return self.place[self.name] if isinstance(self.name, int) else getattr(self.place, self.name)


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a file. The tree is one and the same: it holds a change until the next one is asked for."""
    tree = ast.parse(source)
    for number, statement in enumerate(tree.body):
        if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Expr)):
            continue
        for change in _changes_of(statement):
            old = change.old
            change.swap()
            ast.fix_missing_locations(tree)
            yield Mutant(change.line, change.what, tree, number)
            change.undo(old)


def _changes_of(node: ast.AST) -> Iterator[_Change]:
    """Changes of a node and of what is in it; fields of classes, annotations and what is logged are left alone."""
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
                yield from _changes_of(inner)
        return
    if isinstance(node, ast.FunctionDef):
        yield from _changes_of_list(node.body[1:] if ast.get_docstring(node) else node.body, node)
        return
    if _is_logging(node) or isinstance(node, ast.JoinedStr):
        return
    yield from _changes_at(node)
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            yield from _changes_in(value, node)


def _changes_in(value: Any, node: ast.AST) -> Iterator[_Change]:
    """Changes of what stands in a node's field."""
    if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
        yield from _changes_of_list(value, node)
        return
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, ast.AST):
            yield from _changes_of(part)


def _changes_of_list(statements: list[ast.stmt], owner: ast.AST) -> Iterator[_Change]:
    body: list[Any] = next(
        (v for _, v in ast.iter_fields(owner) if isinstance(v, list) and statements and statements[0] in v), statements
    )
    for statement in statements:
        index = body.index(statement)
        is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        if isinstance(statement, ast.Raise) or (is_call and not _is_logging(statement)):
            gone = ast.copy_location(ast.Pass(), statement)
            yield _Change(body, index, gone, statement.lineno, f"without: {ast.unparse(statement)[:60]}")
        yield from _changes_of(statement)


def _changes_at(node: ast.AST) -> Iterator[_Change]:
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Compare):
        for index, kind in enumerate(node.ops):
            yield _Change(node.ops, index, _COMPARISONS[type(kind)](), line, f"another comparison: {ast.unparse(node)}")
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _Change(node, "op", other, line, f"and, or: {ast.unparse(node)}")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        twice = ast.UnaryOp(type(node.op)(), node.operand)
        yield _Change(node, "operand", twice, line, f"without not: {ast.unparse(node)}")
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
        yield _Change(node, "op", _OPERATORS[type(node.op)](), line, f"another operator: {ast.unparse(node)[:60]}")
    elif isinstance(node, ast.Constant):
        yield from _changes_of_constant(node, line)
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        nothing = ast.copy_location(ast.Constant(None), node.value)
        yield _Change(node, "value", nothing, line, f"nothing of: {ast.unparse(node)[:60]}")
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
        negated = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        yield _Change(node, "test", negated, line, f"if not: {ast.unparse(node.test)}")


def _changes_of_constant(node: ast.Constant, line: int) -> Iterator[_Change]:
    value = node.value
    new: Any = None
    if isinstance(value, bool):
        new = not value
    elif isinstance(value, (int, float)):
        new = value + 1
    elif isinstance(value, str) and _WORD.fullmatch(value):
        new = f"X{value}"
    if new is not None:
        yield _Change(node, "value", new, line, f"{value!r} → {new!r}")


def _is_logging(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger.")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
