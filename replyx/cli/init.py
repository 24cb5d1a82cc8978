"""`replyx init`: a settings file, secrets, the database, the first administrator; run again it changes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson, Yes

if TYPE_CHECKING:
    from replyx.cli.first_start import Administrator
    from replyx.config.settings import Config

app = single()


@app.command()
def init(
    ctx: typer.Context,
    yes: Yes = False,
    admin_email: Annotated[
        str | None, typer.Option(metavar="E", help="The first administrator's e-mail.", show_default=False)
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read its password from standard input; else one is generated."),
    ] = False,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="postgresql://…; else SQLite.", show_default=False)
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(metavar="URL", help="redis://…; else one process.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write replyx.toml, make the secrets, the database and the first administrator.

    What is there already stays as it is. The file is --config PATH, else ./replyx.toml.
    """
    from replyx.cli.asking import ask_secret, require_consent
    from replyx.cli.invocation import Invocation

    file = Path(ctx.obj.config_path or "replyx.toml")
    # Whole, or it would be another directory for whoever starts elsewhere.
    folder = str(Path(ctx.obj.data_dir).expanduser().absolute()) if ctx.obj.data_dir is not None else None
    values = {"database.url": database_url, "redis.url": redis_url, "paths.data_dir": folder}
    if sys.stdin.isatty() and not file.exists():
        require_consent(f"Записать {file.resolve()}?", f"Write {file.resolve()}?", yes=yes)
    password = ask_secret("Пароль", "Password", from_stdin=True, flag="--password-stdin") if password_stdin else None
    is_new_file = _write_settings(file, {name: value for name, value in values.items() if value is not None})
    config = Invocation(str(file), ctx.obj.data_dir).load()
    done: dict[str, Any] = {"config": str(file.resolve()), "config_written": is_new_file}
    done |= _prepare(config)
    done |= _administrator(config, admin_email, password)
    _tell(done, as_json=as_json)


def _write_settings(file: Path, values: dict[str, Any]) -> bool:
    """A replyx.toml with `values` set and everything else commented out; False where the file exists.

    Raises:
        ConfigError: it cannot be written.
    """
    from replyx.config.document import render_toml
    from replyx.errors import ConfigError

    text = render_toml(values)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # It may hold the database's password.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(
            f"{file} не записать: {error.strerror}", f"{file} cannot be written: {error.strerror}"
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    return True


def _prepare(config: Config) -> dict[str, Any]:
    """The data directory, the master key, the database and its schema."""
    from replyx.app import open_database
    from replyx.security.master_key import FILE_NAME, load_master_key
    from replyx.storage.creation import create_on_server
    from replyx.storage.schema import migrate, schema_status

    database = open_database(config)
    try:
        key = config.data_dir / FILE_NAME
        had_key = key.exists()
        load_master_key(config)
        is_new = create_on_server(database, config.database_url)
        applied = migrate(database)
        known = schema_status(database).applied
    finally:
        database.close()
    return {
        "data_dir": str(config.data_dir),
        "secret_key_made": key.exists() and not had_key,
        "database_made": is_new,
        "migrations_applied": applied,
        "migrations": len(known),
    }


def _administrator(config: Config, email: str | None, password: str | None) -> dict[str, Any]:
    from replyx.app import open_app
    from replyx.cli.first_start import ensure_administrator
    from replyx.cli.invocation import first_administrator

    services = open_app(config)
    try:
        had = first_administrator(services) is not None
        found: Administrator | None = ensure_administrator(services, email, password)
    finally:
        services.close()
    return {
        "admin_email": found.email if found else None,
        "admin_made": found is not None and not had,
        "password": found.password if found else None,
    }


def _tell(done: dict[str, Any], *, as_json: bool) -> None:
    from replyx.cli.output import hint, line, print_json, say

    if as_json:
        print_json(done)
        return
    made, there = ("создан", "made"), ("уже есть", "there already")

    def tell(what_ru: str, what_en: str, where: str, is_new: bool) -> None:
        ru, en = made if is_new else there
        say(f"{what_ru}: {where} ({ru})", f"{what_en}: {where} ({en})")

    tell("настройки", "settings", done["config"], done["config_written"])
    tell("главный ключ", "master key", done["data_dir"], done["secret_key_made"])
    tell("схема базы", "schema", str(done["migrations"]), bool(done["migrations_applied"]))
    tell("администратор", "administrator", str(done["admin_email"]), done["admin_made"])
    if done["password"] is not None:
        line(f"password {done['password']}")
        hint("Пароль показан один раз.", "The password is shown this once.")
    hint("Дальше: replyx up; проверка: replyx doctor", "Next: replyx up; to check: replyx doctor")
