"""Rows of users: how they are found, and what they say of a person's role."""

from __future__ import annotations

import secrets

from replyx.accounts.emails import account_email
from replyx.accounts.views import UserView
from replyx.errors import NotAuthenticated, NotFound, ValidationFailed
from replyx.storage.accounts import User
from replyx.types import Actor, Role


def new_epoch() -> str:
    """A word that ends every token made under another one."""
    return secrets.token_hex(16)


def role_of(row: User) -> Role:
    """What the user of this row is."""
    return UserView.of(row).role


def may_enter(row: User | None) -> bool:
    """Whether the user of this row is let in: not disabled, nor an operator whose owner is. Inside a connection."""
    if row is None or not row.is_active:
        return False
    return row.owner_id is None or User.select().where((User.id == row.owner_id) & User.is_active).exists()


def row_of(user_id: int) -> User:
    """The row of an id, inside a connection.

    Raises:
        NotFound: there is none.
    """
    # Numbers that no column can hold come from addresses that people type.
    row: User | None = User.get_or_none(User.id == user_id) if 0 < user_id < 2**63 else None
    if row is None:
        raise no_user()
    return row


def id_of(actor: Actor) -> int:
    """The user that acts. Raises NotAuthenticated where it is none."""
    if actor.user_id is None:
        raise NotAuthenticated
    return actor.user_id


def searchable(email: str) -> str:
    """What no stored address can be (too long, with characters that a driver refuses) becomes nobody's."""
    try:
        return account_email(email)
    except ValidationFailed:
        return ""


def require_change(changed_rows: int) -> None:
    """Raises NotFound where no row was changed."""
    if not changed_rows:
        raise no_user()


def no_user() -> NotFound:
    """The error that there is no such user."""
    return NotFound("Пользователь не найден", "No such user")
