"""Fixtures of the migrations' tests: the schema of every released ReplyX, made once a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from replyx.storage.database import Database
from tests.migration.schemas import NAMES, apply_up_to, describe
from tests.support.postgres import PostgresServer, name_of

#: Seconds for a lock or a connection.
_TIMEOUT = 30.0


class Stages:
    """Databases without a row by their last migration; each is a copy of the one before with one migration more."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request, self._folder = request, folder
        #: URLs by whether it is SQLite and by the last migration.
        self._made: dict[tuple[bool, str], str] = {}
        self._newest: dict[bool, set[tuple[Any, ...]]] = {}

    def put(self, url: str, name: str) -> None:
        """Make the database at `url`, to which nobody is connected, one that was migrated up to `name`."""
        self._copy(self._stage(url.startswith("sqlite:"), name), url)

    def newest(self, *, is_sqlite: bool) -> set[tuple[Any, ...]]:
        """The schema of an empty database on which all migrations ran in one go."""
        if is_sqlite not in self._newest:
            template = self._request.getfixturevalue("sqlite_template" if is_sqlite else "postgres_template")
            db = Database(
                f"sqlite:///{template}" if is_sqlite else self._server.url(template), pool=2, timeout=_TIMEOUT
            )
            self._newest[is_sqlite] = describe(db)
            db.close()
        return self._newest[is_sqlite]

    @property
    def _server(self) -> PostgresServer:
        server: PostgresServer = self._request.getfixturevalue("postgres_server")
        return server

    def _stage(self, is_sqlite: bool, name: str) -> str:
        if (is_sqlite, name) not in self._made:
            url = f"sqlite:///{self._folder / name}.db" if is_sqlite else self._server.create()
            if name != NAMES[0]:
                self._copy(self._stage(is_sqlite, NAMES[NAMES.index(name) - 1]), url)
            db = Database(url, pool=2, timeout=_TIMEOUT)
            apply_up_to(db, name)
            db.close()
            self._made[is_sqlite, name] = url
        return self._made[is_sqlite, name]

    def _copy(self, source: str, target: str) -> None:
        if target.startswith("sqlite:"):
            shutil.copy(source.removeprefix("sqlite:///"), target.removeprefix("sqlite:///"))
        else:
            self._server.replace(target, name_of(source))


@pytest.fixture(scope="session")
def stages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    return Stages(request, tmp_path_factory.mktemp("stages"))
