"""What answers cost: price lists by channel and by model, the daily cap, the warning of a low balance."""

from __future__ import annotations

from typing import Any

import pytest

from replyx.billing.pricing import Price, price_for
from replyx.config.loading import load_config
from replyx.errors import ValidationFailed
from replyx.events.audit import AuditFilter
from replyx.storage.dialogs import Reply
from replyx.testing.llm_answers import Scenario
from replyx.types import Channel, Contact, InboundMessage
from tests.support.desk import MODEL, Desk


@pytest.mark.parametrize(
    ("price", "prices", "channel", "expected"),
    [
        (None, None, Channel.WEBSITE, Price(500)),
        (300, None, Channel.TELEGRAM, Price(300)),
        (300, {"telegram": 200}, Channel.TELEGRAM, Price(200)),
        (300, {"telegram": 200}, Channel.WEBSITE, Price(300)),
        (None, {"per_1000_tokens": {"m": 150}}, Channel.API, Price(0, 150)),
        (100, {"per_1000_tokens": {"m": 150}}, Channel.API, Price(100, 150)),
        (None, {"per_1000_tokens": {"other": 150}}, Channel.API, Price(500)),
        (None, {"api": 0, "per_1000_tokens": {"m": 150}}, Channel.API, Price(0, 150)),
    ],
)
def test_a_price_is_the_channels_then_the_flat_one_then_the_default(
    price: int | None, prices: dict[str, Any] | None, channel: Channel, expected: Price
) -> None:
    assert price_for(price, prices, channel, "m", load_config(environ={})) == expected


def test_a_started_kopeck_counts_whole() -> None:
    assert [Price(0, 150).of(tokens) for tokens in (0, 1, 1000, 1001)] == [0, 1, 150, 151]
    assert Price(10, 150).highest(2000) == 10 + 1500
    assert Price(10).highest(2000) == 10


def test_tokens_are_held_at_their_highest_and_paid_as_used(desk: Desk) -> None:
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"prices": {"per_1000_tokens": {MODEL: 1000}}})
    dialog = desk.open_dialog()
    message = desk.ask(dialog, "Сколько стоит доставка?")
    assert message is not None
    (paid,), _ = desk.app.ledger.transactions(desk.user.id, kind="debit")
    assert paid.details is not None
    tokens = paid.details["prompt_tokens"] + paid.details["completion_tokens"]
    assert tokens > 0
    assert desk.money() == (100_000 - tokens, 0)
    assert desk.app.ledger.verify().ok


def test_the_daily_cap_stops_answers_and_calls_a_person(desk: Desk) -> None:
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"daily_cap": 1200})
    dialogs = [desk.open_dialog() for _ in range(3)]
    answers = [desk.ask(dialog, "Сколько стоит доставка?") for dialog in dialogs]
    assert [answer is not None for answer in answers] == [True, True, False]
    assert desk.money() == (100_000 - 1000, 0)
    assert len(desk.llm.requests) == 2
    assert desk.app.dialogs.get(desk.owner, dialogs[2]).handoff_reason == "policy"


def test_a_try_that_died_does_not_count_against_the_daily_cap_of_the_next(desk: Desk) -> None:
    """What it held is released; of the cap there is exactly one answer left."""
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"daily_cap": 500})
    receipt = desk.say(desk.open_dialog(), "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    assert desk.app.answering._claim(receipt.reply_id) is not None
    with desk.app.db.transaction():
        Reply.update(lease_until=0).where(Reply.id == receipt.reply_id).execute()
    message = desk.app.answering.answer(receipt.reply_id)
    assert message is not None
    assert message.outcome == "answered"
    assert desk.money() == (99_500, 0)


def test_what_costs_nothing_frees_what_was_held(desk: Desk) -> None:
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"ai_model": "extractive", "welcome_text": "Привет!"})
    message = desk.ask(desk.open_dialog(), "Здравствуйте")
    assert message is not None
    assert message.text == "Привет!"
    assert len(desk.llm.requests) == 0
    assert desk.money() == (100_000, 0)
    assert desk.app.ledger.transactions(desk.user.id, kind="debit") == ([], 0)


def test_a_prepared_answer_has_its_price_and_no_tokens(desk: Desk) -> None:
    question = "Сколько стоит доставка?"
    desk.app.knowledge.add_qa(desk.owner, desk.assistant.id, question, "300 рублей.")
    message = desk.ask(desk.open_dialog(), question)
    assert message is not None
    assert message.text == "300 рублей."
    (paid,), _ = desk.app.ledger.transactions(desk.user.id, kind="debit")
    assert paid.service_type == "widget_message"
    assert paid.details is not None
    assert paid.details.keys() == {"dialog_id", "message_count", "reply_id"}


def test_a_channel_has_its_own_price(desk: Desk) -> None:
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"prices": {"api": 100, "website": 0}})
    desk.ask(desk.open_dialog(), "Сколько стоит доставка?")
    assert desk.money() == (100_000, 0)
    assistant = desk.app.assistants.get(desk.owner, desk.assistant.id)
    dialog = desk.app.sessions.start(assistant, Channel.API, Contact())
    receipt = desk.app.inbox.receive(InboundMessage(Channel.API, dialog, "Сколько стоит доставка?"))
    assert receipt.reply_id is not None
    desk.app.answering.answer(receipt.reply_id)
    assert desk.money() == (99_900, 0)
    (paid,), _ = desk.app.ledger.transactions(desk.user.id, kind="debit")
    assert paid.service_type == "api_message"


def test_a_balance_that_gets_low_is_told_once(desk: Desk) -> None:
    desk.llm.standing = Scenario(text="Ответ.")
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"price": 47_500})
    dialog = desk.open_dialog()
    for _ in range(2):
        desk.ask(dialog, "Сколько стоит доставка?")
        assert not desk.app.ledger.balance(desk.user.id).is_low
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"price": 1_000})
    for _ in range(2):
        desk.ask(dialog, "Сколько стоит доставка?")
        assert desk.app.ledger.balance(desk.user.id).as_json()["low_balance"] is True
    rows, _ = desk.app.accounts.audit.list(AuditFilter(action="money.low_balance"))
    assert len(rows) == 1


@pytest.mark.parametrize(
    "prices",
    [
        [],
        5,
        {"fax": 5},
        {"api": -1},
        {"api": 1.5},
        {"api": "5"},
        {"per_1000_tokens": 5},
        {"per_1000_tokens": {"m": -5}},
    ],
)
def test_what_is_no_price_list_is_refused(desk: Desk, prices: Any) -> None:
    with pytest.raises(ValidationFailed):
        desk.app.assistants.update(desk.owner, desk.assistant.id, {"prices": prices})
