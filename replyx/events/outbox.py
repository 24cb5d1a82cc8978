"""The record of a dialog's events: written in the transaction that makes the news, published after its commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from replyx.clock import iso
from replyx.events.bus import Bus
from replyx.events.catalogue import CHANNELS, dialog_topic
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Event
from replyx.storage.prepared import Prepared, Slot, insertion
from replyx.types import Json

#: How much of its last message a dialog's row keeps, in characters.
_PREVIEW = 200

_NUMBER = Prepared(
    lambda: Dialog.update(last_seq=Dialog.last_seq + 1).where(Dialog.id == Slot("dialog")).returning(Dialog.last_seq)
)
_NUMBER_MESSAGE = Prepared(
    lambda: (
        Dialog.update(
            last_seq=Dialog.last_seq + 1,
            last_message=Slot("text"),
            last_message_time=Slot("moment", Dialog.last_message_time),
            status="active",
        )
        .where(Dialog.id == Slot("dialog"))
        .returning(Dialog.last_seq)
    )
)
_RECORD = insertion(Event, "dialog", "seq", "type", "payload", "created_at")


class Outbox:
    """Writes events with the dialog's next `seq`, and reads them back for listeners that were away."""

    def __init__(self, db: Database, bus: Bus) -> None:
        self._db, self._bus = db, bus

    def next_seq(self, dialog_id: int) -> int:
        """Take the dialog's next number. Only inside the transaction that will `record` under it."""
        (row,) = _NUMBER.bind(dialog=dialog_id).execute()
        seq: int = row.last_seq
        return seq

    def next_seq_of_message(self, dialog_id: int, text: str, moment: datetime) -> int:
        """The same for a message, which is from now on the dialog's last one, and makes it active."""
        (row,) = _NUMBER_MESSAGE.bind(dialog=dialog_id, text=text[:_PREVIEW], moment=moment).execute()
        seq: int = row.last_seq
        return seq

    def record(self, dialog_id: int, seq: int, kind: str, body: Json, moment: datetime) -> Json:
        """Store the event under `seq`, tell listeners after the commit; answers the payload as they get it."""
        payload: Json = {"type": kind, "dialog_id": dialog_id, **body, "seq": seq, "timestamp": iso(moment)}
        _RECORD.bind(dialog=dialog_id, seq=seq, type=kind, payload=payload, created_at=moment).execute()
        self._db.after_commit(lambda: self._bus.publish(dialog_topic(dialog_id), payload))
        return payload

    def wake_channels(self, dialog_id: int) -> None:
        """Tell those who deliver for plugins' channels that there is something to send."""
        self._bus.publish(CHANNELS, {"dialog_id": dialog_id})

    def since(self, dialog_id: int, last_seq: int, limit: int = 500) -> list[Json]:
        """Payloads after `last_seq`, in order, at most `limit`."""
        with self._db.connection():
            rows = (
                Event.select(Event.payload)
                .where((Event.dialog == dialog_id) & (Event.seq > last_seq))
                .order_by(Event.seq)
                .limit(limit)
            )
            return [row.payload for row in rows]

    def heads(self, dialog_ids: Sequence[int]) -> dict[int, int]:
        """Dialog id → its newest `seq`, for listeners that check whether they missed something."""
        if not dialog_ids:
            return {}
        with self._db.connection():
            rows = Dialog.select(Dialog.id, Dialog.last_seq).where(Dialog.id.in_(list(dialog_ids)))
            return {row.id: row.last_seq for row in rows}
