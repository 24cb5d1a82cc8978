"""Conversations of plugins' channels: one dialog each, sent to by one process, and what may not come in."""

from __future__ import annotations

import threading

import pytest

from replyx.dialogs.channels import Conversations
from replyx.errors import NotFound, ValidationFailed
from replyx.plugins.channels import ChannelMessage
from replyx.storage.channels import ChannelLink
from replyx.storage.dialogs import Dialog
from replyx.types import SYSTEM
from tests.edges.conftest import Build, build

__all__ = ["build"]


def test_only_one_process_sends_a_conversations_messages(build: Build, database_url: str) -> None:
    app, assistant = (house := build(REPLYX_DATABASE__URL=database_url)).app, house.assistant()
    message = ChannelMessage(assistant["id"], "a", "1", "Вопрос")
    dialog_id = app.conversations.receive("frail", message)
    app.dialogs.say_as_operator(SYSTEM, dialog_id, "Ответ")

    [taken] = app.conversations.take("frail")
    assert app.conversations.take("frail") == []
    with app.db.transaction():
        ChannelLink.update(due_at=0).execute()
    [again] = app.conversations.take("frail")
    assert [out.text for out in app.conversations.next_outgoing(again)] == ["Ответ"]
    app.conversations.delivered(again, app.conversations.next_outgoing(taken)[0].seq)
    app.conversations.release(again)

    assert app.conversations.take("frail") == []


def test_racing_first_messages_of_a_conversation_share_one_dialog(build: Build, database_url: str) -> None:
    app, assistant = (house := build(REPLYX_DATABASE__URL=database_url)).app, house.assistant()
    together, ids = threading.Barrier(8), []

    def receive(number: int) -> None:
        together.wait(60)
        ids.append(app.conversations.receive("x", ChannelMessage(assistant["id"], "a", str(number), "Вопрос")))

    threads = [threading.Thread(target=receive, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(ids) == 8
    assert len(set(ids)) == 1
    with app.db.connection():
        assert Dialog.select().count() == 1


def test_what_a_channel_may_not_hand_in_is_refused(build: Build) -> None:
    house = build()
    assistant = house.assistant()
    conversations: Conversations = house.app.conversations

    for message in (
        ChannelMessage(assistant["id"], "", "1", "Вопрос"),
        ChannelMessage(assistant["id"], "a" * 129, "1", "Вопрос"),
        ChannelMessage(assistant["id"], "a", "1\x00", "Вопрос"),
        ChannelMessage(assistant["id"], "a", "1", "   "),
    ):
        with pytest.raises(ValidationFailed):
            conversations.receive("x", message)
    with pytest.raises(NotFound):
        conversations.receive("x", ChannelMessage(4711, "a", "1", "Вопрос"))
    with house.app.db.connection():
        assert Dialog.select().count() == 0
