"""`replyx completion`: a script that makes a shell offer commands and options at the Tab key.

The script holds the whole list, so that Tab starts no program.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import single

if TYPE_CHECKING:
    from replyx.cli.tree import Command

app = single()


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print the script that completes commands and options in a shell.

    bash: `replyx completion bash > ~/.local/share/bash-completion/completions/replyx`; zsh: the same as `_replyx` in a
    folder of fpath; fish: `~/.config/fish/completions/replyx.fish`.
    """
    from replyx.cli.output import line
    from replyx.cli.tree import command_tree

    tree = command_tree()
    made = {Shell.BASH: _bash, Shell.ZSH: _zsh, Shell.FISH: _fish}[shell]
    for text in made(tree):
        line(text)


def _bash(tree: Command) -> Iterator[str]:
    yield "# Completion of replyx for bash, by `replyx completion bash`."
    yield "_replyx() {"
    yield '  local path="" offered="" word current="${COMP_WORDS[COMP_CWORD]}"'
    yield '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '    case "$path $word" in'
    known = "|".join(f'" {" ".join(one.path)}"' for one in tree.all() if one.path)
    yield f'      {known}) path="$path $word" ;;'
    yield "    esac"
    yield "  done"
    yield '  case "$path" in'
    for one in tree.all():
        yield f'    "{"".join(f" {word}" for word in one.path)}")'
        yield '      case "$current" in'
        yield f'        -*) offered="{" ".join(_flags(one))}" ;;'
        yield f'        *) offered="{" ".join(child.path[-1] for child in one.children)}" ;;'
        yield "      esac ;;"
    yield "  esac"
    yield '  COMPREPLY=($(compgen -W "$offered" -- "$current"))'
    yield "}"
    # Where nothing is offered, files are.
    yield "complete -o default -F _replyx replyx"


def _zsh(tree: Command) -> Iterator[str]:
    yield "#compdef replyx"
    yield "# Completion of replyx for zsh, by `replyx completion zsh`."
    yield 'local place="" word'
    yield "local -a offered"
    yield 'for word in "${(@)words[2,CURRENT-1]}"; do'
    yield '  case "$place $word" in'
    known = "|".join(f'" {" ".join(one.path)}"' for one in tree.all() if one.path)
    yield f'    {known}) place="$place $word" ;;'
    yield "  esac"
    yield "done"
    yield 'case "$place" in'
    for one in tree.all():
        rows = [(child.path[-1], child.sentence) for child in one.children]
        yield f'  "{"".join(f" {word}" for word in one.path)}")'
        yield f"    [[ $PREFIX == -* ]] && offered=({' '.join(_flags(one))}) || offered=({_zsh_rows(rows)}) ;;"
    yield "esac"
    yield "if (( ${#offered} )); then _describe replyx offered; else _files; fi"


def _zsh_rows(rows: list[tuple[str, str]]) -> str:
    return " ".join(_quoted(f"{name}:{sentence.replace(':', ';')}") for name, sentence in rows)


def _fish(tree: Command) -> Iterator[str]:
    yield "# Completion of replyx for fish, by `replyx completion fish`."
    for one in tree.all():
        here = _fish_condition(one)
        if one.children:
            yield f"complete -c replyx -n {_quoted(here)} -f"
        for child in one.children:
            yield f"complete -c replyx -n {_quoted(here)} -a {child.path[-1]} -d {_quoted(child.sentence)}"
        for option in one.options:
            for flag in option.flags:
                kind = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                needs = " -r" if option.value else ""
                yield f"complete -c replyx -n {_quoted(here)} {kind}{needs} -d {_quoted(option.sentence)}"


def _fish_condition(command: Command) -> str:
    """True where the words of the command stand there, and those of none below it."""
    seen = [f"__fish_seen_subcommand_from {word}" for word in command.path]
    below = " ".join(child.path[-1] for child in command.children)
    return "; and ".join([*seen, *([f"not __fish_seen_subcommand_from {below}"] if below else [])]) or "true"


def _flags(command: Command) -> list[str]:
    return [flag for option in command.options for flag in option.flags]


def _quoted(text: str) -> str:
    """Between single quotes, which no shell looks into; an apostrophe becomes the typographic one."""
    return "'" + text.replace("\\", "/").replace("'", "’") + "'"
