"""What customers asked in vain is found, grouped by meaning, and closed by what an operator answered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from replyx.assistants.views import AssistantView
from replyx.dialogs.access import access_dialog
from replyx.dialogs.gaps import Gap, Gaps
from replyx.errors import NotFound
from replyx.types import EngineName, Outcome, Sender
from tests.support.clock import MovableClock
from tests.support.desk import Desk

_DELIVERY = ("Сколько стоит доставка?", "какая цена доставки", "почём у вас доставка", "сколько стоит доставка")


@pytest.fixture
def assistant(desk: Desk) -> AssistantView:
    return desk.app.assistants.update(desk.owner, desk.assistant.id, {"ai_model": "extractive"})


def _taught(desk: Desk) -> None:
    """The assistant knows something, so it does not chat."""
    desk.app.knowledge.add_qa(desk.owner, desk.assistant.id, "Где вы находитесь?", "В Казани.")


def _ask(desk: Desk, text: str) -> int:
    dialog = desk.open_dialog()
    answer = desk.ask(dialog, text)
    assert answer is not None
    assert answer.outcome == Outcome.NOT_FOUND
    return dialog


def _operate(desk: Desk, dialog: int, *texts: str) -> None:
    desk.app.handoffs.take(desk.owner, dialog)
    for text in texts:
        desk.app.dialogs.say_as_operator(desk.owner, dialog, text)


def _report(desk: Desk, assistant: AssistantView) -> list[Gap]:
    return desk.app.gaps.report(assistant)


def test_questions_in_vain_are_grouped_by_meaning_the_widest_first(desk: Desk, assistant: AssistantView) -> None:
    _taught(desk)
    for text in ("Есть ли гарантия?", *_DELIVERY, "спасибо"):
        dialog = desk.open_dialog()
        desk.ask(dialog, text)
    desk.ask(desk.open_dialog(), "Где вы находитесь?")

    wide, narrow = _report(desk, assistant)

    assert (wide.count, wide.dialogs, wide.unanswered, wide.draft) == (4, 4, 4, None)
    assert wide.question in _DELIVERY
    # The same words twice are one example.
    assert len(wide.examples) == 3
    assert (narrow.question, narrow.count) == ("Есть ли гарантия?", 1)


def test_what_an_operator_answered_is_a_draft_and_closes_the_gap(desk: Desk, assistant: AssistantView) -> None:
    _taught(desk)
    dialog = _ask(desk, "Сколько стоит доставка?")
    desk.say(dialog, "Позовите оператора")
    _operate(desk, dialog, "Доставка стоит триста рублей.", "По городу бесплатно.")
    desk.say(dialog, "Спасибо, а гарантия?")
    desk.app.dialogs.say_as_operator(desk.owner, dialog, "Год.")
    _ask(desk, "какая цена доставки")

    (gap,) = _report(desk, assistant)
    assert gap.draft is not None
    assert (gap.draft.question, gap.draft.reply) == (
        "Сколько стоит доставка?",
        "Доставка стоит триста рублей.\nПо городу бесплатно.",
    )
    pair = desk.app.gaps.solve(desk.owner, assistant, gap.id, None)

    assert (pair.question, pair.answer, pair.tags) == (gap.draft.question, gap.draft.reply, ("gap",))
    left = [one.question for gap in _report(desk, assistant) for one in gap.examples]
    assert set(left) <= {"какая цена доставки"}
    answer = desk.ask(desk.open_dialog(), "сколько стоит доставка")
    assert answer is not None
    assert (answer.engine, answer.text) == (EngineName.QA, gap.draft.reply)


def test_a_gap_without_a_draft_takes_the_owner_s_words(desk: Desk, assistant: AssistantView) -> None:
    _taught(desk)
    _ask(desk, "Есть ли гарантия?")
    (gap,) = _report(desk, assistant)

    for number, answer in ((gap.id, None), (gap.id + 1000, "Год")):
        with pytest.raises(NotFound):
            desk.app.gaps.solve(desk.owner, assistant, number, answer)
    desk.app.gaps.solve(desk.owner, assistant, gap.id, "Гарантия год.")

    assert _report(desk, assistant) == []


def test_a_doubtful_answer_is_a_gap_until_it_is_no_more(desk: Desk, assistant: AssistantView) -> None:
    dialog = desk.open_dialog()
    desk.say(dialog, "Сколько ждать курьера?")
    source = {"document_id": 1, "filename": "a", "page": None, "heading": None, "quote": "q", "score": 0.52}
    with desk.app.db.transaction():
        locked = access_dialog(desk.app.db, desk.owner, dialog, lock=True)
        desk.app.inbox._writing.add_message(
            locked, Sender.ASSISTANT, "Может быть, день.", engine="extractive", outcome="answered", sources=[source]
        )

    (gap,) = _report(desk, assistant)

    assert (gap.question, gap.unanswered, gap.best_score) == ("Сколько ждать курьера?", 0, 0.52)
    desk.app.knowledge.add_qa(desk.owner, assistant.id, "Сколько ждать курьера?", "Два дня.")
    assert _report(desk, assistant) == []


def test_what_was_asked_long_ago_or_of_others_is_not_reported(desk: Desk, assistant: AssistantView) -> None:
    _taught(desk)
    _ask(desk, "Есть ли гарантия?")
    other = desk.app.assistants.create(desk.owner, name="Второй", ai_model="extractive")

    assert desk.app.gaps.report(other) == []
    assert len(_report(desk, assistant)) == 1
    later = MovableClock(desk.app.clock.now() + timedelta(days=31))
    assert Gaps(desk.app.db, later, desk.app.knowledge).report(assistant) == []
