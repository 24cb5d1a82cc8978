"""A mutant inside a running process: functions that were imported long ago get the mutant's code."""

from __future__ import annotations

import ast
import gc
import sys
import types
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.strength.mutants import Mutant


class NotSwapped(Exception):
    """The change is nowhere in what was imported, such as the default of an argument."""


def swap_in(file: Path, source: str, mutant: Mutant) -> None:
    """Let every function of `file` in this process run the mutant's code; what the module's names hold is made anew.

    Raises:
        NotSwapped: nothing came of it.
    """
    whole = compile(source, str(file), "exec")
    changed = _changed(whole, compile(mutant.tree, str(file), "exec"))
    swapped = 0
    for function in [thing for thing in gc.get_objects() if isinstance(thing, types.FunctionType)]:
        new = changed.get(function.__code__)
        if new is not None and function.__code__.co_filename == str(file):
            try:
                function.__code__ = new
            except ValueError as error:
                # Without a statement it may hold fewer variables of the function around it.
                raise NotSwapped from error
            swapped += 1
    if mutant.is_of_module:
        statement = ast.Module([mutant.tree.body[mutant.statement]], [])
        module = next(m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == str(file))
        exec(compile(statement, str(file), "exec"), vars(module))
        swapped += 1
    if not swapped:
        raise NotSwapped


def _changed(before: types.CodeType, after: types.CodeType) -> dict[types.CodeType, types.CodeType]:
    """Code of functions as it was → as it is now, where the two differ."""
    places: dict[tuple[str, int], list[types.CodeType]] = defaultdict(list)
    for code in _codes(after):
        places[(code.co_qualname, code.co_firstlineno)].append(code)
    found = {}
    for code in _codes(before):
        same = places[(code.co_qualname, code.co_firstlineno)]
        new = same.pop(0) if same else None
        if new is not None and new != code:
            found[code] = new
    return found


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)
