"""`replyx db`: make, migrate and check the database."""

from __future__ import annotations

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson

app = group("Make, migrate and check the database.")


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
