"""Engines behind one name: what `ai_model` may be, what it is by default, and who answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.config.settings import Config
from replyx.errors import ValidationFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engine import EngineRequest, Passage, Usage
from replyx.llm.engines import EngineOutcome, Engines
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.testing.llm_server import FakeLLM
from replyx.types import EngineName
from tests.support.clock import MovableClock

PASSAGES = (Passage("Shops open at nine. They close at six.", 0.9),)


@pytest.fixture
def keys(db: Database, clock: MovableClock) -> AiTokens:
    return AiTokens(db, clock, SecretBox(b"k" * 32))


@pytest.fixture
def engines(config: Config, keys: AiTokens, clock: MovableClock) -> Iterator[Engines]:
    engines = Engines(config, keys, clock)
    yield engines
    engines.close()


def answer(engines: Engines, model: str) -> tuple[str, EngineOutcome]:
    stream = engines.stream(EngineRequest(model, "", "When do shops open?", PASSAGES, language="en"), lambda: False)
    text = ""
    while True:
        try:
            text += next(stream)
        except StopIteration as end:
            return text, end.value


def test_a_fresh_installation_answers_without_any_key(engines: Engines) -> None:
    assert engines.default_model() == "extractive"
    text, outcome = answer(engines, "extractive")
    assert text.startswith("Shops open at nine.")
    assert outcome == EngineOutcome(EngineName.EXTRACTIVE, Usage())


def test_a_model_of_the_pool_answers_over_its_key(engines: Engines, keys: AiTokens) -> None:
    with FakeLLM() as llm:
        key = keys.add("a", "sk-abcdef", base_url=llm.base_url, model_access=["gpt-x"]).id
        assert engines.default_model() == "gpt-x"
        text, outcome = answer(engines, "gpt-x")
    assert text == "Shops open at nine. They close at six. [1]"
    assert (outcome.engine, outcome.usage.ai_token_id) == (EngineName.REMOTE, key)


def test_the_default_is_the_first_model_of_the_key_that_is_used_first(engines: Engines, keys: AiTokens) -> None:
    keys.add("a", "sk-abcdef", model_access=["slow"], priority=2)
    first = keys.add("b", "sk-abcdef", model_access=["fast", "slow"], priority=1).id
    assert engines.default_model() == "fast"
    keys.set_active(first, active=False)
    assert engines.default_model() == "slow"


def test_only_models_that_something_here_can_run_are_allowed(engines: Engines, keys: AiTokens) -> None:
    keys.add("a", "sk-abcdef", model_access=["gpt-x"])
    for model in ("gpt-x", "extractive", "local/smollm2-135m"):
        engines.check_model(model)
    for model in ("gpt-y", "local/nothing", "", "local/", "Extractive"):
        with pytest.raises(ValidationFailed) as caught:
            engines.check_model(model)
        assert caught.value.details["field"] == "ai_model"
        assert "gpt-x, local/smollm2-135m, extractive" in caught.value.details_in("en")["issue"]


def test_a_name_says_which_engine_it_means(engines: Engines) -> None:
    kinds = [engines.engine_of(model) for model in ("extractive", "local/any", "gpt-4")]
    assert kinds == [EngineName.EXTRACTIVE, EngineName.LOCAL, EngineName.REMOTE]
