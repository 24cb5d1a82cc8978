"""Reading updates: into aiogram's types, and messages into the words that a dialog keeps of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aiogram import Bot
from aiogram.types import Message, Update, User
from pydantic import ValidationError

from replyx.types import Contact

#: What is left of a message that holds more than this version of the types can read.
_PLAIN = (
    "message_id", "date", "edit_date", "chat", "from", "text", "caption", "entities", "message_thread_id",
    "is_topic_message",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A file of a message, to be fetched from Telegram. `size` is bytes, where Telegram tells it."""

    kind: str
    file_id: str
    filename: str
    size: int


@dataclass(frozen=True)
class Said:
    """What a message says. `words` is what the customer wrote, `label` what stands for the rest in a dialog."""

    words: str
    label: str
    file: Sent | None = None
    #: `voice`, `file`, `unknown`: why the words alone may not be all that was meant; empty: they are.
    lacks: str = ""

    @property
    def text(self) -> str:
        """The message as the dialog keeps it."""
        return "\n".join(part for part in (self.label, self.words) if part)


def read_update(payload: dict[str, Any], api: Bot) -> Update:
    """The update in aiogram's types.

    Raises:
        ValidationError: not even the plain parts of its message can be read.
    """
    try:
        return Update.model_validate(payload, context={"bot": api})
    except ValidationError:
        # Telegram adds kinds of content more often than this program is updated: text stays text.
        for key in ("message", "edited_message"):
            message = payload.get(key)
            if isinstance(message, dict):
                plain = {name: message[name] for name in _PLAIN if name in message}
                kept = {"update_id": payload["update_id"], key: plain}
                return Update.model_validate(kept, context={"bot": api})
        raise


def contact_of(message: Message) -> Contact:
    """Who writes; in a group, the group."""
    chat, user = message.chat, message.from_user
    if chat.type == "private":
        return Contact(
            first_name=chat.first_name,
            last_name=chat.last_name,
            telegram_chat_id=str(chat.id),
            telegram_username=chat.username,
            locale=user.language_code if user else None,
        )
    return Contact(
        first_name=chat.title,
        telegram_chat_id=str(chat.id),
        telegram_username=chat.username,
        locale=user.language_code if user else None,
    )


def is_for_bot(message: Message, bot_id: int, username: str) -> bool:
    """Whether a message of a group is meant for the bot: a mention, a reply to it, or a command."""
    if message.chat.type == "private":
        return True
    replied = message.reply_to_message
    # In a forum, every message is a reply to the one that made its topic.
    if replied is not None and replied.from_user and replied.from_user.id == bot_id and not replied.forum_topic_created:
        return True
    mine = f"@{username}".lower()
    text = message.text or message.caption or ""
    for entity in message.entities or message.caption_entities or ():
        part = entity.extract_from(text).lower()
        if entity.type == "mention" and part == mine:
            return True
        if entity.type == "text_mention" and isinstance(entity.user, User) and entity.user.id == bot_id:
            return True
        if entity.type == "bot_command" and entity.offset == 0 and (mine in part or "@" not in part):
            return True
    return False


def words_of(message: Message, username: str) -> str:
    """What was written, without the mention that only says whom it is for."""
    text = message.text or message.caption or ""
    if message.chat.type != "private" and username:
        text = re.sub(rf"(?i)(?<!\w)(/\w+)?@{re.escape(username)}\b[,:]?\s*", lambda found: f"{found[1] or ''} ", text)
    return text.strip()


def start_payload(words: str) -> str | None:
    """What stands after `/start`, empty where nothing does; None where the words are no such command."""
    found = re.fullmatch(r"/start(?:@\w+)?(?:\s+(\S{1,64}))?", words)
    return None if found is None else found[1] or ""


def what_is_said(message: Message, username: str, language: str) -> Said | None:
    """What a message says; None for what nobody said, such as that somebody joined a group."""
    words = words_of(message, username)
    if message.text is not None:
        return Said(words, "") if words else None
    found = _file(message)
    if found is not None:
        size = f", {_size(found.size)}" if found.size else ""
        lacks = "voice" if found.kind in ("voice", "video_note") and not words else ("" if words else "file")
        return Said(words, f"[{_label(found.kind, language)}: {found.filename}{size}]", found, lacks)
    return _other(message, words, language)


def _file(message: Message) -> Sent | None:
    """The file of a message, the largest form of a picture."""
    if message.photo:
        best = max(message.photo, key=lambda size: size.width * size.height)
        return Sent("photo", best.file_id, f"photo_{message.message_id}.jpg", best.file_size or 0)
    if message.voice:
        return Sent("voice", message.voice.file_id, f"voice_{message.message_id}.ogg", message.voice.file_size or 0)
    if message.video_note:
        note = message.video_note
        return Sent("video_note", note.file_id, f"video_{message.message_id}.mp4", note.file_size or 0)
    # An animation comes as a document, too, and is the same file.
    for kind, extension in (("document", "bin"), ("video", "mp4"), ("audio", "mp3")):
        content = getattr(message, kind)
        if content is not None:
            name = content.file_name or f"{kind}_{message.message_id}.{extension}"
            return Sent(kind, content.file_id, name, content.file_size or 0)
    return None


def _other(message: Message, words: str, language: str) -> Said | None:
    """Content without a file."""
    if message.venue is not None:
        where = message.venue.location
        place = f"{message.venue.title}, {message.venue.address}"
        return Said(f"{place} ({where.latitude:.6f}, {where.longitude:.6f})", f"[{_label('location', language)}]")
    if message.location is not None:
        where = message.location
        return Said(f"{where.latitude:.6f}, {where.longitude:.6f}", f"[{_label('location', language)}]")
    if message.contact is not None:
        known = message.contact
        name = " ".join(part for part in (known.first_name, known.last_name) if part)
        return Said(f"{name}, {known.phone_number}", f"[{_label('contact', language)}]")
    if message.sticker is not None:
        return Said(
            words, f"[{_label('sticker', language)} {message.sticker.emoji or ''}".rstrip() + "]", None, "unknown"
        )
    if message.poll is not None or message.dice is not None or message.story is not None or words:
        return Said(words, f"[{_label('unknown', language)}]", None, "" if words else "unknown")
    return None


_LABELS = {
    "photo": ("Фото", "Photo"),
    "voice": ("Голосовое сообщение", "Voice message"),
    "video_note": ("Видеосообщение", "Video message"),
    "document": ("Файл", "File"),
    "video": ("Видео", "Video"),
    "audio": ("Аудио", "Audio"),
    "location": ("Место на карте", "Location"),
    "contact": ("Контакт", "Contact"),
    "sticker": ("Стикер", "Sticker"),
    "unknown": ("Сообщение другого вида", "Message of another kind"),
    "edited": ("Исправлено", "Corrected"),
}


def _label(kind: str, language: str) -> str:
    return _LABELS[kind][language == "en"]


def edited_text(text: str, language: str) -> str:
    """How a changed message reads in the dialog."""
    return f"[{_label('edited', language)}] {text}"


def _size(count: int) -> str:
    return f"{count / 1_048_576:.1f} MB" if count >= 1_048_576 else f"{max(1, count // 1024)} KB"
