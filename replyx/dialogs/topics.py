"""Topics of dialogs in an operators' group of Telegram: which ones lag behind the record, and what they lack.

A topic shows the dialog's events up to a number, so nothing is passed over, whoever made it and wherever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import peewee

from replyx.clock import Clock
from replyx.dialogs.access import access_dialog
from replyx.dialogs.texts import language_of
from replyx.dialogs.views import DialogView
from replyx.errors import NotFound
from replyx.events.outbox import Outbox
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from replyx.storage.telegram_desk import TelegramTopic
from replyx.types import SYSTEM, Handoff, Json

#: Seconds that filling a topic may take before somebody else may try.
LEASE_SECONDS = 90.0

#: Events that are shown at one time.
_BATCH = 100

#: Handoffs that have a topic.
_WANTED = (Handoff.REQUESTED, Handoff.ACTIVE)


@dataclass(frozen=True)
class TopicWork:
    """What a topic lacks. `thread_id` and `panel_id` are None until they are made."""

    topic_id: int
    group_id: int
    thread_id: int | None
    panel_id: int | None
    panel_state: str
    is_closed: bool
    dialog: DialogView
    #: Whom the operators are spoken to like: the assistant's customers.
    language: str
    events: tuple[Json, ...]


class Topics:
    """What the operators' side of a sender asks and tells."""

    def __init__(self, db: Database, outbox: Outbox, clock: Clock) -> None:
        self._db, self._outbox, self._clock = db, outbox, clock

    def waiting_assistants(self) -> set[int]:
        """Assistants whose groups do not show all yet."""
        with self._db.connection():
            return {row.assistant_id for row in _behind(self._db).select(Dialog.assistant).distinct()}

    def waiting(self, assistant_id: int, limit: int = 100) -> list[int]:
        """The assistant's dialogs whose topics lack something."""
        with self._db.connection():
            rows = _behind(self._db).where(Dialog.assistant == assistant_id).order_by(Dialog.id).limit(limit)
            return [row.id for row in rows]

    def claim(self, dialog_id: int) -> TopicWork | None:
        """The right to fill the dialog's topic; None where nothing is lacking or somebody fills it."""
        with self._db.transaction():
            try:
                dialog = access_dialog(self._db, SYSTEM, dialog_id, lock=True)
            except NotFound:
                return None
            if not _behind(self._db).where(Dialog.id == dialog_id).exists():
                return None
            group_id = int(dialog.assistant.telegram_group_id or 0)
            topic = TelegramTopic.get_or_none(TelegramTopic.dialog == dialog_id)
            if topic is None:
                topic = TelegramTopic.create(
                    dialog=dialog_id,
                    assistant=dialog.assistant_id,
                    group_id=group_id,
                    created_at=self._clock.now(),
                )
            elif topic.group_id != group_id:
                # Another group was bound: the topic is made there anew, with all that was said.
                anew = {"group_id": group_id, "thread_id": None, "panel_id": None, "panel_state": "", "shown_seq": 0}
                TelegramTopic.update(is_closed=False, **anew).where(TelegramTopic.id == topic.id).execute()
                topic = TelegramTopic.get_by_id(topic.id)
            lease = self._db.now_ms(LEASE_SECONDS)
            TelegramTopic.update(lease_until=lease).where(TelegramTopic.id == topic.id).execute()
            return TopicWork(
                topic_id=topic.id,
                group_id=group_id,
                thread_id=topic.thread_id,
                panel_id=topic.panel_id,
                panel_state=topic.panel_state,
                is_closed=topic.is_closed,
                dialog=DialogView.of(dialog),
                language=language_of(dialog.locale),
                events=tuple(self._outbox.since(dialog.id, topic.shown_seq, _BATCH)),
            )

    def note(self, topic_id: int, **changes: Any) -> None:
        """Write down what was made or shown: `thread_id`, `panel_id`, `panel_state`, `shown_seq`, `is_closed`."""
        with self._db.transaction():
            TelegramTopic.update(**changes).where(TelegramTopic.id == topic_id).execute()

    def done(self, topic_id: int, *, again_in: float = 0.0, error: str | None = None) -> None:
        """Give the claim back; with an error not before `again_in` seconds."""
        with self._db.transaction():
            changes = {"lease_until": self._db.now_ms(again_in), "last_error": error[:300] if error else None}
            TelegramTopic.update(**changes).where(TelegramTopic.id == topic_id).execute()

    def dialog_of(self, assistant_id: int, group_id: int, thread_id: int) -> int | None:
        """The dialog whose topic this is."""
        with self._db.connection():
            here = (TelegramTopic.group_id == group_id) & (TelegramTopic.thread_id == thread_id)
            row = TelegramTopic.get_or_none(here & (TelegramTopic.assistant == assistant_id))
            return row.dialog_id if row is not None else None

    def group_of(self, assistant_id: int) -> tuple[int | None, int]:
        """The assistant's operators' group, and the tenant whose operators may work there.

        Raises:
            NotFound: no such assistant.
        """
        with self._db.connection():
            row: Any = Assistant.get_or_none(Assistant.id == assistant_id)
            if row is None:
                raise NotFound
            return row.telegram_group_id, row.user_id


def _behind(db: Database) -> Any:
    """Dialogs whose topic lacks something and is in nobody's hands."""
    topic, lacks = TelegramTopic, TelegramTopic.shown_seq < Dialog.last_seq
    is_wanted = Dialog.handoff_status.in_(_WANTED) & (Dialog.handoff_status != peewee.SQL("'none'"))
    is_elsewhere = topic.group_id != Assistant.telegram_group_id
    is_open = topic.is_closed == peewee.SQL("0" if db.is_sqlite else "FALSE")
    is_to_be_closed = is_open & (Dialog.status == peewee.SQL("'archived'"))
    has_more = (is_open | is_wanted) & (lacks | is_elsewhere)
    return (
        Dialog.select(Dialog.id)
        .join(Assistant)
        .switch(Dialog)
        .join(topic, peewee.JOIN.LEFT_OUTER)
        .where(Assistant.telegram_group_id.is_null(False))
        .where((topic.id.is_null() & is_wanted) | (topic.id.is_null(False) & (has_more | is_to_be_closed)))
        .where(topic.id.is_null() | (topic.lease_until <= db.now_ms()))
    )
