"""Tenants of the tests of assistants, and the service they use."""

from __future__ import annotations

from replyx.assistants.assistants import Assistants
from replyx.config.settings import Config
from replyx.errors import ValidationFailed
from replyx.events.bus import Bus
from replyx.security.secretbox import SecretBox
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.types import Actor, Role
from tests.support.clock import MovableClock

#: Tokens of two bots, made up in Telegram's form.
BOT = "1234567890:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"
OTHER_BOT = "1234567890:BBEhBOweik6ad9r_QXMENQjcrGbqCr4K-bd"

#: What seals the tokens in these tests.
BOX = SecretBox(bytes(range(32)))


def make_assistants(db: Database, bus: Bus, clock: MovableClock, config: Config) -> Assistants:
    """The service, where `gpt-4` and `extractive` are offered and the latter is the default."""
    return Assistants(db, bus, clock, BOX, config, _check_model, lambda: "extractive")


def make_user(db: Database, clock: MovableClock, email: str, *, is_admin: bool = False) -> Actor:
    """A new tenant."""
    with db.transaction():
        row = User.create(email=email, password_hash="-", token_epoch="-", is_admin=is_admin, created_at=clock.now())
    return Actor(Role.ADMIN if is_admin else Role.OWNER, user_id=row.id)


def _check_model(model: str) -> None:
    if model not in ("gpt-4", "extractive"):
        raise ValidationFailed.of("ai_model", "Нет такой модели", "No such model")
