"""The fake Telegram's accounts: bots with their queues of updates, and the chats and people that they talk to."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from replyx.testing.telegram_faults import Refusal

#: What getUpdates leaves out unless it is asked for by name.
_UNASKED = frozenset({"chat_member", "message_reaction", "message_reaction_count"})

#: An offset this far after the newest update is of another numbering; the real server then ignores it, too.
_FUTURE = 10


@dataclass
class Chat:
    """A chat as one bot sees it."""

    id: int
    type: str = "private"
    title: str = ""
    first_name: str = ""
    username: str = ""
    is_forum: bool = False
    #: Messages that stand in the chat now, by id: a bot's and people's.
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: Topics by thread id: name and whether it is closed.
    topics: dict[int, dict[str, Any]] = field(default_factory=dict)
    is_blocked: bool = False
    migrated_to: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Telegram's Chat."""
        if self.type == "private":
            return {"id": self.id, "type": "private", "first_name": self.first_name, "username": self.username}
        row: dict[str, Any] = {"id": self.id, "type": self.type, "title": self.title}
        return {**row, "is_forum": True} if self.is_forum else row


@dataclass
class Webhook:
    """Where updates are posted to instead of being polled."""

    url: str
    secret: str = ""
    max_connections: int = 40
    last_error: str = ""


class FakeBot:
    """One bot: its token, its updates not yet confirmed, its chats, its files. Made by `FakeTelegram.add_bot`.

    The methods named after what people do put an update into the queue and return it. All may be called from any
    thread.
    """

    def __init__(
        self, bot_id: int, token: str, username: str, lock: threading.RLock, changed: Callable[[FakeBot], None]
    ) -> None:
        self.id, self.token, self.username = bot_id, token, username
        #: Revoked: every request answers 401.
        self.is_revoked = False
        self.updates: deque[dict[str, Any]] = deque()
        self.next_update_id = 100_000 + bot_id % 1000
        #: Ids of updates that were confirmed by an offset, or taken by a webhook, in this order.
        self.confirmed: list[int] = []
        #: How often each update was handed out.
        self.handed_out: Counter[int] = Counter()
        self.allowed_updates: list[str] | None = None
        self.webhook: Webhook | None = None
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self._next_message_id = 1
        self._lock, self._changed = lock, changed

    # People

    def chat(self, chat_id: int, **fields: Any) -> Chat:
        """The chat of this id, made where the bot does not know it; a negative id is a group."""
        known = self.chats.get(chat_id)
        if known is None:
            kind = "private" if chat_id > 0 else ("supergroup" if str(chat_id).startswith("-100") else "group")
            names = {"first_name": f"Person {chat_id}", "username": f"person{chat_id}"} if chat_id > 0 else {}
            known = self.chats[chat_id] = Chat(
                chat_id, **{"type": kind, "title": f"Group {chat_id}", **names, **fields}
            )
        for name, value in fields.items():
            setattr(known, name, value)
        return known

    def message(self, chat_id: int, text: str | None = None, *, user_id: int | None = None, **fields: Any) -> Any:
        """Someone writes. `fields` are further ones of Telegram's Message: `photo`, `caption`, `message_thread_id` …"""
        message = self._written(chat_id, user_id, **({} if text is None else {"text": text}), **fields)
        return self.push(message=message)

    def edit(self, chat_id: int, message_id: int, text: str, **fields: Any) -> Any:
        """Someone changes what was written."""
        message = {**self.chat(chat_id).messages[message_id], "text": text, "edit_date": int(time.time()), **fields}
        self.chat(chat_id).messages[message_id] = message
        return self.push(edited_message=message)

    def press(self, chat_id: int, message_id: int, data: str, *, user_id: int | None = None) -> Any:
        """Someone presses a button under a message."""
        message = self.chat(chat_id).messages[message_id]
        return self.push(
            callback_query={
                "id": str(secrets.randbits(62)),
                "from": self._person(chat_id, user_id),
                "message": message,
                "chat_instance": str(chat_id),
                "data": data,
            }
        )

    def membership(self, chat_id: int, status: str, *, old: str = "member", user_id: int | None = None) -> Any:
        """Someone blocks the bot (`kicked`), comes back (`member`), or adds it to a group."""
        chat = self.chat(chat_id)
        chat.is_blocked = status in ("kicked", "left")
        me = self.as_json()
        return self.push(
            my_chat_member={
                "chat": chat.as_json(),
                "from": self._person(chat_id, user_id),
                "date": int(time.time()),
                "old_chat_member": {"user": me, "status": old, **({"until_date": 0} if old == "kicked" else {})},
                "new_chat_member": {"user": me, "status": status, **({"until_date": 0} if status == "kicked" else {})},
            }
        )

    def migrate(self, chat_id: int, new_id: int) -> Any:
        """A group becomes a supergroup with another id; both chats say so, and the old one takes no more messages."""
        old, new = self.chat(chat_id), self.chat(new_id, type="supergroup", title=self.chat(chat_id).title)
        old.migrated_to = new.id
        first = self.push(message=self._written(chat_id, None, migrate_to_chat_id=new_id))
        self.push(message=self._written(new_id, None, migrate_from_chat_id=chat_id))
        return first

    def file(self, content: bytes, name: str = "file.bin") -> dict[str, Any]:
        """A file that someone has sent: `file_id`, `file_unique_id`, `file_size` for the fields of a message."""
        file_id = secrets.token_hex(12)
        self.files[file_id] = f"documents/{len(self.files)}_{name}", content
        return {"file_id": file_id, "file_unique_id": file_id[:8], "file_size": len(content)}

    def push(self, **content: Any) -> dict[str, Any]:
        """Put an update of this content into the queue, under the next id unless `update_id` is given."""
        with self._lock:
            update = {"update_id": content.pop("update_id", self.next_update_id), **content}
            self.next_update_id = update["update_id"] + 1
            if self._is_wanted(update):
                self.updates.append(update)
        self._changed(self)
        return update

    # What the API's methods need

    def as_json(self) -> dict[str, Any]:
        """Telegram's User, as getMe answers it."""
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": self.username,
            "username": self.username,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    def take_updates(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """Confirm what is before `offset`, and hand out the next ones; they stay until they are confirmed."""
        newest = self.updates[-1]["update_id"] if self.updates else self.next_update_id - 1
        if offset < 0:
            while len(self.updates) > -offset:
                self._confirm()
        elif offset <= newest + _FUTURE:
            while self.updates and self.updates[0]["update_id"] < offset:
                self._confirm()
        batch = list(self.updates)[:limit]
        self.handed_out.update(update["update_id"] for update in batch)
        return batch

    def _confirm(self) -> None:
        self.confirmed.append(self.updates.popleft()["update_id"])

    def posted(self) -> None:
        """The webhook took the first update."""
        self.handed_out[self.updates[0]["update_id"]] += 1
        self._confirm()

    def reachable(self, chat_id: Any) -> Chat:
        """The chat that a message goes to.

        Raises:
            Refusal: unknown, blocked, or a group that became a supergroup.
        """
        found = self.chats.get(chat_id) if isinstance(chat_id, int) else None
        if found is None:
            raise Refusal(400, "Bad Request: chat not found")
        if found.migrated_to is not None:
            words = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refusal(400, words, migrate_to_chat_id=found.migrated_to)
        if found.is_blocked:
            private = found.type == "private"
            who = "bot was blocked by the user" if private else f"bot was kicked from the {found.type} chat"
            raise Refusal(403, f"Forbidden: {who}")
        return found

    def post(self, chat: Chat, **fields: Any) -> dict[str, Any]:
        """The bot's own message, put into the chat."""
        return self._put(chat, {"from": self.as_json(), **fields})

    def _written(self, chat_id: int, user_id: int | None, **fields: Any) -> dict[str, Any]:
        return self._put(self.chat(chat_id), {"from": self._person(chat_id, user_id), **fields})

    def _put(self, chat: Chat, fields: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            number, self._next_message_id = self._next_message_id, self._next_message_id + 1
        message = {"message_id": number, "date": int(time.time()), "chat": chat.as_json(), **fields}
        text = message.get("text", "")
        if text.startswith("/") and "entities" not in message:
            length = len(text.split()[0].encode("utf-16-le")) // 2
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        with self._lock:
            chat.messages[number] = message
        return message

    def _person(self, chat_id: int, user_id: int | None) -> dict[str, Any]:
        number = user_id if user_id is not None else abs(chat_id)
        chat = self.chats.get(number)
        name = chat.first_name if chat is not None else f"Person {number}"
        login = chat.username if chat is not None else f"person{number}"
        return {"id": number, "is_bot": False, "first_name": name, "username": login, "language_code": "ru"}

    def _is_wanted(self, update: dict[str, Any]) -> bool:
        kinds = set(update) - {"update_id"}
        return bool(kinds & set(self.allowed_updates)) if self.allowed_updates else not kinds <= _UNASKED


@dataclass(frozen=True)
class Call:
    """One request to a method, in the order in which the server took them."""

    number: int
    #: Seconds of the monotonic clock.
    at: float
    bot_id: int | None
    method: str
    parameters: dict[str, Any]
    #: What was answered, or would have been where the connection was cut; 0 where nothing was done.
    status: int
    #: `answered`, `cut` before anything was done, `cut after` it.
    outcome: str
    #: The id of the message that it made or changed.
    message_id: int | None = None

    @property
    def chat_id(self) -> int | None:
        """Of the chat that it was for."""
        value = self.parameters.get("chat_id")
        return value if isinstance(value, int) else None

    @property
    def had_effect(self) -> bool:
        """Whether it was done, whatever its caller knows of it."""
        return self.status == 200 and self.outcome != "cut"

    def as_json(self) -> dict[str, Any]:
        """For a reader in another process."""
        parameters = json.loads(json.dumps(self.parameters, default=str))
        return {**vars(self), "parameters": parameters, "chat_id": self.chat_id, "had_effect": self.had_effect}
