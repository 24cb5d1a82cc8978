"""An answer is shown while it is written, never looks whole before it is, and its buttons do what they say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from replyx.app import open_app
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Sender
from tests.conftest import Configure
from tests.support.chats import Chat, open_chat
from tests.support.desk import MODEL, Desk, open_desk
from tests.support.programs import wait_until
from tests.support.senders import Sending

#: An answer of some seconds.
WORDS = " ".join(f"слово{number}" for number in range(40))
UNFINISHED = "▍"


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(Scenario(text=WORDS, words_per_second=14), models=[MODEL]) as server:
        yield server


@pytest.fixture
def desk(configure: Configure, sqlite_url: str, llm: FakeLLM) -> Iterator[Desk]:
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url))
    yield open_desk(app, llm)
    app.close()


@pytest.fixture
def typing_desk(configure: Configure, sqlite_url: str, llm: FakeLLM) -> Iterator[Desk]:
    """A desk that only shows that somebody types."""
    app = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, REPLYX_BOTS__STREAM="typing"))
    yield open_desk(app, llm)
    app.close()


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def bot(telegram: FakeTelegram) -> FakeBot:
    bot = telegram.add_bot()
    bot.chat(4001)
    return bot


@pytest.fixture
def sending(desk: Desk, telegram: FakeTelegram, bot: FakeBot) -> Iterator[Sending]:
    running = Sending(desk.app, desk.assistant.id, telegram, bot)
    yield running
    running.end()


class Asked:
    """A question that a thread answers, as a worker would."""

    def __init__(self, chat: Chat) -> None:
        reply_id = chat.say("Расскажите подробно")
        assert reply_id is not None
        self._thread = threading.Thread(target=chat.desk.app.answering.answer, args=(reply_id,), name="answering")
        self._thread.start()

    def end(self) -> None:
        self._thread.join(30)


def _seen(bot: FakeBot) -> list[Any]:
    return [message for message in list(bot.chats[4001].messages.values()) if "text" in message]


def _half(bot: FakeBot) -> Any:
    """The message that shows half an answer, as soon as it is there."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [message for message in _seen(bot) if message["text"].endswith(UNFINISHED)]
        return bool(found)

    wait_until(look, 20, "nothing is shown")
    return found[0]


def test_one_message_grows_into_the_answer_at_most_once_a_second(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat = open_chat(desk)
    asked = Asked(chat)
    half = _half(bot)
    assert half["text"].startswith("слово0 слово1")
    assert "reply_markup" not in half
    asked.end()
    wait_until(lambda: chat.states() == ["sent"], 20, "the answer does not arrive")
    (shown,) = _seen(bot)
    assert (shown["message_id"], shown["text"]) == (half["message_id"], WORDS)
    assert shown["reply_markup"]["inline_keyboard"]
    changes = [call.at for call in telegram.log(4001) if call.method in ("sendMessage", "editMessageText")]
    assert len(changes) >= 3
    assert min(later - earlier for earlier, later in pairwise(changes)) > 0.95
    assert telegram.log(4001, "sendChatAction")[0].at < changes[0]
    assert desk.app.deliveries.stale_drafts(desk.assistant.id) == []


def test_an_operator_who_takes_over_ends_what_was_half_said(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = open_chat(desk)
    asked = Asked(chat)
    _half(bot)
    desk.app.handoffs.take(desk.owner, chat.dialog_id, operator_name="Анна")
    asked.end()
    wait_until(
        lambda: [m["text"] for m in _seen(bot)] == ["Оператор Анна подключился к диалогу"], 20, "half an answer stands"
    )


def test_a_sender_that_dies_leaves_a_mark_and_the_next_one_finishes_the_message(
    desk: Desk, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat = open_chat(desk)
    asked = Asked(chat)
    half = _half(bot)
    sending.end()
    asked.end()
    assert _seen(bot)[-1]["text"].endswith(UNFINISHED)
    later = Sending(desk.app, desk.assistant.id, telegram, bot)
    wait_until(lambda: chat.states() == ["sent"], 20, "the answer does not arrive")
    later.end()
    assert [(m["message_id"], m["text"]) for m in _seen(bot)] == [(half["message_id"], WORDS)]


def test_a_customer_who_deletes_the_half_answer_gets_a_whole_one(desk: Desk, bot: FakeBot, sending: Sending) -> None:
    chat = open_chat(desk)
    asked = Asked(chat)
    half = _half(bot)
    del bot.chats[4001].messages[half["message_id"]]
    asked.end()
    wait_until(lambda: chat.states() == ["sent"], 20, "the answer does not arrive")
    assert [m["text"] for m in _seen(bot)] == [WORDS]


def test_only_typing_is_shown_where_it_is_set(typing_desk: Desk, telegram: FakeTelegram, bot: FakeBot) -> None:
    sending = Sending(typing_desk.app, typing_desk.assistant.id, telegram, bot)
    chat = open_chat(typing_desk)
    asked = Asked(chat)
    asked.end()
    wait_until(lambda: chat.states() == ["sent"], 20, "the answer does not arrive")
    sending.end()
    assert [call.method for call in telegram.log(4001) if call.method != "sendChatAction"] == ["sendMessage"]
    assert telegram.log(4001, "sendChatAction")


def _answered(desk: Desk, llm: FakeLLM, bot: FakeBot) -> tuple[Chat, int, Any]:
    """A chat with an answer; the answer's id and what shows it."""
    llm.script(Scenario(text="Ответ."))
    chat = open_chat(desk)
    answer = chat.ask()
    wait_until(lambda: chat.states() == ["sent"], 20, "the answer does not arrive")
    return chat, answer, _seen(bot)[-1]


def _toasts(telegram: FakeTelegram) -> list[str]:
    return [str(call.parameters["text"]) for call in telegram.log(method="answerCallbackQuery")]


def test_the_button_calls_a_person_once(
    desk: Desk, llm: FakeLLM, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat, _, shown = _answered(desk, llm, bot)
    for _ in range(2):
        sending.handle(bot.press(4001, shown["message_id"], "person"))
    dialog = desk.app.dialogs.get(desk.owner, chat.dialog_id)
    assert (dialog.handoff_status, dialog.handoff_reason) == ("requested", "button")
    assert desk.said(chat.dialog_id, Sender.USER)[1:] == ["Позовите оператора"]
    assert _toasts(telegram) == ["Оператор позван. Он ответит здесь.", "Оператор уже позван."]
    keys = _seen(bot)[0]["reply_markup"]["inline_keyboard"]
    assert len(keys) == 1


def test_a_rating_is_kept_and_may_change(
    desk: Desk, llm: FakeLLM, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat, answer, shown = _answered(desk, llm, bot)
    for data in (f"rate:1:{answer}", f"rate:1:{answer}", f"rate:-1:{answer}"):
        sending.handle(bot.press(4001, shown["message_id"], data))
    events = desk.app.dialogs.events(desk.owner, chat.dialog_id, after_seq=2)
    assert [(e["type"], e["rating"]) for e in events] == [("message_rated", 1), ("message_rated", -1)]
    assert desk.app.dialogs.messages(desk.owner, chat.dialog_id)[-1].as_json()["rating"] == -1
    row = _seen(bot)[0]["reply_markup"]["inline_keyboard"][0]
    assert [key["text"] for key in row] == ["👍", "👎 ✓"]


@pytest.mark.parametrize(
    "data", ["rate:1:999", "rate:1:x", "rate:7:1", "person:1", "nonsense", "desk:take:1", "desk:close:x"]
)
def test_a_forged_button_changes_nothing(
    desk: Desk, llm: FakeLLM, telegram: FakeTelegram, bot: FakeBot, sending: Sending, data: str
) -> None:
    chat, _, shown = _answered(desk, llm, bot)
    sending.handle(bot.press(4001, shown["message_id"], data))
    assert _toasts(telegram) == ["Эта кнопка больше не действует."]
    assert desk.event_types(chat.dialog_id) == ["new_message", "new_message"]


def test_an_answer_of_another_chat_cannot_be_rated(
    desk: Desk, llm: FakeLLM, telegram: FakeTelegram, bot: FakeBot, sending: Sending
) -> None:
    chat, answer, _ = _answered(desk, llm, bot)
    stranger = bot.message(4002, "Здравствуйте")["message"]["message_id"]
    sending.handle(bot.press(4002, stranger, f"rate:-1:{answer}"))
    assert desk.event_types(chat.dialog_id) == ["new_message", "new_message"]
