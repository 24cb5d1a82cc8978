"""`replyx db`: make, migrate, check, back up, restore and move the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Yes

if TYPE_CHECKING:
    from replyx.backup.making import Made
    from replyx.backup.restoring import Restored
    from replyx.storage.database import Database

app = group("Make, migrate, check, back up, restore and move the database.")


@app.command()
def create(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Make the database where it does not exist, and bring it to this program's schema."""
    from replyx.cli.output import hint
    from replyx.storage.creation import create_on_server

    with ctx.obj.database() as database:
        if create_on_server(database, ctx.obj.load().database_url) and not as_json:
            hint("База данных создана.", "The database was made.")
    _migrate(ctx, as_json)


@app.command()
def migrate(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the database to this program's schema; safe to run again, and from several machines at once."""
    _migrate(ctx, as_json)


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show which migrations are applied; exit code 6 where the schema does not fit."""
    from replyx.cli.exits import ExitCode
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_record
    from replyx.storage.schema import schema_status

    with ctx.obj.database() as database:
        found = schema_status(database)
        kind = "sqlite" if database.is_sqlite else "postgresql"
    fits = not found.pending and not found.unknown
    if as_json:
        print_json(
            {
                "database": kind,
                "fits": fits,
                "applied": list(found.applied),
                "pending": list(found.pending),
                "unknown": list(found.unknown),
            }
        )
    else:
        print_record(
            [
                (choose("база", "database"), kind),
                (choose("применено", "applied"), len(found.applied)),
                (choose("ждёт", "pending"), found.pending),
                (choose("неизвестно", "unknown"), found.unknown),
            ]
        )
        if found.unknown:
            hint(
                "Схема новее программы: pip install --upgrade replyx",
                "The schema is newer: pip install --upgrade replyx",
            )
        elif found.pending:
            hint("Выполните: replyx db migrate", "Run: replyx db migrate")
    if not fits:
        raise typer.Exit(ExitCode.EXIT_SCHEMA)


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the schema, the durability settings, the files' integrity and the ledger."""
    from replyx.cli.checking_database import database_findings
    from replyx.cli.exits import ExitCode
    from replyx.cli.findings import has_fault, print_findings

    found = database_findings(ctx.obj.load(), thorough=True)
    print_findings(found, as_json=as_json)
    if has_fault(found):
        raise typer.Exit(ExitCode.EXIT_FAILED)


@app.command()
def backup(
    ctx: typer.Context,
    to: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH", help="A file, or a folder; else `backup.folder`.", show_default=False, readable=False
        ),
    ] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="The master key and replyx.toml too, under a passphrase.")
    ] = False,
    passphrase_stdin: Annotated[
        bool, typer.Option("--passphrase-stdin", help="Read the passphrase from the first line of standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write dialogs, ledger, documents and settings into one file, while everything runs."""
    from replyx.backup.keeping import keep
    from replyx.backup.making import file_name, make_backup
    from replyx.cli.asking import ask_secret
    from replyx.cli.output import print_json
    from replyx.cli.progress import bars
    from replyx.clock import SystemClock
    from replyx.storage.schema import require_schema

    passphrase = None
    if with_secrets or passphrase_stdin:
        flag = "--passphrase-stdin"
        passphrase = ask_secret(
            "Пароль копии", "Passphrase of the backup", from_stdin=passphrase_stdin, flag=flag, confirm=True
        )
    config, now = ctx.obj.load(), SystemClock().now()
    with ctx.obj.database() as database, bars(shown=not as_json) as shown:
        require_schema(database)

        def make(path: Path) -> Made:
            return make_backup(database, config, path, now=now, passphrase=passphrase, progress=shown.count(path.name))

        made = keep(config, now, make) if to is None else make(to / file_name(now) if to.is_dir() else to)
    if as_json:
        print_json({"file": made.place, "bytes": made.bytes, "rows": made.rows, "files": made.files})
    else:
        _say_made(made, with_secrets=passphrase is not None)


@app.command()
def backups(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the backups that are kept in `backup.folder`, newest first."""
    from replyx.backup.stores import store_of
    from replyx.cli.language import choose
    from replyx.cli.output import hint, print_json, print_table
    from replyx.clock import iso

    kept = store_of(ctx.obj.load()).list()
    if as_json:
        print_json([{"file": one.where, "created_at": iso(one.created_at), "bytes": one.bytes} for one in kept])
    elif kept:
        columns = choose("копия,сделана,МиБ", "backup,made,MiB").split(",")
        print_table(columns, [(one.where, iso(one.created_at), f"{one.bytes / (1 << 20):.1f}") for one in kept])
    else:
        hint("Копий нет. Сделать: replyx db backup", "There are none. Make one: replyx db backup")


@app.command()
def restore(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="FILE", help="A backup: a path, or s3://….", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Even where the database holds data.")] = False,
    passphrase_stdin: Annotated[
        bool,
        typer.Option("--passphrase-stdin", help="Secrets too; the passphrase is on standard input."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back, from either kind of database to either; the whole of it is checked first."""
    from replyx.backup.restoring import Restore
    from replyx.backup.stores import fetched
    from replyx.cli.asking import ask_secret, require_consent
    from replyx.cli.lock import hold_data_dir
    from replyx.cli.output import print_json
    from replyx.cli.progress import bars

    passphrase = None
    if passphrase_stdin:
        passphrase = ask_secret("Пароль", "Passphrase", from_stdin=True, flag="--passphrase-stdin")
    config = ctx.obj.load()
    with hold_data_dir(config.data_dir), fetched(which, config) as path, bars(shown=not as_json) as shown:
        plan = Restore(path, config, shown.count(path.name))
        if _is_in_use(ctx, replace=replace):
            require_consent(
                "Данные в базе будут заменены копией. Продолжить?", "The backup replaces the data. Go on?", yes=yes
            )
        restored = plan.run(passphrase)
    with ctx.obj.app() as services, bars(shown=not as_json) as shown:
        chunks = services.knowledge.rebuild(None, shown.count("LanceDB"))
    if as_json:
        settings = str(restored.settings) if restored.settings else None
        print_json(
            {
                "created_at": restored.created_at, "rows": restored.rows, "files": restored.files, "chunks": chunks,
                "same_key": restored.same_key, "settings": settings,
            }
        )  # fmt: skip
    else:
        _say_restored(restored, chunks)


@app.command()
def move(
    ctx: typer.Context,
    url_stdin: Annotated[
        bool, typer.Option("--url-stdin", help="Read the other database's URL from the first line of standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy everything into another, empty database: from SQLite to PostgreSQL or back. This one stays as it is."""
    from replyx.backup.moving import move as copy
    from replyx.cli.asking import ask_secret
    from replyx.cli.lock import hold_data_dir
    from replyx.cli.output import hint, print_json, say
    from replyx.cli.progress import bars

    url = ask_secret(
        "Адрес новой базы, postgresql://…", "URL of the new database, postgresql://…", from_stdin=url_stdin,
        flag="--url-stdin",
    )  # fmt: skip
    config = ctx.obj.load()
    with hold_data_dir(config.data_dir), ctx.obj.database() as database, bars(shown=not as_json) as shown:
        _refuse_running(database)
        rows = copy(database, url, config.database.timeout, shown.count("rows"))
    if as_json:
        print_json({"rows": rows})
    else:
        say(f"Перенесено строк: {sum(rows.values())}", f"Rows moved: {sum(rows.values())}")
        hint(
            "Впишите новый адрес в database.url и запустите: replyx doctor",
            "Put the new URL into database.url, then run: replyx doctor",
        )


def _is_in_use(ctx: typer.Context, *, replace: bool) -> bool:
    """Whether the database holds data; it may only where `replace`."""
    from replyx.errors import Conflict
    from replyx.storage.portable import is_empty
    from replyx.storage.schema import schema_status

    with ctx.obj.database() as database:
        if not schema_status(database).applied:
            return False
        _refuse_running(database)
        if is_empty(database):
            return False
    if not replace:
        raise Conflict(
            "В базе уже есть данные. Чтобы заменить их копией, добавьте --replace.",
            "The database holds data already. To replace it by the backup, add --replace.",
        )
    return True


def _refuse_running(database: Database) -> None:
    from replyx.clock import SystemClock
    from replyx.errors import AlreadyRunning
    from replyx.tasks.beats import Beats

    alive = [beat.name for beat in Beats(database, SystemClock()).list() if beat.alive]
    if alive:
        raise AlreadyRunning(
            f"ReplyX работает ({', '.join(alive)}). Остановите его: systemctl stop replyx.target",
            f"ReplyX runs ({', '.join(alive)}). Stop it first: systemctl stop replyx.target",
        )


def _say_made(made: Made, *, with_secrets: bool) -> None:
    from replyx.cli.output import hint, say

    size = f"{made.bytes / 1_048_576:.1f}"
    say(
        f"{made.place}: {size} МиБ, строк {made.rows}, файлов {made.files}",
        f"{made.place}: {size} MiB, {made.rows} rows, {made.files} files",
    )
    if not with_secrets:
        hint(
            "Главного ключа в копии нет: храните secret.key отдельно или добавьте --with-secrets.",
            "The master key is not inside: keep secret.key elsewhere, or add --with-secrets.",
        )


def _say_restored(restored: Restored, chunks: int) -> None:
    from replyx.cli.output import hint, say

    say(
        f"Восстановлено на {restored.created_at}: строк {restored.rows}, файлов {restored.files}, фрагментов {chunks}",
        f"Restored as of {restored.created_at}: {restored.rows} rows, {restored.files} files, {chunks} chunks",
    )
    if restored.settings is not None:
        hint(f"Настройки из копии: {restored.settings}", f"The backup's settings: {restored.settings}")
    if not restored.same_key:
        hint(
            "Главный ключ другой: ключи ИИ и токены ботов не открыть. Верните secret.key и перезапустите.",
            "The master key is another one: AI keys and bot tokens cannot be opened. Bring secret.key back, restart.",
        )
    hint("Проверить: replyx db check", "To check: replyx db check")


def _migrate(ctx: typer.Context, as_json: bool) -> None:
    from replyx.cli.output import print_json, say
    from replyx.storage.schema import migrate as apply

    with ctx.obj.database() as database:
        applied = apply(database)
    if as_json:
        print_json({"applied": applied})
    elif applied:
        say(f"Применено миграций: {len(applied)}", f"Migrations applied: {len(applied)}")
    else:
        say("Схема уже новая.", "The schema is up to date already.")
