"""The server's own sign of life: each beat goes through the event loop and the database, as all its work does."""

from __future__ import annotations

import logging

from replyx.app import App
from replyx.errors import ReplyXError
from replyx.server.repeating import repeat
from replyx.server.ws.hub import Hub
from replyx.tasks.beats import BEAT_SECONDS, process_name

logger = logging.getLogger(__name__)

ROLE = "server"


class SignOfLife:
    """Beats while the server runs, and signs off when it stops."""

    def __init__(self, app: App, hub: Hub, url: str) -> None:
        """`url` is how the server is reached."""
        self._app, self._hub, self._url = app, hub, url
        self._name = process_name(ROLE)

    def start(self) -> None:
        """Begin to beat; ends with the hub."""
        self._hub.spawn(self._beat())
        self._hub.spawn(repeat(lambda: BEAT_SECONDS, self._beat))

    async def end(self) -> None:
        """Sign off."""
        try:
            await self._app.call(self._app.beats.forget, self._name)
        except ReplyXError:
            logger.warning("the server could not sign off", extra={"server": self._name})

    async def _beat(self) -> None:
        detail = {"sockets": len(self._hub.connections), "url": self._url}
        try:
            await self._app.call(self._app.beats.beat, self._name, ROLE, detail)
        except ReplyXError:
            logger.warning("the server could not show that it lives", extra={"server": self._name})
