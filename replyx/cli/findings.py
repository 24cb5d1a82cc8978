"""What a check found: one line each, with the command that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from replyx.cli.language import choose
from replyx.errors import ReplyXError


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """`mend` is a command or a sentence that says what to do; empty where there is nothing to do."""

    name: str
    state: State
    text: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "state": str(self.state), "text": self.text, "mend": self.mend or None}


def good(name: str, ru: str, en: str) -> Finding:
    return Finding(name, State.OK, choose(ru, en))


def warning(name: str, ru: str, en: str, mend: str = "") -> Finding:
    return Finding(name, State.WARN, choose(ru, en), mend)


def fault(name: str, ru: str, en: str, mend: str = "") -> Finding:
    return Finding(name, State.FAIL, choose(ru, en), mend)


def refused(name: str, error: ReplyXError, mend: str = "") -> Finding:
    """The finding that a service's error is; its sentence says what to do."""
    return Finding(name, State.FAIL, error.message(choose("ru", "en")), mend)


def has_fault(findings: Sequence[Finding]) -> bool:
    return any(finding.state is State.FAIL for finding in findings)


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """All of them, as a table or as JSON."""
    from replyx.cli.output import print_json, print_table

    if as_json:
        print_json({"ok": not has_fault(findings), "checks": [finding.as_json() for finding in findings]})
        return
    columns = choose("проверка,итог,что найдено,что сделать", "check,result,found,what to do")
    print_table(columns.split(","), [(f.name, f.state, f.text, f.mend) for f in findings])
