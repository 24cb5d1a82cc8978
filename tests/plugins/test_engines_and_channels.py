"""Engines and channels of plugins: those of docs/plugins.md, ones that fail, and a death in the middle of sending."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replyx.app import App
from replyx.bots.channels import Sender
from replyx.bots.running import run_bots
from replyx.plugins.channels import ChannelMessage
from replyx.storage.assistants import Assistant
from replyx.storage.dialogs import Dialog
from replyx.types import SYSTEM, Channel, Contact, InboundMessage
from tests.edges.conftest import Build
from tests.support.house import House
from tests.support.http import Json
from tests.support.plugins import write_example, write_plugin
from tests.support.processes import Box
from tests.support.programs import wait_until

_ENGINE = "from replyx.llm.engine import *\nfrom replyx.types import EngineName\n"

#: A channel that fails once at each message, then notes it; `NEVER` can never be sent.
_FRAIL = """
from replyx.plugins.channels import Undeliverable
class C:
    name = "frail"
    def __init__(self): self.tried, self.sent = set(), []
    def open(self, door): self.door = door
    def listen(self, stop): self.listens = getattr(self, "listens", 0) + 1; raise RuntimeError("no line")
    def deliver(self, outgoing):
        if "NEVER" in outgoing.text: raise Undeliverable
        if outgoing.seq not in self.tried:
            self.tried.add(outgoing.seq)
            raise OSError("no line")
        self.sent.append((outgoing.conversation, outgoing.text))
class P(Plugin):
    channel = C()
    def channels(self): return [self.channel]
"""


@contextmanager
def _bots(app: App) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_bots, args=(app, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(15)


def _answer_of(house: House, assistant: Json, text: str) -> Json:
    view = house.app.assistants.get(SYSTEM, assistant["id"])
    dialog_id = house.app.sessions.start(view, Channel.API, Contact(locale="ru"))
    house.app.inbox.receive(InboundMessage(Channel.API, dialog_id, text))
    messages = house.app.dialogs.messages
    wait_until(lambda: len(messages(SYSTEM, dialog_id)) == 2, 20, "no answer came")
    return messages(SYSTEM, dialog_id)[1].as_json()


def test_the_engine_of_the_documentation_answers(build: Build, tmp_path: Path) -> None:
    write_example(tmp_path, "shout")
    house = build(with_worker=True)
    before = house.app.ledger.balance(house.anna.id).balance
    assistant = house.assistant(
        ai_model="plugin/shout/loud", prices={"per_1000_tokens": {"plugin/shout/loud": 100}, "api": 0}
    )

    answer = _answer_of(house, assistant, "Есть кто дома?")

    assert (answer["text"], answer["engine"], answer["outcome"]) == ("ЕСТЬ КТО ДОМА?", "plugin", "answered")
    assert before - house.app.ledger.balance(house.anna.id).balance == 30
    house.api(house.anna).request(
        "PUT", f"/api/assistants/{assistant['id']}", expect=422, json={"ai_model": "plugin/shout/quiet"}
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise RuntimeError('boom')\n    yield", "failed"),
        ("yield 'a'; raise RuntimeError('boom')", "failed"),
        ("import time; time.sleep(20); yield 'a'", "silent"),
    ],
)
def test_an_engine_that_fails_ends_in_an_apology_and_a_person(
    build: Build, tmp_path: Path, caplog: pytest.LogCaptureFixture, body: str, says: str
) -> None:
    write_plugin(
        tmp_path,
        "bad",
        f"{_ENGINE}class E:\n  name = EngineName.PLUGIN\n  def stream(self, request, should_stop):\n    {body}\n"
        "  def close(self): raise RuntimeError\nclass P(Plugin):\n  def engines(self): return {'m': E()}",
    )
    house = build(with_worker=True, REPLYX_ANSWERS__ATTEMPTS="1", REPLYX_ANSWERS__FIRST_BYTE_SECONDS="0.3")

    answer = _answer_of(house, house.assistant(ai_model="plugin/bad/m"), "Есть кто?")

    assert answer["outcome"] == "unavailable"
    with house.app.db.connection():
        assert Dialog.get().handoff_status == "requested"
    assert any(says in record.getMessage() and getattr(record, "plugin", "") == "bad" for record in caplog.records)


def test_an_assistant_whose_engine_is_gone_calls_a_person(build: Build) -> None:
    house = build(with_worker=True)
    made = house.assistant()
    with house.app.db.transaction():
        Assistant.update(ai_model="plugin/gone/m").execute()

    assert _answer_of(house, made, "Есть кто?")["outcome"] == "unavailable"


def test_the_channel_of_the_documentation_carries_a_conversation_through_deaths(box: Box) -> None:
    folder = box.folder / "mail"
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
    plugin = write_example(box.data_dir, "mailbox")
    # It dies once before a message is sent, and once after another was.
    source = plugin.read_text("utf-8").replace(
        "    def deliver(self, outgoing: Outgoing) -> None:\n",
        "    def deliver(self, outgoing: Outgoing) -> None:\n"
        "        self.die('before')\n        self.send(outgoing)\n        if outgoing.seq > 2:\n"
        "            self.die('after')\n\n"
        "    def die(self, when: str) -> None:\n"
        "        import os\n        mark = self.folder / when\n        if not mark.exists():\n"
        "            mark.touch()\n            os.kill(os.getpid(), 9)\n\n"
        "    def send(self, outgoing: Outgoing) -> None:\n",
    )
    plugin.write_text(source, encoding="utf-8")
    box.environment["REPLYX_PLUGIN_MAILBOX__FOLDER"] = str(folder)

    def say(number: int, text: str) -> None:
        part = folder / f"{number}.part"
        part.write_text(text, encoding="utf-8")
        part.rename(folder / "in" / f"anna-{number}.txt")

    say(1, "Здравствуйте")
    first = box.start("up", "--port", "0")
    assert first.wait(60).code == -9
    say(2, "Спасибо")
    second = box.start("up", "--port", "0")
    assert second.wait(60).code == -9
    box.start("up", "--port", "0")

    wait_until(lambda: len(list((folder / "out").iterdir())) == 2, 60, "the second answer")
    texts = [file.read_text("utf-8") for file in sorted((folder / "out").iterdir())]
    assert "Здравствуйте" in texts[0]
    assert not list((folder / "in").iterdir())
    dialogs = json.loads(box.run("dialogs", "list", "--json").out)
    assert [dialog["platform"] for dialog in dialogs] == ["api"]


def test_a_channel_that_fails_delays_its_own_messages_and_loses_none(
    build: Build, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(tmp_path, "frail", _FRAIL)
    write_plugin(
        tmp_path,
        "closed",
        "class C:\n  name = 'closed'\n  def open(self, door): raise RuntimeError\n"
        "class P(Plugin):\n  def channels(self): return [C()]",
    )
    house = build(REPLYX_DATABASE__URL=database_url)
    app, assistant = house.app, house.assistant()
    assert list(app.plugins.channels) == ["frail"]
    plugin, channel = app.plugins.channels["frail"]
    door = app.conversations.door("frail")
    ids = {door.receive(ChannelMessage(assistant["id"], who, f"{who}{n}", "Вопрос")) for who in "ab" for n in (1, 1, 2)}
    assert len(ids) == 2
    for dialog_id in sorted(ids):
        for text in ("Раз", "NEVER", "Два"):
            app.dialogs.say_as_operator(SYSTEM, dialog_id, text)

    with _bots(app):
        wait_until(lambda: len(channel.sent) == 4, 20, "not all was sent")  # type: ignore[attr-defined]

    for who in "ab":
        assert [text for whom, text in channel.sent if whom == who] == ["Раз", "Два"]  # type: ignore[attr-defined]
    assert channel.listens >= 2  # type: ignore[attr-defined]
    assert {getattr(record, "plugin", "frail") for record in caplog.records} == {"frail", "closed"}
    assert plugin == "frail"
    assert app.conversations.take("frail") == []


def test_a_channel_that_never_comes_back_from_sending_is_given_up(
    build: Build, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(tmp_path, "frail", _FRAIL.replace('if "NEVER"', 'import time; time.sleep(1)\n        if "NEVER"'))
    app, assistant = (house := build()).app, house.assistant()
    plugin, channel = app.plugins.channels["frail"]
    for who in "abcd":
        dialog_id = app.conversations.receive("frail", ChannelMessage(assistant["id"], who, "1", "Вопрос"))
        app.dialogs.say_as_operator(SYSTEM, dialog_id, "Ответ")
    sender, stop = Sender(app, plugin, "frail", channel, send_seconds=0.05), threading.Event()

    sender.run(stop)

    assert sum("does not come back" in record.getMessage() for record in caplog.records) == 3
    assert "sends nothing until the restart" in caplog.records[-1].getMessage()
