"""The first start: an empty database gets its schema, an administrator and an assistant to try."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replyx.cli.invocation import first_administrator

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.config.settings import Config

#: Who the first administrator is, where nobody said otherwise. The name is never mailed to.
ADMIN_EMAIL = "admin@replyx.local"

#: What a generated password is made of, 16 of them: a sign at its end is left behind when it is copied.
_LETTERS = string.ascii_letters + string.digits

#: The first assistant's name.
ASSISTANT_NAME = "Ассистент"


@dataclass(frozen=True)
class Administrator:
    """Who may log in. `password` only where it was generated just now: it cannot be read again."""

    email: str
    password: str | None = None


def migrate_if_empty(config: Config) -> bool:
    """Give a database without a single table its schema; True where it did. One with tables is left alone."""
    from replyx.app import open_database
    from replyx.storage.schema import migrate, schema_status

    database = open_database(config)
    try:
        if schema_status(database).applied:
            return False
        migrate(database)
        return True
    finally:
        database.close()


def ensure_administrator(app: App, email: str | None = None, password: str | None = None) -> Administrator | None:
    """The first administrator; made, with an assistant for the demo page, where there is no user at all.

    `password` None: one is generated. None is answered where there are users and none of them is an administrator.

    Raises:
        ValidationFailed: the e-mail or the password cannot be used.
    """
    from replyx.types import Actor, Role

    known = first_administrator(app)
    if known is not None:
        return Administrator(known.email)
    _, users = app.accounts.list_users(1)
    if users:
        return None
    generated = None if password is not None else "".join(secrets.choice(_LETTERS) for _ in range(16))
    user = app.registration.register(email or ADMIN_EMAIL, password or generated or "", is_admin=True)
    app.assistants.create(Actor(Role.ADMIN, user_id=user.id), name=ASSISTANT_NAME, website_integration=True)
    return Administrator(user.email, generated)
