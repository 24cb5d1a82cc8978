"""Making a database on a PostgreSQL server; SQLite makes its file by itself."""

from __future__ import annotations

from typing import Any

from playhouse.db_url import parse as parse_url

from replyx.errors import DatabaseUnavailable
from replyx.storage.database import Database


def create_on_server(database: Database, url: str) -> bool:
    """Make the database that `url` names where its server has none; True where it was made.

    Raises:
        DatabaseUnavailable: the server cannot be reached, or this user may not make databases.
    """
    if database.is_sqlite:
        return False
    import psycopg2
    from psycopg2 import errors, sql

    options: dict[str, Any] = parse_url(url, unquote_user=True, unquote_password=True)
    name = options.pop("database")
    try:
        connection = psycopg2.connect(dbname="postgres", connect_timeout=5, **options)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is not None:
                    return False
                statement = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0")
                cursor.execute(statement.format(sql.Identifier(name)))
                return True
        except errors.DuplicateDatabase:
            # Another process made it at the same moment.
            return False
        finally:
            connection.close()
    except psycopg2.Error as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DatabaseUnavailable(
            f"База данных {name} не создана: {why}", f"The database {name} was not made: {why}"
        ) from error
