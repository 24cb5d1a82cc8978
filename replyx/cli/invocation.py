"""What one call of a command works with: the settings, an open app, things named on the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replyx.accounts.views import UserView
    from replyx.app import App
    from replyx.assistants.views import AssistantView
    from replyx.config.settings import Config
    from replyx.storage.database import Database
    from replyx.types import Actor


@dataclass(frozen=True)
class Invocation:
    """The options that stand before the command: where the settings and the data are."""

    config_path: str | None = None
    data_dir: str | None = None

    def load(self, overrides: Mapping[str, Any] | None = None, *, service: bool = False) -> Config:
        """The settings, with flags as `overrides`; logging is set up with them.

        A `service` logs as the settings say; any other command only what went wrong, unless a level is set.

        Raises:
            ConfigError: the settings cannot be used.
        """
        from replyx.config.loading import load_config
        from replyx.log import setup_logging

        values = {key: value for key, value in (overrides or {}).items() if value is not None}
        if self.data_dir is not None:
            values["paths.data_dir"] = self.data_dir
        config = load_config(self.config_path, overrides=values)
        level = config.log.level if service or "log.level" in config.origin else "warning"
        as_json = config.log.format == "json" or (config.log.format == "auto" and not sys.stderr.isatty() and service)
        setup_logging(level, as_json=as_json)
        return config

    @contextmanager
    def app(self) -> Iterator[App]:
        """Every service, for the length of the command.

        Raises:
            ConfigError, DatabaseUnavailable, SchemaTooNew, SchemaOutdated: as `open_app`.
        """
        config = self.load()
        from replyx.app import open_app
        from replyx.events.audit import begin

        begin("cli")
        opened = open_app(config)
        try:
            yield opened
        finally:
            opened.close()

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The database alone, whatever its schema."""
        config = self.load()
        from replyx.app import open_database

        opened = open_database(config)
        try:
            yield opened
        finally:
            opened.close()


def find_user(app: App, who: str) -> UserView:
    """The user of that e-mail, or of that number. Raises NotFound, which names the command that lists them."""
    from replyx.errors import NotFound

    try:
        return app.accounts.get(int(who)) if who.isdecimal() else app.accounts.find(who)
    except NotFound as error:
        raise NotFound(
            f"Нет пользователя {who}. Все: replyx users list", f"No user {who}. All of them: replyx users list"
        ) from error


def find_assistant(app: App, which: str) -> AssistantView:
    """The assistant of that number or name. Raises NotFound, which names the command that lists them."""
    from replyx.errors import NotFound
    from replyx.types import SYSTEM

    try:
        return app.assistants.find(SYSTEM, which)
    except NotFound as error:
        raise NotFound(
            f"Нет ассистента «{which}». Все: replyx assistants list",
            f"No assistant '{which}'. All of them: replyx assistants list",
        ) from error


def acting_for(app: App, who: str | None) -> Actor:
    """The actor who is this user, or the first administrator.

    Raises:
        NotFound: no such user; or there is no administrator yet, and the command that makes one.
    """
    from replyx.types import Actor

    user = find_user(app, who) if who is not None else first_administrator(app)
    if user is None:
        from replyx.errors import NotFound

        raise NotFound(
            "Администратора ещё нет. Создайте: replyx users create EMAIL --admin",
            "There is no administrator yet. Make one: replyx users create EMAIL --admin",
        )
    return Actor(user.role, user_id=user.id, owner_id=user.owner_id)


def first_administrator(app: App) -> UserView | None:
    """The oldest enabled administrator; None where there is none."""
    offset = 0
    while True:
        users, total = app.accounts.list_users(200, offset)
        found = next((user for user in users if user.is_admin and user.is_active), None)
        offset += len(users)
        if found is not None or not users or offset >= total:
            return found
