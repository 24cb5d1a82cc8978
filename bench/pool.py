"""The pool of AI keys under twenty workers: exact limits, order of priority, retries, one healthy key of five."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.table import Row
from replyx.clock import SystemClock
from replyx.config.settings import Config
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.remote import RemoteEngine
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.storage.schema import migrate
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.support.pool import ANSWER, SECRET, add_key, ask

_KEYS = 5


@dataclass
class _Pool:
    keys: AiTokens
    llm: FakeLLM
    engine: RemoteEngine


def run(*, quick: bool) -> list[Row]:
    """1,000 answers each time (300 where quick), on SQLite."""
    calls = 300 if quick else 1000
    return [*_limits(calls, calls // 10), _one_healthy(calls)]


def _limits(calls: int, limit: int) -> list[Row]:
    with _pool() as pool:
        ids = [add_key(pool.keys, pool.llm, number, limit) for number in range(1, _KEYS + 1)]
        outcomes = ask(pool.engine, calls)
        used = [pool.keys.get(token).daily_usage for token in ids]
        asked = [int(request.key[-1]) for request in pool.llm.requests]
    late = sum(1 for place, number in enumerate(asked) if number < max(asked[: place + 1]))
    goal = f"{_KEYS * limit} answers, {limit} a key"
    exact = used == [limit] * _KEYS and outcomes[ANSWER] == _KEYS * limit == len(asked)
    return [
        Row(
            f"answers of {calls} asked, {_KEYS} keys limited to {limit}", outcomes[ANSWER], "", goal=goal, is_met=exact
        ),
        Row("calls that reached the wire after a later key's first", late, "", goal="< 20 a key: overtaking"),
    ]


def _one_healthy(calls: int) -> Row:
    with _pool() as pool:
        for number, ill in enumerate((500, 503, 529, 429), 1):
            add_key(pool.keys, pool.llm, number)
            pool.llm.by_key[f"{SECRET}-{number}"] = Scenario(status=ill)
        add_key(pool.keys, pool.llm, _KEYS)
        share = ask(pool.engine, calls)[ANSWER] / calls
        per_key = Counter(request.key[-1] for request in pool.llm.requests)
    failed = sum(count for key, count in per_key.items() if key != str(_KEYS))
    name = f"answered with one healthy key of five ({failed} failed calls)"
    return Row(name, share * 100, "%", goal="≥ 99 %", is_met=share >= 0.99)


@contextmanager
def _pool() -> Iterator[_Pool]:
    with tempfile.TemporaryDirectory(prefix="replyx-bench-") as folder, FakeLLM(Scenario(text=ANSWER)) as llm:
        db = Database(f"sqlite:///{Path(folder) / 'pool.db'}", pool=20, timeout=30)
        migrate(db)
        clock = SystemClock()
        keys = AiTokens(db, clock, SecretBox(b"k" * 32))
        engine = RemoteEngine(Config(), keys, clock)
        try:
            yield _Pool(keys, llm, engine)
        finally:
            engine.close()
            db.close()
