"""Price lists and daily caps of assistants; the ledger remembers whose answer was paid."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    kind = "INTEGER" if db.__class__.__name__.endswith("SqliteDatabase") else "BIGINT"
    db.execute_sql('ALTER TABLE "assistants" ADD COLUMN "prices" TEXT')
    db.execute_sql(f'ALTER TABLE "assistants" ADD COLUMN "daily_cap" {kind}')
    db.execute_sql(f'ALTER TABLE "ledger_transfers" ADD COLUMN "assistant_id" {kind}')
    db.execute_sql(
        'CREATE INDEX "ledger_transfers_assistant_id_created_at" ON "ledger_transfers" ("assistant_id", "created_at")'
    )
