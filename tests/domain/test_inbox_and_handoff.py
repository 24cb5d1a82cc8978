"""Messages enter once; a person is asked for, takes over, gives back; nobody sees another tenant's dialogs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import replyx
from replyx.dialogs.dialogs import DialogFilter
from replyx.dialogs.handoff import mentions_keyword
from replyx.dialogs.inbox import BUTTON_TEXTS, Inbox
from replyx.dialogs.postbox import Postbox
from replyx.dialogs.writing import Writing
from replyx.errors import InsufficientPermissions, NotFound, ValidationFailed
from replyx.storage.dialogs import Message
from replyx.types import Actor, Channel, HandoffReason, InboundMessage, Role, Sender
from tests.support.desk import Desk


def test_the_same_message_twice_is_stored_once(desk: Desk) -> None:
    dialog = desk.open_dialog()
    first, second = desk.say(dialog, "Вопрос", "m-1"), desk.say(dialog, "Вопрос", "m-1")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.message == second.message
    assert first.reply_id == second.reply_id
    assert desk.said(dialog) == ["Вопрос"]


def test_the_same_message_from_many_threads_is_stored_once(desk: Desk) -> None:
    dialog = desk.open_dialog()
    threads = [threading.Thread(target=desk.say, args=(dialog, "Вопрос", "m-1")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert desk.event_types(dialog) == ["new_message"]


def test_numbers_stay_gapless_when_many_write_at_once(desk: Desk) -> None:
    dialog = desk.open_dialog()
    threads = [threading.Thread(target=lambda n=n: [desk.say(dialog, f"{n}-{i}") for i in range(5)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(desk.event_types(dialog)) == 40


def test_whoever_answers_is_told_of_a_question_before_it_is_stored_and_of_nothing_else(desk: Desk) -> None:
    app, expected = desk.app, list[tuple[int, str]]()
    writing = Writing(app.db, app.outbox, app.queue, app.ledger, app.clock, app.plugins, Postbox(app.db, app.bus))
    inbox = Inbox(app.db, writing, app.handoffs, app.config, lambda *told: expected.append(told))
    dialog = desk.open_dialog()

    for text in ("  Сколько стоит? ", "Позовите оператора!"):
        inbox.receive(InboundMessage(Channel.WEBSITE, dialog, text))

    assert expected == [(desk.assistant.id, "Сколько стоит?")]


@pytest.mark.parametrize("text", ["", "  \n ", "\x00", "а" * 8001])
def test_an_empty_or_endless_message_is_refused_and_leaves_no_trace(desk: Desk, text: str) -> None:
    dialog = desk.open_dialog()
    with pytest.raises(ValidationFailed):
        desk.say(dialog, text)
    assert desk.event_types(dialog) == []


def test_a_keyword_calls_a_person_and_the_assistant_stays_out_of_it(desk: Desk) -> None:
    first, second = desk.open_dialog(), desk.open_dialog()
    assert desk.say(first, "Позовите оператора!").reply_id is None
    desk.say(second, "Нужен живой человек")
    events = desk.app.dialogs.events(desk.owner, second, after_seq=1)
    assert [(e["type"], e["reason"], e["queue_position"]) for e in events] == [("handoff_requested", "keyword", 2)]
    assert desk.app.dialogs.get(desk.owner, first).handoff_note == "Позовите оператора!"


def test_the_button_calls_a_person_whatever_the_keywords_are(desk: Desk) -> None:
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"handoff_keywords": []})
    dialog, other = desk.open_dialog(), desk.open_dialog()
    assert desk.say(dialog, "Позовите оператора").reply_id is None
    assert desk.app.dialogs.get(desk.owner, dialog).handoff_reason == "button"
    assert desk.say(other, "Где мой оператор?").reply_id is not None


def test_the_widget_sends_the_buttons_own_words() -> None:
    script = (Path(replyx.__file__).parent / "server/web/static/widget.js").read_text(encoding="utf-8")
    assert all(text in script for text in BUTTON_TEXTS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("позовите ОПЕРАТОРА, пожалуйста", True),
        ("хочу talk to a human now", True),
        ("операторская кабина", False),
        ("кооператор", False),
        ("", False),
    ],
)
def test_keywords_are_whole_words_with_their_endings(text: str, found: bool) -> None:
    assert mentions_keyword(text, ["оператор", "talk to a human"]) is found


def test_a_keyword_of_no_words_calls_nobody() -> None:
    assert not mentions_keyword("есть тут кто?", ["", "!!"])
    assert mentions_keyword("есть тут кто?", ["", "кто"])


def test_a_switched_off_assistant_says_nothing_and_calls_a_person(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"is_active": False})
    assert desk.say(dialog, "Сколько стоит доставка?").reply_id is None
    view = desk.app.dialogs.get(desk.owner, dialog)
    assert (view.handoff_status, view.handoff_reason) == ("requested", "policy")
    assert view.handoff_note == "Сколько стоит доставка?"
    assert desk.event_types(dialog) == ["new_message", "handoff_requested"]


def test_listeners_of_nothing_have_missed_nothing(desk: Desk) -> None:
    assert desk.app.outbox.heads([]) == {}


def test_asking_again_for_a_person_changes_nothing(desk: Desk) -> None:
    dialog = desk.open_dialog()
    for _ in range(3):
        desk.app.handoffs.request(desk.owner, dialog, HandoffReason.API, "хочу человека")
    assert desk.event_types(dialog) == ["handoff_requested"]


def test_a_dialog_goes_round_through_its_states(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.app.handoffs.request(desk.owner, dialog, HandoffReason.API)
    taken = desk.app.handoffs.take(desk.owner, dialog, operator_name="Анна")
    assert (taken.handoff_status, taken.is_taken_over, taken.taken_over_by) == ("active", True, desk.owner.user_id)
    desk.app.handoffs.take(desk.owner, dialog, operator_name="Анна")
    assert desk.app.handoffs.release(desk.owner, dialog).handoff_status == "released"
    desk.app.handoffs.release(desk.owner, dialog)
    assert desk.app.handoffs.request(desk.owner, dialog, HandoffReason.API).handoff_status == "requested"
    assert desk.event_types(dialog) == [
        "handoff_requested",
        "handoff_started",
        "new_message",
        "handoff_released",
        "handoff_requested",
    ]
    assert desk.said(dialog, Sender.OPERATOR) == ["Оператор Анна подключился к диалогу"]


def test_the_operator_is_who_the_token_says(desk: Desk) -> None:
    dialog = desk.open_dialog()
    with pytest.raises(InsufficientPermissions):
        desk.app.handoffs.take(desk.owner, dialog, operator_id=desk.user.id + 1)
    assert desk.app.dialogs.get(desk.owner, dialog).handoff_status == "none"


def test_a_failed_message_takes_its_number_back(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.say(dialog, "один")
    with pytest.raises(RuntimeError), desk.app.db.transaction():
        desk.say(dialog, "два")
        raise RuntimeError("the process stumbles here")
    desk.say(dialog, "три")
    assert desk.said(dialog) == ["один", "три"]
    assert len(desk.event_types(dialog)) == 2


def test_reading_is_told_once_and_only_forward(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.say(dialog, "один")
    for seq in (1, 1, 0, 99):
        desk.app.dialogs.mark_read(desk.owner, dialog, seq)
    assert desk.event_types(dialog) == ["new_message", "read"]


def test_every_door_to_a_dialog_is_shut_for_strangers(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.say(dialog, "секрет")
    other = desk.app.registration.register("other@example.com", "correct-horse-8")
    strangers = [
        Actor(Role.OWNER, user_id=other.id),
        Actor(Role.ADMIN, user_id=other.id),
        Actor(Role.VISITOR, dialog_id=desk.open_dialog()),
        Actor(Role.ANONYMOUS),
    ]
    app = desk.app
    doors: list[Callable[[Actor], object]] = [
        lambda who: app.dialogs.get(who, dialog),
        lambda who: app.dialogs.messages(who, dialog),
        lambda who: app.dialogs.events(who, dialog, after_seq=0),
        lambda who: app.dialogs.say_as_operator(who, dialog, "я оператор"),
        lambda who: app.dialogs.mark_read(who, dialog, 1),
        lambda who: app.dialogs.show_typing(who, dialog),
        lambda who: app.dialogs.set_status(who, dialog, "archived"),
        lambda who: app.dialogs.export(who, dialog),
        lambda who: app.dialogs.delete(who, dialog),
        lambda who: app.handoffs.request(who, dialog, HandoffReason.API),
        lambda who: app.handoffs.take(who, dialog),
        lambda who: app.handoffs.release(who, dialog),
    ]
    for who in strangers:
        for door in doors:
            with pytest.raises(NotFound):
                door(who)
        if who.user_id:
            assert app.dialogs.list_for(who, DialogFilter()) == ([], 0)
    assert desk.event_types(dialog) == ["new_message"]


def test_lists_are_filtered_and_paged(desk: Desk) -> None:
    dialogs = [desk.open_dialog() for _ in range(5)]
    for dialog in dialogs:
        desk.say(dialog, f"вопрос {dialog}")
    desk.app.handoffs.request(desk.owner, dialogs[0], HandoffReason.API)
    desk.app.dialogs.set_status(desk.owner, dialogs[1], "archived")

    def ids(**which: object) -> list[int]:
        return [row.id for row in desk.app.dialogs.list_for(desk.owner, DialogFilter(**which))[0]]  # type: ignore[arg-type]

    assert set(ids()) == set(dialogs)
    assert ids(handoff_status="requested") == [dialogs[0]]
    assert ids(status="archived") == [dialogs[1]]
    assert ids(platform="telegram") == []
    assert len(ids(limit=2)) == 2
    assert ids(limit=2) + ids(limit=3, offset=2) == ids()
    assert desk.app.dialogs.list_for(desk.owner, DialogFilter(limit=2))[1] == 5


def test_a_deleted_dialog_is_gone_with_all_that_was_said(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.say(dialog, "забудьте меня")
    desk.app.dialogs.delete(desk.owner, dialog)
    with desk.app.db.connection():
        assert Message.select().count() == 0
    with pytest.raises(NotFound):
        desk.app.dialogs.get(desk.owner, dialog)
