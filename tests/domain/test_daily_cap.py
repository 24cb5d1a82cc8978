"""The daily cap of an assistant when many of its answers begin at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.desk import Desk


def test_of_answers_that_begin_at_once_as_many_are_given_as_the_cap_allows(desk: Desk) -> None:
    desk.app.assistants.update(desk.owner, desk.assistant.id, {"daily_cap": 1500})
    replies = [desk.say(desk.open_dialog(), "Сколько стоит доставка?").reply_id for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda reply: desk.app.answering._claim(reply or 0), replies))

    assert sum(claim is not None for claim in claims) == 3
    assert desk.money() == (100_000 - 1500, 1500)
