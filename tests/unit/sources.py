"""The repository's own Python as data: what each module imports, defines and catches."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.documents import REPOSITORY


@dataclass(frozen=True)
class Import:
    """One imported module and the line that does it."""

    module: str
    line: int


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path

    @property
    def name(self) -> str:
        """The path in the repository, as in `replyx/errors.py`."""
        return self.path.relative_to(REPOSITORY).as_posix()

    @property
    def module(self) -> str:
        """The dotted name, as in `replyx.errors`."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def imports(self) -> Iterator[Import]:
        """Every import, wherever it stands: in functions and under TYPE_CHECKING, too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from self._from(node)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def _from(self, node: ast.ImportFrom) -> Iterator[Import]:
        base = node.module or ""
        for alias in node.names:
            # `from replyx.storage import schema` imports a module, `from replyx.errors import NotFound` a name of one.
            child = f"{base}.{alias.name}"
            yield Import(child if is_module(child) else base, node.lineno)


def is_module(dotted: str) -> bool:
    """Whether `dotted` names a file or a package of this repository."""
    path = REPOSITORY.joinpath(*dotted.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def sources(*folders: str) -> list[Source]:
    """Every Python file in `folders`, in order."""
    return [Source(path) for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
