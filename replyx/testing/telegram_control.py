"""How a script in another process drives the fake Bot API: JSON under `/_control/`.

| request | does |
|---|---|
| GET bots | every bot: id, token, username, updates waiting, confirmed ids, webhook |
| POST bots | `{"token"?, "username"?}` adds one and answers it; `{"id", "is_revoked"}` changes one |
| POST updates | `{"bot_id", "updates": [{"chat_id", "text", …}, …]}`: messages; `{"bot_id", "press": {…}}`: a button |
| POST faults | `[{fault}, …]` in place of those that stand |
| GET log | `chat_id`, `method`, `bot_id`, `after` (a number) as filters: the calls, in their order |
| GET chats | `bot_id`: the chats with the messages that stand in them |
"""

from __future__ import annotations

import json
import threading
from typing import Any, Protocol

from replyx.testing.telegram_bots import Call, FakeBot
from replyx.testing.telegram_faults import Fault
from replyx.testing.telegram_requests import HttpRequest


class Controlled(Protocol):
    """What of the server is driven from outside."""

    bots: dict[int, FakeBot]
    faults: list[Fault]
    lock: threading.RLock

    def add_bot(self, token: str | None = None, username: str | None = None) -> FakeBot:
        """One more bot."""

    def log(self, chat_id: int | None = None, method: str | None = None, *, bot_id: int | None = None) -> list[Call]:
        """The calls."""


def control(telegram: Controlled, request: HttpRequest) -> tuple[int, Any]:
    """Do what the script asks; status and JSON."""
    route = _ROUTES.get((request.method, request.path.removeprefix("/_control/")))
    if route is None:
        return 404, {"error": "no such control"}
    try:
        with telegram.lock:
            return 200, route(telegram, request)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _bots(telegram: Controlled, _request: HttpRequest) -> Any:
    return [_bot_json(bot) for bot in telegram.bots.values()]


def _change_bots(telegram: Controlled, request: HttpRequest) -> Any:
    given = request.parameters
    if "id" not in given:
        return _bot_json(telegram.add_bot(given.get("token"), given.get("username")))
    bot = telegram.bots[given["id"]]
    bot.is_revoked = bool(given["is_revoked"])
    return _bot_json(bot)


def _updates(telegram: Controlled, request: HttpRequest) -> Any:
    bot = telegram.bots[request.parameters["bot_id"]]
    if "press" in request.parameters:
        return [bot.press(**request.parameters["press"])]
    return [bot.message(**row) for row in request.parameters["updates"]]


def _faults(telegram: Controlled, request: HttpRequest) -> Any:
    telegram.faults[:] = [Fault.from_json(row) for row in json.loads(request.body)]
    return {"faults": len(telegram.faults)}


def _log(telegram: Controlled, request: HttpRequest) -> Any:
    asked = request.parameters
    calls = telegram.log(asked.get("chat_id"), asked.get("method"), bot_id=asked.get("bot_id"))
    return [call.as_json() for call in calls if call.number > int(asked.get("after", 0))]


def _chats(telegram: Controlled, request: HttpRequest) -> Any:
    chats = telegram.bots[request.parameters["bot_id"]].chats.values()
    return [{**chat.as_json(), "messages": list(chat.messages.values())} for chat in chats]


def _bot_json(bot: FakeBot) -> dict[str, Any]:
    return {
        "id": bot.id,
        "token": bot.token,
        "username": bot.username,
        "waiting": [update["update_id"] for update in bot.updates],
        "confirmed": bot.confirmed,
        "webhook": bot.webhook.url if bot.webhook else None,
        "is_revoked": bot.is_revoked,
    }


_ROUTES = {
    ("GET", "bots"): _bots,
    ("POST", "bots"): _change_bots,
    ("POST", "updates"): _updates,
    ("POST", "faults"): _faults,
    ("GET", "log"): _log,
    ("GET", "chats"): _chats,
}
