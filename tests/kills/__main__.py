"""`make kills`: every point of a message's life, on SQLite and PostgreSQL; ends with 1 where a rule was broken."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from replyx.storage.database import Database
from replyx.storage.schema import migrate
from tests.kills.loop import MODEL_FAILURES, Loop, open_loop
from tests.kills.migrations import kill_migrations
from tests.kills.nursery import Nursery
from tests.kills.switch import DEATHS, FAILURES
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

#: The ways to install it: its commands, whether the database is PostgreSQL, whether there is Redis.
_LAYOUTS = {
    "SQLite, replyx up": (("up",), False, False),
    "SQLite + Redis": (("server", "worker"), False, True),
    "PostgreSQL + Redis": (("server", "worker"), True, True),
}

#: A life in which something happens, by its name; False: the point was not passed.
_Life = tuple[str, Callable[[], bool]]


class Tally:
    """What came of the lives of one layout."""

    def __init__(self, layout: str) -> None:
        self._layout, self._count, self._longest = layout, Counter[str](), 0.0
        self.failed = 0

    def run(self, life: _Life) -> None:
        name, run = life
        kind = name.split("; ")[0]
        began = time.monotonic()
        try:
            passed = run()
        except (AssertionError, pytest.fail.Exception) as error:
            self.failed += 1
            sys.stdout.write(f"BROKEN {self._layout}: {name}\n{error}\n")
            return
        self._longest = max(self._longest, time.monotonic() - began)
        self._count[kind if passed else "not passed"] += 1
        if not passed:
            sys.stdout.write(f"not passed {self._layout}: {name}\n")
        sys.stdout.flush()

    def tell(self, seconds: float) -> None:
        lives = ", ".join(f"{count} {kind}" for kind, count in self._count.items())
        longest = f"longest life {self._longest:.1f} s"
        sys.stdout.write(f"{self._layout}: {lives}; {self.failed} broken rules; {longest}; {seconds:.0f} s\n")
        sys.stdout.flush()


def main() -> int:
    """Go through the layouts; print a line for each and all that is said of failures."""
    parser = argparse.ArgumentParser(prog="make kills")
    parser.add_argument("--layout", choices=_LAYOUTS, action="append", help="only this one; may be given repeatedly")
    parser.add_argument("--only", default="", help="only lives in whose names this stands, such as: commit")
    asked = parser.parse_args()
    failed = 0
    with ExitStack() as end, tempfile.TemporaryDirectory(prefix="replyx-kills-") as folder:
        redis, postgres = RedisServer(), PostgresServer()
        end.callback(redis.stop)
        end.callback(postgres.stop)
        nursery = end.enter_context(Nursery(Path(folder)))
        for number, layout in enumerate(asked.layout or _LAYOUTS):
            commands, on_postgres, has_redis = _LAYOUTS[layout]
            place = Path(folder) / str(number)
            place.mkdir()
            database = postgres.create() if on_postgres else f"sqlite:///{place / 'replyx.db'}"
            _migrate(database)
            tally, began = Tally(layout), time.monotonic()
            with open_loop(place, nursery, commands, database, redis.url if has_redis else "") as loop:
                for life in _lives(loop, commands):
                    if asked.only in life[0]:
                        tally.run(life)
            tally.tell(time.monotonic() - began)
            failed += tally.failed
        if asked.only in "migrations":
            failed += kill_migrations(Path(folder), nursery, postgres)
    return int(failed > 0)


def _lives(loop: Loop, commands: tuple[str, ...]) -> Iterator[_Life]:
    for command in commands:
        for point in loop.points(command):
            acts = FAILURES if not point.startswith("commit ") else (*DEATHS, *FAILURES)
            for act in acts:
                kind = "kills at commits" if act in DEATHS else f"failures of {point.split()[0]}s"
                yield f"{kind}; {command}: {act} {point}", partial(loop.act, command, point, act)
        loop.shop.roles.end(command)
    for act in MODEL_FAILURES:
        for times in (1, 2):
            yield f"failures of models; {act} ×{times}", partial(loop.fail_model, act, times)


def _migrate(url: str) -> None:
    database = Database(url, pool=2, timeout=30)
    migrate(database)
    database.close()


if __name__ == "__main__":
    sys.exit(main())
