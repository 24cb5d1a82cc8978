"""Assistants as models of an OpenAI-compatible API: OpenAI's own client, unchanged, with knowledge and with billing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import openai
import pytest

from replyx.storage.api_keys import ApiKey
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.types import Actor, Json, Role
from tests.support.house import House

PRICE = 500


@dataclass
class Shop:
    """Anna's assistant on the fake API, and a program of hers with a key."""

    house: House
    llm: FakeLLM
    assistant: Json
    key: str

    def client(self, key: str | None = None) -> openai.OpenAI:
        made = openai.OpenAI(base_url=f"{self.house.url}/v1", api_key=key or self.key, max_retries=0, timeout=20)
        self.house.stack.callback(made.close)
        return made

    @property
    def model(self) -> str:
        return f"assistant-{self.assistant['id']}"

    def money(self) -> tuple[int, int]:
        user = self.house.app.accounts.get(self.house.anna.id)
        return user.balance, user.held


@pytest.fixture
def shop(house: House) -> Iterator[Shop]:
    with FakeLLM(Scenario(text="Да, доставляем."), models=["m"]) as llm:
        house.app.ai_tokens.add("k", "sk-endpoint-0123456789", base_url=llm.base_url, model_access=["m"])
        house.app.ledger.credit(house.anna.id, 100_000, kind="credit", key="test", description="test")
        made = house.api(house.anna).post("/api/api-keys", {"name": "сайт"}, expect=201)
        yield Shop(house, llm, house.assistant(ai_model="m"), made["key"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_official_client_asks_and_is_answered_and_the_answer_is_paid(shop: Shop) -> None:
    before = shop.money()[0]
    answer = shop.client().chat.completions.create(
        model=shop.model, messages=[{"role": "user", "content": "Вы доставляете?"}], temperature=0.7, user="u-1"
    )
    assert answer.choices[0].message.content == "Да, доставляем."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert shop.money() == (before - PRICE, 0)
    rows = shop.house.api(shop.house.anna).get("/api/balance/transactions")["transactions"]
    assert rows[0]["service_type"] == "api_message"


def test_it_streams_with_usage_and_the_models_are_the_tenants_assistants(shop: Shop) -> None:
    client, before = shop.client(), shop.money()[0]
    assert [model.id for model in client.models.list()] == [shop.model]
    assert client.models.retrieve(shop.model).owned_by == "replyx"
    shop.llm.standing = Scenario(text="раз два три четыре", words_per_second=50)
    stream = client.chat.completions.create(
        model="Техподдержка",
        messages=[{"role": "user", "content": "Считайте"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == "раз два три четыре"
    assert sum(piece != "" for piece in pieces) >= 4
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert shop.money() == (before - PRICE, 0)


def test_the_callers_history_and_instructions_reach_the_model_after_the_assistants_own(shop: Shop) -> None:
    shop.client().chat.completions.create(
        model=shop.model,
        messages=[
            {"role": "system", "content": "Говори стихами"},
            {"role": "user", "content": "Меня зовут Пётр"},
            {"role": "assistant", "content": "Здравствуйте, Пётр"},
            {"role": "user", "content": [{"type": "text", "text": "Как меня зовут?"}]},
        ],
    )
    messages = shop.llm.requests[-1].messages
    assert "Говори стихами" in messages[0]["content"]
    assert [m["content"] for m in messages[1:3]] == ["Меня зовут Пётр", "Здравствуйте, Пётр"]
    assert "Как меня зовут?" in messages[-1]["content"]


def test_a_stream_that_breaks_is_an_error_and_costs_nothing(shop: Shop) -> None:
    before = shop.money()
    shop.llm.standing = Scenario(text="раз два три четыре пять", cut_after=500, words_per_second=100)
    said = ""
    with pytest.raises(openai.APIError):
        for chunk in shop.client().chat.completions.create(
            model=shop.model, messages=[{"role": "user", "content": "Считайте"}], stream=True
        ):
            said += chunk.choices[0].delta.content or ""
            assert chunk.choices[0].finish_reason is None
    assert said.startswith("раз")
    assert shop.money() == before


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_fails_is_an_error_with_its_status(shop: Shop, stream: bool) -> None:
    before = shop.money()
    shop.llm.standing = Scenario(status=500)
    with pytest.raises(openai.APIStatusError) as caught:
        shop.client().chat.completions.create(
            model=shop.model, messages=[{"role": "user", "content": "Алло"}], stream=stream
        )
    assert caught.value.status_code == 502
    assert shop.money() == before


def test_a_client_that_leaves_pays_nothing_and_frees_the_model(shop: Shop) -> None:
    before = shop.money()
    shop.llm.standing = Scenario(text="слово " * 500, words_per_second=20)
    stream = shop.client().chat.completions.create(
        model=shop.model, messages=[{"role": "user", "content": "Говорите"}], stream=True
    )
    next(iter(stream))
    stream.close()
    until(lambda: shop.money() == before and shop.llm.open_answers == 0)


def test_without_money_nothing_is_asked(shop: Shop, house: House) -> None:
    house.app.assistants.update(Actor(Role.OWNER, user_id=house.anna.id), shop.assistant["id"], {"price": 10_000_000})
    with pytest.raises(openai.APIStatusError) as caught:
        shop.client().chat.completions.create(model=shop.model, messages=[{"role": "user", "content": "Алло"}])
    assert caught.value.status_code == 402
    assert caught.value.code == "INSUFFICIENT_BALANCE"
    assert len(shop.llm.requests) == 0


def test_a_prepared_answer_is_streamed_as_one_piece(shop: Shop, house: House) -> None:
    owner = Actor(Role.OWNER, user_id=house.anna.id)
    house.app.knowledge.add_qa(owner, shop.assistant["id"], "Есть ли самовывоз?", "Да, по будням.")
    stream = shop.client().chat.completions.create(
        model=shop.model, messages=[{"role": "user", "content": "Есть ли самовывоз?"}], stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Да, по будням."
    assert len(shop.llm.requests) == 0


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "Я"}],
        [{"role": "user", "content": "  "}],
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/"}}]}],
        [{"role": "user", "content": 5}],
    ],
)
def test_what_is_no_question_is_refused(shop: Shop, messages: list[Json]) -> None:
    with pytest.raises(openai.UnprocessableEntityError):
        shop.client().chat.completions.create(model=shop.model, messages=messages)  # type: ignore[arg-type]


def test_keys_that_nobody_knows_change_nothing(shop: Shop, house: House) -> None:
    body = {
        "model": shop.model,
        "messages": [{"role": "user", "content": "Вы доставляете?", "user_id": 1, "is_admin": True}],
        "user_id": house.boris.id,
        "price": 0,
        "tenant_id": house.boris.id,
        "is_admin": True,
    }
    before, boris = shop.money()[0], house.app.accounts.get(house.boris.id)
    api = house.api(None, Authorization=f"Bearer {shop.key}")
    assert api.post("/v1/chat/completions", body)["choices"][0]["message"]["content"] == "Да, доставляем."
    assert shop.money() == (before - PRICE, 0)
    assert house.app.accounts.get(house.boris.id) == boris


def test_a_key_is_shown_once_kept_as_a_digest_and_revoked_at_once(shop: Shop, house: House) -> None:
    api = house.api(house.anna)
    (row,) = api.get("/api/api-keys")
    assert row["key"] == f"rx-…{shop.key[-4:]}"
    with house.app.db.connection():
        stored = ApiKey.get()
    assert shop.key not in str(vars(stored))
    api.request("DELETE", f"/api/api-keys/{row['id']}", expect=204)
    with pytest.raises(openai.AuthenticationError):
        shop.client().models.list()
    api.request("DELETE", f"/api/api-keys/{row['id']}", expect=404)


def test_keys_open_the_endpoint_only_and_only_what_is_their_tenants(shop: Shop, house: House) -> None:
    boris = house.api(house.boris).post("/api/api-keys", {"name": "b"}, expect=201)["key"]
    assert list(shop.client(boris).models.list()) == []
    with pytest.raises(openai.NotFoundError):
        shop.client(boris).chat.completions.create(model=shop.model, messages=[{"role": "user", "content": "Алло"}])
    for wrong in ("rx-unknown", house.token(house.anna)):
        with pytest.raises(openai.AuthenticationError):
            shop.client(wrong).models.list()
    assert house.api(None, Authorization=f"Bearer {shop.key}").client.get("/api/users/me").status_code == 401
    house.app.accounts.set_active(house.boris.id, active=False)
    with pytest.raises(openai.AuthenticationError):
        shop.client(boris).models.list()
