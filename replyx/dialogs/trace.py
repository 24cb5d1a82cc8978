"""The trace of an answer: what was found, who wrote it, what it used and cost, and where the time went."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from replyx.events.stories import Lap, Story, Value
from replyx.llm.engine import Passage
from replyx.llm.engines import EngineOutcome
from replyx.log import trace_id
from replyx.types import EngineName, Json, Outcome


@dataclass
class Trace:
    """Filled while an answer is drafted. A stage that did not happen is not among its laps."""

    model: str
    #: Under which the log and the spans know it.
    trace_id: str = field(default_factory=trace_id)
    laps: list[Lap] = field(default_factory=list)
    passages: tuple[Passage, ...] = ()
    #: Who was asked in vain before, and why: `{"model": …, "reason": …}`.
    failures: list[Json] = field(default_factory=list)
    outcome: EngineOutcome | None = None
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Note that `stage` ended now; it began where the one before it ended."""
        now = time.perf_counter()
        self.laps.append(Lap(stage, self._since, now))
        self._since = now

    def as_json(self, engine: EngineName, outcome: Outcome, price: int, attempt: int, seconds: float) -> Json:
        """What is kept: no words of anyone, only where they stand. `price` is kopecks, `seconds` since the question."""
        usage = self.outcome.usage if self.outcome else None
        return {
            "trace_id": self.trace_id,
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
            "milliseconds": self._milliseconds(),
        }

    def _milliseconds(self) -> dict[str, float]:
        """By stage; what was done twice, by another engine, is added up."""
        sums: dict[str, float] = {}
        for lap in self.laps:
            sums[lap.stage] = round(sums.get(lap.stage, 0.0) + lap.milliseconds, 2)
        return sums


def story_of(trace: Trace, record: Json, place: Json) -> Story:
    """The spans of an answer that was committed now: `record` is its trace as it was kept, `place` is where it stands.

    Names of files and reasons of failures stay in the record: they may be anyone's words.
    """
    end = time.perf_counter()
    laps = [*trace.laps, Lap("commit", trace.laps[-1].end, end)] if trace.laps else []
    values: dict[str, Value] = {
        "gen_ai.request.model": record["model"],
        "gen_ai.usage.input_tokens": record["prompt_tokens"],
        "gen_ai.usage.output_tokens": record["completion_tokens"],
        "replyx.engine": record["engine"],
        "replyx.outcome": record["outcome"],
        "replyx.passages": len(record["passages"]),
        "replyx.top_score": max((p["score"] for p in record["passages"]), default=0.0),
        "replyx.engines_failed": len(record["failures"]),
        "replyx.instructions_cut": record["instructions_cut"],
        "replyx.price_kopecks": record["price"],
        "replyx.attempt": record["attempt"],
    }
    if record["ai_token_id"]:
        values["replyx.ai_token_id"] = record["ai_token_id"]
    values.update({f"replyx.{name}": value for name, value in place.items()})
    return Story(trace.trace_id, "answer", laps, values)


def failure_of(before: Sequence[Lap], reply_id: int, attempt: int) -> Story:
    """The spans of a try that gave no answer, as far as it came."""
    laps = [*before, Lap("trying", before[-1].end, time.perf_counter())] if before else []
    values: dict[str, Value] = {"replyx.reply_id": reply_id, "replyx.attempt": attempt}
    return Story(trace_id(), "answer", laps, values, is_failed=True)
