"""Handoffs in detail: names, notes, keywords, the answer that is ready a moment too late, and keys of messages."""

from __future__ import annotations

import pytest

from replyx.dialogs.access import access_dialog
from replyx.dialogs.drafting import Draft
from replyx.dialogs.handoff import mentions_keyword
from replyx.dialogs.texts import say
from replyx.storage.dialogs import Reply
from replyx.types import SYSTEM, Channel, Contact, EngineName, Handoff, HandoffReason, Outcome, Sender
from tests.support.chats import open_chat
from tests.support.desk import Desk


def test_an_answer_that_is_ready_when_an_operator_has_taken_over_is_not_given(desk: Desk) -> None:
    dialog = desk.open_dialog()
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    claim = desk.app.answering._claim(receipt.reply_id or 0)
    assert claim is not None
    desk.app.handoffs.take(desk.owner, dialog)

    draft = Draft("Ответ.", Outcome.ANSWERED, EngineName.REMOTE, is_paid=True)
    assert desk.app.answering._commit(claim, draft, claim.upto_seq, may_restart=False) == (None, None)

    assert desk.said(dialog, Sender.ASSISTANT) == []
    assert desk.money() == (100_000, 0)


@pytest.mark.parametrize(
    ("text", "keyword", "is_found"),
    [
        ("где чеки", "чек", False),
        ("где чек", "чек", True),
        ("зовите операторов", "оператор", True),
        ("talk to a humans", "talk to a human", False),
        ("talk to a human", "talk to a human", True),
    ],
)
def test_only_a_long_single_word_is_found_with_its_endings(text: str, keyword: str, is_found: bool) -> None:
    assert mentions_keyword(text, [keyword]) is is_found


def test_names_and_notes_are_cut_and_the_event_names_the_operator(desk: Desk) -> None:
    dialog = desk.open_dialog()
    view = desk.app.handoffs.request(desk.owner, dialog, HandoffReason.API, "я" * 3000)
    assert len(view.handoff_note or "") == 2000
    desk.app.handoffs.take(desk.owner, dialog, operator_name=" " + "Я" * 150)
    (event,) = [e for e in desk.app.dialogs.events(desk.owner, dialog, after_seq=0) if e["type"] == "handoff_started"]
    assert event["manager"] == {"id": desk.user.id, "name": "Я" * 100, "avatar": None}


def test_an_operator_without_a_name_has_one_in_the_customers_language(desk: Desk) -> None:
    names = []
    for locale in ("en-GB", "ru", None):
        dialog = desk.app.sessions.start(desk.assistant, Channel.WEBSITE, Contact(locale=locale))
        names.append(desk.app.handoffs.take(desk.owner, dialog).operator_name)
    assert names[0] != names[1] == names[2]
    assert (names[0] or "").isascii()


def test_a_request_says_whether_it_changed_anything_and_silences_nobody(desk: Desk) -> None:
    dialog = desk.open_dialog()
    with desk.app.db.transaction():
        row = access_dialog(desk.app.db, SYSTEM, dialog, lock=True)
        assert desk.app.handoffs.request_locked(row, HandoffReason.API) is True
        assert desk.app.handoffs.request_locked(row, HandoffReason.API) is False
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    assert desk.say(dialog, "Позовите оператора").duplicate is False


def test_a_message_s_key_counts_in_its_own_dialog(desk: Desk) -> None:
    first, second = desk.open_dialog(), desk.open_dialog()
    receipts = [
        desk.say(dialog, "Сколько стоит доставка?", key) for dialog, key in ((first, "a"), (first, "b"), (second, "a"))
    ]
    assert [receipt.duplicate for receipt in receipts] == [False] * 3
    assert len({receipt.message.id for receipt in receipts}) == 3
    assert desk.say(second, "Сколько стоит доставка?", "a").message.id == receipts[2].message.id


def test_taking_one_dialog_over_leaves_the_answers_of_others_alone(desk: Desk) -> None:
    taken, other = desk.open_dialog(), desk.open_dialog()
    replies = [desk.say(dialog, "Сколько стоит доставка?").reply_id or 0 for dialog in (taken, other)]
    assert replies[0] != replies[1]
    claims = [desk.app.answering._claim(reply) for reply in replies]
    desk.app.handoffs.take(desk.owner, taken)
    with desk.app.db.connection():
        assert [Reply.get_by_id(reply).state for reply in replies] == ["discarded", "working"]
    assert desk.money() == (100_000 - 500, 500)
    assert claims[1] is not None
    draft = Draft("Ответ.", Outcome.ANSWERED, EngineName.REMOTE, is_paid=True)
    message, _ = desk.app.answering._commit(claims[1], draft, claims[1].upto_seq, may_restart=False)
    assert message is not None


def test_a_chat_of_telegram_is_told_who_answers(desk: Desk) -> None:
    """It shows messages and no states: each change is said in the customer's language, once."""
    chat = open_chat(desk, locale="en")
    assert chat.say("I want to talk to a human") is None
    view = desk.app.dialogs.get(desk.owner, chat.dialog_id)
    assert (view.handoff_status, view.handoff_reason) == (Handoff.REQUESTED, HandoffReason.BUTTON)

    desk.app.handoffs.request(desk.owner, chat.dialog_id, HandoffReason.API)
    desk.app.handoffs.take(desk.owner, chat.dialog_id)
    desk.app.handoffs.release(desk.owner, chat.dialog_id)
    desk.app.handoffs.release(desk.owner, chat.dialog_id)

    assert desk.said(chat.dialog_id, Sender.ASSISTANT) == [say("called", "en"), say("left", "en")]
