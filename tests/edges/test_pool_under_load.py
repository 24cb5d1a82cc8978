"""Many answers by twenty workers through five keys: limits to the call, priorities, one retry, ill keys.

A thousand of them: `python -m bench pool`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from replyx.clock import SystemClock
from replyx.config.settings import Config
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.remote import RemoteEngine
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.support.pool import ANSWER, SECRET, WORKERS, add_key, ask

CALLS, KEYS, LIMIT = 300, 5, 30


@pytest.fixture
def keys(db: Database) -> AiTokens:
    return AiTokens(db, SystemClock(), SecretBox(b"k" * 32))


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(Scenario(text=ANSWER)) as server:
        yield server


@pytest.fixture
def engine(config: Config, keys: AiTokens) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(config, keys, SystemClock())
    yield engine
    engine.close()


def test_limits_are_used_to_the_call_in_the_order_of_priority(
    keys: AiTokens, llm: FakeLLM, engine: RemoteEngine
) -> None:
    ids = [add_key(keys, llm, number, LIMIT) for number in range(1, KEYS + 1)]
    llm.by_key[f"{SECRET}-1"] = Scenario(status=401, error_code="invalid_api_key")

    outcomes = ask(engine, CALLS)

    asked = [int(request.key[-1]) for request in llm.requests]
    used = {keys.get(token).name: keys.get(token).daily_usage for token in ids}
    # The refused key was called by whoever had it in hand; each of them needed one more key, and no call is lost.
    assert not keys.get(ids[0]).is_active
    assert used["k1"] == asked.count(1) <= WORKERS
    assert {name: count for name, count in used.items() if name != "k1"} == dict.fromkeys(
        ("k2", "k3", "k4", "k5"), LIMIT
    )
    assert outcomes == {ANSWER: 4 * LIMIT, "none": CALLS - 4 * LIMIT}
    assert Counter(asked) == {1: used["k1"], 2: LIMIT, 3: LIMIT, 4: LIMIT, 5: LIMIT}
    # A later key is called only once the earlier one is used up, but for calls that overtake each other on the wire.
    first_of = {number: asked.index(number) for number in range(2, KEYS + 1)}
    for number in range(3, KEYS + 1):
        assert asked[: first_of[number]].count(number - 1) >= LIMIT - WORKERS


def test_one_healthy_key_of_five_answers_nearly_everything(keys: AiTokens, llm: FakeLLM, engine: RemoteEngine) -> None:
    for number, ill in enumerate((500, 503, 529, 429), 1):
        add_key(keys, llm, number)
        llm.by_key[f"{SECRET}-{number}"] = Scenario(status=ill, retry_after="3" if ill == 429 else None)
    add_key(keys, llm, 5)

    outcomes = ask(engine, CALLS)

    assert outcomes[ANSWER] >= 0.99 * CALLS
    per_key = Counter(request.key[-1] for request in llm.requests)
    assert all(per_key[str(number)] <= 5 * WORKERS for number in range(1, 5))
