"""Writing into a dialog under its lock: messages with their numbers and events, and the one reply that is owed."""

from __future__ import annotations

from replyx.billing.ledger import Ledger
from replyx.clock import Clock
from replyx.dialogs.postbox import Postbox
from replyx.dialogs.views import MessageView
from replyx.events import catalogue
from replyx.events.outbox import Outbox
from replyx.plugins.hooks import MessageNews
from replyx.plugins.host import Host
from replyx.storage.channels import ChannelLink
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message, Reply
from replyx.storage.prepared import Prepared, Slot, insertion
from replyx.tasks.names import ANSWER_GENERATE
from replyx.tasks.queue import TaskQueue
from replyx.types import Channel, EngineName, Json, Sender

#: States of a reply that is still owed.
OPEN_STATES = ("pending", "working")

_ADD = insertion(
    Message,
    *("dialog", "seq", "sender", "text", "operator_name", "external_id"),
    *("reply_id", "engine", "outcome", "sources", "created_at"),
)
_OWE = insertion(Reply, "dialog", "first_seq", "upto_seq", "created_at")
_OPEN_REPLY = Prepared(
    lambda: Reply.select(Reply.id).where((Reply.dialog == Slot("dialog")) & Reply.state.in_(OPEN_STATES)).limit(1)
)


class Writing:
    """All methods are called inside a transaction that holds the dialog's lock."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        queue: TaskQueue,
        ledger: Ledger,
        clock: Clock,
        plugins: Host,
        postbox: Postbox,
    ) -> None:
        self._db, self._outbox, self._queue, self._ledger, self._clock = db, outbox, queue, ledger, clock
        self.postbox = postbox
        self._tell = {Sender.USER: plugins.message_received, Sender.ASSISTANT: plugins.answer_ready}

    def add_message(
        self,
        dialog: Dialog,
        sender: Sender,
        text: str,
        *,
        operator_name: str | None = None,
        external_id: str | None = None,
        reply_id: int | None = None,
        engine: str | None = None,
        outcome: str | None = None,
        sources: list[Json] | None = None,
    ) -> MessageView:
        """Store a message under the dialog's next `seq`, with its `new_message` event."""
        moment = self._clock.now()
        seq = self._outbox.next_seq_of_message(dialog.id, text, moment)
        values = {
            "seq": seq,
            "sender": str(sender),
            "text": text,
            "operator_name": operator_name,
            "external_id": external_id,
            "reply_id": reply_id,
            "engine": engine,
            "outcome": outcome,
            "sources": sources,
            "created_at": moment,
        }
        message_id = int(_ADD.bind(dialog=dialog.id, **values).execute())
        row = Message(id=message_id, dialog=dialog.id, **values)
        view = MessageView.of(row)
        body = view.as_json()
        self._outbox.record(dialog.id, seq, catalogue.NEW_MESSAGE, {"message": body}, moment)
        if sender is not Sender.USER:
            self.postbox.owe(dialog, message_id, moment)
        self.postbox.show_operators(dialog)
        if sender is not Sender.USER and dialog.platform == Channel.API:
            self._want_delivery(dialog.id, seq)
        if sender in self._tell:
            news = MessageNews(dialog.id, dialog.assistant_id, body)
            self._db.after_commit(lambda: self._tell[sender](news))
        return view

    def add_notice(self, dialog: Dialog, text: str, external_id: str | None = None) -> MessageView:
        """Store what the assistant says without being asked: no answer, and nothing is paid for it."""
        engine = str(EngineName.EXTRACTIVE)
        return self.add_message(dialog, Sender.ASSISTANT, text, external_id=external_id, engine=engine, sources=[])

    def _want_delivery(self, dialog_id: int, seq: int) -> None:
        """Note that a plugin's channel is to send the message, if the dialog is one of such a channel."""
        linked = ChannelLink.update(wanted_seq=seq).where(ChannelLink.dialog == dialog_id).execute()
        if linked:
            self._db.after_commit(lambda: self._outbox.wake_channels(dialog_id))

    def owe_reply(self, dialog: Dialog, first_seq: int, upto_seq: int) -> int:
        """Note that an answer is owed for the customer's messages up to `upto_seq`; a burst joins one reply."""
        open_reply = _OPEN_REPLY.bind(dialog=dialog.id).first()
        if open_reply is not None:
            Reply.update(upto_seq=upto_seq).where(Reply.id == open_reply.id).execute()
            joined: int = open_reply.id
            return joined
        owed = _OWE.bind(dialog=dialog.id, first_seq=first_seq, upto_seq=upto_seq, created_at=self._clock.now())
        reply_id = int(owed.execute())
        self.postbox.expect_answer(dialog, reply_id)
        self._db.after_commit(lambda: self._queue.send(ANSWER_GENERATE, reply_id))
        return reply_id

    def discard_open_reply(self, dialog_id: int) -> None:
        """A person answers instead: the open reply ends, whoever writes it finds its fence moved, its hold is freed."""
        for reply in Reply.select().where((Reply.dialog == dialog_id) & Reply.state.in_(OPEN_STATES)):
            Reply.update(state="discarded", fence=Reply.fence + 1, hold_id=None).where(Reply.id == reply.id).execute()
            if reply.hold_id is not None:
                self._ledger.release(reply.hold_id)
