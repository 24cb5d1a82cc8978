"""The bots of assistants: which are to run, who runs each under a lease, and how each is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import peewee

from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import NotFound
from replyx.events.audit import REFUSED, Audit
from replyx.events.bus import Bus
from replyx.events.catalogue import CONTROL
from replyx.security.secretbox import SecretBox
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.telegram import TelegramBot
from replyx.types import Actor, Role

logger = logging.getLogger(__name__)

#: Seconds for which a bot is its holder's. A holder that cannot renew it stops polling before they are over.
LEASE_SECONDS = 10.0

#: A lease with less than this left is renewed, in milliseconds.
_RENEW_BELOW = 7_000

#: States of a bot. The first two are well.
STARTING, RUNNING, CONFLICT, UNREACHABLE, REFUSED_STATE = "starting", "running", "conflict", "unreachable", "refused"

#: Its state where no process has it now; never stored.
WAITING = "waiting"

#: There is no bot; there is one, and nobody is to run it. Never stored.
NONE, OFF = "none", "off"

_MEANINGS = {
    NONE: (
        "У ассистента нет бота. Чтобы подключить его, задайте telegram_bot_token.",
        "The assistant has no bot. Set telegram_bot_token to connect one.",
    ),
    OFF: (
        "Ассистент или его владелец выключен, бот не работает. Токен сохранён; включите ассистента.",
        "The assistant or its owner is off, so the bot does not run. Its token is kept; switch the assistant on.",
    ),
    WAITING: (
        "Ни один процесс сейчас не ведёт этого бота. Нужен replyx up или replyx bots.",
        "No process runs this bot now. `replyx up` or `replyx bots` is needed.",
    ),
    CONFLICT: (
        "Этого бота опрашивает ещё одна программа с тем же токеном. Остановите её или задайте новый токен.",
        "Another program polls this bot with the same token. Stop it, or set a new token.",
    ),
    UNREACHABLE: (
        "Telegram недоступен. Сообщения не пропадут. Если сеть блокирует Telegram, задайте прокси или свой Bot API.",
        "Telegram cannot be reached. No message is lost. Where a network blocks Telegram, set a proxy or a Bot API.",
    ),
    REFUSED_STATE: (
        "Telegram не принимает токен, бот остановлен: токен отозван или бот удалён. Задайте новый токен.",
        "Telegram refuses the token, and the bot rests: it was revoked, or the bot was deleted. Set a new token.",
    ),
}


@dataclass(frozen=True)
class BotSpec:
    """A bot that the asker runs: its token and its way to Telegram. Two equal ones need no restart."""

    assistant_id: int
    token: str = field(repr=False)
    token_hash: str = field(repr=False)
    api_base: str
    proxy: str = field(repr=False)
    #: Whether a tenant chose the way, so that it may not lead inside.
    is_guarded: bool

    @property
    def bot_id(self) -> int:
        """Telegram's number of the bot."""
        return int(self.token.partition(":")[0])


@dataclass(frozen=True)
class BotView:
    """How an assistant's bot is."""

    assistant_id: int
    assistant_name: str
    username: str | None
    state: str
    #: Seconds since it is so.
    seconds: float
    #: What Telegram said.
    detail: str | None
    #: Who runs it now, as `tasks.holders` names processes; None: nobody.
    holder: str | None
    #: Seconds since its last update came; None: none has.
    last_update: float | None

    @property
    def is_held(self) -> bool:
        return self.holder is not None

    def message(self, language: str) -> str | None:
        """What its state means and what to do about it, in `language`; None where it is well."""
        words = _MEANINGS.get(self.state)
        return None if words is None else words[language == "en"]


class Bots:
    """The register of bots. What it keeps is the record; events only make it be looked at sooner."""

    def __init__(self, db: Database, box: SecretBox, bus: Bus, clock: Clock, config: Config) -> None:
        self._db, self._box, self._bus, self._config = db, box, bus, config
        self._audit = Audit(db, clock)

    def turn(self, holder: str, managers: int, is_gone: Callable[[str], bool]) -> list[BotSpec]:
        """What `holder` runs from now on: leases are renewed, free bots are taken up to its share of the work.

        `managers` is how many share it; `is_gone` says of a holder that it has died, so that its leases need not run
        out. What is missing from the answer is to be stopped, and then given back by `release`.
        """
        with self._db.connection():
            rows = list(self._wanted())
        share = -(-len(rows) // max(1, managers))
        mine = [row for row in rows if row.holder == holder and row.left > 0][:share]
        free = [row for row in rows if row.holder is None or row.left <= 0 or is_gone(row.holder)]
        taking = [row for row in free if row.holder != holder or row.left <= 0][: share - len(mine)]
        kept = {row.id for row in mine if row.left >= _RENEW_BELOW}
        ageing = [row.id for row in mine if row.left < _RENEW_BELOW]
        if ageing or taking:
            kept |= self._lease(holder, ageing, taking)
        return [self._spec(row) for row in (*mine, *taking) if row.id in kept]

    def take_back(self) -> None:
        """There is no other manager: what is held was held by one that is gone."""
        with self._db.transaction():
            TelegramBot.update(holder=None, lease_until=0).where(TelegramBot.holder.is_null(False)).execute()

    def release(self, holder: str, assistant_ids: Collection[int]) -> None:
        """Give bots back that no longer run here, so that others need not wait for their leases."""
        with self._db.transaction():
            theirs = (TelegramBot.holder == holder) & TelegramBot.assistant.in_(list(assistant_ids))
            TelegramBot.update(holder=None, lease_until=0).where(theirs).execute()

    def note(self, holder: str, assistant_id: int, state: str, detail: str | None = None) -> None:
        """Write how a bot is; ignored where it is no longer the holder's."""
        with self._db.transaction():
            theirs = (TelegramBot.holder == holder) & (TelegramBot.assistant == assistant_id)
            changes = {"state": state, "detail": detail and detail[:300], "state_since": self._db.now_ms()}
            if TelegramBot.update(**changes).where(theirs).execute():
                self._tell(assistant_id, state)

    def started(self, spec: BotSpec, username: str) -> None:
        """Telegram knows the bot, under this name."""
        with self._db.transaction():
            same = (Assistant.id == spec.assistant_id) & (Assistant.telegram_token_hash == spec.token_hash)
            Assistant.update(telegram_bot_username=username[:64]).where(same).execute()

    def refuse(self, holder: str, spec: BotSpec, why: str) -> None:
        """Telegram refuses the token: it is not tried again until it is changed; the owner sees it in the audit log."""
        with self._db.transaction():
            theirs = (TelegramBot.holder == holder) & (TelegramBot.assistant == spec.assistant_id)
            changes = {
                "state": REFUSED_STATE,
                "state_since": self._db.now_ms(),
                "detail": why[:300],
                "refused_hash": spec.token_hash,
            }
            if TelegramBot.update(**changes).where(theirs).execute():
                row: Any = Assistant.get_by_id(spec.assistant_id)
                self._audit.record("bot.refused", f"assistant:{spec.assistant_id}", outcome=REFUSED, owner=row.user_id)
                self._tell(spec.assistant_id, REFUSED_STATE)

    def retry(self, assistant_id: int) -> None:
        """Try a refused token once more."""
        with self._db.transaction():
            TelegramBot.update(refused_hash=None, state=STARTING, state_since=self._db.now_ms(), detail=None).where(
                TelegramBot.assistant == assistant_id
            ).execute()
            news = {"kind": "assistant_changed", "assistant_id": assistant_id}
            self._db.after_commit(lambda: self._bus.publish(CONTROL, news))

    def webhook(self, assistant_id: int, secret_hash: str | None) -> None:
        """Note the hash of the secret with which Telegram will send updates; None: it sends none."""
        with self._db.transaction():
            TelegramBot.update(webhook_hash=secret_hash).where(TelegramBot.assistant == assistant_id).execute()

    def by_webhook(self, assistant_id: int, secret_hash: str) -> int:
        """Telegram's number of the bot that a webhook's secret belongs to.

        Raises:
            NotFound: none, or the bot is not to run.
        """
        with self._db.connection():
            row = (
                self._wanted().where((Assistant.id == assistant_id) & (TelegramBot.webhook_hash == secret_hash)).first()
            )
            if row is None:
                raise NotFound("Нет такого вебхука", "No such webhook")
            return int(self._box.open(row.telegram_token).partition(":")[0])

    def statuses(self, actor: Actor, assistant_id: int | None = None) -> list[BotView]:
        """How the bots are that `actor` may know of: its own; all of them for the command line."""
        with self._db.connection():
            query = _known_to(actor, self._configured())
            if assistant_id is not None:
                query = query.where(Assistant.id == assistant_id)
            return [_view(row) for row in query.order_by(Assistant.id)]

    def idle(self, actor: Actor, assistant_id: int) -> BotView:
        """What is told of an assistant that is not among `statuses`: it has no bot, or is off.

        Raises:
            NotFound: there is no such assistant, or it is another tenant's.
        """
        with self._db.connection():
            row = _known_to(actor, Assistant.select()).where(Assistant.id == assistant_id).first()
        if row is None:
            raise NotFound("Ассистент не найден", "No such assistant")
        state, name = (NONE, None) if row.telegram_token is None else (OFF, row.telegram_bot_username)
        return BotView(row.id, row.name, name, state, seconds=0.0, detail=None, holder=None, last_update=None)

    def _configured(self) -> Any:
        """Active assistants with a token, and what is known of their bots; `left` is milliseconds of the lease."""
        now = self._db.now_ms()
        bot = TelegramBot
        return (
            Assistant.select(
                Assistant,
                bot.holder.alias("holder"),
                bot.state.alias("state"),
                bot.detail.alias("detail"),
                bot.refused_hash.alias("refused_hash"),
                (now - bot.last_update_at).alias("last_update"),
                (bot.lease_until - now).alias("left"),
                (now - bot.state_since).alias("age"),
            )
            .join(User)
            .switch(Assistant)
            .join(bot, peewee.JOIN.LEFT_OUTER, on=(bot.assistant == Assistant.id))
            .where(Assistant.is_active & User.is_active & Assistant.telegram_token.is_null(False))
            .objects()
        )

    def _wanted(self) -> Any:
        """Those that are to run: all but the ones whose token Telegram has refused."""
        refused = TelegramBot.refused_hash
        return (
            self._configured()
            .where(refused.is_null() | (refused != Assistant.telegram_token_hash))
            .order_by(Assistant.id)
        )

    def _lease(self, holder: str, ageing: list[int], taking: list[Any]) -> set[int]:
        """Renew and take, each only if nobody was faster; answers what is the holder's now."""
        with self._db.transaction():
            until = self._db.now_ms(LEASE_SECONDS)
            held: set[int] = set()
            for assistant_id in ageing:
                theirs = (TelegramBot.assistant == assistant_id) & (TelegramBot.holder == holder)
                if TelegramBot.update(lease_until=until).where(theirs).execute():
                    held.add(assistant_id)
            for row in taking:
                TelegramBot.insert(assistant=row.id).on_conflict_ignore().execute()
                mine = TelegramBot.assistant == row.id
                # Whoever was faster has changed the holder.
                same = TelegramBot.holder.is_null() if row.holder is None else TelegramBot.holder == row.holder
                changes = {"holder": holder, "lease_until": until, "state": STARTING, "detail": None}
                taken = TelegramBot.update(**changes, state_since=self._db.now_ms()).where(mine & same)
                if taken.execute():
                    held.add(row.id)
            return held

    def _spec(self, row: Any) -> BotSpec:
        settings, own_base = self._config.bots, row.telegram_api_base
        proxy = self._box.open(row.telegram_proxy) if row.telegram_proxy else ("" if own_base else settings.proxy)
        is_guarded = bool(own_base) and not row.telegram_api_base_trusted
        if row.telegram_proxy:
            # What the appliance's own proxy can reach is not for tenants' addresses.
            proxy = "" if is_guarded and row.telegram_proxy_trusted else proxy
            is_guarded = is_guarded if not proxy else not row.telegram_proxy_trusted
        return BotSpec(
            assistant_id=row.id,
            token=self._box.open(row.telegram_token),
            token_hash=row.telegram_token_hash,
            api_base=own_base or settings.api_base,
            proxy=proxy,
            is_guarded=is_guarded,
        )

    def _tell(self, assistant_id: int, state: str) -> None:
        news = {"kind": "bot_changed", "assistant_id": assistant_id, "state": state}
        self._db.after_commit(lambda: self._bus.publish(CONTROL, news))


def _state(row: Any) -> str:
    """The bot's state; what was said of another token, or by a process that is gone, is not so any more."""
    is_refused = row.refused_hash is not None and row.refused_hash == row.telegram_token_hash
    if is_refused:
        return REFUSED_STATE
    is_held = row.holder is not None and (row.left or 0) > 0
    if not is_held or not row.state:
        return WAITING
    return STARTING if row.state == REFUSED_STATE else str(row.state)


def _known_to(actor: Actor, query: Any) -> Any:
    """The assistants of `query` that `actor` may know of."""
    return query if actor.role is Role.SYSTEM else query.where(Assistant.user == actor.user_id)


def _view(row: Any) -> BotView:
    return BotView(
        assistant_id=row.id,
        assistant_name=row.name,
        username=row.telegram_bot_username,
        state=_state(row),
        seconds=max(0, row.age or 0) / 1000 if row.state else 0.0,
        detail=row.detail,
        holder=row.holder if (row.left or 0) > 0 else None,
        last_update=None if row.last_update is None else max(0, row.last_update) / 1000,
    )
