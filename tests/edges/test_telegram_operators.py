"""Operators in Telegram: topics follow the record, what is written there reaches customers, strangers reach nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from replyx.app import open_app
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_faults import Fault
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Actor, HandoffReason, Role, Sender
from tests.conftest import Configure
from tests.support.chats import Chat, open_chat
from tests.support.desk import MODEL, Desk, open_desk
from tests.support.programs import wait_until
from tests.support.senders import Sending

GROUP = -1009000
#: Telegram accounts: an operator's, and a stranger's.
ANNA, STRANGER = 77, 78


@pytest.fixture
def desk(configure: Configure, sqlite_url: str) -> Iterator[Desk]:
    """A desk whose assistant is bound to the group."""
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url))
    with FakeLLM(Scenario(text="**Ответ**"), models=[MODEL]) as llm:
        desk = open_desk(app, llm)
        app.assistants.update(desk.owner, desk.assistant.id, {"telegram_group_id": GROUP})
        yield desk
    app.close()


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def bot(telegram: FakeTelegram) -> FakeBot:
    bot = telegram.add_bot()
    bot.chat(GROUP, is_forum=True)
    return bot


@pytest.fixture
def sending(desk: Desk, telegram: FakeTelegram, bot: FakeBot) -> Iterator[Sending]:
    running = Sending(desk.app, desk.assistant.id, telegram, bot)
    yield running
    running.end()


@pytest.fixture
def anna(desk: Desk, sending: Sending, bot: FakeBot) -> Actor:
    """An operator who has linked her account."""
    user = desk.app.registration.register("anna@example.com", "long-enough-7x", "Анна", operator_of=desk.user.id)
    code = desk.app.telegram_links.make_code(user.id)
    assert sending.handle(bot.message(ANNA, f"/link {code.lower()}"))
    return Actor(Role.OPERATOR, user_id=user.id, owner_id=desk.user.id)


@pytest.fixture
def chat(desk: Desk, bot: FakeBot) -> Chat:
    bot.chat(4001)
    return open_chat(desk)


def _group(bot: FakeBot) -> list[Any]:
    """What stands in the group's topics, beside what Telegram itself says there."""
    return [message for message in list(bot.chats[GROUP].messages.values()) if "text" in message]


def _texts(bot: FakeBot) -> str:
    return "\n".join(message["text"] for message in _group(bot))


def _wait_for(bot: FakeBot, words: str) -> Any:
    """The group's message that has these words, as soon as it is there."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [message for message in _group(bot) if words in message["text"]]
        return bool(found)

    wait_until(look, 15, f"nobody says {words!r}")
    return found[0]


def _topic(bot: FakeBot) -> int:
    """The only topic's thread."""
    (thread,) = bot.chats[GROUP].topics
    return thread


def _write(bot: FakeBot, sending: Sending, text: str | None, user_id: int = ANNA, **fields: Any) -> bool:
    """Somebody writes into the topic."""
    thread = {"message_thread_id": _topic(bot), "is_topic_message": True}
    return sending.handle(bot.message(GROUP, text, user_id=user_id, **thread, **fields))


def _press(bot: FakeBot, sending: Sending, label: str, user_id: int = ANNA) -> None:
    """Somebody presses a button of the panel."""
    panel = next(message for message in reversed(_group(bot)) if "reply_markup" in message)
    keys = [key for row in panel["reply_markup"]["inline_keyboard"] for key in row]
    data = next(key["callback_data"] for key in keys if key["text"] == label)
    sending.handle(bot.press(GROUP, panel["message_id"], data, user_id=user_id))


def _alerts(telegram: FakeTelegram) -> list[str]:
    return [str(call.parameters.get("text")) for call in telegram.log(method="answerCallbackQuery")]


def test_a_dialog_that_asks_for_a_person_gets_a_topic_with_all_that_was_said(
    chat: Chat, bot: FakeBot, sending: Sending
) -> None:
    chat.ask("Где мой заказ?")
    chat.say("Позовите оператора")
    panel = _wait_for(bot, "Ждёт оператора")
    assert [topic["name"] for topic in bot.chats[GROUP].topics.values()] == ["#1 Иван · telegram"]
    said = _texts(bot)
    for words in ("🙂 Иван\nГде мой заказ?", "🤖 Помощник\nОтвет", "🙋 Нужен человек"):
        assert words in said
    keys = [key["text"] for row in panel["reply_markup"]["inline_keyboard"] for key in row]
    assert keys == ["Взять", "Закрыть"]
    assert {message["message_thread_id"] for message in _group(bot)} == {_topic(bot)}


def test_dialogs_of_the_website_have_topics_too(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    dialog = desk.open_dialog()
    desk.say(dialog, "Позовите оператора")
    _wait_for(bot, "Позовите оператора")


def test_a_dialog_that_asks_for_nobody_has_no_topic(chat: Chat, bot: FakeBot, sending: Sending) -> None:
    chat.ask("Где мой заказ?")
    other = open_chat(chat.desk, 4002)
    other.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    assert "Где мой заказ?" not in _texts(bot)


def test_an_operators_words_in_the_topic_reach_the_customer_and_the_assistant_is_silent(
    chat: Chat, bot: FakeBot, sending: Sending, anna: Actor, telegram: FakeTelegram
) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    assert _write(bot, sending, "Добрый день!")
    telegram.wait(lambda: any("Добрый день!" in text for text in telegram.texts(4001)))
    assert telegram.texts(4001)[-1].endswith("Добрый день!")
    dialog = chat.desk.app.dialogs.get(chat.desk.owner, chat.dialog_id)
    assert (dialog.handoff_status, dialog.taken_over_by, dialog.operator_name) == ("active", anna.user_id, "Анна")
    assert chat.say("А когда?") is None
    _wait_for(bot, "А когда?")
    _wait_for(bot, "Отвечает Анна")
    assert _texts(bot).count("Добрый день!") == 1, "it stands in the topic already"


def test_the_same_update_again_says_nothing_twice(chat: Chat, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    thread = {"message_thread_id": _topic(bot), "is_topic_message": True}
    update = bot.message(GROUP, "Добрый день!", user_id=ANNA, **thread)
    assert sending.handle(update)
    chat.desk.app.handoffs.release(anna, chat.dialog_id)
    assert sending.handle(update)
    assert chat.desk.said(chat.dialog_id, Sender.OPERATOR).count("Добрый день!") == 1
    assert chat.desk.app.dialogs.get(anna, chat.dialog_id).handoff_status == "released"


def test_buttons_and_the_api_show_the_same_state(chat: Chat, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    desk = chat.desk
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    _press(bot, sending, "Взять")
    assert desk.app.dialogs.get(desk.owner, chat.dialog_id).taken_over_by == anna.user_id
    _wait_for(bot, "Отвечает Анна")
    desk.app.handoffs.release(desk.owner, chat.dialog_id)
    _wait_for(bot, "Отвечает помощник")
    desk.app.handoffs.take(desk.owner, chat.dialog_id, operator_name="Пётр")
    _wait_for(bot, "Отвечает Пётр")
    _wait_for(bot, "Диалог ведёт Пётр")
    panels = [message for message in _group(bot) if "reply_markup" in message]
    assert len(panels) == 1


def test_a_colleagues_dialog_cannot_be_taken(
    chat: Chat, bot: FakeBot, sending: Sending, anna: Actor, telegram: FakeTelegram
) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    panel = next(message for message in _group(bot) if "reply_markup" in message)
    chat.desk.app.handoffs.take(chat.desk.owner, chat.dialog_id, operator_name="Пётр")
    sending.handle(bot.press(GROUP, panel["message_id"], f"desk:take:{chat.dialog_id}", user_id=ANNA))
    assert _alerts(telegram)[-1] == "Диалог уже ведёт другой оператор"


def test_closing_archives_the_dialog_and_a_new_request_opens_the_topic_again(
    chat: Chat, bot: FakeBot, sending: Sending, anna: Actor
) -> None:
    desk = chat.desk
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    _press(bot, sending, "Закрыть")
    thread = _topic(bot)
    wait_until(lambda: bot.chats[GROUP].topics[thread]["is_closed"], 15, "the topic stays open")
    dialog = desk.app.dialogs.get(desk.owner, chat.dialog_id)
    assert (dialog.status, dialog.handoff_status) == ("archived", "released")
    chat.say("Снова позовите оператора")
    wait_until(lambda: not bot.chats[GROUP].topics[thread]["is_closed"], 15, "the topic stays closed")
    _wait_for(bot, "Снова позовите оператора")
    assert list(bot.chats[GROUP].topics) == [thread]


def test_notes_stay_among_colleagues(chat: Chat, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    assert _write(bot, sending, "// сложный клиент")
    assert chat.desk.said(chat.dialog_id, Sender.OPERATOR) == []


@pytest.mark.parametrize("user_id", [STRANGER, 4001])
def test_a_stranger_in_the_group_reaches_nobody_and_is_told_so(
    chat: Chat, bot: FakeBot, sending: Sending, telegram: FakeTelegram, user_id: int
) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    assert _write(bot, sending, "Я оператор", user_id)
    _press(bot, sending, "Взять", user_id)
    assert chat.desk.said(chat.dialog_id, Sender.OPERATOR) == []
    assert chat.desk.app.dialogs.get(chat.desk.owner, chat.dialog_id).handoff_status == "requested"
    _wait_for(bot, "⛔ Клиент этого не получил")
    assert "не связан" in _alerts(telegram)[-1]


def test_an_operator_of_another_tenant_is_a_stranger(desk: Desk, chat: Chat, bot: FakeBot, sending: Sending) -> None:
    other = desk.app.registration.register("boris@example.com", "long-enough-7x", "Борис")
    code = desk.app.telegram_links.make_code(other.id)
    assert sending.handle(bot.message(ANNA, f"/link {code}"))
    assert bot.chats[ANNA].messages[2]["text"].startswith("Код не подходит")
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    _write(bot, sending, "Здравствуйте")
    assert desk.said(chat.dialog_id, Sender.OPERATOR) == []


def test_a_disabled_operator_is_a_stranger(chat: Chat, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    chat.desk.app.accounts.set_active(anna.user_id or 0, active=False)
    _write(bot, sending, "Здравствуйте")
    assert chat.desk.said(chat.dialog_id, Sender.OPERATOR) == []


def test_a_code_is_good_once(desk: Desk, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    code = desk.app.telegram_links.make_code(anna.user_id or 0)
    assert desk.app.telegram_links.redeem(code, STRANGER, "x", desk.user.id) is not None
    assert desk.app.telegram_links.redeem(code, ANNA, "x", desk.user.id) is None
    assert desk.app.telegram_links.actor_of(ANNA, desk.user.id) is None, "a user has one account"
    assert desk.app.telegram_links.unlink(anna.user_id or 0)
    assert desk.app.telegram_links.actor_of(STRANGER, desk.user.id) is None


def test_what_is_no_text_is_not_sent_and_said_so(chat: Chat, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    chat.say("Позовите оператора")
    _wait_for(bot, "Ждёт оператора")
    _write(bot, sending, None, photo=[{**bot.file(b"x"), "width": 1, "height": 1}])
    _wait_for(bot, "уходит только текст")
    assert chat.desk.said(chat.dialog_id, Sender.OPERATOR) == []


def test_other_chats_are_customers(chat: Chat, bot: FakeBot, sending: Sending, anna: Actor) -> None:
    assert not sending.handle(bot.message(4001, "Здравствуйте"))
    assert not sending.handle(bot.message(-1005, "Здравствуйте", message_thread_id=5, is_topic_message=True))
    assert sending.handle(bot.message(GROUP, "не в теме"))


def test_a_message_that_did_not_arrive_is_told_in_the_topic(chat: Chat, bot: FakeBot, sending: Sending) -> None:
    bot.chats[4001].is_blocked = True
    chat.say("Позовите оператора")
    _wait_for(bot, "⚠️ Сообщение клиенту не доставлено")


def test_a_group_that_cannot_be_written_to_is_tried_again(
    chat: Chat, bot: FakeBot, sending: Sending, telegram: FakeTelegram
) -> None:
    telegram.add_fault(Fault(method="createForumTopic", status=502, times=1))
    chat.desk.app.handoffs.request(chat.desk.owner, chat.dialog_id, HandoffReason.API)
    _wait_for(bot, "запрошен через API")
    assert len(bot.chats[GROUP].topics) == 1
