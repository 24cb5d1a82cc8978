"""What clients say through their socket, and what becomes of it."""

from __future__ import annotations

import asyncio
import logging

from starlette.types import Receive

from replyx.dialogs.views import MessageView
from replyx.errors import InsufficientPermissions, NotAuthenticated, NotFound, RateLimited, ReplyXError
from replyx.server.errors import error_frame, told
from replyx.server.front import Front
from replyx.server.limits import Limit
from replyx.server.ws.connection import Connection
from replyx.server.ws.entrance import prove_again
from replyx.server.ws.frames import (
    PONG,
    Auth,
    ClientFrame,
    Read,
    Resume,
    SendMessage,
    Typing,
    client_msg_id_of,
    parse_frame,
    written,
)
from replyx.types import Actor, Channel, InboundMessage, Json

logger = logging.getLogger(__name__)

#: Frames of any kind that one socket may send in a minute; messages have their own, lower limit.
_MOST_FRAMES = 300

#: Seconds between two typing notices that are passed on.
_TYPING_PAUSE = 1.0

_CLOSE_CODES: tuple[tuple[type[ReplyXError], int], ...] = (
    (NotAuthenticated, 4401),
    (InsufficientPermissions, 4403),
    (NotFound, 4404),
    (RateLimited, 4429),
)


def close_code(error: ReplyXError) -> int | None:
    """The code that a socket is closed with after `error`; None where it may go on."""
    if told(error, "en").status >= 500:
        return 1013
    return next((code for kind, code in _CLOSE_CODES if isinstance(error, kind)), None)


class Conversation:
    """One client's side of one socket."""

    __slots__ = ("_actor", "_channel", "_connection", "_frames", "_frames_until", "_front", "_language", "_loop")

    def __init__(self, front: Front, connection: Connection, actor: Actor, channel: Channel, language: str) -> None:
        self._front, self._connection, self._channel, self._language = front, connection, channel, language
        self._actor = actor
        self._loop = asyncio.get_running_loop()
        self._frames, self._frames_until = 0, 0.0

    async def listen(self, receive: Receive) -> None:
        """Take frames, one after another, until the socket ends."""
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            self._connection.heard_at = self._loop.time()
            text = message.get("text")
            if text == PONG or self._connection.is_closing:
                continue
            if text is None:
                self._connection.close(1003, "text frames only")
            else:
                await self._take(text)

    async def _take(self, text: str) -> None:
        try:
            self._count_frame()
            await self._obey(parse_frame(text))
        except ReplyXError as error:
            self._refuse(error, text)
        except Exception as error:
            logger.exception("a frame failed", extra={"dialog_id": self._connection.dialog_id})
            self._refuse(error, text)

    async def _obey(self, frame: ClientFrame) -> None:
        app, connection = self._front.app, self._connection
        if isinstance(frame, SendMessage):
            again = await app.call(self._send_message, frame)
            if again is not None:
                connection.push(written(again))
        elif isinstance(frame, Typing):
            now = self._loop.time()
            if now - connection.typed_at >= _TYPING_PAUSE:
                connection.typed_at = now
                await app.call(app.dialogs.show_typing, self._actor, connection.dialog_id, frame.operator_name)
        elif isinstance(frame, Read):
            await app.call(app.dialogs.mark_read, self._actor, connection.dialog_id, frame.seq)
        elif isinstance(frame, Resume):
            await self._front.hub.resume(connection, frame.last_seq)
        elif isinstance(frame, Auth):
            await self._prove_again(frame.token)

    async def _prove_again(self, token: str) -> None:
        """Live on as long as a newer token. One that is no good is told, and changes nothing."""
        app = self._front.app
        try:
            self._actor = self._connection.actor = await app.call(prove_again, app, self._actor, token)
        except (NotAuthenticated, NotFound) as error:
            self._connection.push(written(error_frame(error, self._language)))

    def _send_message(self, frame: SendMessage) -> Json | None:
        """Store a message; answers its event only where this socket will not be given it in turn. In a thread."""
        app, dialog_id = self._front.app, self._connection.dialog_id
        self._front.limits.count(Limit.SOCKET, self._subject)
        if self._connection.is_visitor:
            inbound = InboundMessage(self._channel, dialog_id, frame.text, frame.client_msg_id)
            message: MessageView = app.inbox.receive(inbound).message
        else:
            message = app.dialogs.say_as_operator(
                self._actor, dialog_id, frame.text, frame.operator_name, frame.client_msg_id
            )
        if message.seq > self._connection.resumed_from:
            return None
        # A message that was there before this socket was: the client did not hear that it had arrived.
        return next(iter(app.outbox.since(dialog_id, message.seq - 1, 1)), None)

    @property
    def _subject(self) -> str:
        if self._connection.is_visitor:
            return f"visitor:{self._connection.dialog_id}"
        return f"user:{self._actor.user_id}"

    def _count_frame(self) -> None:
        """Raises RateLimited where the client sends far more than any widget or desk does."""
        now = self._loop.time()
        if now >= self._frames_until:
            self._frames, self._frames_until = 0, now + 60
        self._frames += 1
        if self._frames > _MOST_FRAMES and self._front.limits.enabled:
            raise RateLimited(retry_after=max(1, round(self._frames_until - now)))

    def _refuse(self, error: Exception, text: str) -> None:
        """Tell the client, with its own name of the frame, and close where it cannot go on."""
        payload = error_frame(error, self._language)
        name = client_msg_id_of(text)
        if name is not None:
            payload["client_msg_id"] = name
        self._connection.push(written(payload))
        code = close_code(error) if isinstance(error, ReplyXError) else None
        if code is not None and code != 1013:
            self._connection.close(code, payload["error"]["code"], after_queue=True)
