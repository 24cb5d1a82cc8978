"""Connections to PostgreSQL that notice a dead line: a server that has gone without a word, behind a line still open.

The driver waits for a reply for ever. Here one thread of the process looks at statements that take long and asks the
server, over another connection, whether it is still at work on them. Where it is not, or cannot be asked, the line is
cut, and the statement fails as if the server had closed it. A statement that is never long costs two assignments.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg2
import psycopg2.extensions as driver

logger = logging.getLogger(__name__)

#: Seconds between two looks, and those that a reply has to arrive once the server has said that it was sent.
_LOOK = _GRACE = 0.5


class Line(driver.connection):  # type: ignore[misc]  # the driver has no types
    """A connection that is looked at while it waits for the server."""

    #: Seconds that a statement may take before the server is asked about it.
    patience = 0.0
    #: The driver's own options, for the connection over which the server is asked.
    options: dict[str, Any] = {}

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        #: Held while the line is cut, so that its statement does not end meanwhile and give its number to another file.
        self.lock = threading.Lock()
        #: When the statement under way is next asked about, by the monotonic clock; None: there is none.
        self.ask_at: float | None = None
        _lines.add(self)

    def waiting(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do `work`, which waits for the server."""
        self.ask_at = time.monotonic() + self.patience
        try:
            return work(*arguments)
        finally:
            with self.lock:
                self.ask_at = None

    def commit(self) -> None:
        self.waiting(super().commit)

    def rollback(self) -> None:
        self.waiting(super().rollback)


class _Cursor(driver.cursor):  # type: ignore[misc]  # as above
    """A cursor whose statements are looked at."""

    connection: Line

    def execute(self, *arguments: Any) -> None:
        self.connection.waiting(super().execute, *arguments)


_lines: weakref.WeakSet[Line] = weakref.WeakSet()
_watching = threading.Lock()
_is_watched = False


def line_factories(options: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What to give to the driver's `connect` beside `options`, for statements to be looked at after `seconds`."""
    global _is_watched
    with _watching:
        if not _is_watched:
            threading.Thread(target=_watch, name="postgres-lines", daemon=True).start()
            _is_watched = True
    own = type("Line", (Line,), {"patience": seconds, "options": options})
    return {"connection_factory": own, "cursor_factory": _Cursor}


def _watch() -> None:
    while True:
        time.sleep(_LOOK)
        now = time.monotonic()
        overdue = [(line, at) for line in tuple(_lines) if (at := line.ask_at) is not None and at <= now]
        for kind in {type(line) for line, _ in overdue}:
            _judge([(line, at) for line, at in overdue if type(line) is kind], kind.options)


def _judge(overdue: list[tuple[Line, float]], options: dict[str, Any]) -> None:
    """Ask one server about these lines, and cut those that it is not at work on."""
    busy = _at_work(options)
    dead = []
    for line, at in overdue:
        with line.lock:
            if line.ask_at != at:
                continue
            if not line.closed and line.info.backend_pid in busy:
                line.ask_at = time.monotonic() + line.patience
            else:
                dead.append((line, at))
    if dead:
        # A reply may have been sent before the server was asked.
        time.sleep(_GRACE)
    for line, at in dead:
        _cut(line, at)


def _at_work(options: dict[str, Any]) -> set[int]:
    """Numbers of the connections whose statement the server is busy with; none where it cannot be asked."""
    try:
        second = psycopg2.connect(**options)
    except psycopg2.Error:
        return set()
    try:
        with second.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE state = 'active'")
            return {row[0] for row in cursor.fetchall()}
    except psycopg2.Error:
        return set()
    finally:
        second.close()


def _cut(line: Line, asked_for: float) -> None:
    """End the line under its statement, unless the reply has come after all."""
    with line.lock:
        if line.ask_at != asked_for:
            return
        logger.warning("the database has fallen silent: a connection to it is given up")
        # A second descriptor of the same socket: closing it leaves the driver its own.
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(line.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)
