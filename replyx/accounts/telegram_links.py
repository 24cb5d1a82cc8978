"""Which Telegram account belongs to which user, proven once by a code that the user was given here."""

from __future__ import annotations

import hashlib
import secrets

from replyx.accounts.views import UserView
from replyx.clock import Clock
from replyx.errors import NotFound
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.storage.telegram_desk import TelegramLinkCode, TelegramOperator
from replyx.types import Actor

#: Minutes for which a code is good.
CODE_MINUTES = 15

#: Without letters and digits that look alike.
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_LENGTH = 10


class TelegramLinks:
    """Makes codes, takes them, and says who a Telegram account is."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    def make_code(self, user_id: int) -> str:
        """A code that links a Telegram account to the user, once, within `CODE_MINUTES`; earlier ones end.

        Raises:
            NotFound: no such user.
        """
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        with self._db.transaction():
            if not User.select().where((User.id == user_id) & User.is_active).exists():
                raise NotFound("Пользователь не найден", "No such user")
            TelegramLinkCode.delete().where(TelegramLinkCode.user == user_id).execute()
            TelegramLinkCode.insert(
                user=user_id, code_hash=_digest(code), expires_at=self._db.now_ms(CODE_MINUTES * 60)
            ).execute()
        return code

    def redeem(self, code: str, telegram_user_id: int, name: str, tenant_id: int) -> UserView | None:
        """Link the account to the user of the code; None where the code is not good for anyone of this tenant.

        A user has one account: a new one takes the place of the one before.
        """
        with self._db.transaction():
            good = (TelegramLinkCode.code_hash == _digest(code)) & (TelegramLinkCode.expires_at > self._db.now_ms())
            found = TelegramLinkCode.get_or_none(good)
            user = User.get_or_none((User.id == found.user_id) & _of_tenant(tenant_id)) if found else None
            if found is None or user is None:
                return None
            if not TelegramLinkCode.delete().where(TelegramLinkCode.id == found.id).execute():
                return None
            TelegramOperator.delete().where(TelegramOperator.user == user.id).execute()
            TelegramOperator.create(
                user=user.id,
                telegram_user_id=telegram_user_id,
                name=(user.first_name or name.strip() or user.email.partition("@")[0])[:100],
                created_at=self._clock.now(),
            )
            return UserView.of(user)

    def actor_of(self, telegram_user_id: int, tenant_id: int) -> tuple[Actor, str] | None:
        """Who works for the tenant under this Telegram account, and the name that customers see; None: nobody."""
        with self._db.connection():
            row = (
                TelegramOperator.select(TelegramOperator, User)
                .join(User)
                .where((TelegramOperator.telegram_user_id == telegram_user_id) & _of_tenant(tenant_id))
                .order_by(TelegramOperator.id)
                .first()
            )
            if row is None:
                return None
            user = UserView.of(row.user)
            return Actor(user.role, user_id=user.id, owner_id=user.owner_id), row.name

    def unlink(self, user_id: int) -> bool:
        """Take the link away; False where there was none."""
        with self._db.transaction():
            return bool(TelegramOperator.delete().where(TelegramOperator.user == user_id).execute())


def _of_tenant(tenant_id: int) -> object:
    return User.is_active & ((User.id == tenant_id) | (User.owner_id == tenant_id))


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()
