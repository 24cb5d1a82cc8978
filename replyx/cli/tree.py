"""All commands as plain data: for the man page, and for what shells offer at the Tab key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import typer
import typer.main

from replyx.cli.commands import COMMANDS


@dataclass(frozen=True)
class Option:
    """`flags` as they are typed; empty for an argument, whose `value` is its name."""

    flags: tuple[str, ...]
    value: str
    sentence: str


@dataclass(frozen=True)
class Command:
    """One command; `path` holds the words behind `replyx`."""

    path: tuple[str, ...]
    text: str
    options: tuple[Option, ...]
    children: tuple[Command, ...] = field(default=())

    @property
    def sentence(self) -> str:
        return self.text.split("\n", 1)[0]

    def all(self) -> Iterator[Command]:
        """This one and all below it."""
        yield self
        for child in self.children:
            yield from child.all()


def command_tree() -> Command:
    """`replyx` with everything below it; loads every command's module."""
    from replyx.cli.main import root

    group = typer.main.get_command(root)
    with typer.Context(group, info_name="replyx") as context:
        found = {name: group.get_command(context, name) for name in COMMANDS}  # type: ignore[attr-defined]
        return _command(group, (), context, found)


def _command(command: Any, path: tuple[str, ...], context: Any, inner: dict[str, Any]) -> Command:
    children = []
    for name, child in inner.items():
        with typer.Context(child, info_name=name, parent=context) as below:
            children.append(_command(child, (*path, name), below, getattr(child, "commands", {})))
    text = "\n".join(line.strip() for line in (command.help or "").splitlines())
    options = tuple(_option(one) for one in command.get_params(context))
    return Command(path, text, options, tuple(children))


def _option(one: Any) -> Option:
    named = one.param_type_name == "option"
    flags = (*one.opts, *one.secondary_opts) if named else ()
    value = "" if named and one.is_flag else str(one.metavar or one.name.upper()).strip("[]{}")
    return Option(flags, value, (getattr(one, "help", None) or "").strip())
