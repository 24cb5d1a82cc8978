"""AI keys count their servers' troubles in a row; a reply keeps the trace of its answer."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    db.execute_sql('ALTER TABLE "ai_tokens" ADD COLUMN "failures" INTEGER NOT NULL DEFAULT 0')
    db.execute_sql('ALTER TABLE "replies" ADD COLUMN "trace" TEXT')
