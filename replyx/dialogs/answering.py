"""Answering: claim a reply under a fence, draft without any lock, commit all or nothing.

The fence makes a worker that was thought dead harmless: whatever it still does, its commit is refused. The price is
held at the claim, captured with the answer, and freed in every other case.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

from replyx.billing.ledger import Ledger
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.dialogs.access import access_dialog
from replyx.dialogs.claims import DONE, HELD, Claim, claiming, laps_of, mine
from replyx.dialogs.drafting import Draft, Drafting, Question
from replyx.dialogs.handoff import Handoffs
from replyx.dialogs.inbox import assistant_speaks
from replyx.dialogs.leases import Lease, Leases
from replyx.dialogs.paying import Paying
from replyx.dialogs.texts import language_of, say
from replyx.dialogs.trace import Trace, failure_of, story_of
from replyx.dialogs.views import MessageView
from replyx.dialogs.watch import Watch
from replyx.dialogs.writing import OPEN_STATES, Writing
from replyx.errors import EngineFailed, InsufficientBalance, NotFound, ReplyXError
from replyx.events import catalogue
from replyx.events.bus import Bus
from replyx.events.figures import Figures
from replyx.events.spans import Spans
from replyx.events.stream import AnswerStream
from replyx.llm.engine import Turn
from replyx.log import traced
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message, Reply
from replyx.storage.prepared import Prepared, Slot
from replyx.tasks.names import ANSWER_GENERATE
from replyx.tasks.queue import TaskQueue
from replyx.types import SYSTEM, EngineName, HandoffReason, Json, Outcome, Sender

logger = logging.getLogger(__name__)

_OWED = Prepared(
    lambda: Reply.select(Reply.dialog).where((Reply.id == Slot("reply")) & Reply.state.in_(OPEN_STATES)).limit(1)
)

_SAID = Prepared(
    lambda: (
        Message.select(Message.sender, Message.text, Message.seq)
        .where((Message.dialog == Slot("dialog")) & (Message.seq <= Slot("upto")))
        .order_by(Message.seq.desc())
        .limit(Slot("count"))
        .tuples()
    )
)


class Answering:
    """The worker's side of a dialog."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        stream: AnswerStream,
        queue: TaskQueue,
        writing: Writing,
        handoffs: Handoffs,
        drafting: Drafting,
        ledger: Ledger,
        clock: Clock,
        config: Config,
        figures: Figures,
        spans: Spans,
    ) -> None:
        self._figures, self._spans = figures, spans
        self._db, self._bus, self._stream, self._queue = db, bus, stream, queue
        self._writing, self._handoffs, self._drafting = writing, handoffs, drafting
        self._ledger, self._clock, self._config = ledger, clock, config
        self._leases = Leases(db, config.answers.lease_seconds)
        self._paying = Paying(db, ledger, clock, config)
        self._claiming = Prepared(lambda: claiming(db, config.answers.lease_seconds))

    def answer(self, reply_id: int) -> MessageView | None:
        """Write the answer that is owed; None where there was nothing to do or it was not this call that did it.

        A failure is not raised: it is noted in the row, to be tried again by the sweeper or, after the last try, to
        end in an apology and a handoff.
        """
        with traced():
            return self._answer(reply_id)

    def _answer(self, reply_id: int) -> MessageView | None:
        begun, at = time.perf_counter(), self._clock.now()
        claim = self._claim(reply_id)
        if claim is None:
            return None
        claim = replace(claim, laps=laps_of(begun, (at - claim.asked_at).total_seconds()))
        lease = Lease(claim.reply_id, claim.fence)
        self._leases.hold(lease)
        try:
            return self._write(claim, lease)
        except EngineFailed as error:
            self._failed(claim, str(error), retryable=error.retryable, wait=error.retry_after or 0)
        except Exception as error:
            logger.exception("an answer failed", extra={"reply_id": reply_id})
            self._failed(claim, type(error).__name__, retryable=True)
        finally:
            self._leases.drop(lease)
        return None

    def sweep(self, limit: int = 100) -> int:
        """Offer again what waits without a hint: due replies, and those whose worker died. Returns how many."""
        self._leases.end_those_of_the_dead()
        with self._db.transaction():
            now = self._db.now_ms()
            waiting = ((Reply.state == "pending") & (Reply.due_at <= now)) | (
                (Reply.state == "working") & (Reply.lease_until < now)
            )
            fresh = self._clock.now().timestamp() - 2
            rows = [
                row.id
                for row in Reply.select(Reply.id, Reply.created_at, Reply.state, Reply.attempts)
                .where(waiting)
                .order_by(Reply.id)
                .limit(limit)
                # A new reply has its own hint under way.
                if row.attempts or row.state == "working" or row.created_at.timestamp() < fresh
            ]
            # Not offered again for a while, so that a long queue is not filled with the same hints.
            Reply.update(due_at=self._db.now_ms(5)).where(Reply.id.in_(rows) & (Reply.state == "pending")).execute()
        for reply_id in rows:
            self._queue.send(ANSWER_GENERATE, reply_id)
        return len(rows)

    def take_back(self) -> int:
        """At the start of the only process there is: every lease is a dead one's. Returns how many there were."""
        with self._db.transaction():
            taken: int = Reply.update(lease_until=0).where(Reply.state == "working").execute()
            return taken

    def close(self) -> None:
        """Stop renewing leases."""
        self._leases.close()

    def _claim(self, reply_id: int) -> Claim | None:
        """Transaction 2: take the reply, check that it is still the assistant's turn, hold the price.

        A power cut that undoes it leaves what was true before: an answer that is owed, nothing held, no worker.
        """
        with self._db.transaction(provisional=True):
            known = _OWED.bind(reply=reply_id).first()
            if known is None:
                return None
            try:
                dialog = access_dialog(self._db, SYSTEM, known.dialog_id, lock=True)
            except NotFound:
                return None
            reply = self._take(reply_id)
            if reply is None:
                return None
            if reply.hold_id is not None:
                # What a worker that died had held.
                self._ledger.release(reply.hold_id)
            if not assistant_speaks(dialog, self._config):
                Reply.update(state="discarded", hold_id=None).where(Reply.id == reply_id).execute()
                return None
            if reply.attempts > self._config.answers.attempts:
                self._apologise(dialog, reply, HandoffReason.FAILED)
                return None
            return self._hold(dialog, reply)

    def _take(self, reply_id: int) -> Reply | None:
        """The reply under a new fence, if nobody holds it."""
        return next(iter(self._claiming.bind(reply=reply_id).execute()), None)

    def _hold(self, dialog: Dialog, reply: Reply) -> Claim | None:
        try:
            held = self._paying.hold(dialog, reply)
        except InsufficientBalance as error:
            logger.warning(
                "an answer cannot be paid",
                extra={"user_id": dialog.user_id, "dialog_id": dialog.id, "reason": error.message_en},
            )
            self._apologise(dialog, reply, HandoffReason.POLICY)
            return None
        HELD.bind(reply=reply.id, hold=held.hold_id).execute()
        return Claim(
            reply_id=reply.id,
            dialog_id=dialog.id,
            fence=reply.fence,
            attempt=reply.attempts,
            first_seq=reply.first_seq,
            upto_seq=reply.upto_seq,
            held=held,
            asked_at=reply.created_at,
            progress=self._writing.postbox.progress(dialog, reply.id),
        )

    def _write(self, claim: Claim, lease: Lease) -> MessageView | None:
        self._bus.publish(catalogue.dialog_topic(claim.dialog_id), _typing(claim.dialog_id))
        upto = claim.upto_seq
        for restart in range(self._config.answers.max_restarts + 1):
            may_restart = restart < self._config.answers.max_restarts
            with Watch(self._bus, claim.dialog_id, upto, lease, may_restart=may_restart) as watch:
                writer = self._stream.start(claim.dialog_id, claim.reply_id, claim.progress)
                try:
                    question, may_wait = self._question(claim, upto), claim.may_wait(self._clock.now())
                    draft = self._drafting.draft(
                        question, writer, watch.should_stop, may_wait=may_wait, before=claim.laps
                    )
                finally:
                    writer.close()
            if draft is None and not watch.is_newer:
                self._give_up(claim)
                return None
            if draft is not None:
                message, newest = self._commit(claim, draft, upto, may_restart=may_restart)
                if newest is None:
                    return message
            # Somebody said more meanwhile: the answer starts anew and sees it.
            upto = self._newest(claim.reply_id, upto)
        return None

    def _question(self, claim: Claim, upto_seq: int) -> Question:
        with self._db.connection():
            dialog = access_dialog(self._db, SYSTEM, claim.dialog_id)
            assistant = dialog.assistant
            limit = self._config.answers.history_messages
            newest = max(upto_seq, dialog.last_seq)
            # Numbers are given to other events too, so these are at least as many as the messages wanted.
            count = limit + newest - claim.first_seq + 1
            rows: list[Any] = list(_SAID.bind(dialog=claim.dialog_id, upto=newest, count=count))
            rows.reverse()
            asked = [row for row in rows if _is_asked(row, claim.first_seq, upto_seq)]
            before = [row for row in rows if not _is_asked(row, claim.first_seq, newest)]
            return Question(
                assistant_id=assistant.id,
                model=assistant.ai_model,
                system_prompt=assistant.system_prompt,
                not_found_text=assistant.not_found_text,
                welcome_text=assistant.welcome_text,
                threshold=assistant.answer_threshold,
                clarify_threshold=assistant.clarify_threshold,
                text="\n".join(text for _, text, _ in asked),
                history=tuple(_turn(row) for row in before[-limit:]) if limit else (),
                locale=dialog.locale,
                tenant_id=dialog.user_id,
            )

    def _commit(
        self, claim: Claim, draft: Draft, upto: int, *, may_restart: bool
    ) -> tuple[MessageView | None, int | None]:
        """Transaction 3. Answers the message, or the newer `seq` that the answer has yet to see."""
        with self._db.transaction():
            try:
                dialog = access_dialog(self._db, SYSTEM, claim.dialog_id, lock=True)
            except NotFound:
                return None, None
            reply = mine(claim)
            if reply is None:
                # The fence moved: a person took over, or another worker did. The hold was settled with it.
                return None, None
            if reply.upto_seq > upto and may_restart:
                return None, reply.upto_seq
            if not assistant_speaks(dialog, self._config):
                self._settle(claim, "discarded")
                return None, None
            message = self._deliver(dialog, claim, draft)
            self._count(reply, draft.outcome, draft.engine)
            if reply.upto_seq > upto:
                self._writing.owe_reply(dialog, upto + 1, reply.upto_seq)
            return message, None

    def _deliver(self, dialog: Dialog, claim: Claim, draft: Draft) -> MessageView:
        trace = self._trace(claim, draft)
        DONE.bind(reply=claim.reply_id, trace=trace).execute()
        message = self._writing.add_message(
            dialog,
            Sender.ASSISTANT,
            draft.text,
            reply_id=claim.reply_id,
            engine=str(draft.engine),
            outcome=str(draft.outcome),
            sources=[source.as_json() for source in draft.sources],
        )
        self._paying.settle(dialog, claim.reply_id, claim.held, draft)
        self._count_failed_turns(dialog, draft.outcome)
        if draft.trace is not None and trace is not None:
            self._tell(claim, dialog, draft.trace, trace)
        return message

    def _trace(self, claim: Claim, draft: Draft) -> Json | None:
        waited = (self._clock.now() - claim.asked_at).total_seconds()
        if draft.trace is None:
            return None
        cost = claim.held.cost_of(draft)
        return draft.trace.as_json(draft.engine, draft.outcome, cost, claim.attempt, waited)

    def _tell(self, claim: Claim, dialog: Dialog, trace: Trace, record: Json) -> None:
        place = {"reply_id": claim.reply_id, "assistant_id": dialog.assistant_id, "channel": dialog.platform}
        self._db.after_commit(lambda: self._spans.tell(story_of(trace, record, place)))

    def _count_failed_turns(self, dialog: Dialog, outcome: Outcome) -> None:
        failed = dialog.failed_turns + 1 if outcome is Outcome.NOT_FOUND else 0
        if failed != dialog.failed_turns:
            Dialog.update(failed_turns=failed).where(Dialog.id == dialog.id).execute()
        limit = self._config.handoff.failed_turns
        if limit and failed >= limit:
            self._handoffs.request_locked(dialog, HandoffReason.LOW_CONFIDENCE)

    def _newest(self, reply_id: int, upto: int) -> int:
        with self._db.connection():
            reply = Reply.get_or_none(Reply.id == reply_id)
            return max(upto, reply.upto_seq) if reply is not None else upto

    def _give_up(self, claim: Claim) -> None:
        """The answer is not wanted any more; whoever moved the fence has settled it, else it is settled here."""
        with self._db.transaction():
            if mine(claim) is not None:
                self._settle(claim, "pending")
                self._db.after_commit(lambda: self._queue.send(ANSWER_GENERATE, claim.reply_id))

    def _settle(self, claim: Claim, state: str) -> None:
        Reply.update(state=state, hold_id=None).where(Reply.id == claim.reply_id).execute()
        if claim.held.hold_id is not None:
            self._ledger.release(claim.held.hold_id)

    def _failed(self, claim: Claim, error: str, *, retryable: bool, wait: float = 0) -> None:
        """Free the hold; try again after `wait` seconds or more, or end in an apology and a handoff."""
        try:
            with self._db.transaction():
                dialog = access_dialog(self._db, SYSTEM, claim.dialog_id, lock=True)
                reply = mine(claim)
                if reply is None:
                    return
                logger.warning(
                    "an answer did not come",
                    extra={"reply_id": claim.reply_id, "attempt": claim.attempt, "error": error[:300]},
                )
                Reply.update(last_error=error[:300]).where(Reply.id == claim.reply_id).execute()
                self._settle(claim, "pending")
                self._db.after_commit(self._figures.retried)
                self._db.after_commit(lambda: self._spans.tell(failure_of(claim.laps, claim.reply_id, claim.attempt)))
                is_old = claim.is_old(self._clock.now())
                if not retryable or is_old or claim.attempt >= self._config.answers.attempts:
                    self._apologise(dialog, reply, HandoffReason.FAILED)
                    return
                pause = max(wait, min(30.0, 2.0 ** (claim.attempt - 1)))
                Reply.update(due_at=self._db.now_ms(pause)).where(Reply.id == claim.reply_id).execute()
        except ReplyXError:
            # The lease runs out, and the sweeper finds the row.
            logger.warning("a failed answer could not be noted", extra={"reply_id": claim.reply_id})

    def _apologise(self, dialog: Dialog, reply: Reply, reason: HandoffReason) -> None:
        """The end of a reply that could not be written: the customer is told, a person is called, nothing is paid."""
        Reply.update(state="dead", hold_id=None, trace=None).where(Reply.id == reply.id).execute()
        self._writing.add_message(
            dialog,
            Sender.ASSISTANT,
            dialog.assistant.unavailable_text or say("unavailable", language_of(dialog.locale)),
            reply_id=reply.id,
            engine=str(EngineName.EXTRACTIVE),
            outcome=str(Outcome.UNAVAILABLE),
            sources=[],
        )
        self._handoffs.request_locked(dialog, reason)
        self._count(reply, Outcome.UNAVAILABLE, EngineName.EXTRACTIVE)

    def _count(self, reply: Reply, outcome: Outcome, engine: EngineName) -> None:
        waited = (self._clock.now() - reply.created_at).total_seconds()
        self._db.after_commit(lambda: self._figures.answered(str(outcome), str(engine), max(0.0, waited)))


def _is_asked(row: tuple[str, str, int], first_seq: int, upto_seq: int) -> bool:
    sender, _, seq = row
    return sender == Sender.USER and first_seq <= seq <= upto_seq


def _turn(row: tuple[str, str, int]) -> Turn:
    sender, text, _ = row
    return Turn("user" if sender == Sender.USER else "assistant", text)


def _typing(dialog_id: int) -> Json:
    return {"type": catalogue.AI_TYPING, "dialog_id": dialog_id}
