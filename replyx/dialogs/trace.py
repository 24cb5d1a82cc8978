"""The trace of an answer: what was found, who wrote it, what it used and cost, and where the time went."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from replyx.llm.engine import Passage
from replyx.llm.engines import EngineOutcome
from replyx.types import EngineName, Json, Outcome


@dataclass
class Trace:
    """Filled while an answer is drafted. Milliseconds by stage; a stage that did not happen is not in it."""

    model: str
    milliseconds: dict[str, float] = field(default_factory=dict)
    passages: tuple[Passage, ...] = ()
    #: Who was asked in vain before, and why: `{"model": …, "reason": …}`.
    failures: list[Json] = field(default_factory=list)
    outcome: EngineOutcome | None = None
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Note that `stage` ended now; it began where the one before it ended."""
        now = time.perf_counter()
        took = (now - self._since) * 1000
        self.milliseconds[stage] = round(self.milliseconds.get(stage, 0.0) + took, 2)
        self._since = now

    def as_json(self, engine: EngineName, outcome: Outcome, price: int, attempt: int, seconds: float) -> Json:
        """What is kept: no words of anyone, only where they stand. `price` is kopecks, `seconds` since the question."""
        usage = self.outcome.usage if self.outcome else None
        return {
            "model": self.model,
            "engine": str(engine),
            "outcome": str(outcome),
            "key": (usage.key or None) if usage else None,
            "ai_token_id": (usage.ai_token_id or None) if usage else None,
            "prompt_tokens": usage.prompt_tokens if usage else 0,
            "completion_tokens": usage.completion_tokens if usage else 0,
            "instructions_cut": bool(self.outcome and self.outcome.leaked),
            "failures": self.failures,
            "passages": [
                {
                    "document_id": p.document_id,
                    "chunk_id": p.chunk_id,
                    "qa_id": p.qa_id,
                    "filename": p.filename,
                    "page": p.page,
                    "score": round(p.score, 4),
                }
                for p in self.passages
            ],
            "price": price,
            "attempt": attempt,
            "seconds": round(seconds, 3),
            "milliseconds": self.milliseconds,
        }
