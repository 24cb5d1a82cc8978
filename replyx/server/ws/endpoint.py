"""/ws/dialogs/{dialog_id}: the life of one socket, from the handshake to its end."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from replyx.errors import NotAuthenticated, ReplyXError
from replyx.events.audit import begin
from replyx.server.errors import told
from replyx.server.front import Front
from replyx.server.language import preferred_language
from replyx.server.limits import address_of
from replyx.server.origins import header
from replyx.server.ws.connection import Connection
from replyx.server.ws.conversation import Conversation, close_code
from replyx.server.ws.entrance import Entry, enter
from replyx.server.ws.frames import Auth, parse_frame
from replyx.server.ws.protocol import abort_of, writer_of

logger = logging.getLogger(__name__)

#: Sockets of one visitor at the same time.
_MOST_OF_A_VISITOR = 20


class DialogSocket:
    """The ASGI application of the socket's URL."""

    def __init__(self, front: Front) -> None:
        self._front, self._hub = front, front.hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        now = asyncio.get_running_loop().time()
        connection = Connection(send, abort_of(scope), now, writer_of(scope))
        self._hub.connections.add(connection)
        topic = None
        try:
            entry = await self._let_in(connection, scope, receive)
            if entry is not None:
                topic = entry.topic
                conversation = self._join(connection, entry, scope)
                del entry
                await conversation.listen(receive)
        finally:
            try:
                # Still the hub's, so that a peer that does not take its close frame is cut off.
                await connection.drained()
            finally:
                self._hub.leave(connection, topic)

    async def _let_in(self, connection: Connection, scope: Scope, receive: Receive) -> Entry | None:
        """The entry of a client that has proven who it is; None where the socket is to end."""
        begin(address_of(scope.get("client")))
        try:
            token = _query_token(scope) or await _first_token(receive)
            if token is None:
                return None
            return await self._front.app.call(
                enter,
                self._front.app,
                self._hub,
                scope["path_params"]["dialog_id"],
                token,
                header(scope, b"origin"),
                self._front.origins.own(scope),
            )
        except ReplyXError as error:
            connection.close(close_code(error) or 4401, told(error, "en").code)
        except Exception:
            logger.exception("a socket could not be let in")
            connection.close(1011, "INTERNAL_ERROR")
        return None

    def _join(self, connection: Connection, entry: Entry, scope: Scope) -> Conversation:
        language = preferred_language(header(scope, b"accept-language"))
        # Nothing of the handshake is needed any more, and it would be kept for as long as the socket is open.
        scope["headers"] = []
        connection.actor, connection.dialog_id = entry.actor, entry.dialog_id
        connection.assistant_id, connection.origin = entry.assistant_id, entry.foreign_origin
        conversation = Conversation(self._front, connection, entry.actor, entry.channel, language)
        visitors = sum(other.is_visitor for other in entry.topic.connections)
        if self._front.limits.enabled and connection.is_visitor and visitors >= _MOST_OF_A_VISITOR:
            connection.close(4429, "RATE_LIMITED")
        else:
            self._hub.join(connection, entry.topic, entry.head)
        return conversation


def _query_token(scope: Scope) -> str:
    found = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=10).get("token", [])
    return found[0] if len(found) == 1 else ""


async def _first_token(receive: Receive) -> str | None:
    """The token of the first frame; None where the client left. The hub ends the wait after some seconds.

    Raises:
        NotAuthenticated: the first frame has no token.
    """
    message = await receive()
    if message["type"] != "websocket.receive":
        return None
    try:
        frame = parse_frame(message.get("text") or "")
    except ReplyXError as error:
        raise NotAuthenticated from error
    if not isinstance(frame, Auth):
        raise NotAuthenticated
    return frame.token
