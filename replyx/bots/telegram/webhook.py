"""Webhooks in place of polling: Telegram is told where to post, with a secret of which only the hash is kept."""

from __future__ import annotations

import hashlib
import secrets

from aiogram.exceptions import TelegramAPIError, TelegramNotFound, TelegramUnauthorizedError

from replyx.app import App
from replyx.assistants.bots import UNREACHABLE
from replyx.bots.telegram.poller import TokenRefused, introduce
from replyx.bots.telegram.running_bot import KINDS, RunningBot
from replyx.bots.telegram.session import Backoff
from replyx.errors import ReplyXError

#: Seconds between two looks whether Telegram still has the address, and gets through to it.
_LOOK_SECONDS = 60.0


async def run_webhook(app: App, bot: RunningBot) -> None:
    """Set the webhook and keep an eye on it until the bot is to stop.

    Raises:
        TokenRefused: the token is of no bot.
    """
    pauses = Backoff(0.5, 15.0)
    url = f"{app.config.server.public_url.rstrip('/')}/telegram/{bot.assistant_id}"
    is_set = False
    while not bot.stop.is_set():
        try:
            if not is_set:
                await introduce(app, bot)
                await _set(app, bot, url)
                is_set = True
            info = await bot.api.get_webhook_info()
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise TokenRefused(str(error.message)) from None
        except TelegramAPIError as error:
            await bot.ill(app, UNREACHABLE, f"Telegram does not answer: {error.message}")
            await bot.pause(pauses.next())
            continue
        except ReplyXError:
            await bot.pause(pauses.next())
            continue
        pauses.reset()
        is_set = info.url == url
        if info.last_error_message and info.pending_update_count:
            await bot.ill(app, UNREACHABLE, f"Telegram cannot post to {url}: {info.last_error_message}")
        else:
            await bot.well(app)
        await bot.pause(_LOOK_SECONDS if is_set else 1.0)


async def _set(app: App, bot: RunningBot, url: str) -> None:
    secret = secrets.token_urlsafe(32)
    # First here, then there: updates with the earlier secret are refused meanwhile, and come again.
    await app.call(app.bots.webhook, bot.assistant_id, hashlib.sha256(secret.encode()).hexdigest())
    await bot.api.set_webhook(url=url, secret_token=secret, allowed_updates=KINDS, drop_pending_updates=False)
