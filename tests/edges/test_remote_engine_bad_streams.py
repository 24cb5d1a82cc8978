"""What servers send when they are broken, strange or hostile: never a crash, never a half answer shown as whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from replyx.clock import SystemClock
from replyx.config.settings import Config
from replyx.errors import EngineFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engine import EngineRequest
from replyx.llm.remote import RemoteEngine
from replyx.security.secretbox import SecretBox
from replyx.storage.ai_tokens import AiToken
from replyx.storage.database import Database
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM

REQUEST = EngineRequest("fake-model", "", "How long?", language="en", max_tokens=256)


def event(content: Any = None, finish: Any = None, **more: Any) -> bytes:
    delta = {} if content is None else {"content": content}
    row = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(row).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
HELLO = event("Hello")
STOP = event(None, "stop")


def raw(*parts: bytes) -> Scenario:
    return Scenario(raw=b"".join(parts))


#: Nothing of these is an answer; those marked `started` had begun to look like one.
BAD: dict[str, Scenario] = {
    "an empty body": raw(b""),
    "only the end": raw(DONE),
    "only a finish reason": raw(STOP, DONE),
    "only spaces": raw(event("  \n"), STOP, DONE),
    "only what is removed": raw(event("\0\0\ud800"), STOP, DONE),
    "only comments": raw(b": ping\n\n" * 50),
    "an html page": Scenario(raw=b"<html>Sign in</html>", content_type="text/html"),
    "plain words": raw(b"Hello, I am no event stream\n\n"),
    "random bytes": raw(bytes(range(256)) * 20),
    "zero bytes": raw(b"\0" * 5000),
    "broken JSON": raw(b'data: {"choices": [\n\n', DONE),
    "JSON that is no object": raw(b"data: [1, 2]\n\n", DONE),
    "a bare string": raw(b'data: "Hello"\n\n', DONE),
    "null": raw(b"data: null\n\n", DONE),
    "choices that are no list": raw(b'data: {"choices": {"0": {}}}\n\n', DONE),
    "a choice that is no object": raw(b'data: {"choices": ["Hello"]}\n\n', DONE),
    "a delta that is no object": raw(b'data: {"choices": [{"delta": "Hello"}]}\n\n', DONE),
    "content that is a number": raw(event(5), STOP, DONE),
    "content that is a list": raw(event(["Hello"]), STOP, DONE),
    "content that is an object": raw(event({"text": "Hello"}), STOP, DONE),
    "a hundred thousand brackets": raw(b"data: " + b"[" * 100_000 + b"\n\n", DONE),
    "a number of ten thousand digits": raw(b'data: {"choices": [], "x": ' + b"9" * 10_000 + b"}\n\n", DONE),
    "bytes that are no UTF-8": raw(b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n', DONE),
    "UTF-8 cut in the middle of a letter": raw(b'data: {"choices": [{"delta": {"content": "\xd0"}}]}\n\n', DONE),
    "an error in the stream": raw(b'data: {"error": {"message": "overloaded", "code": 503}}\n\n'),
    "an error as words": raw(b'data: {"error": "out of memory"}\n\n', DONE),
    "an error of another form": raw(b'data: {"object": "error", "message": "no", "code": 500}\n\n', DONE),
    "a call of a tool": raw(event(None, "tool_calls"), DONE),
    "another choice only": raw(b'data: {"choices": [{"index": 1, "delta": {"content": "Hello"}}]}\n\n', STOP, DONE),
    "a line without end": raw(b"data: " + b"x" * 400_000),
    "a body cut before the first event's end": Scenario(text="Hello world", cut_after=60),
    "a whole answer without a finish reason": Scenario(
        raw=b'{"choices": [{"message": {"content": "Hello"}}]}', content_type="application/json"
    ),
    "a whole answer that is an error": Scenario(raw=b'{"error": {"code": 500}}', content_type="application/json"),
    "a whole answer that is too large": Scenario(raw=b" " * 2_000_000, content_type="application/json"),
    "a whole answer that is cut": Scenario(raw=b'{"choices": [{"mess', content_type="application/json"),
}

STARTED: dict[str, Scenario] = {
    "an early end": raw(HELLO),
    "an early end within a line": raw(HELLO, b'data: {"choi'),
    "a broken connection": Scenario(text="Hello world and more", cut_after=420),
    "broken JSON after the first word": raw(HELLO, b"data: {{{\n\n", DONE),
    "no UTF-8 after the first word": raw(HELLO, b"data: \xff\n\n", DONE),
    "an error after the first word": raw(HELLO, b'data: {"error": {"code": 429, "message": "slow down"}}\n\n', DONE),
    "a filter after the first word": raw(HELLO, event(None, "content_filter"), DONE),
    "an unknown finish reason": raw(HELLO, event(None, "exploded"), DONE),
    "a finish reason that is no word": raw(HELLO, event(None, {"why": "stop"}), DONE),
    "a million words": raw(HELLO, event("word " * 1000) * 1000, STOP, DONE),
    "fifty megabytes that are no text": Scenario(
        text="Hello", done=False, finish_reason=None, never_ends=True, filler=event(reasoning="x" * 500_000)
    ),
    "megabytes of thought": raw(HELLO, event(None, None, thought="x" * 100_000) * 100, STOP, DONE),
}

#: Unusual, but whole: the answer must come, and be clean.
GOOD: dict[str, tuple[Scenario, str]] = {
    "no [DONE]": (raw(HELLO, STOP), "Hello"),
    "no finish reason": (raw(HELLO, DONE), "Hello"),
    "[DONE] without its blank line": (raw(HELLO, b"data: [DONE]"), "Hello"),
    "lines that end with CR LF": (raw(HELLO.replace(b"\n", b"\r\n"), DONE.replace(b"\n", b"\r\n")), "Hello"),
    "no space after the colon": (raw(HELLO.replace(b"data: ", b"data:"), b"data:[DONE]\n\n"), "Hello"),
    "a byte order mark": (raw(b"\xef\xbb\xbf", HELLO, DONE), "Hello"),
    "comments, names, numbers": (raw(b": hi\n\nevent: x\nid: 7\nretry: 5\n", HELLO, b": ho\n\n", DONE), "Hello"),
    "an event on two lines": (raw(b'data: {"choices": [{"delta":\ndata: {"content": "Hello"}}]}\n\n', DONE), "Hello"),
    "NUL and controls in the text": (raw(event("He\0l\x07lo\x1b[2J"), STOP, DONE), "Hello[2J"),
    "lone halves of a pair": (raw(event("He\ud83dllo\ude00"), STOP, DONE), "Hello"),
    "a pair in two pieces": (raw(event("Hello \ud83d"), event("\ude00!"), STOP, DONE), "Hello \U0001f600!"),
    "empty choices, odd usage": (raw(event("Hello", usage="lots"), b'data: {"choices": []}\n\n', DONE), "Hello"),
    "usage beyond reason": (raw(event("Hello", usage={"prompt_tokens": -5, "completion_tokens": 1e99}), DONE), "Hello"),
    "words after the finish": (raw(HELLO, STOP, event(" and more"), DONE), "Hello"),
    "events after [DONE]": (raw(HELLO, DONE, event(" and more"), b"data: {{{\n\n"), "Hello"),
    "a breach after the finish": (Scenario(raw=HELLO + STOP + b"xxxx", cut_after=len(HELLO + STOP) + 2), "Hello"),
    "a body left open after [DONE]": (Scenario(text="Hello", hangs_open=True), "Hello"),
    "a body left open after the finish": (Scenario(text="Hello", hangs_open=True, done=False), "Hello"),
    "no content type": (Scenario(raw=HELLO + DONE, content_type=""), "Hello"),
    "spaces before the first word": (raw(event(" "), event("\n Hello"), STOP, DONE), "Hello"),
    "the limit of tokens": (raw(HELLO, event(None, "length"), DONE), "Hello"),
}  # fmt: skip


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def engine(llm: FakeLLM, sqlite_db: Database, configure: Callable[..., Config]) -> Iterator[RemoteEngine]:
    clock = SystemClock()
    keys = AiTokens(sqlite_db, clock, SecretBox(b"k" * 32))
    for name, priority in (("bad", 1), ("good", 2)):
        keys.add(name, f"sk-{name}", base_url=llm.base_url, model_access=["fake-model"], priority=priority)
    engine = RemoteEngine(configure(REPLYX_ANSWERS__FIRST_BYTE_SECONDS="5"), keys, clock)
    yield engine
    engine.close()


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_is_left_for_the_next_key(llm: FakeLLM, engine: RemoteEngine, name: str) -> None:
    llm.by_key = {"sk-bad": BAD[name], "sk-good": Scenario(text="A whole answer.")}
    assert "".join(engine.stream(REQUEST, lambda: False)) == "A whole answer."
    assert [request.key for request in llm.requests] == ["sk-bad", "sk-good"]


@pytest.mark.parametrize("name", STARTED)
def test_what_breaks_after_it_began_is_an_error(llm: FakeLLM, engine: RemoteEngine, name: str) -> None:
    llm.by_key = {"sk-bad": replace(STARTED[name], words_per_second=25), "sk-good": Scenario(text="A whole answer.")}
    pieces, failure = collect(engine)
    if failure is None:
        # On a busy machine beginning and breach may be read at once: then nothing was shown of it.
        assert "".join(pieces) == "A whole answer."
    else:
        assert pieces[0].startswith("Hello")
        assert len("".join(pieces).encode()) <= 17_000
        assert failure.retryable
        assert len(llm.requests) == 1


def test_what_breaks_with_its_first_words_was_never_shown(llm: FakeLLM, engine: RemoteEngine) -> None:
    llm.by_key = {"sk-bad": raw(HELLO, b"data: {{{\n\n"), "sk-good": Scenario(text="A whole answer.")}
    pieces, failure = collect(engine)
    assert ("".join(pieces), failure) == ("A whole answer.", None)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_strange_but_whole_is_an_answer(llm: FakeLLM, engine: RemoteEngine, name: str) -> None:
    scenario, text = GOOD[name]
    llm.by_key = {"sk-bad": scenario}
    assert "".join(engine.stream(REQUEST, lambda: False)) == text
    assert len(llm.requests) == 1


@pytest.mark.parametrize("cut", range(0, 700, 25))
def test_an_answer_cut_at_any_byte_is_never_shown_as_whole(llm: FakeLLM, engine: RemoteEngine, cut: int) -> None:
    whole = Scenario(text="The guarantee lasts 24 months.", usage=False)
    llm.by_key = {"sk-bad": replace(whole, cut_after=cut), "sk-good": whole}
    pieces, failure = collect(engine)
    if failure is None:
        assert "".join(pieces) == "The guarantee lasts 24 months."
    else:
        assert failure.retryable


WHOLE = "Гарантия — 24 месяца. Ask for a 🔧 master."
STREAM = b"".join(event(f"{word} ") for word in WHOLE.split()) + STOP + DONE

#: What is put into the stream in the middle of anything: no UTF-8, the end of a text, another object, a line's end.
RUBBISH = (b"\xff", b'"', b'{"', b"\n\ndata: {{{\n\n")


def malformed() -> Iterator[tuple[str, bytes]]:
    """Over two hundred streams: ended politely too early, and with rubbish within."""
    finish = STREAM.index(b"stop")
    for at in range(0, finish, 4):
        yield f"ends at byte {at}", STREAM[:at]
    for rubbish in RUBBISH:
        for at in range(3, finish, 23):
            yield f"{rubbish!r} at byte {at}", STREAM[:at] + rubbish + STREAM[at:]


def test_of_two_hundred_malformed_streams_none_crashes_and_no_half_answer_is_shown_as_whole(
    llm: FakeLLM, engine: RemoteEngine, sqlite_db: Database
) -> None:
    cases = list(malformed())
    assert len(cases) >= 200
    failed = 0
    for number, (name, body) in enumerate(cases, 1):
        llm.by_key = {"sk-bad": Scenario(raw=body), "sk-good": Scenario(text="A whole answer.")}
        pieces, failure = collect(engine)
        assert [request.key for request in llm.requests].count("sk-bad") == number, name
        if failure is None:
            # Rubbish between two events may mean nothing; else another key gave the whole answer.
            assert "".join(pieces).strip() in (WHOLE, "A whole answer."), name
        failed += failure is not None or "".join(pieces) == "A whole answer."
        with sqlite_db.transaction():
            AiToken.update(cooling_until=None, failures=0).execute()
    assert failed >= 200


def collect(engine: RemoteEngine) -> tuple[list[str], EngineFailed | None]:
    """The pieces that came, and how it failed if it did."""
    pieces: list[str] = []
    try:
        for piece in engine.stream(REQUEST, lambda: False):
            pieces.append(piece)
    except EngineFailed as error:
        return pieces, error
    return pieces, None
