"""Handoff: `none → requested → active → released → (none)`, each step one conditional update."""

from __future__ import annotations

import re
from collections.abc import Iterable

from replyx.clock import Clock
from replyx.dialogs.access import access_dialog
from replyx.dialogs.texts import language_of, say
from replyx.dialogs.views import DialogView
from replyx.dialogs.writing import Writing
from replyx.errors import Conflict, InsufficientPermissions
from replyx.events import catalogue
from replyx.events.outbox import Outbox
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from replyx.types import Actor, Channel, Handoff, HandoffReason, Role, Sender

#: From which states a step may go.
_MAY_REQUEST = (Handoff.NONE, Handoff.RELEASED)
_MAY_TAKE = (Handoff.NONE, Handoff.REQUESTED, Handoff.RELEASED)

#: Reasons that come with a message which says that a person was called.
_SAYS_SO = (HandoffReason.FAILED, HandoffReason.POLICY)


def mentions_keyword(text: str, keywords: Iterable[str]) -> bool:
    """Whether one of `keywords` stands in `text` as whole words, or as the beginning of one where it is a single word
    of five letters or more («оператор» is found in «оператора»)."""
    plain = " ".join(re.findall(r"\w+", text.lower().replace("ё", "е")))
    for keyword in keywords:
        wanted = " ".join(re.findall(r"\w+", keyword.lower().replace("ё", "е")))
        if not wanted:
            continue
        tail = r"\w{0,3}" if len(wanted) >= 5 and " " not in wanted else ""
        if re.search(rf"\b{re.escape(wanted)}{tail}\b", plain):
            return True
    return False


class Handoffs:
    """Requests for a person, taking over, giving back."""

    def __init__(self, db: Database, outbox: Outbox, writing: Writing, clock: Clock) -> None:
        self._db, self._outbox, self._writing, self._clock = db, outbox, writing, clock

    def request(
        self, actor: Actor, dialog_id: int, reason: HandoffReason, last_user_text: str | None = None
    ) -> DialogView:
        """Ask for a person. Asking again while one is asked for or present changes nothing.

        Raises:
            NotFound: no such dialog for this actor.
        """
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            self.request_locked(dialog, reason, note=last_user_text)
            return DialogView.of(access_dialog(self._db, actor, dialog_id))

    def request_locked(self, dialog: Dialog, reason: HandoffReason, note: str | None = None) -> bool:
        """`request` for a caller that holds the dialog's lock. True where the state changed."""
        moment = self._clock.now()
        changed = (
            Dialog.update(
                handoff_status=Handoff.REQUESTED,
                handoff_reason=reason,
                handoff_requested_at=moment,
                handoff_note=note[:2000] if note else None,
            )
            .where((Dialog.id == dialog.id) & (Dialog.handoff_status.in_(_MAY_REQUEST)))
            .execute()
        )
        if not changed:
            return False
        dialog.handoff_status = Handoff.REQUESTED
        position = self.queue_position(dialog)
        self._outbox.record(
            dialog.id,
            self._outbox.next_seq(dialog.id),
            catalogue.HANDOFF_REQUESTED,
            {"reason": str(reason), "queue_position": position},
            moment,
        )
        if dialog.platform == Channel.TELEGRAM and reason not in _SAYS_SO:
            # A chat of Telegram shows messages only.
            self._writing.add_notice(dialog, say("called", language_of(dialog.locale)))
        self._writing.postbox.show_operators(dialog)
        return True

    def queue_position(self, dialog: Dialog) -> int:
        """The dialog's place among the tenant's requested ones, oldest first, counted from 1."""
        asked = Dialog.select(Dialog.handoff_requested_at).where(Dialog.id == dialog.id)
        before = (Dialog.handoff_requested_at < asked) | (
            (Dialog.handoff_requested_at == asked) & (Dialog.id <= dialog.id)
        )
        waiting = (Dialog.user == dialog.user_id) & (Dialog.handoff_status == Handoff.REQUESTED)
        count: int = Dialog.select().where(waiting & before).count()
        return count

    def take(
        self, actor: Actor, dialog_id: int, *, operator_name: str | None = None, operator_id: int | None = None
    ) -> DialogView:
        """Take the dialog over. The operator is who the token says; an answer under way is discarded, uncharged.

        Raises:
            NotFound: no such dialog. InsufficientPermissions: `operator_id` is somebody else.
            Conflict: another operator has it.
        """
        if operator_id is not None and operator_id != actor.user_id:
            raise InsufficientPermissions(
                "operator_id не совпадает с владельцем токена", "operator_id is not the token's owner"
            )
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            if dialog.handoff_status == Handoff.ACTIVE and dialog.taken_over_by == actor.user_id:
                return DialogView.of(dialog)
            language = language_of(dialog.locale)
            name = (operator_name or "").strip()[:100] or say("operator", language)
            changed = (
                Dialog.update(handoff_status=Handoff.ACTIVE, taken_over_by=actor.user_id, operator_name=name)
                .where((Dialog.id == dialog.id) & (Dialog.handoff_status.in_(_MAY_TAKE)))
                .execute()
            )
            if not changed:
                raise _taken()
            self._writing.discard_open_reply(dialog.id)
            self._outbox.record(
                dialog.id,
                self._outbox.next_seq(dialog.id),
                catalogue.HANDOFF_STARTED,
                {"manager": {"id": actor.user_id, "name": name, "avatar": None}},
                self._clock.now(),
            )
            self._writing.add_message(dialog, Sender.OPERATOR, say("joined", language, name=name), operator_name=name)
            return DialogView.of(access_dialog(self._db, actor, dialog_id))

    def release(self, actor: Actor, dialog_id: int) -> DialogView:
        """Give the dialog back to the assistant. Releasing what is not taken changes nothing.

        Raises:
            NotFound: no such dialog for this actor. Conflict: the actor is an operator, and another one has it.
        """
        with self._db.transaction():
            dialog = access_dialog(self._db, actor, dialog_id, lock=True)
            is_anothers = dialog.handoff_status == Handoff.ACTIVE and dialog.taken_over_by != actor.user_id
            if actor.role is Role.OPERATOR and is_anothers:
                raise _taken()
            changed = (
                Dialog.update(handoff_status=Handoff.RELEASED, taken_over_by=None, failed_turns=0)
                .where((Dialog.id == dialog.id) & (Dialog.handoff_status.in_((Handoff.ACTIVE, Handoff.REQUESTED))))
                .execute()
            )
            if changed:
                self._outbox.record(
                    dialog.id, self._outbox.next_seq(dialog.id), catalogue.HANDOFF_RELEASED, {}, self._clock.now()
                )
                if dialog.platform == Channel.TELEGRAM and dialog.handoff_status == Handoff.ACTIVE:
                    self._writing.add_notice(dialog, say("left", language_of(dialog.locale)))
                self._writing.postbox.show_operators(dialog)
            return DialogView.of(access_dialog(self._db, actor, dialog_id))


def _taken() -> Conflict:
    return Conflict("Диалог уже ведёт другой оператор", "Another operator has this dialog")
