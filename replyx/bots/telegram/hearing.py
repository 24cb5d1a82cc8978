"""Voice messages: where a plugin can write down what is said, its words are the message's text."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from replyx.app import App
from replyx.bots.telegram.files import stage_file
from replyx.bots.telegram.reading import Said
from replyx.bots.telegram.running_bot import RunningBot
from replyx.dialogs.arrivals import ChatView
from replyx.dialogs.attachments import type_of
from replyx.knowledge.uploads import Stored

logger = logging.getLogger(__name__)

#: Seconds that a plugin may take for one message.
SECONDS = 180.0

#: Characters of a transcript that are kept.
LONGEST = 7_000

#: Transcriptions that never ended before this bot's voice messages are not given to plugins any more.
_MOST_STUCK = 3


@dataclass(frozen=True)
class Heard:
    """What a voice message says, and its file, which is on disk already; None where it could not be had."""

    said: Said
    stored: Stored | None = None


class Hearing:
    """One bot's ear."""

    def __init__(self, app: App, bot: RunningBot) -> None:
        self._app, self._bot = app, bot
        self._stuck = 0

    async def listen(self, view: ChatView, said: Said, key: str) -> Heard:
        """What `said` says once somebody has listened to it; as it is where it is no voice, or nobody can listen.

        `key` is the message's in the dialog: one that is there already was heard before.
        """
        app, sent = self._app, said.file
        if said.lacks != "voice" or sent is None or not app.plugins.transcribers or self._stuck >= _MOST_STUCK:
            return Heard(said)
        before = await app.call(app.arrivals.said, view.dialog_id, key)
        if before is not None:
            return Heard(said if before == said.text else replace(said, lacks=""))
        stored = await stage_file(app, self._bot, view, sent)
        words = None
        if stored is not None:
            kind = type_of(sent.kind, sent.filename)
            words = await self._transcribed(
                lambda: app.plugins.transcribe(app.attachments.place_of(stored), kind, view.language)
            )
        heard = replace(said, lacks="unheard") if words is None else Said(words[:LONGEST], "", sent)
        return Heard(heard, stored)

    async def _transcribed(self, work: Callable[[], str | None]) -> str | None:
        """On a thread that nobody waits for longer than it may take."""
        loop = asyncio.get_running_loop()
        words: asyncio.Future[str | None] = loop.create_future()

        def tell(found: str | None) -> None:
            if not words.done():
                words.set_result(found)

        def listen() -> None:
            found = work()
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, found)

        threading.Thread(target=listen, name="transcriber", daemon=True).start()
        try:
            return await asyncio.wait_for(words, SECONDS)
        except TimeoutError:
            self._stuck += 1
            logger.error(
                "a plugin does not come back from transcribing", extra={"assistant_id": self._bot.assistant_id}
            )
            return None
