"""The fake LLM that the other tests and the benchmarks stand on."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest

from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM

ASK = {"model": "fake-model", "messages": [{"role": "user", "content": "Hello there"}]}


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(models=["one", "two"]) as server:
        yield server


def test_an_answer_comes_whole_or_streamed(llm: FakeLLM) -> None:
    with httpx2.Client(base_url=llm.base_url) as client:
        whole = client.post("/chat/completions", json=ASK).json()
        assert whole["choices"][0]["message"]["content"] == "You said: Hello there"
        assert whole["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}
        streamed = client.post("/chat/completions", json={**ASK, "stream": True})
        events = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line]
        assert events[-1] == "[DONE]"
        assert streamed.headers["content-type"] == "text/event-stream"
        deltas = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
        assert "".join(deltas) == "You said: Hello there"
        assert [model["id"] for model in client.get("/models").json()["data"]] == ["one", "two"]
        assert client.get("/nothing").status_code == 404
        assert client.post("/chat/completions", json={"messages": 5}).status_code == 400
    assert llm.connections == 1


def test_scenarios_come_in_their_order_and_a_keys_own_goes_first(llm: FakeLLM) -> None:
    llm.script(Scenario(text="first"), Scenario(status=429, retry_after="3"))
    llm.by_key["sk-x"] = Scenario(status=401, error_code="invalid_api_key")
    with httpx2.Client(base_url=llm.base_url) as client:
        refused = client.post("/chat/completions", json=ASK, headers={"Authorization": "Bearer sk-x"})
        answers = [client.post("/chat/completions", json=ASK) for _ in range(3)]
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].headers["retry-after"] == "3"
    assert [(seen.key, seen.model) for seen in llm.requests] == [("sk-x", "fake-model")] + [("", "fake-model")] * 3


def test_it_runs_as_a_process_and_is_scripted_over_http() -> None:
    command = [sys.executable, "-m", "replyx.testing.llm_server", "--port", "0", "--text", "standing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline().split()
            assert line[0] == "ready"
            with httpx2.Client(base_url=line[1].removesuffix("/v1")) as client:
                raw = base64.b64encode(b"data: [DONE]\n\n").decode()
                script = {"queue": [{"text": "queued"}, {"raw": raw}], "by_key": {"k": {"status": 500}}}
                assert client.post("/_script", json=script).json() == {"queued": 2}
                assert client.post("/_script", json={"queue": [{"nonsense": 1}]}).status_code == 400
                streamed = {**ASK, "stream": True}
                answers = [client.post("/v1/chat/completions", json=body) for body in (ASK, streamed, ASK)]
                assert "queued" in answers[0].text
                assert answers[1].text == "data: [DONE]\n\n"
                assert "standing" in answers[2].text
                seen = client.get("/_requests").json()
                assert [row["messages"] for row in seen] == [ASK["messages"]] * 3
                assert all(row["finished"] for row in seen)
                client.post("/_reset")
                assert client.get("/_requests").json() == []
        finally:
            process.terminate()
            process.wait(60)
