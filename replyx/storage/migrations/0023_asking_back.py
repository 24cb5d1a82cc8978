"""Each assistant may have a score of its own from which it asks back."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    db.execute_sql('ALTER TABLE "assistants" ADD COLUMN "clarify_threshold" REAL')
