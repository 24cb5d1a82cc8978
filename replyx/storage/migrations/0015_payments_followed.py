"""Payments know the request that ordered them, and when their provider is to be asked of them again."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    kind = "INTEGER" if db.__class__.__name__.endswith("SqliteDatabase") else "BIGINT"
    db.execute_sql(f'ALTER TABLE "payments" ADD COLUMN "claim_id" {kind}')
    db.execute_sql('ALTER TABLE "payments" ADD COLUMN "checks" INTEGER NOT NULL DEFAULT 0')
    db.execute_sql(f'ALTER TABLE "payments" ADD COLUMN "check_at" {kind} NOT NULL DEFAULT 0')
    db.execute_sql('CREATE UNIQUE INDEX "payments_claim_id" ON "payments" ("claim_id")')
    db.execute_sql('CREATE INDEX "payments_status_check_at" ON "payments" ("status", "check_at")')
