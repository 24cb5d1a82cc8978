"""Making a database on a PostgreSQL server, with its role where need be; SQLite makes its file by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import unicodedata
from dataclasses import dataclass
from typing import Any

from playhouse.db_url import parse as parse_url

from replyx.errors import DatabaseUnavailable
from replyx.storage.database import Database

#: Seconds to wait for a server.
_PATIENCE = 5

#: PostgreSQL's own number of rounds of a password.
_ROUNDS = 4096

#: Hosts whose superuser may be somebody on this machine.
_HERE = ("", "localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class _Wanted:
    """What the URL names."""

    database: str
    role: str
    password: str
    host: str
    port: int

    @property
    def statement(self) -> str:
        """With its owner, since others may make nothing in it from PostgreSQL 15 on."""
        owner = f" OWNER {_quoted(self.role)}" if self.role else ""
        return f"CREATE DATABASE {_quoted(self.database)}{owner} ENCODING 'UTF8' TEMPLATE template0"


def create_on_server(database: Database, url: str) -> bool:
    """Make the database that `url` names where its server has none; True where it was made.

    Where the role may not, or is not there, a superuser whom this process can be makes both: of PGUSER and PGPASSWORD,
    or, to root, `postgres` on this machine.

    Raises:
        DatabaseUnavailable: the server cannot be reached, or nobody whom this process can be may make databases.
    """
    if database.is_sqlite:
        return False
    import psycopg2

    options: dict[str, Any] = parse_url(url, unquote_user=True, unquote_password=True)
    wanted = _Wanted(
        options["database"],
        options.get("user") or "",
        options.get("password") or "",
        options.get("host") or "",
        int(options.get("port") or 5432),
    )
    options.pop("database")
    if _refusal(wanted, options) is None:
        return False
    try:
        return _make_as(wanted, options)
    except psycopg2.Error:
        is_new = _make_as_superuser(wanted) or _make_as_postgres(wanted)
    refusal = _refusal(wanted, options)
    if refusal is None:
        return is_new
    raise DatabaseUnavailable(
        f"База {wanted.database} недоступна: {refusal}. Если её нет: sudo -u postgres psql, затем "
        f"{_by_hand(wanted)} (\\password спросит пароль из database.url)",
        f"The database {wanted.database} cannot be used: {refusal}. If there is none: sudo -u postgres psql, then "
        f"{_by_hand(wanted)} (\\password asks for the password of database.url)",
    )


def _refusal(wanted: _Wanted, options: dict[str, Any]) -> str | None:
    """Why the database cannot be used as the URL says; None where it can."""
    import psycopg2

    try:
        psycopg2.connect(dbname=wanted.database, connect_timeout=_PATIENCE, **options).close()
    except psycopg2.OperationalError as error:
        text = str(error).strip()
        return text.splitlines()[0] if text else type(error).__name__
    return None


def _make_as(wanted: _Wanted, options: dict[str, Any], statements: tuple[str, ...] = ()) -> bool:
    """Make it as whoever `options` say. False where another process did so at the same moment."""
    import psycopg2
    from psycopg2 import errors

    connection = psycopg2.connect(dbname="postgres", connect_timeout=_PATIENCE, **options)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            cursor.execute(wanted.statement)
        return True
    except errors.DuplicateDatabase:
        return False
    finally:
        connection.close()


def _make_as_superuser(wanted: _Wanted) -> bool:
    """As whom libpq takes this process for: PGUSER, PGPASSWORD, ~/.pgpass, or the user's own name."""
    import psycopg2

    options: dict[str, Any] = {"port": wanted.port}
    if wanted.host not in _HERE or "PGUSER" in os.environ:
        options["host"] = wanted.host or "localhost"
    try:
        with psycopg2.connect(dbname="postgres", connect_timeout=_PATIENCE, **options) as connection:
            missing = _role_is_missing(connection, wanted.role)
        connection.close()
        return _make_as(wanted, options, (_role(wanted),) if missing else ())
    except psycopg2.Error:
        return False


def _role_is_missing(connection: Any, role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        return cursor.fetchone() is None


def _make_as_postgres(wanted: _Wanted) -> bool:
    """As `postgres` by psql: root may be anybody on this machine, and Debian's server believes the system."""
    runuser, psql = shutil.which("runuser"), shutil.which("psql")
    if os.geteuid() != 0 or wanted.host not in _HERE or not wanted.role or runuser is None or psql is None:
        return False
    # The guard keeps a role that is there, with its password; \\gexec runs what a query answers.
    role, its_name, its_database = _role(wanted), _literal(wanted.role), _literal(wanted.database)
    guards = (
        (role, f"FROM pg_roles WHERE rolname = {its_name}"),
        (wanted.statement, f"FROM pg_database WHERE datname = {its_database}"),
    )
    script = "".join(f"SELECT {_literal(what)} WHERE NOT EXISTS (SELECT {there}) \\gexec\n" for what, there in guards)
    command = [
        runuser,
        "-u",
        "postgres",
        "--",
        psql,
        "-XqAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-p",
        str(wanted.port),
        "postgres",
    ]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode == 0


def _role(wanted: _Wanted) -> str:
    """The statement that makes the role."""
    password = f" PASSWORD {_literal(_proof(wanted.password))}" if wanted.password else ""
    return f"CREATE ROLE {_quoted(wanted.role)} LOGIN{password}"


def _proof(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that neither it nor its log ever sees the password."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", unicodedata.normalize("NFKC", password).encode(), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ROUNDS}:{shown[0]}${shown[1]}:{shown[2]}"


def _by_hand(wanted: _Wanted) -> str:
    role = _quoted(wanted.role)
    return f"CREATE ROLE {role} LOGIN; \\password {role}; {wanted.statement};"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
