"""A worker that was killed: what it was writing is taken up at once, not when its lease has run out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from replyx.storage.dialogs import Reply
from replyx.tasks.holders import holder_name
from replyx.types import Sender
from tests.support.desk import Desk

_SAY_NAME_AND_WAIT = "from replyx.tasks.holders import holder_name; print(holder_name(), flush=True); input()"


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _SAY_NAME_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_worker_was_writing_is_taken_up_before_its_lease_runs_out(
    desk: Desk, other: subprocess.Popen[str]
) -> None:
    assert other.stdout is not None
    reply_id = _claimed_by(desk, other.stdout.readline().strip())

    assert desk.app.answering.sweep() == 0
    assert desk.app.answering.answer(reply_id) is None
    other.kill()
    other.wait()

    assert desk.app.answering.sweep() == 1
    assert desk.app.answering.answer(reply_id) is not None


def test_a_worker_of_another_machine_keeps_what_it_is_writing(desk: Desk) -> None:
    place, _, rest = holder_name().partition(":")
    reply_id = _claimed_by(desk, f"{place[::-1]}:{rest}")

    assert desk.app.answering.sweep() == 0
    assert desk.app.answering.answer(reply_id) is None


def test_who_writes_an_answer_is_no_part_of_how_it_came_about(desk: Desk) -> None:
    dialog = desk.open_dialog()
    receipt = desk.say(dialog, "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    for _ in range(desk.app.config.answers.attempts + 1):
        assert desk.app.answering._claim(receipt.reply_id) is None or not desk.said(dialog, Sender.ASSISTANT)
        with desk.app.db.transaction():
            Reply.update(lease_until=0).where(Reply.id == receipt.reply_id).execute()

    assert len(desk.said(dialog, Sender.ASSISTANT)) == 1
    assert desk.app.dialogs.traces(desk.owner, dialog) == []


def _claimed_by(desk: Desk, holder: str) -> int:
    """A reply that a process of this name has under a lease of a minute."""
    receipt = desk.say(desk.open_dialog(), "Сколько стоит доставка?")
    assert receipt.reply_id is not None
    changes = {"state": "working", "fence": 1, "attempts": 1, "lease_until": desk.app.db.now_ms(60)}
    with desk.app.db.transaction():
        Reply.update(**changes, trace={"writer": holder}).where(Reply.id == receipt.reply_id).execute()
    return receipt.reply_id
