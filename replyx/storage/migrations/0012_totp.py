"""A second factor: the sealed secret of a user's authenticator app, and the code that was used last."""

from typing import Any


def up(migrator: Any, db: Any) -> None:
    kind = "INTEGER" if db.__class__.__name__.endswith("SqliteDatabase") else "BIGINT"
    for column in ('"totp_secret" TEXT', '"totp_pending" TEXT', f'"totp_step" {kind}'):
        db.execute_sql(f'ALTER TABLE "users" ADD COLUMN {column}')
