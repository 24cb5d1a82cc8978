"""The rules of the house: who may import whom, how long things may be, what they may be called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.unit.sources import Source, is_module, sources

#: From the bottom to the top: each may import what stands before it, and its own.
LAYERS = (
    ("errors", "types", "clock", "log"), ("config",), ("security",), ("storage",), ("events",), ("tasks",), ("llm",),
    ("plugins",), ("accounts",), ("billing",), ("assistants",), ("knowledge",), ("dialogs",), ("webhooks",),
    ("backup",), ("app",), ("server", "bots", "worker"), ("testing",), ("cli",), ("__main__",),
)  # fmt: skip

EDGES = ("server", "bots", "worker")

#: A library on the left is imported only in the folders on the right.
HOMES = {
    "starlette": {"server", "cli", "testing"},
    "uvicorn": {"server", "cli", "testing"},
    "aiogram": {"bots"},
    "dramatiq": {"tasks", "worker"},
    "redis": {"events", "tasks", "security"},
    "lancedb": {"knowledge"},
    "llama_cpp": {"llm"},
    "opentelemetry": {"events", "testing"},
    "typer": {"cli"},
    "rich": {"cli"},
    "psycopg2": {"storage"},
    "sqlite3": {"storage"},
}

#: Where every error may be caught, because nobody above could do anything with it, and what ends there.
CATCH_ALL = {
    "replyx/bots/channels.py": "a plugin's channel",
    "replyx/bots/manager.py": "a bot's tasks, which are started again",
    "replyx/bots/telegram/intake.py": "an update, which is tried again or put aside",
    "replyx/cli/main.py": "the process",
    "replyx/cli/roles.py": "a role's thread",
    "replyx/dialogs/answering.py": "an answer, which must end in words or a person",
    "replyx/events/memory.py": "a listener",
    "replyx/events/redis_inlet.py": "a connection that is made anew",
    "replyx/plugins/engines.py": "a plugin's engine",
    "replyx/plugins/finding.py": "loading a plugin",
    "replyx/plugins/host.py": "a plugin's work",
    "replyx/plugins/news.py": "a plugin's listener",
    "replyx/server/middleware.py": "a request",
    "replyx/server/repeating.py": "work that is tried again",
    "replyx/server/ws/conversation.py": "a frame",
    "replyx/server/ws/endpoint.py": "a socket",
    "replyx/storage/database.py": "an effect after the commit",
    "replyx/worker/actors/declaring.py": "a task",
    "replyx/worker/running.py": "loading ahead, which the first question repeats",
    "replyx/worker/schedule.py": "a scheduled job",
}

FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}

PRODUCT = sources("replyx")
EVERYTHING = sources("replyx", "plugins", "tests", "bench", "docs")


def _level(part: str) -> int:
    return next(level for level, names in enumerate(LAYERS) if part in names)


def _part(module: str) -> str:
    """`storage` of `replyx.storage.schema`; empty for `replyx` itself, which holds the version only."""
    return module.split(".")[1] if "." in module else ""


def _crossings() -> Iterator[tuple[Source, int, str, str]]:
    """Imports of one part of the product by another: file, line, the importing part, the imported one."""
    for source in PRODUCT:
        for found in source.imports():
            mine, other = _part(source.module), _part(found.module)
            if found.module.startswith("replyx.") and mine and mine != other:
                yield source, found.line, mine, other


def test_every_part_of_the_product_has_its_layer() -> None:
    parts = {_part(source.module) for source in PRODUCT} - {""}

    assert parts <= {name for names in LAYERS for name in names}


def test_imports_point_down() -> None:
    upward = [
        f"{source.name}:{line}: {mine} imports {other}"
        for source, line, mine, other in _crossings()
        if _level(other) > _level(mine) or (_level(other) == _level(mine) and mine in EDGES)
    ]

    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        source.module: {found.module for found in source.imports() if is_module(found.module)} - {source.module}
        for source in PRODUCT
    }

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_edges_never_touch_tables() -> None:
    touching = [
        f"{source.name}:{found.line}: {found.module}"
        for source in PRODUCT
        if _part(source.module) in EDGES
        for found in source.imports()
        if found.module.startswith(("replyx.storage", "peewee", "playhouse"))
    ]

    assert touching == []


def test_libraries_stay_where_they_belong() -> None:
    strays = [
        f"{source.name}:{found.line}: {found.module}"
        for source in PRODUCT
        for found in source.imports()
        if _part(source.module) not in HOMES.get(found.module.split(".")[0], {_part(source.module)})
    ]

    assert strays == []


def test_imports_name_the_whole_path() -> None:
    relative = [
        f"{source.name}:{node.lineno}"
        for source in EVERYTHING
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


def test_files_are_at_most_400_lines() -> None:
    assert [f"{source.name}: {source.lines}" for source in EVERYTHING if source.lines > 400] == []


def test_functions_are_at_most_60_lines() -> None:
    long = [
        f"{source.name}:{function.lineno}: {function.name}: {length}"
        for source in EVERYTHING
        for function in source.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > 60
    ]

    assert long == []


def test_files_and_folders_are_named_after_what_they_hold() -> None:
    drawers = [s.name for s in EVERYTHING if FORBIDDEN_NAMES & set(s.name.removesuffix(".py").split("/"))]

    assert drawers == []


def test_every_module_says_in_its_first_sentence_what_it_is() -> None:
    silent = [
        source.name
        for source in EVERYTHING
        if not re.match(r"\S[^\n]*(\n[^\n]+)*?[.!?:]", ast.get_docstring(source.tree) or "")
    ]

    assert silent == []


def test_every_error_is_caught_only_at_the_outer_edge_and_then_logged() -> None:
    handlers = [
        (source, node)
        for source in sources("replyx", "plugins")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and not isinstance(node.body[-1], ast.Raise)
    ]

    assert [f"{s.name}:{n.lineno}" for s, n in handlers if s.name not in CATCH_ALL] == [], "not an outer edge"
    assert [f"{s.name}:{n.lineno}" for s, n in handlers if not _tells(n)] == [], "not logged"
    assert set(CATCH_ALL) - {source.name for source, _ in handlers} == set(), "no longer needed"


def test_no_error_is_passed_over() -> None:
    passed = [
        f"{source.name}:{node.lineno}"
        for source in sources("replyx", "plugins")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass) for line in node.body)
    ]

    assert passed == []


def test_tests_use_real_parts_and_none_is_left_out() -> None:
    # The brackets keep this file from finding itself.
    mocks = re.compile(r"unittest[.]mock|\bMagic[M]ock\b|monkeypatch[.]setattr|pytest[_]mock")
    skips = re.compile(r"pytest[.](skip|xfail|importorskip)|mark[.](skip|xfail)")

    found = [source.name for source in sources("tests", "bench") for rule in (mocks, skips) if rule.search(source.text)]

    assert found == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b")

    assert [source.name for source in EVERYTHING if later.search(source.text)] == []


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") for kind in kinds)


def _tells(handler: ast.ExceptHandler) -> bool:
    """Whether the error is logged, or reported to whoever typed the command."""
    calls = [ast.unparse(inner.func) for inner in ast.walk(handler) if isinstance(inner, ast.Call)]
    return any(call.startswith("logger.") or call == "report" for call in calls)
