"""Who chose a bot's own way to Telegram: what the command line set may lead anywhere; when its last update came."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    is_sqlite = db.__class__.__name__.endswith("SqliteDatabase")
    flag, moment = ("INTEGER", "INTEGER") if is_sqlite else ("BOOLEAN", "BIGINT")
    for column in ("telegram_api_base_trusted", "telegram_proxy_trusted"):
        db.execute_sql(f'ALTER TABLE "assistants" ADD COLUMN "{column}" {flag} NOT NULL DEFAULT FALSE')
    db.execute_sql(f'ALTER TABLE "telegram_bots" ADD COLUMN "last_update_at" {moment}')
