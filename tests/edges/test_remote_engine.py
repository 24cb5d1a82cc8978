"""The remote engine against a true HTTP server over loopback: streaming, failover, stopping, and bad servers."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import pytest

from replyx.clock import SystemClock
from replyx.config.settings import Config
from replyx.errors import EngineFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engine import EngineRequest, Passage, Usage
from replyx.llm.remote import RemoteEngine
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM

REQUEST = EngineRequest("fake-model", "Be kind.", "How long?", (Passage("It lasts 24 months.", 0.9),), language="en")
SECRET = "sk-secret-0123456789"


@dataclass
class Bench:
    """A pool, an engine and the server that the pool's keys lead to."""

    llm: FakeLLM
    keys: AiTokens
    engine: RemoteEngine
    added: list[int] = field(default_factory=list)

    def key(self, name: str, scenario: Scenario | None = None, *, priority: int = 1) -> int:
        secret = f"{SECRET}-{name}"
        token = self.keys.add(name, secret, base_url=self.llm.base_url, model_access=["fake-model"], priority=priority)
        if scenario is not None:
            self.llm.by_key[secret] = scenario
        return token.id

    def asked(self) -> list[str]:
        """Names of the keys in the order in which the server saw them."""
        return [request.key.removeprefix(f"{SECRET}-") for request in self.llm.requests]

    def answer(self, should_stop: Callable[[], bool] = lambda: False) -> tuple[list[str], Usage]:
        return drain(self.engine.stream(REQUEST, should_stop))


def drain(stream: Generator[str, None, Usage]) -> tuple[list[str], Usage]:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


@pytest.fixture
def settings(configure: Callable[..., Config]) -> Config:
    return configure(REPLYX_ANSWERS__FIRST_BYTE_SECONDS="1", REPLYX_ANSWERS__TIMEOUT_SECONDS="3")


@pytest.fixture
def bench(sqlite_db: Database, settings: Config) -> Iterator[Bench]:
    clock = SystemClock()
    keys = AiTokens(sqlite_db, clock, SecretBox(b"k" * 32))
    with FakeLLM() as llm:
        engine = RemoteEngine(settings, keys, clock)
        yield Bench(llm, keys, engine)
        engine.close()


def test_an_answer_comes_whole_with_its_usage(bench: Bench) -> None:
    key = bench.key("a")
    pieces, usage = bench.answer()
    assert "".join(pieces) == "It lasts 24 months. [1]"
    assert usage.ai_token_id == key
    assert usage.completion_tokens == 5
    assert usage.prompt_tokens > 5


def test_the_server_is_sent_the_prompt_and_the_key_and_nothing_else_of_ours(bench: Bench) -> None:
    bench.key("a")
    bench.answer()
    (seen,) = bench.llm.requests
    assert seen.key == f"{SECRET}-a"
    assert [m["role"] for m in seen.messages] == ["system", "user"]
    assert {k: v for k, v in seen.body.items() if k != "messages"} == {
        "model": "fake-model",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 1024,
        "temperature": 0.2,
    }
    assert SECRET not in json.dumps(seen.body)


def test_pieces_come_as_they_are_written(bench: Bench) -> None:
    bench.key("a")
    bench.llm.standing = Scenario(text="one" + " word" * 100, words_per_second=20)
    stream = bench.engine.stream(REQUEST, lambda: False)
    assert next(stream) == "one"
    assert bench.llm.open_answers == 1, "the first word came when the last one had been written"
    stream.close()


def test_what_is_read_at_once_is_one_piece(bench: Bench) -> None:
    words = ("It", " lasts", " long.")
    events = (json.dumps({"choices": [{"index": 0, "delta": {"content": word}}]}) for word in words)
    raw = "".join(f"data: {one}\n\n" for one in events) + "data: [DONE]\n\n"
    bench.key("a", Scenario(raw=raw.encode()))
    pieces, _ = bench.answer()
    assert pieces == ["It lasts long."]


def test_one_connection_serves_one_answer_after_another(bench: Bench) -> None:
    bench.key("a")
    for _ in range(5):
        bench.answer()
    assert bench.llm.connections == 1


def test_sixteen_answers_at_once_are_all_whole(bench: Bench) -> None:
    bench.key("a")
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append("".join(bench.answer()[0]))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["It lasts 24 months. [1]"] * 16


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_is_switched_off_and_the_next_one_answers(bench: Bench, status: int) -> None:
    first = bench.key("a", Scenario(status=status, error_code="invalid_api_key"))
    second = bench.key("b", priority=2)
    pieces, usage = bench.answer()
    assert "".join(pieces) == "It lasts 24 months. [1]"
    assert usage.ai_token_id == second
    assert bench.asked() == ["a", "b"]
    view = bench.keys.get(first)
    assert (view.is_active, view.disabled_reason) == (False, f"{status} invalid_api_key")


@pytest.mark.parametrize(
    ("scenario", "least", "most"),
    [
        (Scenario(status=429, retry_after="7"), 3, 7),
        (Scenario(status=429), 25, 30),
        (Scenario(status=429, retry_after="soon"), 25, 30),
        (Scenario(status=429, retry_after="-5"), -0.1, 0.1),
        (Scenario(status=500), 0, 2),
        (Scenario(status=529), 0, 2),
        (Scenario(status=503, retry_after="20"), 15, 20),
    ],
)
def test_a_busy_or_ill_key_rests_and_the_next_one_answers(
    bench: Bench, scenario: Scenario, least: float, most: float
) -> None:
    bench.key("a", scenario)
    second = bench.key("b", priority=2)
    assert bench.answer()[1].ai_token_id == second
    rest = bench.keys.rest_of("fake-model") or 0.0
    assert least <= rest <= most
    assert all(view.is_active for view in bench.keys.list())


def test_every_key_is_asked_once_in_order_and_then_the_engine_gives_up_for_a_while(bench: Bench) -> None:
    bench.key("late", Scenario(status=500), priority=3)
    bench.key("a", Scenario(status=429, retry_after="60"))
    bench.key("b", Scenario(status=500), priority=2)
    with pytest.raises(EngineFailed) as caught:
        bench.answer()
    assert bench.asked() == ["a", "b", "late"]
    assert caught.value.retryable
    assert caught.value.retry_after in (1, 2)
    with pytest.raises(EngineFailed) as again:
        bench.answer()
    assert len(bench.llm.requests) == 3
    assert again.value.retryable


def test_without_a_key_that_could_be_mended_by_waiting_there_is_no_use_in_another_try(bench: Bench) -> None:
    with pytest.raises(EngineFailed, match="replyx tokens add") as none:
        bench.answer()
    token = bench.key("a", Scenario(status=404, error_code="model_not_found"))
    with pytest.raises(EngineFailed, match="404 model_not_found") as rejected:
        bench.answer()
    assert bench.keys.get(token).is_active
    bench.keys.update(token, daily_limit=1)
    with pytest.raises(EngineFailed, match="limit") as limited:
        bench.answer()
    assert not any(caught.value.retryable for caught in (none, rejected, limited))


def test_a_server_that_is_not_there_is_trouble(bench: Bench) -> None:
    token = bench.key("a")
    bench.keys.update(token, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(EngineFailed, match="no connection") as caught:
        bench.answer()
    assert caught.value.retryable


def test_after_the_first_piece_no_other_key_goes_on_with_the_answer(bench: Bench) -> None:
    bench.key("a", Scenario(text="one two three", cut_after=400))
    bench.key("b", priority=2)
    stream = bench.engine.stream(REQUEST, lambda: False)
    assert next(stream) == "one"
    with pytest.raises(EngineFailed, match="broke off") as caught:
        drain(stream)
    assert caught.value.retryable
    assert bench.asked() == ["a"]


def test_a_stop_ends_an_answer_at_once_and_closes_its_connection(bench: Bench) -> None:
    bench.key("a")
    bench.llm.standing = Scenario(text="word " * 100, words_per_second=20)
    stop = threading.Event()
    stream = bench.engine.stream(REQUEST, stop.is_set)
    next(stream)
    stop.set()
    rest, _ = drain(stream)
    assert rest == []
    wait_until(lambda: bench.llm.open_answers == 0)
    assert not bench.llm.requests[0].finished


@pytest.mark.parametrize("scenario", [Scenario(silent=True), Scenario(text="one two", words_per_second=0.01)])
def test_a_stop_is_heard_while_the_server_is_silent(bench: Bench, scenario: Scenario) -> None:
    bench.key("a", scenario)
    bench.key("b", priority=2)
    started = time.monotonic()
    pieces, _ = bench.answer(lambda: time.monotonic() > started + 0.3)
    # Who did not hear it would fail by the time-out, or go on with the next key.
    assert pieces in ([], ["one"])
    assert bench.asked() == ["a"]
    wait_until(lambda: bench.llm.open_answers == 0)
    assert bench.keys.rest_of("fake-model") is None


def test_a_closed_stream_frees_its_connection(bench: Bench) -> None:
    bench.key("a", Scenario(text="word " * 100, words_per_second=20))
    stream = bench.engine.stream(REQUEST, lambda: False)
    next(stream)
    stream.close()
    wait_until(lambda: bench.llm.open_answers == 0)


def test_a_silent_server_is_left_for_the_next_key(bench: Bench) -> None:
    bench.key("a", Scenario(silent=True))
    second = bench.key("b", priority=2)
    start = time.monotonic()
    assert bench.answer()[1].ai_token_id == second
    assert time.monotonic() - start > 0.9


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(text="one two", never_ends=True, done=False, finish_reason=None),
        Scenario(text="word " * 1000, words_per_second=10),
    ],
)
def test_an_answer_that_takes_too_long_is_no_answer(bench: Bench, scenario: Scenario) -> None:
    bench.key("a", scenario)
    start = time.monotonic()
    with pytest.raises(EngineFailed, match="time for the answer is over") as caught:
        bench.answer()
    # Whoever heard it to its end would need a hundred seconds, or for ever.
    assert 2.5 < time.monotonic() - start < 60
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("complaint", "gone", "instead"),
    [
        ("Unsupported parameter: 'max_tokens', use 'max_completion_tokens'", "max_tokens", "max_completion_tokens"),
        ("unknown field stream_options", "stream_options", None),
        ("temperature does not support 0.2 with this model", "temperature", None),
    ],
)
def test_a_parameter_that_the_server_does_not_know_is_left_out_from_then_on(
    bench: Bench, complaint: str, gone: str, instead: str | None
) -> None:
    key = bench.key("a")
    bench.llm.script(Scenario(status=400, error_message=complaint))
    assert bench.answer()[1].ai_token_id == key
    assert "".join(bench.answer()[0]) == "It lasts 24 months. [1]"
    assert [gone in request.body for request in bench.llm.requests] == [True, False, False]
    assert instead is None or bench.llm.requests[-1].body[instead] == 1024
    assert bench.keys.get(key).daily_usage == 2


def test_a_server_that_does_not_stream_is_understood(bench: Bench) -> None:
    key = bench.key("a")
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "All at once."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    bench.llm.standing = Scenario(raw=json.dumps(body).encode(), content_type="application/json")
    assert bench.answer() == (["All at once."], Usage(3, 4, key, "sk-…89-a"))


def test_the_secret_is_in_no_error_and_in_no_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Scenario(status=401, error_code=f"{SECRET}-a", error_message=f"Incorrect API key: {SECRET}-a")
    token = bench.key("a", echo)
    bench.key("b", Scenario(raw=f"data: {SECRET}-b\n\n".encode()), priority=2)
    bench.key("c", Scenario(text=f"{SECRET}", cut_after=30), priority=3)
    with pytest.raises(EngineFailed) as caught:
        bench.answer()
    result = bench.keys.test(token)
    chain = repr(caught.value) + caught.value.message_en + repr(caught.value.__cause__) + repr(result)
    assert SECRET not in chain + caplog.text + json.dumps([view.as_json() for view in bench.keys.list()])
    assert bench.keys.get(token).disabled_reason.startswith("401")


def test_a_trial_call_tells_whether_a_key_works_and_why_not(bench: Bench) -> None:
    token = bench.key("a")
    good = bench.keys.test(token)
    assert (good.ok, good.reason, good.model) == (True, "", "fake-model")
    assert 0 <= good.latency_ms < 5000
    assert bench.llm.requests[0].body["max_tokens"] == 16
    bench.llm.standing = Scenario(status=401, error_code="invalid_api_key")
    bad = bench.keys.test(token)
    assert (bad.ok, bad.reason) == (False, "401 invalid_api_key")
    assert bench.keys.get(token).is_active
    assert bench.keys.get(token).daily_usage == 0


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
