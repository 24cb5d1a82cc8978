"""The widget while a model writes slowly, and while the socket brings things out of order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.browser.appliance import Appliance
from tests.browser.conftest import Browse
from tests.browser.widget import WATCH_STREAMING, Widget
from tests.support.http import Json

_SLOW = Scenario(text="Склад открыт каждый день, и в праздники тоже: приезжайте, когда удобно.", words_per_second=12)

#: A socket whose first word comes too early: the message before it is only there once the client has asked again.
_DISORDER = """
    window.sent = [];
    window.WebSocket = class {
      static OPEN = 1;
      readyState = 1;
      constructor() { setTimeout(() => this.onopen(), 10); }
      close() {}
      send(text) {
        const frame = JSON.parse(text);
        window.sent.push(frame);
        if (frame.type !== 'resume') return;
        const tell = (seq) => this.onmessage({data: JSON.stringify({type: 'new_message', seq, message: {
          id: seq, seq, sender: 'operator', text: `word ${seq}`, created_at: '2026-01-01T00:00:00Z',
        }})});
        for (const seq of [3, 1, 2, 2, 3, 1]) setTimeout(tell, 50, frame.last_seq + seq);
      }
    };
"""


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(_SLOW, models=["slow-model"]) as llm:
        yield llm


@pytest.fixture
def modelled(appliance: Appliance, llm: FakeLLM) -> Iterator[Json]:
    """An assistant that a slow model answers for."""
    with appliance.api() as api:
        body = {"name": "slow", "token": "sk-slow-0001", "model_access": ["slow-model"], "base_url": llm.base_url}
        key = api.post("/api/admin/ai-tokens", body, expect=201)
        yield appliance.make_assistant("Модель", ai_model="slow-model")
        api.delete(f"/api/admin/ai-tokens/{key['id']}")


def test_a_models_answer_is_read_while_it_grows(appliance: Appliance, modelled: Json, browse: Browse) -> None:
    browser = browse()
    widget = Widget(browser)
    browser.goto(appliance.demo(modelled))
    widget.element("textarea")
    browser.js(WATCH_STREAMING)

    answer = widget.ask("Когда открыт склад?")

    assert answer.text == _SLOW.text
    assert "ответ написала модель" in answer.meta
    lengths = browser.js("return window.lengths")
    assert len(set(lengths)) >= 5
    assert lengths == sorted(lengths)
    assert widget.js("return shadow.querySelector('[aria-busy]')") is None


def test_an_operator_who_takes_over_ends_the_answer_under_way(
    appliance: Appliance, modelled: Json, browse: Browse
) -> None:
    browser = browse()
    widget = Widget(browser)
    browser.goto(appliance.demo(modelled))
    widget.say("Когда открыт склад?")
    widget.element("[aria-busy]")

    with appliance.api() as api:
        dialog_id = api.get("/api/dialogs?limit=1")["dialogs"][0]["id"]
        api.post(f"/api/dialogs/{dialog_id}/handoff/take", {"operator_name": "Анна"})

    widget.wait_for("Вам отвечает Анна", ".bar")
    assert widget.js("return shadow.querySelector('[aria-busy]')") is None
    assert widget.of("assistant") == []


def test_what_comes_out_of_order_is_shown_whole_once_and_in_order(
    appliance: Appliance, modelled: Json, browse: Browse
) -> None:
    browser = browse()
    browser.before_each_page(_DISORDER)
    widget = Widget(browser)
    browser.goto(appliance.demo(modelled))

    widget.element("textarea").click()

    browser.wait(lambda: len(widget.of("operator")) == 3, "three messages")
    assert [message.text for message in widget.of("operator")] == ["word 1", "word 2", "word 3"]
    assert [frame["type"] for frame in browser.js("return window.sent")] == ["auth", "resume"]
