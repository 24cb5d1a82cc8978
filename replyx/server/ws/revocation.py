"""Ending live sockets whose right has ended: logged out, expired, disabled, deleted, a domain taken from the list.

The control topic tells of it at once. What another process without a common bus did (the command line beside
`replyx up`) is seen in the record within two seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from replyx.app import App
from replyx.assistants.views import AssistantView
from replyx.errors import NotAuthenticated, NotFound, ReplyXError
from replyx.events.bus import Subscription
from replyx.events.catalogue import CONTROL
from replyx.server.ws.connection import Connection
from replyx.types import Actor, Json

logger = logging.getLogger(__name__)

#: Seconds between two looks into the record. Tokens believe it for a second, and a revocation counts within two.
REVOCATION_SECONDS = 0.5


class Sockets(Protocol):
    """What the hub does for the end of rights."""

    @property
    def connections(self) -> set[Connection]: ...

    def close_dialog(self, dialog_id: int, code: int, reason: str) -> None: ...

    def compare_soon(self) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class Revocation:
    """Watches for the end of rights, for the hub."""

    def __init__(self, app: App, hub: Sockets) -> None:
        self._app, self._hub = app, hub
        self._subscription: Subscription | None = None

    def start(self) -> None:
        """Listen to the control topic; on the loop."""
        loop = asyncio.get_running_loop()

        def hear(news: Json) -> None:
            try:
                loop.call_soon_threadsafe(self._heard, news)
            except RuntimeError:
                logger.debug("news came after the server had stopped")

        self._subscription = self._app.bus.subscribe(CONTROL, hear)

    def stop(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            self._subscription.close()

    async def check_all(self) -> None:
        """Look into the record, for every socket."""
        await self._check(self._hub.connections)

    def _heard(self, news: Json) -> None:
        kind = news.get("kind")
        if kind == "dialog_deleted":
            self._hub.close_dialog(int(news["dialog_id"]), 4404, "NOT_FOUND")
        elif kind == "assistant_changed":
            concerned = [c for c in self._hub.connections if c.assistant_id == news["assistant_id"]]
            self._hub.spawn(self._check(concerned))
        elif kind in ("token_revoked", "user_revoked"):
            for connection in self._hub.connections:
                if connection.actor is not None and _is_meant(connection.actor, news):
                    connection.close(4401, "NOT_AUTHENTICATED")
        elif kind == "session_extended":
            for connection in self._hub.connections:
                _extend(connection, str(news["jti"]), datetime.fromtimestamp(int(news["until"]), UTC))
        elif kind == "bus_resumed":
            self._hub.compare_soon()

    async def _check(self, connections: Iterable[Connection]) -> None:
        """Close those of `connections` whose right has ended; while the database is away all go on."""
        proven = [c for c in connections if c.actor is not None and not c.is_closing]
        if not proven:
            return
        users = {c.actor for c in proven if c.actor is not None and not c.is_visitor}
        try:
            ended, assistants = await self._app.call(self._look, users, {c.assistant_id for c in proven})
        except ReplyXError:
            logger.warning("sessions cannot be checked")
            return
        for connection in proven:
            if connection.actor in ended:
                connection.close(4401, "NOT_AUTHENTICATED")
                continue
            state = assistants[connection.assistant_id]
            if isinstance(state, NotFound):
                connection.close(4404, "NOT_FOUND")
            elif connection.is_visitor and isinstance(state, NotAuthenticated):
                connection.close(4401, "NOT_AUTHENTICATED")
            elif connection.is_visitor and not self._may_stay(connection.origin, state):
                connection.close(4403, "INSUFFICIENT_PERMISSIONS")

    def _look(
        self, users: Iterable[Actor], assistant_ids: Iterable[int]
    ) -> tuple[set[Actor], dict[int, AssistantView | ReplyXError]]:
        """Users whose session has ended; each assistant, or why it is not open."""
        ended = {actor for actor in users if not self._app.accounts.session_is_valid(actor)}
        states: dict[int, AssistantView | ReplyXError] = {}
        for assistant_id in assistant_ids:
            try:
                states[assistant_id] = self._app.assistants.get_open(assistant_id)
            except (NotFound, NotAuthenticated) as error:
                states[assistant_id] = error
        return ended, states

    def _may_stay(self, origin: str | None, state: AssistantView | ReplyXError) -> bool:
        """Whether a visitor's page may go on; the appliance's own pages have no `origin` here."""
        return origin is None or (
            isinstance(state, AssistantView) and self._app.assistants.origin_allowed(state, origin, ())
        )


def end_if_over(connection: Connection, now: datetime) -> None:
    """Close a socket whose token is over and was not followed by a newer one; `now` is the time of day."""
    actor = connection.actor
    if actor is not None and actor.ends_at is not None and actor.ends_at <= now:
        connection.close(4401, "TOKEN_EXPIRED")


def _extend(connection: Connection, session: str, until: datetime) -> None:
    actor = connection.actor
    if actor is not None and not connection.is_visitor and actor.token_id == session and actor.ends_at is not None:
        connection.actor = replace(actor, ends_at=max(until, actor.ends_at))


def _is_meant(actor: Actor, news: Json) -> bool:
    if news["kind"] == "token_revoked":
        return actor.token_id == str(news["jti"])
    return actor.user_id is not None and actor.user_id == int(news["user_id"])
