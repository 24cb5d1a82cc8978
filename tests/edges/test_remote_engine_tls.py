"""The remote engine over TLS: what every paid API is reached by."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.clock import SystemClock
from replyx.llm.chat_api import ChatApi, ChatCall, ChatFailed
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.support.certificates import make_certificate

CALL = ChatCall("fake-model", ({"role": "user", "content": "Hello"},), max_tokens=64)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def llm(certificate: Path) -> Iterator[FakeLLM]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FakeLLM(tls=context) as server:
        yield server


def test_an_answer_that_pauses_longer_than_a_look_at_the_watch_comes_whole(
    llm: FakeLLM, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    llm.standing = Scenario(text="one two three", delay=0.2, words_per_second=8)
    with ChatApi(SystemClock(), silence_seconds=5) as api:
        for _ in range(2):
            assert list(api.stream(llm.base_url, "sk-abc", CALL, seconds=10)) == ["one", " two", " three"]
    assert llm.connections == 1


def test_a_stop_is_heard_under_tls(llm: FakeLLM, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    llm.standing = Scenario(silent=True)
    # Who did not hear it would fail by the silence.
    with ChatApi(SystemClock(), silence_seconds=5) as api:
        stop = time.monotonic() + 0.3
        assert list(api.stream(llm.base_url, "k", CALL, seconds=9, should_stop=lambda: time.monotonic() > stop)) == []


def test_a_certificate_that_nobody_vouches_for_is_refused(llm: FakeLLM) -> None:
    with ChatApi(SystemClock(), silence_seconds=5) as api, pytest.raises(ChatFailed, match="no connection"):
        list(api.stream(llm.base_url, "sk-abc", CALL, seconds=10))
    assert not llm.requests
