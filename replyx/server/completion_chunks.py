"""The bodies of the OpenAI-compatible API: a whole completion, and the events of a streamed one."""

from __future__ import annotations

import json
import time

from replyx.dialogs.completions import Completion
from replyx.errors import ReplyXError
from replyx.server.errors import told
from replyx.types import Json

#: The last event of a stream that is whole.
DONE = b"data: [DONE]\n\n"

#: What may end a stream early.
ERRORS = (ReplyXError,)


def completion_json(name: str, finished: Completion) -> Json:
    """The answer of a call that is not streamed. What is ours stands under `replyx`."""
    message = {"role": "assistant", "content": finished.text}
    return {
        "id": name,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": finished.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": _usage(finished),
        "replyx": finished.about,
    }


class Chunks:
    """The events of one stream."""

    def __init__(self, name: str, model: str, *, with_usage: bool) -> None:
        self._frame: Json = {"id": name, "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
        self._with_usage = with_usage

    def head(self) -> bytes:
        return self._event([_choice({"role": "assistant", "content": ""})])

    def piece(self, text: str) -> bytes:
        return self._event([_choice({"content": text})])

    def tail(self, finished: Completion) -> bytes:
        """The finish reason, and the usage where it was asked for."""
        self._frame["model"] = finished.model
        last = self._event([_choice({}, "stop")], replyx=finished.about)
        return last + self._event([], usage=_usage(finished)) if self._with_usage else last

    def error(self, error: Exception) -> bytes:
        """The event that says that there is no answer after all."""
        return _line({"error": told(error, "en").as_json()})

    def _event(self, choices: list[Json], **more: Json) -> bytes:
        return _line({**self._frame, "choices": choices, **more})


def _choice(delta: Json, reason: str | None = None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}


def _usage(finished: Completion) -> Json:
    both = finished.prompt_tokens + finished.completion_tokens
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": both,
    }


def _line(event: Json) -> bytes:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
