"""Voice messages: without a plugin the customer is told so, with one its words are the message and are answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.testing.telegram_server import FakeTelegram
from replyx.types import Sender
from tests.conftest import Configure
from tests.support.managers import live
from tests.support.plugins import write_example, write_plugin
from tests.support.programs import wait_until

CHAT = 4001

#: One that fails, and one that makes out nothing, before the example of the documentation.
_DEAF = """
class Broken:
    name = "broken"
    def transcribe(self, file, content_type, language): raise OSError("no model")
class Deaf:
    name = "deaf"
    def transcribe(self, file, content_type, language): return "  "
class P(Plugin):
    def transcribers(self): return [Broken(), Deaf()]
"""


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


def test_the_words_of_a_voice_message_are_its_text_and_are_answered(
    configure: Configure, telegram: FakeTelegram, tmp_path: Path
) -> None:
    write_plugin(tmp_path, "deaf", _DEAF)
    write_example(tmp_path, "ear")
    with live(configure(REPLYX_BOTS__API_BASE=telegram.base_url), telegram) as running:
        bot = telegram.add_bot()
        assistant = running.connect(bot)
        voice = bot.file("Сколько стоит доставка?".encode(), "v.ogg")
        bot.message(CHAT, voice={**voice, "duration": 3})
        bot.message(CHAT, "Я жду")

        # On a busy machine the answer may come between the two.
        wait_until(lambda: len(running.said(assistant)) == 2, 120, "a message did not arrive")
        wait_until(lambda: len(running.said(assistant, Sender.ASSISTANT)) > 0, 120, "no answer came")

        assert running.said(assistant) == ["Сколько стоит доставка?", "Я жду"]
        (dialog,) = running.dialogs(assistant)
        first = running.app.dialogs.messages(running.desk.owner, dialog)[0]
        assert [(file["kind"], file["content_type"]) for file in first.attachments] == [("voice", "audio/ogg")]
        content = running.app.attachments.open(running.desk.owner, first.attachments[0]["id"])[1].read_bytes()
        assert content == "Сколько стоит доставка?".encode()
        assert all("голос" not in text.lower() for text in running.said(assistant, Sender.ASSISTANT))


def test_what_no_plugin_makes_out_is_kept_and_the_customer_is_asked_to_write(
    configure: Configure, telegram: FakeTelegram, tmp_path: Path
) -> None:
    write_plugin(tmp_path, "deaf", _DEAF)
    with live(configure(REPLYX_BOTS__API_BASE=telegram.base_url), telegram, answers=False) as running:
        bot = telegram.add_bot()
        assistant = running.connect(bot)
        bot.message(CHAT, voice={**bot.file(b"OggS", "v.ogg"), "duration": 3})

        wait_until(lambda: len(running.said(assistant, Sender.ASSISTANT)) == 1, 120, "nobody was told")

        assert running.said(assistant) == ["[Голосовое сообщение: voice_1.ogg, 1 KB]"]
        assert "расслышать его не удалось" in running.said(assistant, Sender.ASSISTANT)[0]
        (dialog,) = running.dialogs(assistant)
        assert len(running.app.attachments.list_for(running.desk.owner, dialog)[0]) == 1
