"""A follow-up as a whole question, by the assistant's own model: asked where the words of before found nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from replyx.errors import EngineFailed
from replyx.llm.engine import EngineRequest, Turn
from replyx.llm.engines import Engines

logger = logging.getLogger(__name__)

#: Turns of before that the model is shown, tokens and characters that its question may have, seconds it may take.
_TURNS, _TOKENS, _MOST, _SECONDS = 6, 80, 300, 10.0


def as_whole_question(
    engines: Engines,
    model: str,
    question: str,
    history: Sequence[Turn],
    language: str,
    should_stop: Callable[[], bool],
    tenant_id: int,
) -> str | None:
    """The customer's question as it would be asked by itself; None where the model gives none, or none in time."""
    request = EngineRequest(
        model=model,
        system_prompt="",
        question=question,
        history=tuple(history[-_TURNS:]),
        language=language,
        max_tokens=_TOKENS,
        tenant_id=tenant_id,
        is_rewriting=True,
    )
    deadline = time.monotonic() + _SECONDS
    pieces: list[str] = []
    stream = engines.stream(request, lambda: should_stop() or time.monotonic() > deadline)
    try:
        pieces.extend(stream)
    except EngineFailed as error:
        logger.info("a follow-up is not rewritten", extra={"model": model, "reason": str(error)[:200]})
        return None
    finally:
        stream.close()
    said = next(iter("".join(pieces).strip().splitlines()), "").strip(" \"'«»“”")
    return said if said and len(said) <= _MOST and time.monotonic() <= deadline else None
