"""Operators: users who answer the dialogs of another."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    kind = "INTEGER" if db.__class__.__name__.endswith("SqliteDatabase") else "BIGINT"
    db.execute_sql(f'ALTER TABLE "users" ADD COLUMN "owner_id" {kind} REFERENCES "users" ("id") ON DELETE CASCADE')
    db.execute_sql('CREATE INDEX "users_owner_id" ON "users" ("owner_id")')
