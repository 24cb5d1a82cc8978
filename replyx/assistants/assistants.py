"""Assistants: made, changed and found by their owners, and opened by their site token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from replyx.assistants.fields import checked_fields, is_telegram_token
from replyx.assistants.origins import origin_is_allowed
from replyx.assistants.telegram_ways import TelegramWays
from replyx.assistants.views import AssistantView
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import (
    BotAlreadyExists,
    Conflict,
    InsufficientPermissions,
    InvalidTelegramToken,
    NotAuthenticated,
    NotFound,
    UniqueViolation,
)
from replyx.events.bus import Bus
from replyx.events.catalogue import CONTROL
from replyx.security.outgoing import OutgoingUrls
from replyx.security.secretbox import SecretBox, is_masked, mask
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.row_counts import kept_count
from replyx.types import SYSTEM, Actor, Json, Role

#: Columns whose change listeners must hear of at once: who may be let in, and by what.
_GATES = (
    *("is_active", "allowed_domains", "site_token", "telegram_token_hash"),
    *("telegram_api_base", "telegram_api_base_trusted", "telegram_proxy", "telegram_proxy_trusted"),
)

_BOT_COLUMNS = ("telegram_token", "telegram_token_masked", "telegram_token_hash", "telegram_bot_username")


class Assistants:
    """An owner sees and changes its own assistants only; to everyone else they do not exist."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        clock: Clock,
        box: SecretBox,
        config: Config,
        check_model: Callable[[str], None],
        default_model: Callable[[], str],
    ) -> None:
        """`check_model` raises ValidationFailed on a model that nobody offers, `default_model` names one that works."""
        self._db, self._bus, self._clock, self._box, self._config = db, bus, clock, box, config
        self._check_model, self._default_model = check_model, default_model
        self._ways = TelegramWays(box, OutgoingUrls(config.outgoing.allow))

    def create(
        self,
        actor: Actor,
        *,
        name: str,
        description: str = "",
        system_prompt: str = "",
        ai_model: str | None = None,
        telegram_bot_token: str | None = None,
        website_integration: bool = False,
        allowed_domains: Sequence[str] = (),
        handoff_keywords: Sequence[str] | None = None,
        not_found_text: str | None = None,
        unavailable_text: str | None = None,
        welcome_text: str | None = None,
        price: int | None = None,
        prices: Mapping[str, Any] | None = None,
        daily_cap: int | None = None,
        answer_threshold: float | None = None,
        clarify_threshold: float | None = None,
        telegram_group_id: int | None = None,
        telegram_api_base: str | None = None,
        telegram_proxy: str | None = None,
    ) -> AssistantView:
        """A new assistant of the actor. `price` is kopecks a message; no `ai_model` takes the one that works.

        Raises:
            ValidationFailed: a field cannot be used, or nobody offers the model. InvalidTelegramToken: not the form of
                one. BotAlreadyExists: another assistant has this bot. NotAuthenticated: the actor is no user.
            InsufficientPermissions: the actor is an operator.
        """
        if actor.user_id is None:
            raise NotAuthenticated
        if actor.role is Role.OPERATOR:
            raise InsufficientPermissions
        given = {
            "name": name,
            "description": description,
            "system_prompt": system_prompt,
            "ai_model": ai_model,
            "telegram_bot_token": telegram_bot_token,
            "website_integration": website_integration,
            "allowed_domains": allowed_domains,
            "handoff_keywords": handoff_keywords,
            "not_found_text": not_found_text,
            "unavailable_text": unavailable_text,
            "welcome_text": welcome_text,
            "price": price,
            "prices": prices,
            "daily_cap": daily_cap,
            "answer_threshold": answer_threshold,
            "clarify_threshold": clarify_threshold,
            "telegram_group_id": telegram_group_id,
            "telegram_api_base": telegram_api_base,
            "telegram_proxy": telegram_proxy,
        }
        return self._make(actor, given)

    def _make(self, actor: Actor, given: Mapping[str, Any]) -> AssistantView:
        fields = self._with_model(checked_fields(given), None)
        self._ways.check(fields)
        columns = self._columns(fields, None, actor)
        with self._one_bot_each():
            row = Assistant.create(user=actor.user_id, created_at=self._clock.now(), **columns)
            return AssistantView.of(row)

    def list_for(self, actor: Actor, *, limit: int = 50, offset: int = 0) -> tuple[list[AssistantView], int]:
        """A page of the actor's assistants, oldest first, and how many there are."""
        with self._db.connection():
            rows = Assistant.select().where(_owned_by(actor))
            page = rows.order_by(Assistant.id).limit(limit).offset(offset)
            owner = None if actor.role is Role.SYSTEM else actor.user_id or 0
            return [AssistantView.of(row) for row in page], kept_count("assistants", owner_id=owner)

    def get(self, actor: Actor, assistant_id: int) -> AssistantView:
        """One assistant of the actor.

        Raises:
            NotFound: there is none, or it is another tenant's.
        """
        with self._db.connection():
            return AssistantView.of(_access(actor, assistant_id))

    def update(self, actor: Actor, assistant_id: int, changes: Mapping[str, Any]) -> AssistantView:
        """Change what `changes` names, as in `create` and `is_active`; `price` in kopecks.

        A masked `telegram_bot_token` or `telegram_proxy` changes nothing, null or an empty one disconnects the bot,
        or leaves the proxy out. The command line may set any address, a tenant none that leads inside.

        Raises:
            NotFound: as in `get`. ValidationFailed, InvalidTelegramToken, BotAlreadyExists: as in `create`.
        """
        fields = self._with_model(checked_fields(changes), self.get(actor, assistant_id).ai_model)
        if actor.role is not Role.SYSTEM:
            self._ways.check(fields)
        with self._one_bot_each():
            row = _access(actor, assistant_id, self._db)
            columns = {k: v for k, v in self._columns(fields, row, actor).items() if v != getattr(row, k)}
            if columns:
                self._write(row.id, columns)
            return AssistantView.of(_access(actor, assistant_id))

    def delete(self, actor: Actor, assistant_id: int) -> None:
        """Delete an assistant with its dialogs and documents.

        Raises:
            NotFound: as in `get`.
        """
        with self._db.transaction():
            row = _access(actor, assistant_id, self._db)
            Assistant.delete().where(Assistant.id == row.id).execute()
            self._announce(row.id)

    def rotate_site_token(self, actor: Actor, assistant_id: int) -> AssistantView:
        """A new site token; the one before opens nothing from now on.

        Raises:
            NotFound: as in `get`. Conflict: the assistant is not on a website.
        """
        with self._db.transaction():
            row = _access(actor, assistant_id, self._db)
            if not row.website_integration:
                raise Conflict(
                    "Сначала включите website_integration: без него нет токена сайта.",
                    "Switch website_integration on first: there is no site token without it.",
                )
            self._write(row.id, {"site_token": _new_site_token()})
            return AssistantView.of(_access(actor, assistant_id))

    def by_site_token(self, token: str) -> AssistantView:
        """The assistant that a website's widget belongs to.

        Raises:
            NotAuthenticated: no such token, or the assistant or its owner is switched off.
        """
        if isinstance(token, str) and token.isascii() and 0 < len(token) <= 64 and "\x00" not in token:
            with self._db.connection():
                row = _open_to_websites().where(Assistant.site_token == token).get_or_none()
            if row is not None:
                return AssistantView.of(row)
        raise _no_site()

    def get_open(self, assistant_id: int) -> AssistantView:
        """One assistant, while its widget may speak: for visitors who were let in before.

        Raises:
            NotFound: it is gone. NotAuthenticated: it, its place on websites or its owner is switched off.
        """
        with self._db.connection():
            row = _open_to_websites().where(Assistant.id == assistant_id).get_or_none()
            if row is not None:
                return AssistantView.of(row)
            _access(SYSTEM, assistant_id)
        raise _no_site()

    def demo(self) -> AssistantView | None:
        """What `/demo` shows: the first administrator's oldest active assistant that may speak on a website."""
        with self._db.connection():
            first = User.select(User.id).where(User.is_admin & User.is_active).order_by(User.id).limit(1).scalar()
            row = _open_to_websites().where(Assistant.user == first).order_by(Assistant.id).limit(1).get_or_none()
            return AssistantView.of(row) if row is not None else None

    def find(self, actor: Actor, id_or_name: str | int) -> AssistantView:
        """By id, else by name without regard to case: for the command line.

        Raises:
            NotFound: there is none. Conflict: several have the name; the message lists their ids.
        """
        wanted = str(id_or_name).strip()
        with self._db.connection():
            rows = [AssistantView.of(row) for row in Assistant.select().where(_owned_by(actor)).order_by(Assistant.id)]
        named = [row for row in rows if str(row.id) == wanted] or [
            row for row in rows if row.name.casefold() == wanted.casefold()
        ]
        if not named:
            raise NotFound(f"Ассистент «{wanted}» не найден", f"No assistant '{wanted}'")
        if len(named) > 1:
            ids = ", ".join(str(row.id) for row in named)
            raise Conflict(f"Имя не одно: укажите id ({ids})", f"Several have this name: give an id ({ids})")
        return named[0]

    def count_bots(self) -> int:
        """How many Telegram bots are to run: of active assistants, their owners not disabled."""
        with self._db.connection():
            has_bot = Assistant.is_active & User.is_active & Assistant.telegram_token.is_null(False)
            count: int = Assistant.select().join(User).where(has_bot).count()
            return count

    def origin_allowed(self, assistant: AssistantView, origin: str | None, own_origins: Collection[str]) -> bool:
        """Whether a page of `origin` may use the assistant's widget; `own_origins` are the appliance's own."""
        return origin_is_allowed(origin, assistant.allowed_domains, own_origins)

    def _with_model(self, fields: Json, current: str | None) -> Json:
        """`fields` with a model that somebody offers; the one that is set already may stay, offered or not."""
        if "ai_model" not in fields or (current is not None and fields["ai_model"] == current):
            return fields
        model = fields["ai_model"] or self._default_model()
        self._check_model(model)
        return {**fields, "ai_model": model}

    def _columns(self, fields: Json, row: Assistant | None, actor: Actor) -> Json:
        """Fields as columns: the bot's token and proxy sealed, the site token made or taken away."""
        columns = dict(fields)
        columns |= self._ways.columns(columns, row, is_trusted=actor.role is Role.SYSTEM)
        if "telegram_bot_token" in columns:
            columns |= self._bot_columns(columns.pop("telegram_bot_token"), row)
        if "website_integration" in columns:
            had = row.site_token if row is not None else None
            columns["site_token"] = (had or _new_site_token()) if columns["website_integration"] else None
        return columns

    def _bot_columns(self, token: str | None, row: Assistant | None) -> Json:
        if token is not None and is_masked(token) and row is not None:
            return {}
        if token is None:
            return dict.fromkeys(_BOT_COLUMNS)
        if not is_telegram_token(token):
            raise InvalidTelegramToken(details={"field": "telegram_bot_token"})
        digest = hashlib.sha256(token.encode()).hexdigest()
        if row is not None and row.telegram_token_hash == digest:
            return {}
        return {
            "telegram_token": self._box.seal(token),
            "telegram_token_masked": mask(token),
            "telegram_token_hash": digest,
            # Telegram tells it once the bot is started.
            "telegram_bot_username": None,
        }

    def _write(self, assistant_id: int, columns: Json) -> None:
        if not Assistant.update(**columns).where(Assistant.id == assistant_id).execute():
            raise _no_assistant()
        if any(column in columns for column in _GATES):
            self._announce(assistant_id)

    def _announce(self, assistant_id: int) -> None:
        news = {"kind": "assistant_changed", "assistant_id": assistant_id}
        self._db.after_commit(lambda: self._bus.publish(CONTROL, news))

    @contextmanager
    def _one_bot_each(self) -> Iterator[None]:
        try:
            with self._db.transaction():
                yield
        except UniqueViolation as error:
            raise BotAlreadyExists(details={"field": "telegram_bot_token"}) from error


def _owned_by(actor: Actor) -> Any:
    """The condition under which `actor` may know of an assistant; the command line knows all."""
    return Assistant.id.is_null(False) if actor.role is Role.SYSTEM else Assistant.user == actor.user_id


def _access(actor: Actor, assistant_id: int, lock_in: Database | None = None) -> Assistant:
    """The one door to a row: the actor's own, locked until the end of the transaction where a database is given."""
    # Numbers that no column can hold come from addresses that people type.
    if 0 < assistant_id < 2**63:
        query = Assistant.select().where((Assistant.id == assistant_id) & _owned_by(actor))
        row: Assistant | None = (lock_in.locked(query) if lock_in else query).get_or_none()
        if row is not None:
            return row
    raise _no_assistant()


def _open_to_websites() -> Any:
    """Assistants whose widget may speak: switched on, on a website, their owner not disabled."""
    speaks = Assistant.is_active & Assistant.website_integration & User.is_active
    return Assistant.select(Assistant).join(User).where(speaks)


def _new_site_token() -> str:
    return f"st_{secrets.token_urlsafe(24)}"


def _no_assistant() -> NotFound:
    return NotFound("Ассистент не найден", "No such assistant")


def _no_site() -> NotAuthenticated:
    return NotAuthenticated(
        "Токен сайта недействителен или ассистент выключен. Скопируйте код виджета из настроек ассистента.",
        "The site token is not valid or the assistant is off. Copy the widget's code from its settings.",
    )
