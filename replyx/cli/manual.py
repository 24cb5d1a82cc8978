"""docs/replyx.1: the man page, written from the commands."""

from __future__ import annotations

from collections.abc import Iterator

from replyx.cli.exits import ExitCode
from replyx.cli.tree import Command, Option, command_tree

_HEAD = """.\\" Written from the commands by `make docs`; a test compares them.
.TH REPLYX 1 "" "ReplyX" "User Commands"
.SH NAME
replyx \\- an AI support desk on one box
.SH SYNOPSIS
.B replyx
.RI [ OPTIONS ]
.I COMMAND
.RI [ ARGUMENTS ]
.SH DESCRIPTION
Answers customers in a website widget and in Telegram from a company's documents, and calls a person where it cannot.
.B replyx up
runs everything in one process;
.B replyx init
and
.B replyx systemd install
set it up for good;
.B replyx doctor
says what is wrong, and the command that mends it.
.PP
Results go to standard output; hints, progress, logs and errors to standard error. With
.B \\-\\-json
a result is one JSON document."""

_TAIL = """.SH FILES
.TP
.I /etc/replyx/replyx.toml, ./replyx.toml
Settings, where
.B \\-\\-config
and
.B REPLYX_CONFIG
name no other file.
.TP
.I /var/lib/replyx
The data of the service under systemd: database, uploads, knowledge, the master key.
.SH ENVIRONMENT
.TP
.B REPLYX_CONFIG, REPLYX_DATA_DIR
In place of
.B \\-\\-config
and
.BR \\-\\-data\\-dir .
.TP
.B REPLYX_SECTION__KEY
Any setting, as in
.BR REPLYX_SERVER__PORT .
.TP
.B REPLYX_LANG
.B ru
or
.BR en :
the language of what is said; else that of the locale.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1)"""


def render_man() -> str:
    """The whole of docs/replyx.1."""
    tree = command_tree()
    lines = [_HEAD, ".SH OPTIONS", *_options(tree.options), ".SH COMMANDS"]
    for child in tree.children:
        lines += [f".SS {_plain(' '.join(('replyx', *child.path)))}", *_described(child)]
    lines += [".SH EXIT STATUS"]
    for code in ExitCode:
        lines += [".TP", f".B {int(code)}", _plain(code.meaning)]
    return "\n".join([*lines, _TAIL]) + "\n"


def _described(command: Command) -> Iterator[str]:
    yield from _paragraphs(command.text)
    yield from _options(command.options)
    for child in command.children:
        yield ".PP"
        yield f".B {_plain(' '.join(('replyx', *child.path)))}"
        yield ".RS"
        yield from _described(child)
        yield ".RE"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield _plain(" ".join(paragraph.split()))


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    for one in options:
        if "--help" in one.flags:
            continue
        yield ".TP"
        value = f" \\fI{_plain(one.value)}\\fR" if one.value else ""
        yield f"\\fB{_plain(', '.join(one.flags))}\\fR{value}" if one.flags else f"\\fI{_plain(one.value)}\\fR"
        yield _plain(one.sentence or "Required." if not one.flags else one.sentence or "Sets it.")


def _plain(text: str) -> str:
    """`text` for troff: hyphens that can be copied, no line that begins with a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{text}" if text.startswith((".", "'")) else text
