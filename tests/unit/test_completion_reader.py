"""Hundreds of streams that were bent at random: each is read, or refused as one; none crashes, none is half shown."""

from __future__ import annotations

import json
import random

import pytest

from replyx.llm.completion_reader import BadStream, CompletionReader

WORDS = ("Да,", " доставка", " бесплатна", " от", " 3000", " ₽.", " 👍")
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


WHOLE = b"".join(map(event, WORDS)) + END


def read(stream: bytes, chance: random.Random) -> str | None:
    """The answer's text where it is whole, None where the stream was refused."""
    reader, text = CompletionReader(1024), ""
    try:
        while stream and not reader.done:
            at = chance.randint(1, 200)
            text += "".join(reader.feed(stream[:at]))
            stream = stream[at:]
        if not reader.done:
            text += "".join(reader.end())
    except BadStream:
        return None
    return text


def bent(stream: bytes, chance: random.Random) -> bytes:
    """The stream with one to four things done to it."""
    data = bytearray(stream)
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(data)), chance.randint(1, 60)
        kind = chance.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = chance.randbytes(size)
        elif kind == 3:
            data[at:at] = data[at : at + size]
        else:
            data[at:at] = chance.choice([b"\n\n", b"\x00", b"\xff\xfe", b"NaN", b"{" * 500, b'"\\ud83d"', b"data:"])
        if not data:
            return b""
    return bytes(data)


def test_every_cut_of_the_bytes_gives_the_same_text() -> None:
    assert {read(WHOLE, random.Random(seed)) for seed in range(50)} == {"".join(WORDS)}


def test_bent_streams_crash_nothing_and_what_comes_out_can_be_stored() -> None:
    refused = 0
    for seed in range(1000):
        chance = random.Random(seed)
        text = read(bent(WHOLE, chance), chance)
        refused += text is None
        if text is not None:
            assert "\x00" not in text
            text.encode("utf-8")
    assert refused > 200


@pytest.mark.parametrize("cut", range(0, len(WHOLE) - len(END), 3))
def test_what_ends_before_its_finish_is_no_answer(cut: int) -> None:
    assert read(WHOLE[:cut], random.Random(cut)) is None
