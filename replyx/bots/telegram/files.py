"""Files of customers: fetched from Telegram, scanned and counted like uploads, kept as attachments."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from typing import BinaryIO

from aiogram.exceptions import TelegramAPIError, TelegramBadRequest, TelegramRetryAfter

from replyx.app import App
from replyx.bots.telegram.notices import notice_text
from replyx.bots.telegram.reading import Sent
from replyx.bots.telegram.running_bot import RunningBot
from replyx.bots.telegram.session import BotSession
from replyx.dialogs.arrivals import ChatView
from replyx.errors import FileTooLarge, ServiceUnavailable, UploadQuotaExceeded, VirusDetected
from replyx.knowledge.uploads import Stored
from replyx.plugins.uploads import ScannerUnavailable

logger = logging.getLogger(__name__)

#: Tries at fetching a file before the customer is asked to send it again.
_TRIES = 3


async def keep_file(app: App, bot: RunningBot, view: ChatView, seq: int, sent: Sent, key: str) -> None:
    """Keep the file of the message `seq`, or tell the customer under `key` why not. A second time changes nothing."""
    if await app.call(app.attachments.is_kept, view.dialog_id, seq):
        return

    def add(content: BinaryIO) -> None:
        app.attachments.add(view.dialog_id, seq, sent.kind, sent.filename, content)

    problem = await _taken(app, bot, view, sent, add)
    if problem:
        text = notice_text(problem, view.language)
        await app.call(app.deliveries.notice, view.dialog_id, text, f"{key}:{problem}")


async def stage_file(app: App, bot: RunningBot, view: ChatView, sent: Sent) -> Stored | None:
    """The file on disk, of no message yet; None where it cannot be had, which `keep_file` will tell the customer."""
    staged: list[Stored] = []
    await _taken(app, bot, view, sent, lambda content: staged.append(app.attachments.stage(content)))
    return staged[0] if staged else None


async def _taken(app: App, bot: RunningBot, view: ChatView, sent: Sent, take: Callable[[BinaryIO], object]) -> str:
    """Fetch the file and let `take` have it; empty, or what to tell the customer."""
    try:
        await app.call(app.attachments.check, view.dialog_id, sent.size)
        for attempt in range(1, _TRIES + 1):
            try:
                await _fetch(app, bot, sent, take)
                return ""
            except TelegramBadRequest as error:
                return "too_large" if "too big" in error.message.lower() else "not_fetched"
            except TelegramRetryAfter as error:
                await bot.pause(float(error.retry_after))
            except (TelegramAPIError, ScannerUnavailable) as error:
                about = {"assistant_id": bot.assistant_id, "attempt": attempt, "error": type(error).__name__}
                logger.warning("a customer's file could not be kept yet", extra=about)
                await bot.pause(attempt * 1.0)
            if bot.stop.is_set():
                # The next process fetches it.
                raise ServiceUnavailable
    except FileTooLarge:
        return "too_large"
    except UploadQuotaExceeded:
        return "no_room"
    except VirusDetected:
        return "virus"
    return "not_fetched"


async def _fetch(app: App, bot: RunningBot, sent: Sent, take: Callable[[BinaryIO], object]) -> None:
    found = await bot.api.get_file(sent.file_id)
    session = bot.api.session
    if not isinstance(session, BotSession) or found.file_path is None:
        raise TypeError("the bot's session fetches no files")
    # On disk, not in memory: several may come at once.
    with tempfile.TemporaryFile() as content:
        async for piece in session.download(bot.api, found.file_path, app.config.bots.max_file_bytes):
            content.write(piece)
        content.seek(0)
        await app.call(take, content)
