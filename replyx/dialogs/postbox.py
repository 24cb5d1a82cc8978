"""The postbox: what goes out by Telegram is put here in the transaction that makes it, and its sender is woken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from replyx.events.bus import Bus
from replyx.events.catalogue import TELEGRAM
from replyx.storage.database import Database
from replyx.storage.deliveries import Delivery
from replyx.storage.dialogs import Dialog
from replyx.storage.prepared import insertion
from replyx.types import Channel, Json

_OWE = insertion(Delivery, "message", "dialog", "assistant", "created_at")

#: What is told of a message in several parts: the worst of theirs.
_WORST_FIRST = ("failed", "maybe_sent", "new", "sending", "sent")


class Postbox:
    """All methods but `states` are called inside a transaction that holds the dialog's lock."""

    def __init__(self, db: Database, bus: Bus) -> None:
        self._db, self._bus = db, bus

    def owe(self, dialog: Dialog, message_id: int, moment: datetime) -> None:
        """Note that the message has to reach the customer's chat; dialogs of other channels have none."""
        if dialog.platform != Channel.TELEGRAM:
            return
        _OWE.bind(message=message_id, dialog=dialog.id, assistant=dialog.assistant_id, created_at=moment).execute()
        self._wake("delivery", dialog)

    def expect_answer(self, dialog: Dialog, reply_id: int) -> None:
        """Let the customer see that an answer is being written."""
        if dialog.platform == Channel.TELEGRAM and dialog.telegram_chat_id:
            self._wake("reply_owed", dialog, reply_id=reply_id, **_place(dialog))

    def progress(self, dialog: Dialog, reply_id: int) -> Callable[[str], None] | None:
        """What to call with an answer as far as it is written; None where nobody wants to see it. Outside too."""
        if dialog.platform != Channel.TELEGRAM or not dialog.telegram_chat_id:
            return None
        news: Json = {"kind": "draft", "assistant_id": dialog.assistant_id, "dialog_id": dialog.id}
        news |= {"reply_id": reply_id, **_place(dialog)}
        return lambda text: self._bus.publish(TELEGRAM, {**news, "text": text})

    def show_operators(self, dialog: Dialog) -> None:
        """Let the operators' group show what is new in the dialog."""
        if dialog.assistant.telegram_group_id is not None:
            self._wake("desk", dialog)

    def _wake(self, kind: str, dialog: Dialog, **more: object) -> None:
        news: Json = {"kind": kind, "assistant_id": dialog.assistant_id, "dialog_id": dialog.id, **more}
        self._db.after_commit(lambda: self._bus.publish(TELEGRAM, news))


def _place(dialog: Dialog) -> Json:
    return {"chat_id": dialog.telegram_chat_id, "thread_id": dialog.telegram_thread_id}


def delivery_states(message_ids: Iterable[int]) -> dict[int, Json]:
    """Message id → `{"state", "error", "in_doubt"}` of its delivery, for those that have one. Inside a connection."""
    found: dict[int, Json] = {}
    rows = Delivery.select(Delivery.message, Delivery.state, Delivery.last_error, Delivery.doubts).where(
        Delivery.message.in_(list(message_ids))
    )
    for row in rows:
        before = found.get(row.message_id)
        in_doubt = row.doubts > 0 or (before is not None and before["in_doubt"])
        if before is None or _WORST_FIRST.index(row.state) < _WORST_FIRST.index(before["state"]):
            error = None if row.state == "sent" else row.last_error
            found[row.message_id] = {"state": row.state, "error": error, "in_doubt": in_doubt}
        else:
            before["in_doubt"] = in_doubt
    return found
