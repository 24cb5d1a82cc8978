"""A message that kills whoever answers it is given up after five deaths; its neighbours are answered meanwhile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from replyx.storage.dialogs import Dialog, Message, Reply
from replyx.testing.llm_answers import Scenario
from tests.kills.life import Shop
from tests.kills.loop import open_loop
from tests.kills.nursery import Nursery
from tests.support.programs import wait_until

#: What answers the poisonous message: it speaks for longer than whoever listens lives.
MODEL, KEY = "poisonous-model", "sk-poison-0123456789abcdef"

#: Seconds within which a worker that was started takes up what a dead one left.
_TAKEN_UP = 60.0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_message_that_kills_five_workers_ends_in_an_apology_and_a_handoff_while_others_are_answered(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database: str = request.getfixturevalue(f"{kind}_url")
    redis: str = request.getfixturevalue("redis_url") if kind == "postgres" else ""
    commands = ("server", "worker") if kind == "postgres" else ("up",)
    with Nursery(tmp_path) as nursery, open_loop(tmp_path, nursery, commands, database, redis, thinks=0.3) as loop:
        _poison(loop.shop, commands[-1])


def _poison(shop: Shop, role: str) -> None:
    app, llm = shop.app, shop.desk.llm
    llm.by_key[KEY] = Scenario(text="слово " * 600, words_per_second=5)
    app.ai_tokens.add("poison", KEY, base_url=llm.base_url, model_access=[MODEL])
    assistant = app.assistants.create(
        shop.desk.owner, name="П", ai_model=MODEL, website_integration=True, allowed_domains=["shop.example"]
    )
    poisoned, _ = shop.ask(assistant.site_token, "Сообщение, от которого умирает тот, кто отвечает")
    for death in range(1, 6):
        wait_until(partial(_is_asked, shop, death), _TAKEN_UP, f"nobody took it up for the {death}. time")
        shop.roles.end(role)
        if death in (1, 4):
            shop.live()
        shop.roles.tend()
    wait_until(lambda: _apology(shop, poisoned), _TAKEN_UP, "the message was not given up")
    shop.live()
    assert _is_asked(shop, 5)
    with app.db.connection():
        dialog, reply = Dialog.get_by_id(poisoned), Reply.get(Reply.dialog == poisoned)
    assert (dialog.handoff_status, dialog.handoff_reason) == ("requested", "failed")
    assert (reply.state, reply.attempts, reply.hold_id) == ("dead", 6, None)
    assert app.accounts.me(shop.desk.owner).held == 0
    assert app.ledger.balance(shop.desk.user.id).total_spent == 3 * 500


def _is_asked(shop: Shop, times: int) -> bool:
    """Whether the model has begun to answer the poisonous message so often."""
    return sum(seen.model == MODEL for seen in list(shop.desk.llm.requests)) == times


def _apology(shop: Shop, dialog_id: int) -> bool:
    with shop.app.db.connection():
        mine = (Message.dialog == dialog_id) & (Message.sender == "assistant") & (Message.outcome == "unavailable")
        return Message.select().where(mine).exists()
