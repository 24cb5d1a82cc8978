"""Telegram's inbox and the register of bots: what is stored once, what is asked for next, who runs what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replyx.app import App
from replyx.assistants.bots import Bots
from replyx.dialogs.taking import Words
from replyx.errors import Conflict, NotFound, ValidationFailed
from replyx.storage.telegram import TelegramBot, TelegramUpdate
from replyx.types import SYSTEM, Actor, Channel, Contact, Role
from tests.domain.owners import BOT, OTHER_BOT
from tests.support.desk import Desk

BOT_ID = 1234567890


def message(update_id: int, text: str = "hello") -> dict[str, Any]:
    return {"update_id": update_id, "message": {"message_id": update_id, "text": text}}


def texts(desk: Desk) -> list[str]:
    return [row.payload["message"]["text"] for row in desk.app.updates.waiting(desk.assistant.id)]


def age(app: App, seconds: float) -> None:
    """Let everything have been received so many seconds earlier."""
    with app.db.transaction():
        TelegramUpdate.update(received_at=TelegramUpdate.received_at - int(seconds * 1000)).execute()


def test_an_update_that_comes_twice_is_stored_once(desk: Desk) -> None:
    updates = desk.app.updates
    assert updates.next_offset(BOT_ID) is None

    stored = [
        updates.store(desk.assistant.id, BOT_ID, [message(5), message(7)]),
        updates.store(desk.assistant.id, BOT_ID, [message(5), message(7), message(8, "nul \0 and half \ud83d")]),
    ]

    assert stored == [2, 1]
    assert updates.next_offset(BOT_ID) == 9
    assert texts(desk) == ["hello", "hello", "nul \0 and half \ud83d"]


def test_numbers_that_begin_anew_after_a_week_are_not_taken_for_old_ones(desk: Desk) -> None:
    updates = desk.app.updates
    updates.store(desk.assistant.id, BOT_ID, [message(900), message(901)])
    for row in updates.waiting(desk.assistant.id):
        updates.done(row.id)
    age(desk.app, 7 * 86_400)

    # No offset: one after 901 could pass over what comes with a number close below it.
    assert updates.next_offset(BOT_ID) is None
    assert updates.store(desk.assistant.id, BOT_ID, [message(899, "new"), message(900, "numbers")]) == 2
    assert texts(desk) == ["new", "numbers"]
    assert updates.next_offset(BOT_ID) == 901


def test_a_number_that_is_used_again_waits_for_the_update_that_has_it(desk: Desk) -> None:
    updates = desk.app.updates
    updates.store(desk.assistant.id, BOT_ID, [message(5, "first")])

    with pytest.raises(Conflict):
        updates.store(desk.assistant.id, BOT_ID, [message(4, "zero"), message(5, "second")])
    assert texts(desk) == ["first"]

    updates.done(updates.waiting(desk.assistant.id)[0].id)
    assert updates.store(desk.assistant.id, BOT_ID, [message(4, "zero"), message(5, "second")]) == 2
    assert texts(desk) == ["zero", "second"]


def test_a_failed_update_pauses_and_a_hopeless_one_is_put_aside(desk: Desk) -> None:
    updates = desk.app.updates
    updates.store(desk.assistant.id, BOT_ID, [message(1), message(2)])
    first, second = updates.waiting(desk.assistant.id)
    assert updates.begin(first) == 1

    updates.failed(first.id, "not now", 60.0)
    updates.failed(second.id, "never", None)

    (left,) = updates.waiting(desk.assistant.id)
    assert (left.id, left.attempts, left.is_due) == (first.id, 1, False)
    assert updates.assistants_waiting() == []
    assert {**updates.counts(), "oldest_seconds": 0} == {"waiting": 1, "dead": 1, "oldest_seconds": 0}


def test_only_what_was_processed_is_forgotten_and_only_after_days(desk: Desk) -> None:
    updates = desk.app.updates
    updates.store(desk.assistant.id, BOT_ID, [message(1), message(2)])
    updates.done(updates.waiting(desk.assistant.id)[0].id)

    assert updates.purge() == 0
    age(desk.app, 4 * 86_400)
    assert updates.purge() == 1
    assert len(updates.waiting(desk.assistant.id)) == 1


def test_plain_words_of_a_chat_become_messages_and_leave_the_inbox_in_one_commit(desk: Desk) -> None:
    app, assistant = desk.app, desk.assistant.id
    app.updates.store(assistant, BOT_ID, [message(1), message(2)])
    first, second = app.updates.waiting(assistant)
    contact = Contact(telegram_chat_id="42", first_name="Ann", locale="ru")
    words = [Words(first.id, "tg:42:1", "Есть доставка?", contact), Words(second.id, "tg:42:2", "Сколько?", contact)]

    with pytest.raises(ValidationFailed):
        app.taking.take(assistant, 42, None, [words[0], replace(words[1], text="x" * 9000)])
    assert len(app.updates.waiting(assistant)) == 2
    app.taking.take(assistant, 42, None, words)
    app.taking.take(assistant, 42, None, words)

    assert app.updates.waiting(assistant) == []
    dialog = app.chats.dialog_of(assistant, 42, None)
    assert desk.said(dialog.id) == ["Есть доставка?", "Сколько?"]
    assert app.census.waiting_replies()[0] == 1


def test_what_waited_when_its_process_died_is_tried_one_by_one(desk: Desk) -> None:
    updates = desk.app.updates
    updates.store(desk.assistant.id, BOT_ID, [message(1), message(2)])
    updates.begin(updates.waiting(desk.assistant.id)[0])

    assert updates.suspect(desk.assistant.id) == 1
    assert updates.suspect(desk.assistant.id) == 0
    assert [row.attempts for row in updates.waiting(desk.assistant.id)] == [1, 1]


def test_a_bot_tells_its_process_and_what_waits_to_its_owner_alone(desk: Desk) -> None:
    (only,), app = with_bots(desk, 1), desk.app
    assert app.bot_states.get(desk.owner, only).bot.state == "waiting"
    app.bots.turn("a", 1, nobody_is_gone)
    app.bots.note("a", only, "running")
    app.beats.beat("bots@here:1", "bots", {"bots": 1, "holder": "a"})
    app.updates.store(only, 1000, [message(1), message(2)])
    row = app.assistants.get(desk.owner, only)
    dialog = app.sessions.start(row, Channel.TELEGRAM, Contact(telegram_chat_id="42"))
    app.deliveries.notice(dialog, "Здравствуйте")
    app.deliveries.notice(dialog, "Ещё раз")
    parcel = app.deliveries.claim(dialog)
    assert parcel is not None
    app.deliveries.in_doubt(parcel, "no answer")

    told = app.bot_states.get(desk.owner, only).as_json("ru")

    figures = {key: told[key] for key in ("state", "message", "code", "process", "waiting", "to_send", "in_doubt")}
    assert figures == {
        "state": "running", "message": None, "code": None, "process": "bots@here:1",
        "waiting": 2, "to_send": 2, "in_doubt": 1,
    }  # fmt: skip
    assert told["last_update_seconds"] is not None
    app.bots.note("a", only, "unreachable", "no answer")
    assert "прокси" in app.bot_states.get(desk.owner, only).as_json("ru")["message"]
    assert app.bot_states.counts() == {"unreachable": 1}
    stranger = app.registration.register("other@example.com", "correct-horse-7")
    with pytest.raises(NotFound):
        app.bot_states.get(Actor(Role.OWNER, user_id=stranger.id), only)
    assert app.bot_states.list_for(Actor(Role.OWNER, user_id=stranger.id)) == []


def test_an_assistant_without_a_bot_says_so_and_one_that_is_off_does_too(desk: Desk) -> None:
    (only,), app = with_bots(desk, 1), desk.app
    app.assistants.update(desk.owner, only, {"is_active": False})

    bare, resting = (app.bot_states.get(desk.owner, number).as_json("en") for number in (desk.assistant.id, only))

    assert (bare["state"], bare["assistant_name"], bare["code"]) == ("none", desk.assistant.name, None)
    assert (bare["waiting"], bare["to_send"], bare["in_doubt"], bare["process"]) == (0, 0, 0, None)
    assert (resting["state"], resting["code"]) == ("off", None)
    assert "telegram_bot_token" in bare["message"]
    assert app.bot_states.list_for(desk.owner) == []
    stranger = Actor(Role.OWNER, user_id=app.registration.register("other@example.com", "correct-horse-7").id)
    for number in (desk.assistant.id, only):
        with pytest.raises(NotFound):
            app.bot_states.get(stranger, number)


def with_bots(desk: Desk, count: int) -> list[int]:
    """So many assistants with bots."""
    made = [
        desk.app.assistants.create(
            desk.owner, name=f"Bot {n}", telegram_bot_token=f"{1000 + n:010d}:{BOT.split(':')[1]}"
        )
        for n in range(count)
    ]
    return [assistant.id for assistant in made]


def nobody_is_gone(_holder: str) -> bool:
    return False


def taken(bots: Bots, holder: str, managers: int = 1) -> list[int]:
    return [spec.assistant_id for spec in bots.turn(holder, managers, nobody_is_gone)]


def test_each_bot_is_one_managers_and_two_managers_share_them(desk: Desk) -> None:
    ids, bots = with_bots(desk, 5), desk.app.bots

    alone = taken(bots, "a")
    shared = taken(bots, "a", managers=2)
    assert (alone, taken(bots, "b", managers=2)) == (ids, [])
    bots.release("a", set(alone) - set(shared))
    others = taken(bots, "b", managers=2)

    assert (len(shared), len(others), sorted(shared + others)) == (3, 2, ids)


def test_a_lease_is_taken_over_when_it_has_run_out_or_its_holder_has_died(desk: Desk) -> None:
    ids, bots = with_bots(desk, 2), desk.app.bots
    taken(bots, "a")

    assert taken(bots, "b") == []
    with desk.app.db.transaction():
        TelegramBot.update(lease_until=1).where(TelegramBot.assistant == ids[0]).execute()
    assert taken(bots, "b") == ids[:1]
    assert [spec.assistant_id for spec in bots.turn("b", 1, lambda holder: holder == "a")] == ids
    assert taken(bots, "a") == []


def test_what_is_disabled_deleted_or_changed_shows_in_the_next_turn(desk: Desk) -> None:
    (first, second, third), bots, assistants = with_bots(desk, 3), desk.app.bots, desk.app.assistants
    before = {spec.assistant_id: spec for spec in bots.turn("a", 1, nobody_is_gone)}
    assistants.update(desk.owner, first, {"is_active": False})
    assistants.delete(desk.owner, second)
    assistants.update(desk.owner, third, {"telegram_bot_token": OTHER_BOT})

    (after,) = bots.turn("a", 1, nobody_is_gone)

    assert (after.assistant_id, after.token, after.bot_id) == (third, OTHER_BOT, 1234567890)
    assert before[third] != after
    assert BOT.split(":")[1] not in repr(before)


def test_a_refused_token_is_not_tried_again_but_another_one_is(desk: Desk) -> None:
    (only,), bots = with_bots(desk, 1), desk.app.bots
    (spec,) = bots.turn("a", 1, nobody_is_gone)
    bots.started(spec, "help_bot")

    bots.refuse("a", spec, "Unauthorized")

    assert taken(bots, "a") == []
    (status,) = bots.statuses(desk.owner)
    told = desk.app.bot_states.get(desk.owner, only).as_json("en")
    assert (status.state, status.username, told["code"]) == ("refused", "help_bot", "BOT_STARTUP_FAILED")
    assert (told["detail"], "Set a new token" in told["message"]) == ("Unauthorized", True)
    desk.app.assistants.update(desk.owner, only, {"telegram_bot_token": OTHER_BOT})
    assert taken(bots, "a") == [only]
    bots.note("a", only, "running")
    bots.note("b", only, "conflict", "not mine")
    assert [(bot.state, bot.is_held) for bot in bots.statuses(SYSTEM)] == [("running", True)]


def test_a_webhook_is_known_by_the_hash_of_its_secret(desk: Desk) -> None:
    (only,), bots = with_bots(desk, 1), desk.app.bots
    taken(bots, "a")
    bots.webhook(only, "ab" * 32)

    assert bots.by_webhook(only, "ab" * 32) == 1000
    for wrong in ((only, "cd" * 32), (only + 1, "ab" * 32)):
        with pytest.raises(NotFound):
            bots.by_webhook(*wrong)


def test_where_there_is_no_other_manager_a_dead_ones_bots_are_taken_back_at_once(desk: Desk) -> None:
    with_bots(desk, 1)
    assert len(taken(desk.app.bots, "dead")) == 1
    assert taken(desk.app.bots, "new") == []

    desk.app.bots.take_back()

    assert len(taken(desk.app.bots, "new")) == 1
