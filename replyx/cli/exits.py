"""Exit codes: one name for each way a command can end; `docs/cli.md` prints this table."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `$?` says. A number never changes its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    EXIT_OK = 0, "Done."
    EXIT_FAILED = 1, "What was asked for failed: a document cannot be read, no answer came, a check found a fault."
    EXIT_USAGE = 2, "The command line cannot be understood."
    EXIT_CONFIG = 3, "The settings or the data directory cannot be used."
    EXIT_DATABASE = 4, "The database cannot be reached."
    EXIT_NOT_FOUND = 5, "What was named does not exist."
    EXIT_SCHEMA = 6, "The database's schema does not fit this program."
    EXIT_PORT = 7, "The address cannot be listened on; most often the port is in use."
    EXIT_RUNNING = 8, "Another `replyx up` uses this data directory."
    EXIT_REFUSED = 9, "A value was refused, or what is there already forbids it."
    EXIT_INTERNAL = 70, "A fault of ReplyX itself."
    EXIT_DISK = 74, "The disk did not keep what was written; a service ends so that the next one reads what is there."
    EXIT_INTERRUPTED = 130, "Interrupted from the keyboard."
