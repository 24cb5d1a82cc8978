"""One message's life: claimed under a fence, held, drafted, committed with its price, or none of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from replyx.dialogs.access import access_dialog
from replyx.dialogs.drafting import Draft
from replyx.storage.dialogs import Reply
from replyx.testing.llm_answers import Scenario
from replyx.types import SYSTEM, EngineName, Outcome, Sender
from tests.support.desk import Desk

PRICE = 500


def test_an_answer_is_stored_told_and_paid_in_one_go(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Да, доставляем.")
    message = desk.ask(dialog, "Вы доставляете?")
    assert message is not None
    assert (message.text, message.outcome, message.engine) == ("Да, доставляем.", "answered", "remote")
    assert desk.event_types(dialog) == ["new_message", "new_message"]
    assert desk.money() == (100_000 - PRICE, 0)
    assert desk.app.ledger.verify().ok


def test_an_answer_that_was_given_is_not_given_again(desk: Desk) -> None:
    dialog = desk.open_dialog()
    receipt = desk.say(dialog, "Вы доставляете?")
    assert receipt.reply_id is not None
    assert desk.app.answering.answer(receipt.reply_id) is not None
    assert desk.app.answering.answer(receipt.reply_id) is None
    assert len(desk.said(dialog, Sender.ASSISTANT)) == 1
    assert desk.money() == (100_000 - PRICE, 0)


def test_a_burst_gets_one_answer_that_has_seen_all_of_it(desk: Desk) -> None:
    dialog = desk.open_dialog()
    receipts = [desk.say(dialog, text) for text in ("Добрый день, вопрос", "про доставку", "в Казань")]
    assert len({receipt.reply_id for receipt in receipts}) == 1
    assert receipts[0].reply_id is not None
    desk.app.answering.answer(receipts[0].reply_id)
    assert len(desk.said(dialog, Sender.ASSISTANT)) == 1
    prompt = str(desk.llm.requests[-1].messages)
    assert all(text in prompt for text in ("вопрос", "про доставку", "в Казань"))
    assert desk.money() == (100_000 - PRICE, 0)


def test_a_message_during_the_answer_starts_it_anew_and_is_paid_once(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", delay=0.6)
    worker = _working(desk, dialog, "Сколько стоит доставка?")
    _until(lambda: len(desk.llm.requests) == 1)
    desk.llm.standing = Scenario(text="Ответ.", delay=0.0)
    desk.say(dialog, "В Казань")
    worker.join(20)
    assert len(desk.said(dialog, Sender.ASSISTANT)) == 1
    assert "В Казань" in str(desk.llm.requests[-1].messages)
    assert desk.money() == (100_000 - PRICE, 0)
    assert desk.app.ledger.verify().ok


def test_an_operator_who_takes_the_dialog_is_not_talked_over(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", delay=0.5)
    worker = _working(desk, dialog, "Сколько стоит доставка?")
    _until(lambda: len(desk.llm.requests) == 1)
    desk.app.handoffs.take(desk.owner, dialog, operator_name="Анна")
    worker.join(20)
    assert desk.said(dialog, Sender.ASSISTANT) == []
    assert desk.event_types(dialog) == ["new_message", "handoff_started", "new_message"]
    assert desk.money() == (100_000, 0)
    assert desk.say(dialog, "Вы тут?").reply_id is None


def test_a_worker_thought_dead_changes_nothing_when_it_wakes(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", delay=1.0)
    zombie = _working(desk, dialog, "Сколько стоит доставка?")
    _until(lambda: len(desk.llm.requests) == 1)
    reply_id = _open_reply(desk, dialog)
    with desk.app.db.transaction():
        Reply.update(lease_until=0).where(Reply.id == reply_id).execute()
    desk.llm.standing = Scenario(text="Ответ.", delay=0.0)
    desk.llm.standing = Scenario(text="Ответ второго")
    assert desk.app.answering.answer(reply_id) is not None
    zombie.join(20)
    assert desk.said(dialog, Sender.ASSISTANT) == ["Ответ второго"]
    assert desk.money() == (100_000 - PRICE, 0)
    assert desk.app.ledger.verify().ok


def test_a_worker_thought_dead_cannot_commit_while_the_next_one_works(desk: Desk) -> None:
    dialog = desk.open_dialog()
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    answering = desk.app.answering
    first = answering._claim(receipt.reply_id)
    with desk.app.db.transaction():
        Reply.update(lease_until=0).where(Reply.id == receipt.reply_id).execute()
    second = answering._claim(receipt.reply_id)
    assert first is not None
    assert second is not None
    draft = Draft("Ответ.", Outcome.ANSWERED, EngineName.REMOTE, is_paid=True)
    assert answering._commit(first, draft, first.upto_seq, may_restart=False) == (None, None)
    answering._failed(first, "it woke up", retryable=False)
    answering._give_up(first)
    assert desk.said(dialog, Sender.ASSISTANT) == []
    assert desk.money() == (100_000 - PRICE, PRICE)
    message, _ = answering._commit(second, draft, second.upto_seq, may_restart=False)
    assert message is not None
    assert desk.money() == (100_000 - PRICE, 0)


def test_take_and_reply_at_the_same_moment_never_both_win(desk: Desk) -> None:
    for _ in range(15):
        dialog = desk.open_dialog()
        worker = _working(desk, dialog, "Сколько стоит доставка?")
        desk.app.handoffs.take(desk.owner, dialog)
        worker.join(20)
        kinds = [
            (event["type"], event.get("message", {}).get("sender"))
            for event in desk.app.dialogs.events(desk.owner, dialog, after_seq=0)
        ]
        after = kinds[kinds.index(("handoff_started", None)) :]
        assert ("new_message", "assistant") not in after
    balance, held = desk.money()
    answered = (100_000 - balance) // PRICE
    assert held == 0
    assert answered <= 15
    assert desk.app.ledger.verify().ok


def test_failures_are_tried_again_and_end_in_an_apology_a_handoff_and_no_charge(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", status=500)
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    for _ in range(5):
        with desk.app.db.transaction():
            Reply.update(due_at=0).where(Reply.id == receipt.reply_id).execute()
            _warm_keys(desk)
        desk.app.answering.answer(receipt.reply_id)
    messages = desk.app.dialogs.messages(desk.owner, dialog)
    assert [row.outcome for row in messages if row.sender == "assistant"] == ["unavailable"]
    assert desk.app.dialogs.get(desk.owner, dialog).handoff_reason == "failed"
    assert desk.money() == (100_000, 0)


def test_a_failure_that_passes_costs_one_price(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", status=500)
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    assert desk.app.answering.answer(receipt.reply_id) is None
    assert desk.money() == (100_000, 0)
    desk.llm.standing = Scenario(text="Ответ.", status=200)
    with desk.app.db.transaction():
        _warm_keys(desk)
    assert desk.app.answering.answer(receipt.reply_id) is not None
    assert desk.money() == (100_000 - PRICE, 0)


def test_without_balance_nothing_is_generated_and_a_person_is_called(poor_desk: Desk) -> None:
    dialog = poor_desk.open_dialog()
    assert poor_desk.ask(dialog, "Сколько стоит доставка?") is None
    assert len(poor_desk.llm.requests) == 0
    messages = poor_desk.app.dialogs.messages(poor_desk.owner, dialog)
    assert messages[-1].outcome == "unavailable"
    assert poor_desk.app.dialogs.get(poor_desk.owner, dialog).handoff_status == "requested"
    assert poor_desk.money() == (PRICE - 1, 0)


def test_the_sweeper_finds_what_lost_its_hint_and_what_lost_its_worker(desk: Desk) -> None:
    dialog = desk.open_dialog()
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    with desk.app.db.transaction():
        Reply.update(created_at=0).where(Reply.id == receipt.reply_id).execute()
    assert desk.app.answering.sweep() == 1
    # Offered once, not at every turn of the sweeper.
    assert desk.app.answering.sweep() == 0
    with desk.app.db.transaction():
        Reply.update(state="working", lease_until=1).where(Reply.id == receipt.reply_id).execute()
    assert desk.app.answering.sweep() == 1


def test_a_lease_is_kept_while_the_model_thinks(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", delay=3.0)
    worker = _working(desk, dialog, "Сколько стоит доставка?")
    _until(lambda: len(desk.llm.requests) == 1)
    time.sleep(2.0)  # longer than the lease of the fixture: only renewing keeps it
    assert desk.app.answering.answer(_open_reply(desk, dialog)) is None
    worker.join(20)
    assert len(desk.said(dialog, Sender.ASSISTANT)) == 1


def test_the_assistant_sees_what_the_operator_wrote(desk: Desk) -> None:
    dialog = desk.open_dialog()
    desk.app.handoffs.take(desk.owner, dialog, operator_name="Анна")
    desk.app.dialogs.say_as_operator(desk.owner, dialog, "Доставим в среду.")
    desk.app.handoffs.release(desk.owner, dialog)
    desk.ask(dialog, "А точно в среду?")
    assert "Доставим в среду." in str(desk.llm.requests[-1].messages)


@pytest.mark.parametrize("role", ["take", "delete"])
def test_a_dialog_that_goes_away_takes_its_hold_with_it(desk: Desk, role: str) -> None:
    dialog = desk.open_dialog()
    desk.llm.standing = Scenario(text="Ответ.", delay=0.4)
    worker = _working(desk, dialog, "Сколько стоит доставка?")
    _until(lambda: len(desk.llm.requests) == 1)
    if role == "take":
        desk.app.handoffs.take(desk.owner, dialog)
    else:
        desk.app.dialogs.delete(desk.owner, dialog)
    worker.join(20)
    assert desk.money() == (100_000, 0)
    assert desk.app.ledger.verify().ok


def _working(desk: Desk, dialog: int, text: str) -> threading.Thread:
    """A worker's thread that answers `text`."""
    receipt = desk.say(dialog, text)
    assert receipt.reply_id is not None
    thread = threading.Thread(target=desk.app.answering.answer, args=(receipt.reply_id,))
    thread.start()
    return thread


def _open_reply(desk: Desk, dialog: int) -> int:
    with desk.app.db.connection():
        access_dialog(desk.app.db, SYSTEM, dialog)
        reply_id: int = Reply.get(Reply.dialog == dialog).id
        return reply_id


def _warm_keys(desk: Desk) -> None:
    """End the pause that a failing key was given; the pool's own tests are about it."""
    from replyx.storage.ai_tokens import AiToken

    AiToken.update(cooling_until=None, is_active=True).execute()


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
