"""Which topics lag behind the record, on both databases; links of Telegram accounts; ratings."""

from __future__ import annotations

import pytest

from replyx.accounts import telegram_links
from replyx.dialogs.topics import TopicWork
from replyx.errors import NotFound
from replyx.storage.telegram_desk import TelegramLinkCode
from replyx.types import HandoffReason
from tests.support.chats import Chat, open_chat
from tests.support.desk import Desk

GROUP = -1009000


@pytest.fixture
def chat(desk: Desk) -> Chat:
    """A chat of an assistant that is bound to a group."""
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"telegram_group_id": GROUP})
    return open_chat(desk)


def _claim(chat: Chat) -> TopicWork:
    work = chat.desk.app.topics.claim(chat.dialog_id)
    assert work is not None
    return work


def _show(chat: Chat) -> list[str]:
    """Fill the topic as a sender would; the types of the events that it lacked."""
    topics, work = chat.desk.app.topics, _claim(chat)
    if work.events:
        topics.note(work.topic_id, shown_seq=work.events[-1]["seq"], thread_id=5)
    topics.done(work.topic_id)
    return [event["type"] for event in work.events]


def test_a_topic_lags_from_the_request_for_a_person_on_until_it_shows_all(chat: Chat) -> None:
    app, assistant = chat.desk.app, chat.desk.assistant.id
    chat.ask()
    assert (app.topics.waiting(assistant), app.topics.waiting_assistants()) == ([], set())
    app.handoffs.request(chat.desk.owner, chat.dialog_id, HandoffReason.API)
    assert (app.topics.waiting(assistant), app.topics.waiting_assistants()) == ([chat.dialog_id], {assistant})
    assert _show(chat)[:3] == ["new_message", "new_message", "handoff_requested"]
    assert app.topics.claim(chat.dialog_id) is None
    app.handoffs.release(chat.desk.owner, chat.dialog_id)
    assert _show(chat) == ["handoff_released"]
    assert app.topics.dialog_of(assistant, GROUP, 5) == chat.dialog_id
    assert app.topics.dialog_of(assistant, GROUP, 6) is None
    assert app.topics.dialog_of(assistant + 1, GROUP, 5) is None


def test_one_fills_a_topic_and_gives_it_back_or_puts_it_off(chat: Chat) -> None:
    topics = chat.desk.app.topics
    chat.desk.app.handoffs.request(chat.desk.owner, chat.dialog_id, HandoffReason.API)
    work = _claim(chat)
    assert topics.claim(chat.dialog_id) is None
    topics.done(work.topic_id)
    topics.done(_claim(chat).topic_id, again_in=30, error="Bad Request: the chat is not a forum")
    assert topics.claim(chat.dialog_id) is None


def test_an_archived_dialogs_topic_is_to_be_closed_and_opens_with_the_next_request(chat: Chat) -> None:
    app, owner = chat.desk.app, chat.desk.owner
    app.handoffs.request(owner, chat.dialog_id, HandoffReason.API)
    _show(chat)
    app.handoffs.release(owner, chat.dialog_id)
    app.dialogs.set_status(owner, chat.dialog_id, "archived")
    _show(chat)
    work = _claim(chat)
    assert (work.events, work.dialog.status) == ((), "archived")
    app.topics.note(work.topic_id, is_closed=True)
    app.topics.done(work.topic_id)
    chat.say("Ещё вопрос")
    assert app.topics.claim(chat.dialog_id) is None
    app.handoffs.request(owner, chat.dialog_id, HandoffReason.API)
    work = _claim(chat)
    assert work.is_closed
    assert work.events[0]["type"] == "new_message"


def test_another_group_gets_all_from_the_beginning(chat: Chat) -> None:
    app = chat.desk.app
    app.handoffs.request(chat.desk.owner, chat.dialog_id, HandoffReason.API)
    before = _show(chat)
    app.assistants.update(chat.desk.owner, chat.desk.assistant.id, {"telegram_group_id": GROUP - 1})
    work = _claim(chat)
    assert (work.group_id, work.thread_id) == (GROUP - 1, None)
    assert [event["type"] for event in work.events] == before
    app.topics.done(work.topic_id)
    app.assistants.update(chat.desk.owner, chat.desk.assistant.id, {"telegram_group_id": None})
    assert app.topics.claim(chat.dialog_id) is None
    assert app.topics.waiting_assistants() == set()


def test_a_deleted_dialog_has_no_topic(chat: Chat) -> None:
    app = chat.desk.app
    app.handoffs.request(chat.desk.owner, chat.dialog_id, HandoffReason.API)
    _show(chat)
    app.dialogs.delete(chat.desk.owner, chat.dialog_id)
    assert app.topics.claim(chat.dialog_id) is None
    assert app.topics.dialog_of(chat.desk.assistant.id, GROUP, 5) is None
    assert app.topics.group_of(chat.desk.assistant.id) == (GROUP, chat.desk.user.id)
    with pytest.raises(NotFound):
        app.topics.group_of(999)


def test_a_code_ends_with_its_time_with_the_next_one_and_with_its_use(desk: Desk) -> None:
    links, user, tenant = desk.app.telegram_links, desk.user.id, desk.user.id
    first, second = links.make_code(user), links.make_code(user)
    assert links.redeem(first, 7, "Анна", tenant) is None
    with desk.app.db.transaction():
        TelegramLinkCode.update(expires_at=desk.app.db.now_ms(-1)).execute()
    assert links.redeem(second, 7, "Анна", tenant) is None
    code = links.make_code(user)
    assert links.redeem(code, 7, "Анна", tenant + 1) is None
    assert links.redeem(f" {code.lower()} ", 7, "Анна", tenant) is not None
    assert links.redeem(code, 8, "Анна", tenant) is None
    found = links.actor_of(7, tenant)
    assert found is not None
    assert (found[0].user_id, found[0].role, found[1]) == (user, desk.user.role, "Анна")
    assert links.actor_of(7, tenant + 1) is None
    assert telegram_links.CODE_MINUTES == 15
    with pytest.raises(NotFound):
        links.make_code(999)


def test_a_chats_dialog_is_the_newest_of_its_topic_and_only_its_answers_are_rated(chat: Chat) -> None:
    app, assistant = chat.desk.app, chat.desk.assistant.id
    answer = chat.ask()
    assert app.chats.dialog_of(assistant, 4001, None).id == chat.dialog_id
    for place in ((assistant, 4001, 3), (assistant, 4002, None), (assistant + 1, 4001, None)):
        with pytest.raises(NotFound):
            app.chats.dialog_of(*place)
    assert app.chats.rate(assistant, 4001, answer, 1).rating == 1
    said = chat.operator_says("раз")
    for where in ((assistant, 4002, answer), (assistant + 1, 4001, answer), (assistant, 4001, said)):
        with pytest.raises(NotFound):
            app.chats.rate(*where, -1)
