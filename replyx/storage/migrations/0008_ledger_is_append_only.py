"""The ledger refuses to be changed or cut: by rule of the database, whoever asks."""

from typing import Any

TABLES = ("ledger_transfers", "ledger_entries")


def up(migrator: Any, db: Any) -> None:
    if db.__class__.__name__.endswith("SqliteDatabase"):
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                db.execute_sql(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
                )
        return
    db.execute_sql(
        "CREATE FUNCTION replyx_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = '23514'; END $$"
    )
    for table in TABLES:
        db.execute_sql(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION replyx_append_only()"
        )
