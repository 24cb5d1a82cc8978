"""Tenants' keys to the OpenAI-compatible endpoint: shown once, kept as a digest, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from replyx.clock import Clock, iso
from replyx.errors import InsufficientPermissions, NotAuthenticated, NotFound, ValidationFailed
from replyx.events.audit import Audit
from replyx.security.secretbox import mask
from replyx.storage.accounts import User
from replyx.storage.api_keys import ApiKey
from replyx.storage.database import Database
from replyx.types import Actor, Json, Role

#: How every key begins: tells it from the keys of others in a heap of secrets.
PREFIX = "rx-"

#: Keys that one tenant may have.
MOST_KEYS = 100

#: How exactly the last use is noted.
_NOTED = timedelta(minutes=1)


@dataclass(frozen=True)
class ApiKeyView:
    """One key as its owner sees it."""

    id: int
    name: str
    key: str
    created_at: datetime
    last_used_at: datetime | None

    def as_json(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "key": self.key,
            "created_at": iso(self.created_at),
            "last_used_at": iso(self.last_used_at) if self.last_used_at else None,
        }


class ApiKeys:
    """Made, listed and revoked by their owner; good for the endpoint only."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._audit = Audit(db, clock)

    def create(self, actor: Actor, name: str) -> tuple[ApiKeyView, str]:
        """A new key, and its text, which is not kept.

        Raises:
            ValidationFailed: the name may not stand, or there are too many keys. InsufficientPermissions: operators
                have nothing to spend.
        """
        if actor.role is Role.OPERATOR:
            raise InsufficientPermissions
        plain = _plain(name)
        key = PREFIX + secrets.token_urlsafe(32)
        with self._db.transaction():
            if ApiKey.select().where(ApiKey.user == actor.user_id).count() >= MOST_KEYS:
                raise ValidationFailed.of(
                    "name", f"Ключей уже {MOST_KEYS}: отзовите лишние", f"There are {MOST_KEYS} keys: revoke some"
                )
            row = ApiKey.create(
                user=actor.user_id, name=plain, digest=_digest(key), masked=mask(key), created_at=self._clock.now()
            )
            self._audit.record("api_key.created", f"api_key:{row.id}", user_id=actor.user_id, name=plain)
        return _view(row), key

    def list_for(self, actor: Actor) -> list[ApiKeyView]:
        """The caller's keys, oldest first."""
        with self._db.connection():
            return [_view(row) for row in ApiKey.select().where(ApiKey.user == actor.user_id).order_by(ApiKey.id)]

    def get(self, actor: Actor, key_id: int) -> ApiKeyView:
        """Raises NotFound where the caller has no such key."""
        with self._db.connection():
            row = ApiKey.get_or_none((ApiKey.id == key_id) & (ApiKey.user == actor.user_id))
        if row is None:
            raise _no_key()
        return _view(row)

    def rename(self, actor: Actor, key_id: int, name: str) -> ApiKeyView:
        """Raises NotFound: the caller has no such key. ValidationFailed: the name may not stand."""
        plain = _plain(name)
        with self._db.transaction():
            own = (ApiKey.id == key_id) & (ApiKey.user == actor.user_id)
            if ApiKey.update(name=plain).where(own).execute() != 1:
                raise _no_key()
            self._audit.record("api_key.changed", f"api_key:{key_id}", user_id=actor.user_id, name=plain)
            return self.get(actor, key_id)

    def revoke(self, actor: Actor, key_id: int) -> None:
        """End a key; what it is writing at this moment ends by itself.

        Raises:
            NotFound: the caller has no such key.
        """
        with self._db.transaction():
            if ApiKey.delete().where((ApiKey.id == key_id) & (ApiKey.user == actor.user_id)).execute() != 1:
                raise _no_key()
            self._audit.record("api_key.revoked", f"api_key:{key_id}", user_id=actor.user_id)

    def authenticate(self, key: str) -> Actor:
        """Whose key it is. An administrator's is an owner's, too: it opens no administration.

        Raises:
            NotAuthenticated: there is no such key, or its owner is disabled.
        """
        if not key.startswith(PREFIX) or len(key) > 200:
            raise NotAuthenticated
        with self._db.connection():
            row = ApiKey.select(ApiKey, User.id, User.is_active, User.owner_id).join(User)
            row = row.where(ApiKey.digest == _digest(key)).first()
        if row is None or not row.user.is_active or row.user.owner_id is not None:
            raise NotAuthenticated
        now = self._clock.now()
        if row.last_used_at is None or now - row.last_used_at > _NOTED:
            with self._db.transaction():
                ApiKey.update(last_used_at=now).where(ApiKey.id == row.id).execute()
        return Actor(Role.OWNER, user_id=row.user_id)


def _plain(name: str) -> str:
    plain = name.strip()
    if not 1 <= len(plain) <= 100 or not plain.isprintable():
        raise ValidationFailed.of(
            "name", "Название: от 1 до 100 печатных знаков", "A name of 1 to 100 printable characters"
        )
    return plain


def _no_key() -> NotFound:
    return NotFound("Такого ключа нет", "No such key")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _view(row: ApiKey) -> ApiKeyView:
    return ApiKeyView(row.id, row.name, row.masked, row.created_at, row.last_used_at)
