"""The switch that kills its process at a chosen commit, or lets a chosen call fail; it stands around the drivers.

A point is where the product touches the world: `commit dialogs/inbox.py:receive#1` is the first commit that this
function asks for. It is the place in the product that counts, not the order: other threads do not shift it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

import peewee
import redis
from redis.connection import Connection

#: What a point does: the process dies before or after the call; the call fails, hangs until it is given up, or has its
#: effect and loses its answer.
Act = Literal["die before", "die after", "error", "timeout", "lost"]

DEATHS: tuple[Act, ...] = ("die before", "die after")
FAILURES: tuple[Act, ...] = ("error", "timeout", "lost")

_PRODUCT = str(Path(__file__).parents[2] / "replyx") + os.sep

#: Folders whose functions carry calls out for others: who asked for the call stands above them.
_CARRIERS = ("storage" + os.sep,)

#: Seconds that a call which is given up takes.
_PATIENCE = 0.05


@dataclass(frozen=True)
class Plan:
    """What is to happen where. Without a point every point that is reached is written down, and nothing happens."""

    notes: Path
    point: str = ""
    act: Act = "die before"


class Switch:
    """Counts the points that are reached, and acts at the planned one, once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()

    def install(self) -> None:
        """Stand around commits, statements and Redis commands of this process, for good."""
        self._surround(peewee.Database, "commit", "commit", _Sql())
        self._surround(peewee.Database, "_execute_cursor", "statement", _Sql())
        self._surround(Connection, "send_packed_command", "redis", _Redis())

    def _surround(self, owner: Any, name: str, kind: str, failing: _Failing) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def surrounded(target: Any, *args: Any, **named: Any) -> Any:
            act = self._act(kind)
            if act is None:
                return original(target, *args, **named)
            if act == "die before":
                _die()
            if act == "error":
                failing.error(target, lambda: original(target, *args, **named))
            if act == "timeout":
                failing.timeout(target)
            answer = original(target, *args, **named)
            if act == "die after":
                _die()
            failing.lose(target)
            return answer

        setattr(owner, name, surrounded)

    def _act(self, kind: str) -> Act | None:
        place = _place(sys._getframe(2))
        if place is None:
            return None
        with self._lock:
            self._reached[f"{kind} {place}"] += 1
            point = f"{kind} {place}#{self._reached[f'{kind} {place}']}"
        if self._plan.point not in ("", point):
            return None
        with self._plan.notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{point}\n")
        return self._plan.act if self._plan.point else None


class _Failing:
    """How calls of one driver fail: as truly as it can be had."""

    def error(self, target: Any, call: Callable[[], Any]) -> NoReturn:
        """Nothing was done."""
        raise NotImplementedError

    def timeout(self, target: Any) -> NoReturn:
        """It took too long, and was given up."""
        raise NotImplementedError

    def lose(self, target: Any) -> None:
        """It was done; the answer does not come."""
        raise NotImplementedError


class _Sql(_Failing):
    def error(self, target: Any, call: Callable[[], Any]) -> NoReturn:
        if _is_postgres(target):
            _cut(target.connection())
            call()
        raise peewee.OperationalError("disk I/O error")

    def timeout(self, target: Any) -> NoReturn:
        if _is_postgres(target):
            try:
                target.cursor().execute("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)")
            except Exception as error:
                # As peewee translates it: the driver's own error below, with its code.
                raise peewee.OperationalError(str(error)) from error
        time.sleep(_PATIENCE)
        raise peewee.OperationalError("database is locked")

    def lose(self, target: Any) -> None:
        if _is_postgres(target):
            _cut(target.connection())
            raise peewee.OperationalError("server closed the connection unexpectedly")
        raise peewee.OperationalError("disk I/O error")


class _Redis(_Failing):
    def error(self, target: Any, call: Callable[[], Any]) -> NoReturn:
        target.disconnect()
        raise redis.ConnectionError("Connection refused")

    def timeout(self, target: Any) -> NoReturn:
        time.sleep(_PATIENCE)
        target.disconnect()
        raise redis.TimeoutError("Timeout reading from socket")

    def lose(self, target: Any) -> None:
        # Whoever reads the answer finds the connection closed; the command has gone out.
        target._sock.shutdown(socket.SHUT_RD)


def _place(frame: Any) -> str | None:
    """The function of the product that asks for this call; None: the product is not behind it."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_PRODUCT):
            inside = name.removeprefix(_PRODUCT)
            if not inside.startswith(_CARRIERS):
                return f"{inside}:{frame.f_code.co_name}"
        frame = frame.f_back
    return None


def _is_postgres(database: Any) -> bool:
    return isinstance(database, peewee.PostgresqlDatabase)


def _cut(connection: Any) -> None:
    """End the connection under the driver, as a server that died would."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise cast(BaseException, AssertionError("SIGKILL did not kill"))
