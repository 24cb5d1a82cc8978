"""Twenty workers who ask for answers through a pool of keys, and what became of each answer."""

from __future__ import annotations

import threading
from collections import Counter

from replyx.errors import EngineFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engine import EngineRequest, Passage
from replyx.llm.remote import RemoteEngine
from replyx.testing.llm_server import FakeLLM

WORKERS = 20
ANSWER = "24 months."
SECRET = "sk-load-0123456789"
_REQUEST = EngineRequest("m", "", "How long?", (Passage("It lasts 24 months.", 0.9),), language="en")


def add_key(keys: AiTokens, llm: FakeLLM, number: int, limit: int = 0) -> int:
    return keys.add(
        f"k{number}",
        f"{SECRET}-{number}",
        base_url=llm.base_url,
        model_access=["m"],
        priority=number,
        daily_limit=limit,
    ).id


def ask(engine: RemoteEngine, calls: int) -> Counter[str]:
    """What became of `calls` answers that twenty workers asked for."""
    outcomes: list[str] = []
    turns = iter(range(calls))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(turns, None) is None:
                    return
            try:
                outcomes.append("".join(engine.stream(_REQUEST, lambda: False)))
            except EngineFailed:
                outcomes.append("none")

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(outcomes)
