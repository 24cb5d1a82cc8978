"""Customers write in Telegram: what comes of their messages, and what becomes of bots when Telegram is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from replyx.testing.telegram_faults import Fault, conflict, outage
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Sender
from tests.conftest import Configure
from tests.support.managers import Live, live
from tests.support.programs import wait_until

CHAT, GROUP = 4001, -1001234

Start = Callable[..., Live]


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def start(configure: Configure, sqlite_url: str, telegram: FakeTelegram) -> Iterator[Start]:
    """Starts a desk with its manager, and a worker where answers are wanted."""
    with ExitStack() as stack:

        def begin(*, answers: bool = True, **environment: str) -> Live:
            settings = {"REPLYX_DATABASE__URL": sqlite_url, "REPLYX_BOTS__API_BASE": telegram.base_url}
            return stack.enter_context(live(configure(**{**settings, **environment}), telegram, answers=answers))

        yield begin


def test_a_customer_asks_and_is_answered_and_an_update_that_comes_twice_is_one(
    telegram: FakeTelegram, start: Start
) -> None:
    running, bot = start(), telegram.add_bot(username="shop_bot")
    assistant = running.connect(bot, welcome_text="Добрый день!")
    bot.message(CHAT, "/start flyer7")
    telegram.wait(lambda: "Добрый день!" in telegram.texts(CHAT), 120)
    asked = bot.message(CHAT, "Сколько стоит доставка?")
    bot.push(message=asked["message"])
    telegram.wait(lambda: any("Доставка" in text for text in shown(telegram, CHAT)), 120)
    telegram.wait(lambda: bot.confirmed[-1:] == [asked["update_id"] + 1], 120)

    assert running.said(assistant) == ["/start flyer7", "Сколько стоит доставка?"]
    assert running.app.assistants.get(running.desk.owner, assistant.id).telegram_bot_username == "shop_bot"
    (dialog,) = running.dialogs(assistant)
    assert running.app.dialogs.export(running.desk.owner, dialog)["telegram_chat_id"] == str(CHAT)
    paid = [row for row in running.app.dialogs.messages(running.desk.owner, dialog) if row.reply_id is not None]
    assert [row.outcome for row in paid] == ["answered"]


def shown(telegram: FakeTelegram, chat_id: int) -> list[str]:
    """What stands in the chat now."""
    chats = [bot.chats.get(chat_id) for bot in telegram.bots.values()]
    return [str(message.get("text", "")) for chat in chats if chat for message in list(chat.messages.values())]


def test_everything_else_that_people_send_is_kept_or_explained(telegram: FakeTelegram, start: Start) -> None:
    running, bot = start(answers=False), telegram.add_bot(username="shop_bot")
    assistant = running.connect(bot)
    picture, voice = bot.file(b"\xff\xd8\xff picture", "p.jpg"), bot.file(b"OggS", "v.ogg")
    sizes = [{**picture, "width": 90, "height": 90}]
    bot.message(CHAT, photo=sizes, caption="Такое есть?")
    bot.message(CHAT, document={**bot.file(b"%PDF-1.7", "x"), "file_name": "../акт.pdf"})
    bot.message(CHAT, voice={**voice, "duration": 3})
    bot.message(CHAT, location={"latitude": 55.75, "longitude": 37.61})
    bot.message(CHAT, contact={"phone_number": "+7900", "first_name": "Ann"})
    first = bot.message(CHAT, "Сколько стоит достака?")["message"]
    bot.edit(CHAT, first["message_id"], "Сколько стоит доставка?")
    bot.push(message={**first, "message_id": 900, "text": "Новое", "checklist": {"title": 5}})
    bot.membership(CHAT, "kicked")
    last = bot.membership(CHAT, "member", old="kicked")
    wait_until(lambda: last["update_id"] in processed(running, bot.id), 120, "not all updates were processed")

    assert running.said(assistant) == [
        "[Фото: photo_1.jpg, 1 KB]\nТакое есть?",
        "[Файл: ../акт.pdf, 1 KB]",
        "[Голосовое сообщение: voice_3.ogg, 1 KB]",
        "[Место на карте]\n55.750000, 37.610000",
        "[Контакт]\nAnn, +7900",
        "Сколько стоит достака?",
        "[Исправлено] Сколько стоит доставка?",
        "Новое",
    ]
    (dialog,) = running.dialogs(assistant)
    kept, _ = running.app.attachments.list_for(running.desk.owner, dialog)
    assert [(file.kind, file.filename) for file in kept] == [
        ("photo", "photo_1.jpg"), ("document", "акт.pdf"), ("voice", "voice_3.ogg")
    ]  # fmt: skip
    content = running.app.attachments.open(running.desk.owner, kept[0].id)[1].read_bytes()
    assert content == b"\xff\xd8\xff picture"
    notices = running.said(assistant, Sender.ASSISTANT)
    assert ["Файл получен" in notices[0], "Голосовое" in notices[1], len(notices)] == [True, True, 2]


def processed(running: Live, bot_id: int) -> list[int]:
    """Ids of updates whose effect is made."""
    from replyx.storage.telegram import TelegramUpdate

    with running.app.db.connection():
        done = (TelegramUpdate.bot_id == bot_id) & (TelegramUpdate.state == "done")
        return [row.update_id for row in TelegramUpdate.select().where(done)]


def test_in_groups_it_listens_when_it_is_spoken_to_and_each_topic_is_a_dialog(
    telegram: FakeTelegram, start: Start
) -> None:
    running, bot = start(answers=False), telegram.add_bot(username="shop_bot")
    assistant = running.connect(bot)
    bot.chat(GROUP, is_forum=True)
    mention = [{"type": "mention", "offset": 0, "length": 9}]
    bot.message(GROUP, "между собой", user_id=7)
    bot.message(GROUP, "@shop_bot, доставка есть?", user_id=7, entities=mention)
    bot.message(GROUP, "@othr_bot и ты", user_id=7, entities=mention)
    bot.message(GROUP, "/price@shop_bot чая", user_id=8)
    topic = {"message_thread_id": 77, "is_topic_message": True}
    bot.message(GROUP, "@shop_bot в теме", user_id=7, entities=mention, **topic)
    bot.message(-55, "@shop_bot до переезда", user_id=7, entities=mention)
    bot.migrate(-55, -10055)
    bot.message(-10055, "@shop_bot после", user_id=7, entities=mention)
    wait_until(lambda: len(processed(running, bot.id)) == 9, 120, "not all updates were processed")

    spoken = [
        [row.text for row in running.app.dialogs.messages(running.desk.owner, dialog) if row.sender == Sender.USER]
        for dialog in running.dialogs(assistant)
    ]
    assert sorted(spoken) == [["в теме"], ["до переезда", "после"], ["доставка есть?", "/price чая"]]


def test_a_bad_token_harms_no_other_bot_and_bots_follow_the_database(telegram: FakeTelegram, start: Start) -> None:
    running, good, bad, late = start(answers=False), *(telegram.add_bot() for _ in range(3))
    bad.is_revoked = True
    assistant, refused = running.connect(good), running.connect(bad)
    running.wait_for_state(good, "running")
    running.wait_for_state(bad, "refused")
    running.connect(late)
    running.wait_for_state(late, "running")

    bad.is_revoked = False
    running.app.bots.retry(refused.id)
    running.wait_for_state(bad, "running")
    running.app.assistants.update(running.desk.owner, assistant.id, {"is_active": False})
    telegram.wait(lambda: good.id not in telegram._waiting, 20)
    good.message(CHAT, "während der Pause")
    late.message(CHAT, "still here")
    telegram.wait(lambda: late.confirmed, 120)

    assert (good.confirmed, running.said(assistant)) == ([], [])
    running.app.assistants.update(running.desk.owner, assistant.id, {"is_active": True})
    telegram.wait(lambda: good.confirmed, 120)


def has_been_met(fault: Fault) -> bool:
    return fault.met >= 2


def test_after_conflicts_outages_and_garbage_it_goes_on_where_it_was(telegram: FakeTelegram, start: Start) -> None:
    running, bot = start(answers=False), telegram.add_bot()
    assistant = running.connect(bot)
    running.wait_for_state(bot, "running")
    trouble = [
        conflict(),
        outage(),
        Fault("body", method="getUpdates", body=b"<html>", times=None),
    ]
    for number, fault in enumerate(trouble):
        telegram.add_fault(fault)
        bot.message(CHAT, f"question {number}")
        telegram.wait(partial(has_been_met, fault), 120)
        telegram.remove_fault(fault)
    last = bot.message(CHAT, "last")
    telegram.wait(lambda: last["update_id"] in bot.confirmed, 60)

    wait_until(lambda: len(running.said(assistant)) == 4, 120, "not all was processed")
    assert running.said(assistant) == ["question 0", "question 1", "question 2", "last"]
    assert bot.confirmed == sorted(set(bot.confirmed))
