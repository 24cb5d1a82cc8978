"""The poller: asks Telegram for updates and commits them to the inbox before it asks for the next ones.

aiogram's own polling confirms updates while their handlers still run, which loses them with the process. Here an
offset is sent only after the commit, and nothing is handled in this loop.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from aiogram.exceptions import (
    TelegramAPIError,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from replyx.app import App
from replyx.assistants.bots import CONFLICT, UNREACHABLE
from replyx.bots.telegram.running_bot import KINDS, RunningBot
from replyx.bots.telegram.session import Backoff
from replyx.errors import Conflict, ReplyXError

logger = logging.getLogger(__name__)

#: Seconds that one long poll waits for an update.
POLL_SECONDS = 25

#: Longest pauses in seconds: after a failure of the network, and while somebody else polls.
_LONGEST_PAUSE, _LONGEST_CONFLICT_PAUSE = 15.0, 30.0


class TokenRefused(Exception):
    """Telegram does not know the token any more."""


async def run_poller(app: App, bot: RunningBot) -> None:
    """Poll until the bot is to stop.

    Raises:
        TokenRefused: the token is of no bot.
    """
    poller = _Poller(app, bot)
    while not bot.stop.is_set():
        await poller.turn()


class _Poller:
    """One turn is one long poll."""

    def __init__(self, app: App, bot: RunningBot) -> None:
        self._app, self._bot = app, bot
        self._offset: int | None = None
        self._is_ready = False
        self._failures = Backoff(0.5, _LONGEST_PAUSE)
        self._conflicts = Backoff(2.0, _LONGEST_CONFLICT_PAUSE)
        #: The first poll answers at once, so that a start is seen to have worked.
        self._seconds = 0

    async def turn(self) -> None:
        """Introduce the bot, poll, store; after trouble a pause."""
        bot = self._bot
        try:
            await self._poll()
        except TelegramRetryAfter as error:
            await bot.pause(float(error.retry_after))
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise TokenRefused(str(error.message)) from None
        except TelegramConflictError as error:
            await self._conflict(error)
        except TelegramAPIError as error:
            await bot.ill(self._app, UNREACHABLE, f"Telegram does not answer: {error.message}")
            await bot.pause(self._failures.next())
        except Conflict:
            # The inbox is still at work on an earlier update of the same number: its turn comes first.
            bot.news.set()
            await bot.pause(0.2)
        except ReplyXError:
            logger.warning(
                "the inbox cannot be written; nothing is confirmed", extra={"assistant_id": bot.assistant_id}
            )
            await bot.pause(self._failures.next())

    async def _poll(self) -> None:
        app, bot = self._app, self._bot
        if not self._is_ready:
            await introduce(app, bot)
            self._offset = await app.call(app.updates.next_offset, bot.bot_id)
            self._is_ready = True
        if self._seconds and bot.silence_is_long:
            # After a long silence Telegram's numbers may begin anew: an old offset could pass over what is new.
            self._offset = await app.call(app.updates.next_offset, bot.bot_id)
        updates = await bot.polling.raw_updates(bot.poll_api, self._offset, self._seconds, KINDS)
        self._failures.reset()
        self._conflicts.reset()
        self._seconds = POLL_SECONDS
        if updates:
            await app.call(app.updates.store, bot.assistant_id, bot.bot_id, updates)
            self._offset = max(update["update_id"] for update in updates) + 1
            bot.heard()
        await bot.well(app)

    async def _conflict(self, error: TelegramConflictError) -> None:
        app, bot = self._app, self._bot
        if "webhook" in error.message.lower():
            # Somebody has set one, or this bot had one before. Updates wait at Telegram, none is dropped.
            with suppress(TelegramAPIError):
                await bot.api.delete_webhook(drop_pending_updates=False)
        await bot.ill(app, CONFLICT, "Another program polls this bot with the same token. Stop it, or set a new token.")
        # The server ends the poll of whoever came first; short polls would end the other one's again and again.
        await bot.pause(self._conflicts.next())


async def introduce(app: App, bot: RunningBot) -> None:
    """Learn the bot's name. Raises TelegramAPIError."""
    me = await bot.api.get_me()
    bot.username = me.username or ""
    await app.call(app.bots.started, bot.spec, bot.username)
