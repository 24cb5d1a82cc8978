"""A model of an operator's own that looks at question and passage together and says which answers best: `/rerank`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from replyx.config.settings import KnowledgeSettings
from replyx.llm.engine import Passage

logger = logging.getLogger(__name__)

#: Passages that it is shown, and seconds that it may take: a customer waits.
CANDIDATES, _SECONDS = 12, 3.0


class Reranker:
    """POST `{url}/rerank`, as llama-server, vLLM, Jina, Cohere and others have it."""

    def __init__(self, settings: KnowledgeSettings) -> None:
        """Nothing is opened before the first use; without an address it is never asked."""
        self._url, self._model = settings.reranker_url.rstrip("/"), settings.reranker_model
        self._key = settings.reranker_key
        self._lock = threading.Lock()
        self._client: Any = None

    @property
    def is_wanted(self) -> bool:
        return bool(self._url)

    def ordered(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """`passages`, best first, in the model's order; as they were where it does not answer.

        Scores stay with their places: how sure the best is, is calibrated for what was found and not by this model.
        """
        if len(passages) < 2:
            return list(passages)
        relevance = self._relevance(question, passages)
        if relevance is None:
            return list(passages)
        order = sorted(range(len(passages)), key=lambda n: (-relevance[n], n))
        return [replace(passages[n], score=passages[place].score) for place, n in enumerate(order)]

    def close(self) -> None:
        """Close its connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _relevance(self, question: str, passages: Sequence[Passage]) -> list[float] | None:
        import httpx2

        texts = [f"{p.heading}\n{p.text}" if p.heading else p.text for p in passages]
        body = {"model": self._model, "query": question, "documents": texts, "top_n": len(texts)}
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            answer = self._opened(httpx2).post(f"{self._url}/rerank", json=body, headers=headers)
            answer.raise_for_status()
            found = {int(row["index"]): float(row["relevance_score"]) for row in answer.json()["results"]}
            return [found[n] for n in range(len(texts))]
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            logger.warning("the re-ranker does not answer", extra={"reason": type(error).__name__})
            return None

    def _opened(self, httpx2: Any) -> Any:
        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(timeout=_SECONDS, follow_redirects=False)
            return self._client
