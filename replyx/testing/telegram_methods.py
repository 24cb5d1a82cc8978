"""The methods of the fake Bot API: what each does to a bot's chats, and how Telegram refuses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from replyx.testing.telegram_bots import Chat, FakeBot, Webhook
from replyx.testing.telegram_faults import Refusal
from replyx.testing.telegram_markup import LONGEST_CAPTION, parse_text

Parameters = dict[str, Any]
#: File name and content of what was uploaded, by field.
Files = dict[str, tuple[str, bytes]]

_LARGEST_DOWNLOAD = 20 * 1024 * 1024


def call_method(bot: FakeBot, method: str, given: Parameters, files: Files) -> Any:
    """Do what the method says; its `result`.

    Raises:
        Refusal: in Telegram's words, and with its status.
    """
    found = _METHODS.get(method.lower())
    if found is None:
        raise Refusal(404, "Not Found: method not found")
    return found(bot, given, files)


def _get_me(bot: FakeBot, _given: Parameters, _files: Files) -> Any:
    return bot.as_json()


def _set_webhook(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    url = str(given.get("url", ""))
    if not url:
        return _delete_webhook(bot, given, _files)
    # Like an own server started with `--local`, plain http is taken.
    if not url.startswith(("https://", "http://")):
        raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    _note_allowed(bot, given)
    if given.get("drop_pending_updates"):
        bot.updates.clear()
    bot.webhook = Webhook(url, str(given.get("secret_token", "")), int(given.get("max_connections", 40)))
    return True


def _delete_webhook(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    bot.webhook = None
    if given.get("drop_pending_updates"):
        bot.updates.clear()
    return True


def _webhook_info(bot: FakeBot, _given: Parameters, _files: Files) -> Any:
    hook = bot.webhook
    info = {"url": "", "has_custom_certificate": False, "pending_update_count": len(bot.updates)}
    if hook is None:
        return info
    info |= {"url": hook.url, "max_connections": hook.max_connections}
    return (
        {**info, "last_error_date": int(time.time()), "last_error_message": hook.last_error}
        if hook.last_error
        else info
    )


def _send_message(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    chat = bot.reachable(given.get("chat_id"))
    parsed = parse_text(str(given.get("text", "")), given.get("parse_mode"))
    return bot.post(chat, text=parsed.text, **_entities(parsed.entities), **_placed(chat, given))


def _edit_text(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    message = _own(bot, given)
    parsed = parse_text(str(given.get("text", "")), given.get("parse_mode"))
    changed = {key: value for key, value in message.items() if key not in ("entities", "reply_markup", "edit_date")}
    changed |= {"text": parsed.text, **_entities(parsed.entities), **_buttons(given)}
    return _changed(bot, message, changed)


def _edit_markup(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    message = _own(bot, given)
    changed = {key: value for key, value in message.items() if key not in ("reply_markup", "edit_date")}
    return _changed(bot, message, {**changed, **_buttons(given)})


def _delete_message(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    chat = bot.reachable(given.get("chat_id"))
    if chat.messages.pop(given.get("message_id", 0), None) is None:
        raise Refusal(400, "Bad Request: message to delete not found")
    return True


def _send_file(kind: str) -> Callable[[FakeBot, Parameters, Files], Any]:
    def send(bot: FakeBot, given: Parameters, files: Files) -> Any:
        chat = bot.reachable(given.get("chat_id"))
        parsed = parse_text(
            str(given.get("caption", "")), given.get("parse_mode"), longest=LONGEST_CAPTION, may_be_empty=True
        )
        sent = str(given.get(kind, ""))
        name, content = files.get(sent.removeprefix("attach://"), files.get(kind, ("", b"")))
        if name:
            row = {**bot.file(content, name), "file_name": name}
        elif sent in bot.files:
            row = {"file_id": sent, "file_unique_id": sent[:8], "file_size": len(bot.files[sent][1])}
        else:
            raise Refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
        if not content and name:
            raise Refusal(400, "Bad Request: file must be non-empty")
        value = [{**row, "width": 90, "height": 90}] if kind == "photo" else row
        caption = {"caption": parsed.text} if parsed.text else {}
        return bot.post(chat, **{kind: value}, **caption, **_placed(chat, given))

    return send


def _chat_action(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    chat = bot.reachable(given.get("chat_id"))
    _placed(chat, given)
    return True


def _yes(_bot: FakeBot, _given: Parameters, _files: Files) -> Any:
    return True


def _get_file(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    file_id = str(given.get("file_id", ""))
    if file_id not in bot.files:
        raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
    path, content = bot.files[file_id]
    if len(content) > _LARGEST_DOWNLOAD:
        raise Refusal(400, "Bad Request: file is too big")
    return {"file_id": file_id, "file_unique_id": file_id[:8], "file_size": len(content), "file_path": path}


def _get_chat(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    return {**bot.reachable(given.get("chat_id")).as_json(), "accent_color_id": 0, "max_reaction_count": 11}


def _get_member(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    bot.reachable(given.get("chat_id"))
    user = given.get("user_id")
    if user == bot.id:
        return {**_administrator(bot)}
    return {"status": "member", "user": {"id": user, "is_bot": False, "first_name": f"Person {user}"}}


def _administrator(bot: FakeBot) -> dict[str, Any]:
    rights = (
        "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
        "can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
        "can_edit_stories", "can_delete_stories", "can_manage_topics", "can_pin_messages",
    )  # fmt: skip
    return {"status": "administrator", "user": bot.as_json(), **dict.fromkeys(rights, True)}


def _create_topic(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    chat = _forum(bot, given)
    name = str(given.get("name", ""))
    if not 1 <= len(name) <= 128:
        raise Refusal(400, "Bad Request: TOPIC_TITLE_EMPTY" if not name else "Bad Request: topic name is too long")
    thread = bot.post(chat, forum_topic_created={"name": name, "icon_color": 7322096})["message_id"]
    chat.topics[thread] = {"name": name, "is_closed": False}
    return {"message_thread_id": thread, "name": name, "icon_color": 7322096}


def _change_topic(**change: Any) -> Callable[[FakeBot, Parameters, Files], Any]:
    def apply(bot: FakeBot, given: Parameters, _files: Files) -> Any:
        topic = _topic(_forum(bot, given), given)
        news = {**change, **({"name": str(given["name"])} if given.get("name") else {})}
        if all(topic.get(key) == value for key, value in news.items()):
            raise Refusal(400, "Bad Request: TOPIC_NOT_MODIFIED")
        topic.update(news)
        return True

    return apply


def _delete_topic(bot: FakeBot, given: Parameters, _files: Files) -> Any:
    chat = _forum(bot, given)
    _topic(chat, given)
    del chat.topics[given["message_thread_id"]]
    return True


def _forum(bot: FakeBot, given: Parameters) -> Chat:
    chat = bot.reachable(given.get("chat_id"))
    if not chat.is_forum:
        raise Refusal(400, "Bad Request: the chat is not a forum")
    return chat


def _topic(chat: Chat, given: Parameters) -> dict[str, Any]:
    topic = chat.topics.get(given.get("message_thread_id", 0))
    if topic is None:
        raise Refusal(400, "Bad Request: message thread not found")
    return topic


def _own(bot: FakeBot, given: Parameters) -> dict[str, Any]:
    message = bot.reachable(given.get("chat_id")).messages.get(given.get("message_id", 0))
    if message is None:
        raise Refusal(400, "Bad Request: message to edit not found")
    if message["from"]["id"] != bot.id:
        raise Refusal(400, "Bad Request: message can't be edited")
    return message


def _changed(bot: FakeBot, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    if {**old, "edit_date": 0} == {**new, "edit_date": 0}:
        raise Refusal(
            400,
            "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
            "same as a current content and reply markup of the message",
        )
    new["edit_date"] = int(time.time())
    bot.chats[new["chat"]["id"]].messages[new["message_id"]] = new
    return new


def _placed(chat: Chat, given: Parameters) -> dict[str, Any]:
    """Thread, reply and buttons of a message that is sent."""
    placed = _buttons(given)
    thread = given.get("message_thread_id")
    if thread is not None:
        if chat.is_forum and thread not in chat.topics:
            raise Refusal(400, "Bad Request: message thread not found")
        placed |= {"message_thread_id": thread, **({"is_topic_message": True} if chat.is_forum else {})}
    reply = given.get("reply_parameters") or {}
    target = reply.get("message_id", given.get("reply_to_message_id"))
    if target is not None:
        original = chat.messages.get(target)
        if original is None and not reply.get("allow_sending_without_reply"):
            raise Refusal(400, "Bad Request: message to be replied not found")
        if original is not None:
            placed["reply_to_message"] = {k: v for k, v in original.items() if k != "reply_to_message"}
    return placed


def _buttons(given: Parameters) -> dict[str, Any]:
    markup = given.get("reply_markup") or {}
    for row in markup.get("inline_keyboard", []):
        for button in row:
            if not button.get("text"):
                raise Refusal(400, "Bad Request: can't parse inline keyboard button: Text must be non-empty")
            if not 1 <= len(button.get("callback_data", "x").encode()) <= 64:
                raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    return {"reply_markup": markup} if markup.get("inline_keyboard") else {}


def _entities(entities: list[dict[str, Any]]) -> dict[str, Any]:
    return {"entities": entities} if entities else {}


def _note_allowed(bot: FakeBot, given: Parameters) -> None:
    if isinstance(given.get("allowed_updates"), list):
        bot.allowed_updates = given["allowed_updates"]


def updates_wanted(bot: FakeBot, given: Parameters) -> tuple[int, int, float]:
    """What getUpdates asks for: offset, limit, and seconds to wait.

    Raises:
        Refusal: a webhook is set.
    """
    if bot.webhook is not None:
        words = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
        raise Refusal(409, f"Conflict: {words}")
    _note_allowed(bot, given)
    limit = min(100, max(1, int(given.get("limit") or 100)))
    return int(given.get("offset") or 0), limit, min(50.0, max(0.0, float(given.get("timeout") or 0)))


_METHODS: dict[str, Callable[[FakeBot, Parameters, Files], Any]] = {
    "getme": _get_me,
    "setwebhook": _set_webhook,
    "deletewebhook": _delete_webhook,
    "getwebhookinfo": _webhook_info,
    "sendmessage": _send_message,
    "editmessagetext": _edit_text,
    "editmessagereplymarkup": _edit_markup,
    "deletemessage": _delete_message,
    "sendphoto": _send_file("photo"),
    "senddocument": _send_file("document"),
    "sendvoice": _send_file("voice"),
    "sendchataction": _chat_action,
    "answercallbackquery": _yes,
    "setmycommands": _yes,
    "deletemycommands": _yes,
    "setmessagereaction": _chat_action,
    "pinchatmessage": _chat_action,
    "getfile": _get_file,
    "getchat": _get_chat,
    "getchatmember": _get_member,
    "createforumtopic": _create_topic,
    "editforumtopic": _change_topic(),
    "closeforumtopic": _change_topic(is_closed=True),
    "reopenforumtopic": _change_topic(is_closed=False),
    "deleteforumtopic": _delete_topic,
}
