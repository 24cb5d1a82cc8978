"""Who chose a bot's own way to Telegram: what the command line set may lead anywhere; when its last update came."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    for column in ("telegram_api_base_trusted", "telegram_proxy_trusted"):
        db.execute_sql(f'ALTER TABLE "assistants" ADD COLUMN "{column}" BOOLEAN NOT NULL DEFAULT FALSE')
    db.execute_sql('ALTER TABLE "telegram_bots" ADD COLUMN "last_update_at" BIGINT')
