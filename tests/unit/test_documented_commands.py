"""Every command and option that the pages name exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from replyx.cli.main import root
from tests.support.documents import REPOSITORY

PAGES = sorted({*REPOSITORY.glob("README*.md"), *REPOSITORY.glob("docs/*.md")} - {REPOSITORY / "docs" / "cli.md"})

#: Stand before any command.
_ANYWHERE = {"--config", "--data-dir", "--version", "--help", "-h"}


def _named(page: Path) -> Iterator[str]:
    """What follows `replyx` where the page shows a command, in a block or in a line."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for line in "\n".join(blocks).splitlines():
        found = re.match(r"(?:\$ )?(?:\S*/)?replyx (.*)", line.strip())
        if found:
            yield re.split(r" [|<>#]", found[1])[0]
    yield from re.findall(r"(?<!`)`replyx ([a-z-][^`]*)`", text)


def _fault(words: list[str]) -> str | None:
    """What of a command line does not exist."""
    command: Any = typer.main.get_command(root)
    context = typer.Context(command)
    while words and words[0].startswith("-"):
        if words[0] not in _ANYWHERE:
            return words[0]
        words = words[2 if words[0] in ("--config", "--data-dir") else 1 :]
    while words and hasattr(command, "get_command"):
        found = command.get_command(context, words[0])
        if found is None:
            # A group takes no arguments of its own; prose may go on behind it.
            return words[0] if re.fullmatch(r"[a-z][a-z-]*", words[0]) else None
        command, words = found, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | _ANYWHERE
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return unknown[0] if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_command_exists(page: Path) -> None:
    faults = [(line, fault) for line in _named(page) if (fault := _fault(_words(line)))]

    assert faults == []


def test_the_pages_name_commands_at_all() -> None:
    assert sum(1 for page in PAGES for _ in _named(page)) > 50


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line.replace("…", ""))
    except ValueError:
        return line.split()
