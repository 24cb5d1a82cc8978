"""The stream of an answer: the first piece at once, the rest joined, in order, nothing left unsent."""

from __future__ import annotations

import threading
import time

from replyx.clock import SystemClock
from replyx.events.catalogue import dialog_topic
from replyx.events.memory import MemoryBus
from replyx.events.stream import TELL_SECONDS, AnswerStream
from replyx.types import Json
from tests.support.clock import MovableClock
from tests.support.programs import wait_until


class Ear:
    """What listeners of one dialog hear, and when."""

    def __init__(self, bus: MemoryBus, dialog_id: int = 1) -> None:
        self.rows: list[Json] = []
        self.times: list[float] = []
        bus.subscribe(dialog_topic(dialog_id), self._hear)

    @property
    def text(self) -> str:
        return "".join(row["text"] for row in self.rows)

    @property
    def indexes(self) -> list[int]:
        return [row["index"] for row in self.rows]

    def _hear(self, payload: Json) -> None:
        self.times.append(time.monotonic())
        self.rows.append(payload)


def test_the_first_piece_is_sent_at_once_in_the_form_that_sockets_send(bus: MemoryBus) -> None:
    ear = Ear(bus, dialog_id=7)
    AnswerStream(bus, SystemClock()).start(dialog_id=7, reply_id=3).write("При")
    assert ear.rows == [{"type": "message_delta", "dialog_id": 7, "reply_id": 3, "index": 0, "text": "При"}]


def test_pieces_within_20_ms_are_joined_and_numbered_without_a_gap(bus: MemoryBus) -> None:
    ear = Ear(bus)
    writer = AnswerStream(bus, SystemClock()).start(1, 1)
    expected = ""
    for number in range(300):
        writer.write(f"{number} ")
        expected += f"{number} "
    writer.close()
    assert ear.text == expected
    assert ear.indexes == list(range(len(ear.rows)))
    assert len(ear.rows) < 10


def test_a_piece_that_comes_later_than_20_ms_after_the_last_is_sent_in_the_callers_thread(
    bus: MemoryBus, clock: MovableClock
) -> None:
    ear = Ear(bus)
    writer = AnswerStream(bus, clock).start(1, 1)
    for piece in ("a", "b", "c"):
        clock.advance(0.021)
        writer.write(piece)
        assert ear.text.endswith(piece)
    assert ear.indexes == [0, 1, 2]


def test_text_does_not_wait_for_a_model_that_pauses(bus: MemoryBus) -> None:
    ear = Ear(bus)
    writer = AnswerStream(bus, SystemClock()).start(1, 1)
    writer.write("one ")
    began = time.monotonic()
    writer.write("two ")
    writer.write("three")
    wait_until(lambda: ear.text == "one two three", 1, "text was left unsent")
    assert ear.times[1] - began < 0.1
    assert ear.indexes == [0, 1]


def test_closing_sends_the_rest_and_a_new_try_counts_from_0(bus: MemoryBus, clock: MovableClock) -> None:
    ear = Ear(bus)
    stream = AnswerStream(bus, clock)
    writer = stream.start(1, 1)
    writer.write("one ")
    writer.write("two")
    writer.close()
    writer.close()
    again = stream.start(1, 1)
    again.write("anew")
    again.close()
    assert [(row["index"], row["text"]) for row in ear.rows] == [(0, "one "), (1, "two"), (0, "anew")]


def test_an_empty_piece_is_not_sent(bus: MemoryBus) -> None:
    ear = Ear(bus)
    writer = AnswerStream(bus, SystemClock()).start(1, 1)
    writer.write("")
    writer.close()
    assert ear.rows == []


def test_many_answers_at_once_each_keep_their_order_and_share_one_flushing_thread(bus: MemoryBus) -> None:
    stream = AnswerStream(bus, SystemClock())
    ears = [Ear(bus, dialog_id) for dialog_id in range(16)]
    before = {thread.name for thread in threading.enumerate()}

    def answer(dialog_id: int) -> None:
        writer = stream.start(dialog_id, dialog_id)
        for number in range(200):
            writer.write(f"{number},")
            time.sleep(0.001)
        writer.close()

    threads = [threading.Thread(target=answer, args=(n,), name=f"model-{n}") for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = "".join(f"{number}," for number in range(200))
    assert [ear.text for ear in ears] == [expected] * 16
    assert all(ear.indexes == list(range(len(ear.rows))) for ear in ears)
    new = [t.name for t in threading.enumerate() if t.name not in before and not t.name.startswith("model-")]
    assert new.count("answer-stream") <= 1


def test_who_cannot_put_pieces_together_is_told_the_whole_now_and_then(bus: MemoryBus, clock: MovableClock) -> None:
    told: list[str] = []
    writer = AnswerStream(bus, clock).start(1, 1, told.append)
    for piece in ("раз ", "два ", "три ", "четыре"):
        writer.write(piece)
        clock.advance(TELL_SECONDS * 0.6)
    writer.close()
    assert told == ["раз два три "]
