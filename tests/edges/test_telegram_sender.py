"""What is owed to customers goes out by Telegram: once, in order, at Telegram's pace, whatever Telegram answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiogram.exceptions import TelegramUnauthorizedError

from replyx.app import open_app
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_faults import Fault, outage, too_many, unparsable
from replyx.testing.telegram_server import FakeTelegram
from tests.conftest import Configure
from tests.support.chats import Chat, open_chat
from tests.support.desk import MODEL, Desk, open_desk
from tests.support.programs import wait_until
from tests.support.senders import Sending

MARK = "Возможно, это сообщение вы уже получили: связь прервалась при отправке.\n\n"


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(Scenario(text="**Ответ** [1]"), models=[MODEL]) as server:
        yield server


@pytest.fixture
def desk(configure: Configure, sqlite_url: str, llm: FakeLLM) -> Iterator[Desk]:
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url))
    yield open_desk(app, llm)
    app.close()


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def bot(telegram: FakeTelegram) -> FakeBot:
    return telegram.add_bot()


@pytest.fixture
def sending(desk: Desk, telegram: FakeTelegram, bot: FakeBot) -> Iterator[Sending]:
    running = Sending(desk.app, desk.assistant.id, telegram, bot)
    yield running
    running.end()


def _chat(desk: Desk, bot: FakeBot, number: int = 4001) -> Chat:
    """A customer who has written to the bot."""
    bot.chat(number)
    return open_chat(desk, number)


def _seen(bot: FakeBot, number: int = 4001) -> list[str]:
    """What stands in the chat now."""
    return [message["text"] for message in list(bot.chats[number].messages.values()) if "text" in message]


def _settled(chat: Chat) -> list[str]:
    """States of all deliveries once none is open."""
    wait_until(lambda: not {"new", "sending"} & set(chat.states()), 20, "deliveries are still open")
    return chat.states()


def test_an_answer_arrives_with_its_markup_and_buttons(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = _chat(desk, bot)
    message = chat.ask()
    assert _settled(chat) == ["sent"]
    (shown,) = bot.chats[4001].messages.values()
    assert shown["text"] == "Ответ [1]"
    assert [entity["type"] for entity in shown["entities"]] == ["bold"]
    keys = shown["reply_markup"]["inline_keyboard"]
    assert [[key["callback_data"] for key in row] for row in keys] == [
        [f"rate:1:{message}", f"rate:-1:{message}"],
        ["person"],
    ]


def test_messages_of_a_chat_keep_their_order_and_chats_do_not_wait_for_each_other(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    slow, quick = _chat(desk, bot), _chat(desk, bot, 4002)
    telegram.add_fault(too_many(3, method="sendMessage", chat_id=4001))
    for text in ("раз", "два"):
        slow.operator_says(text)
    quick.operator_says("быстро")
    telegram.wait(lambda: telegram.texts(4002))
    assert telegram.texts(4001) == []
    assert _settled(slow) == ["sent", "sent"]
    assert [text.split("\n")[-1] for text in _seen(bot)] == ["раз", "два"]
    first, *others = [call.at for call in telegram.log(4001, "sendMessage")]
    assert others[0] - first >= 3.0
    assert others[1] - others[0] >= 0.99
    assert telegram.log(4002, "sendMessage")[0].at < others[0]


def test_a_long_message_arrives_whole_in_parts(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = _chat(desk, bot)
    text = "\n\n".join(f"Абзац {number}. " + "слово " * 150 for number in range(8))
    chat.operator_says(text)
    assert _settled(chat) == ["sent"]
    parts = _seen(bot)
    assert len(parts) == 2
    assert "".join("".join(parts).split()).endswith("".join(text.split()))


def test_the_buttons_stand_below_the_last_part(desk: Desk, llm: FakeLLM, bot: FakeBot, sending: Sending) -> None:
    chat = _chat(desk, bot)
    llm.script(Scenario(text="\n\n".join(f"Абзац {number}. " + "слово " * 150 for number in range(8))))
    chat.ask()
    assert _settled(chat) == ["sent"]
    assert [bool(message.get("reply_markup")) for message in bot.chats[4001].messages.values()] == [False, True]


def test_markup_that_is_refused_is_sent_again_as_plain_text(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat = _chat(desk, bot)
    telegram.add_fault(unparsable(method="sendMessage"))
    chat.ask()
    assert _settled(chat) == ["sent"]
    assert _seen(bot) == ["Ответ [1]"]
    assert "parse_mode" not in telegram.log(4001, "sendMessage")[1].parameters


@pytest.mark.parametrize("action", ["effect_then_cut", "effect_then_error"])
def test_what_may_have_arrived_is_sent_once_more_with_a_mark(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending, action: str
) -> None:
    chat = _chat(desk, bot)
    telegram.add_fault(Fault(action=action, method="sendMessage"))  # type: ignore[arg-type]
    chat.operator_says("раз")
    chat.operator_says("два")
    assert _settled(chat) == ["sent", "sent"]
    assert _seen(bot) == ["👤 Оператор\nраз", f"{MARK}👤 Оператор\nраз", "👤 Оператор\nдва"]
    assert [delivery["in_doubt"] for delivery in chat.deliveries() if delivery] == [True, False]
    assert desk.app.deliveries.counts()["in_doubt"] == 1


def test_an_outage_puts_one_message_of_a_chat_in_doubt_and_loses_none(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat = _chat(desk, bot)
    down = telegram.add_fault(outage())
    for number in range(4):
        chat.operator_says(str(number))
    telegram.wait(lambda: len(telegram.log(method="getMe")) >= 2)
    assert len(telegram.log(4001, "sendMessage")) == 1
    telegram.remove_fault(down)
    assert _settled(chat) == ["sent"] * 4
    assert [text.split("\n")[-1] for text in _seen(bot)] == ["0", "1", "2", "3"]
    assert desk.app.deliveries.counts()["in_doubt"] == 1


def test_a_server_that_cannot_be_reached_puts_nothing_in_doubt(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat, port = _chat(desk, bot), telegram.port
    telegram.stop()
    chat.operator_says("раз")
    wait_until(lambda: chat.deliveries()[0]["error"], 20, "nothing was tried")  # type: ignore[index]
    telegram.start(port)
    assert _settled(chat) == ["sent"]
    assert desk.app.deliveries.counts()["in_doubt"] == 0


def test_a_customer_who_blocks_the_bot_is_seen_and_comes_back(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = _chat(desk, bot)
    bot.chats[4001].is_blocked = True
    chat.operator_says("раз")
    assert _settled(chat) == ["failed"]
    assert chat.deliveries()[0] == {
        "state": "failed",
        "error": "Forbidden: bot was blocked by the user",
        "in_doubt": False,
    }
    assert desk.event_types(chat.dialog_id)[-1] == "delivery_changed"
    bot.chats[4001].is_blocked = False
    chat.operator_says("два")
    assert _settled(chat) == ["failed", "sent"]


def test_a_group_that_became_a_supergroup_gets_the_message(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = _chat(desk, bot, -400)
    bot.migrate(-400, -100400)
    chat.operator_says("раз")
    assert _settled(chat) == ["sent"]
    assert _seen(bot, -100400)[-1].endswith("раз")
    assert desk.app.dialogs.get(desk.owner, chat.dialog_id).telegram_chat_id == "-100400"


@pytest.mark.parametrize("text", ["\u200b", "\u2060\u200d"])
def test_a_message_that_telegram_takes_for_empty_is_seen_as_failed(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending, text: str
) -> None:
    chat = _chat(desk, bot)
    telegram.add_fault(Fault(method="sendMessage", status=400, description="Bad Request: message text is empty"))
    chat.operator_says(text)
    chat.operator_says("дальше")
    assert _settled(chat) == ["failed", "sent"]


def test_a_chat_that_telegram_does_not_know_is_seen_as_failed(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = open_chat(desk, 5005)
    chat.operator_says("раз")
    assert _settled(chat) == ["failed"]
    assert chat.deliveries()[0]["error"] == "Bad Request: chat not found"  # type: ignore[index]


def test_a_revoked_token_ends_the_sender_and_what_is_owed_waits(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat = _chat(desk, bot)
    bot.is_revoked = True
    chat.operator_says("раз")
    wait_until(lambda: sending.failure is not None, 20, "the sender goes on")
    assert isinstance(sending.failure, TelegramUnauthorizedError)
    assert chat.deliveries() == [{"state": "new", "error": "the bot's token was revoked", "in_doubt": False}]


def test_what_was_owed_before_the_start_goes_out_at_the_start(desk: Desk, telegram: FakeTelegram, bot: FakeBot) -> None:
    chats = [_chat(desk, bot, 4000 + number) for number in range(10)]
    for chat in chats:
        chat.operator_says("раз")
    sending = Sending(desk.app, desk.assistant.id, telegram, bot)
    assert [_settled(chat) for chat in chats] == [["sent"]] * 10
    sending.end()


def test_a_hint_that_was_lost_is_made_up_for(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = _chat(desk, bot)
    listeners = desk.app.bus._listeners  # type: ignore[attr-defined]
    wait_until(lambda: listeners._by_topic.pop("telegram", None), 10, "nobody listens")
    chat.operator_says("раз")
    assert _settled(chat) == ["sent"]


def test_the_end_of_a_sender_puts_nothing_in_doubt(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat = _chat(desk, bot)
    for number in range(5):
        chat.operator_says(str(number))
    telegram.wait(lambda: telegram.texts(4001))
    sending.end()
    counts = desk.app.deliveries.counts()
    assert (counts["sending"], counts["in_doubt"]) == (0, 0)
    assert counts["new"] >= 3
