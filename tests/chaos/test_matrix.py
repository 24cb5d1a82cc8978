"""The table of faults is whole, and what it names is there."""

from __future__ import annotations

import ast

import pytest

from tests.chaos.scenarios.matrix import entries
from tests.support.documents import REPOSITORY

_NAMED = sorted({test for entry in entries() for test in entry.shown_by if not test.startswith("make ")})


def test_every_fault_has_its_place_in_the_table() -> None:
    numbers = {entry.number for entry in entries()}

    assert {f"F{number}" for number in range(1, 54)} <= numbers


@pytest.mark.parametrize("named", _NAMED)
def test_what_is_said_to_show_a_fault_is_a_test(named: str) -> None:
    file, _, name = named.partition("::")
    tree = ast.parse((REPOSITORY / "tests" / file).read_text(encoding="utf-8"))

    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert any(function.startswith("test_") for function in functions)
    assert not name or name in functions
