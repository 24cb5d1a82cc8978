"""What goes out by Telegram is a row before it is sent: in order, by one sender, settled once, doubts counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from replyx.app import open_app
from replyx.dialogs.deliveries import Parcel
from replyx.errors import NotFound
from replyx.storage.deliveries import Delivery
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.types import HandoffReason
from tests.conftest import Configure
from tests.support.chats import Chat, open_chat
from tests.support.desk import MODEL, Desk, open_desk


@pytest.fixture
def chat(desk: Desk) -> Chat:
    return open_chat(desk)


@pytest.fixture
def cautious_chat(configure: Configure, database_url: str) -> Iterator[Chat]:
    """A chat of an installation that never sends twice what may have been sent."""
    config = configure(REPLYX_DATABASE__URL=database_url, REPLYX_BOTS__IN_DOUBT="never_retry")
    app = open_app(config)
    with FakeLLM(Scenario(text="Ответ."), models=[MODEL]) as llm:
        yield open_chat(open_desk(app, llm))
    app.close()


def _send_all(chat: Chat) -> list[str]:
    """Send what waits, as a sender would; the texts in their order."""
    texts = []
    while (parcel := chat.desk.app.deliveries.claim(chat.dialog_id)) is not None:
        texts.append(parcel.message.text)
        assert chat.desk.app.deliveries.sent(parcel, 100 + len(texts))
    return texts


def test_an_answer_and_its_delivery_are_made_together(chat: Chat) -> None:
    message = chat.ask()
    assert chat.deliveries() == [{"state": "new", "error": None, "in_doubt": False}]
    assert chat.claim().message.id == message
    assert chat.states() == ["sending"]


def test_dialogs_of_other_channels_have_no_deliveries(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.ask(dialog, "Вопрос")
    assert desk.app.deliveries.claim(dialog) is None
    assert [row.delivery for row in desk.app.dialogs.messages(desk.owner, dialog)] == [None, None]


def test_a_failed_transaction_leaves_nothing_to_be_sent(chat: Chat) -> None:
    with pytest.raises(RuntimeError), chat.desk.app.db.transaction():
        chat.operator_says("Здравствуйте")
        raise RuntimeError("the process stumbles here")
    assert chat.desk.app.deliveries.claim(chat.dialog_id) is None


def test_everything_but_the_customers_words_goes_out_in_its_order(chat: Chat) -> None:
    chat.ask()
    chat.say("Позовите оператора")
    chat.desk.app.handoffs.take(chat.desk.owner, chat.dialog_id, operator_name="Анна")
    chat.operator_says("Чем помочь?")
    chat.desk.app.handoffs.release(chat.desk.owner, chat.dialog_id)
    assert _send_all(chat) == [
        "Ответ.",
        "Я позвал оператора. Он ответит здесь, писать можно уже сейчас.",
        "Оператор Анна подключился к диалогу",
        "Чем помочь?",
        "Оператор завершил разговор. Вам снова отвечает помощник.",
    ]
    assert chat.states() == ["sent"] * 5


def test_an_apology_is_not_followed_by_a_second_one(chat: Chat, llm: FakeLLM) -> None:
    chat.desk.app.handoffs.request(chat.desk.owner, chat.dialog_id, HandoffReason.FAILED)
    assert _send_all(chat) == []


def test_the_next_message_waits_for_the_one_before_it(chat: Chat) -> None:
    chat.operator_says("раз")
    chat.operator_says("два")
    first = chat.claim()
    assert chat.desk.app.deliveries.claim(chat.dialog_id) is None
    chat.desk.app.deliveries.later(first, 30, "429")
    assert chat.desk.app.deliveries.claim(chat.dialog_id) is None
    assert chat.desk.app.deliveries.waiting(chat.desk.assistant.id) == [chat.dialog_id]


def test_parts_of_a_message_go_before_the_next_message(chat: Chat) -> None:
    deliveries = chat.desk.app.deliveries
    chat.operator_says("длинное")
    chat.operator_says("второе")
    first = chat.claim()
    assert deliveries.plan(first, 3)
    assert deliveries.sent(first, 1)
    seen = []
    while (parcel := deliveries.claim(chat.dialog_id)) is not None:
        seen.append((parcel.message.text, parcel.part, parcel.parts))
        deliveries.sent(parcel, 2)
    assert seen == [("длинное", 1, 3), ("длинное", 2, 3), ("второе", 0, None)]


def test_many_senders_send_each_message_once(chat: Chat) -> None:
    for number in range(5):
        chat.operator_says(str(number))
    sent: list[str] = []

    def send() -> None:
        for _ in range(12):
            parcel = chat.desk.app.deliveries.claim(chat.dialog_id)
            if parcel is not None:
                sent.append(parcel.message.text)
                chat.desk.app.deliveries.sent(parcel, 1)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sent + _send_all(chat) == ["0", "1", "2", "3", "4"]


def _die_in_the_middle(chat: Chat) -> Parcel:
    """A sender claims the next message and is never heard of again."""
    parcel = chat.claim()
    assert chat.desk.app.deliveries.take_back(chat.desk.assistant.id) == 1
    return parcel


def test_a_death_in_the_middle_is_counted_and_sent_once_more_with_a_mark(chat: Chat) -> None:
    deliveries = chat.desk.app.deliveries
    chat.operator_says("раз")
    dead = _die_in_the_middle(chat)
    again = chat.claim()
    assert (again.message.id, again.doubts, dead.doubts) == (dead.message.id, 1, 0)
    assert not deliveries.sent(dead, 1), "the dead one's word counts no longer"
    assert deliveries.sent(again, 2)
    assert chat.deliveries() == [{"state": "sent", "error": None, "in_doubt": True}]
    assert deliveries.counts()["in_doubt"] == 1


def test_what_is_in_doubt_twice_stays_so_and_the_next_message_goes_on(chat: Chat) -> None:
    chat.operator_says("раз")
    chat.operator_says("два")
    _die_in_the_middle(chat)
    _die_in_the_middle(chat)
    assert _send_all(chat) == ["два"]
    assert chat.states() == ["maybe_sent", "sent"]
    events = chat.desk.app.dialogs.events(chat.desk.owner, chat.dialog_id, after_seq=2)
    assert [(e["type"], e["state"]) for e in events] == [("delivery_changed", "maybe_sent")]


def test_the_cautious_never_send_twice(cautious_chat: Chat) -> None:
    deliveries = cautious_chat.desk.app.deliveries
    cautious_chat.operator_says("раз")
    cautious_chat.operator_says("два")
    _die_in_the_middle(cautious_chat)
    second = cautious_chat.claim()
    assert second.message.text == "два"
    assert not deliveries.in_doubt(second, "502")
    assert cautious_chat.states() == ["maybe_sent", "maybe_sent"]
    counts = deliveries.counts()
    assert counts == {"new": 0, "sending": 0, "failed": 0, "maybe_sent": 2, "in_doubt": 2}


def test_what_telegram_refuses_is_seen_and_does_not_hold_up_the_next(chat: Chat) -> None:
    deliveries = chat.desk.app.deliveries
    chat.operator_says("длинное")
    chat.operator_says("второе")
    first = chat.claim()
    deliveries.plan(first, 2)
    deliveries.failed(first, "bot was blocked by the user", is_blocked=True)
    assert chat.deliveries()[0] == {"state": "failed", "error": "bot was blocked by the user", "in_doubt": False}
    events = chat.desk.app.dialogs.events(chat.desk.owner, chat.dialog_id, after_seq=2)
    assert [(e["type"], e["state"], e["message_id"]) for e in events] == [
        ("delivery_changed", "failed", first.message.id)
    ]
    second = chat.claim()
    assert second.is_blocked
    assert deliveries.sent(second, 7)
    chat.operator_says("третье")
    assert not chat.claim().is_blocked


def test_a_sender_wakes_at_once(chat: Chat) -> None:
    news: list[object] = []
    chat.desk.app.bus.subscribe("telegram", news.append)
    chat.ask()
    about = {"assistant_id": chat.desk.assistant.id, "dialog_id": chat.dialog_id}
    assert news == [
        {"kind": "reply_owed", **about, "reply_id": 1, "chat_id": "4001", "thread_id": None},
        {"kind": "delivery", **about},
    ]
    assert chat.desk.app.deliveries.waiting_assistants() == {chat.desk.assistant.id}


def test_the_same_notice_is_given_once(chat: Chat) -> None:
    for _ in range(2):
        chat.desk.app.deliveries.notice(chat.dialog_id, "Голосовые я пока не понимаю.", "update:7")
    assert _send_all(chat) == ["Голосовые я пока не понимаю."]
    with pytest.raises(NotFound):
        chat.desk.app.deliveries.notice(999, "Нет такого диалога")


def test_a_draft_is_taken_over_by_its_answer_or_left_to_be_removed(chat: Chat) -> None:
    deliveries, assistant = chat.desk.app.deliveries, chat.desk.assistant.id
    reply = chat.say("Вопрос")
    assert reply is not None
    for _ in range(2):
        deliveries.keep_draft(chat.dialog_id, reply, 77)
    assert deliveries.stale_drafts(assistant) == []
    chat.desk.app.answering.answer(reply)
    assert deliveries.stale_drafts(assistant) == []
    parcel = chat.claim()
    assert parcel.draft_id == 77
    deliveries.sent(parcel, 77)
    second = chat.say("Ещё вопрос")
    assert second is not None
    deliveries.keep_draft(chat.dialog_id, second, 78)
    chat.desk.app.handoffs.take(chat.desk.owner, chat.dialog_id)
    assert deliveries.stale_drafts(assistant) == [(second, "4001", 78)]
    deliveries.forget_draft(second)
    assert deliveries.stale_drafts(assistant) == []


def test_a_group_that_became_a_supergroup_is_followed(desk: Desk) -> None:
    chat = open_chat(desk, -500)
    chat.operator_says("раз")
    desk.app.deliveries.move_chat(desk.assistant.id, "-500", "-100500")
    assert chat.claim().chat_id == "-100500"
    assert desk.app.dialogs.get(desk.owner, chat.dialog_id).telegram_chat_id == "-100500"


def test_blocking_is_noted_and_ends(chat: Chat) -> None:
    deliveries, assistant = chat.desk.app.deliveries, chat.desk.assistant.id
    chat.operator_says("раз")
    deliveries.set_blocked(assistant, "4001", blocked=True)
    first = chat.claim()
    assert first.is_blocked
    deliveries.later(first, 0, "again")
    deliveries.set_blocked(assistant, "4001", blocked=False)
    assert not chat.claim().is_blocked


def test_a_deleted_dialog_takes_its_deliveries_along(chat: Chat) -> None:
    chat.operator_says("раз")
    parcel = chat.claim()
    chat.desk.app.dialogs.delete(chat.desk.owner, chat.dialog_id)
    assert not chat.desk.app.deliveries.sent(parcel, 1)
    assert not chat.desk.app.deliveries.in_doubt(parcel, "502")
    chat.desk.app.deliveries.failed(parcel, "gone")
    assert chat.desk.app.deliveries.claim(chat.dialog_id) is None
    with chat.desk.app.db.connection():
        assert Delivery.select().count() == 0
