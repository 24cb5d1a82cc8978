"""Logging: one line a record on standard error, JSON for programs or text for people, secrets removed."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from replyx.clock import SystemClock

#: What a plain LogRecord has; anything else on a record came from `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

#: Shapes of secrets that must not reach a log whoever logged them: bot tokens, API keys, JWTs, query tokens.
_SECRETS = re.compile(
    r"(?:bot)?\d{6,12}:[A-Za-z0-9_-]{30,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"
    r"|(?<=token=)[^&\s\"']+"
    r"|(?<=[Bb]earer )\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)

#: The piece of work that this thread does: what it logs meanwhile carries this number.
_TRACE: ContextVar[str] = ContextVar("trace", default="")


@contextmanager
def traced() -> Iterator[str]:
    """Put one new `trace_id` on every line that is logged inside the block."""
    token = _TRACE.set(secrets.token_hex(16))
    try:
        yield _TRACE.get()
    finally:
        _TRACE.reset(token)


def trace_id() -> str:
    """The number of the work that is being done; a new one where none has begun."""
    return _TRACE.get() or secrets.token_hex(16)


def redact(text: str) -> str:
    """`text` with everything that looks like a secret replaced by `[secret]`."""
    return _SECRETS.sub("[secret]", text)


def one_line(text: str) -> str:
    """`text` as one line: what is no printable character is written out as in JSON (`\\n`, `\\u001b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, Any] = {
            "time": SystemClock().now().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        row.update(_extras(record))
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        # JSON itself escapes no more than it must: U+2028 and the C1 controls are left to us.
        return redact(one_line(json.dumps(row, ensure_ascii=False, default=str)))


class TextFormatter(logging.Formatter):
    """`12:00:01 warning replyx.worker: text key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{k}={v}" for k, v in _extras(record).items())
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower()} {record.name}: {record.getMessage()}"
        # A message with line breaks must stay one line, or a customer could forge log lines.
        line = one_line(f"{line} {extra}" if extra else line)
        if record.exc_info:
            # Indented, as an exception may repeat what a customer wrote.
            line += "".join(f"\n    {one_line(row)}" for row in self.formatException(record.exc_info).splitlines())
        return redact(line)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    extras = {k: v for k, v in vars(record).items() if k not in _STANDARD}
    number = _TRACE.get()
    return {**extras, "trace_id": number} if number else extras


def setup_logging(level: str, *, as_json: bool) -> None:
    """Send every record of `level` and above to standard error in one form. Libraries speak from WARNING up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("replyx").setLevel(level.upper())
