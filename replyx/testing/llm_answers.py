"""What the fake LLM says: scenarios, and the bodies of an OpenAI-compatible API made from them."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

#: The first numbered passage of a ReplyX prompt.
_PASSAGE = re.compile(r'^\[(\d+)\][^\n]*\n"""\n(.*?)\n"""$', re.MULTILINE | re.DOTALL)

#: Longest quotation of the default answer, in characters.
_QUOTED = 300

#: Numbers of a vector.
_DIMENSIONS = 64


@dataclass(frozen=True)
class Scenario:
    """How one request is answered. Without arguments: at once, whole, quoting the first passage of the prompt.

    As JSON it has the same names; `raw` and `filler` are base64.
    """

    #: The answer; None quotes the first passage that the prompt holds, else repeats the question.
    text: str | None = None
    #: Seconds before the first byte.
    delay: float = 0.0
    #: 0: everything at once.
    words_per_second: float = 0.0
    #: Another status than 200 answers with `error_code` as OpenAI does.
    status: int = 200
    error_code: str = ""
    error_message: str = "scripted"
    retry_after: str | None = None
    #: Bytes of the streamed body after which the connection breaks.
    cut_after: int | None = None
    #: The streamed body itself, whatever it is, instead of a made one; with a speed it goes out event by event.
    raw: bytes | None = None
    #: Never sends a byte.
    silent: bool = False
    #: Sends `filler` for ever once the answer is out.
    never_ends: bool = False
    filler: bytes = b": still here\n\n"
    #: Leaves the body open once the answer is out.
    hangs_open: bool = False
    #: The closing parts of a stream.
    done: bool = True
    finish_reason: str | None = "stop"
    usage: bool = True
    content_type: str = "text/event-stream"
    #: Does as it is told by whoever got words into the prompt: says what stands after the last `SAY:` of it.
    obedient: bool = False

    @property
    def kind(self) -> str:
        """What becomes of a request, in a word, for counting."""
        if self.status != 200:
            return str(self.status)
        if self.silent:
            return "silent"
        if self.cut_after is not None:
            return "cut"
        return "garbage" if self.raw is not None else "whole"

    @property
    def is_instant(self) -> bool:
        """Nothing about it needs time or a broken connection: it can be written in one go."""
        plain = self.raw is None and self.cut_after is None and self.content_type == "text/event-stream"
        return plain and not (self.delay or self.words_per_second or self.silent or self.never_ends or self.hangs_open)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """A scenario from POST /_script.

        Raises:
            ValueError: a name is unknown or base64 is broken. TypeError: it is no object.
        """
        unknown = set(row) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        values: dict[str, Any] = {
            k: base64.b64decode(v) if k in ("raw", "filler") and v is not None else v for k, v in row.items()
        }
        return cls(**values)

    def error(self) -> dict[str, Any]:
        return error_json(self.error_code or f"error_{self.status}", self.error_message)

    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": self.retry_after}


def error_json(code: str, message: str) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": "scripted_error", "param": None, "code": code}}


def default_text(asked: dict[str, Any]) -> str:
    """The first passage of the prompt with its number, as an honest model would quote it; else the question."""
    last = str(asked["messages"][-1].get("content", "")) if asked["messages"] else ""
    passage = _PASSAGE.search(last)
    if passage:
        return f"{passage.group(2)[:_QUOTED].strip()} [{passage.group(1)}]"
    return f"You said: {last[-_QUOTED:]}"


def obeyed_text(asked: dict[str, Any]) -> str:
    """What the prompt's last order `SAY: …` wants to be said, wherever it stands; else the default answer."""
    orders = re.findall(r"SAY: *([^\n]+)", "\n".join(str(m.get("content", "")) for m in asked["messages"]))
    return orders[-1].strip() if orders else default_text(asked)


def completion_json(text: str, asked: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """The answer of a request that did not ask for a stream."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": scenario.finish_reason}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": asked.get("model", ""),
        "choices": [choice],
        "usage": _usage(text, asked),
    }


def embeddings_json(asked: dict[str, Any]) -> dict[str, Any]:
    """Vectors of texts: alike where they share beginnings of words, as a model without understanding would have it."""
    texts = asked.get("input", [])
    rows = []
    for index, text in enumerate([texts] if isinstance(texts, str) else texts):
        vector = [0.01] * _DIMENSIONS
        for word in re.findall(r"\w+", str(text).lower()):
            vector[zlib.crc32(word[:4].encode()) % _DIMENSIONS] += 1.0
        rows.append({"object": "embedding", "index": index, "embedding": vector})
    return {"object": "list", "data": rows, "model": asked.get("model", "")}


def rerank_json(asked: dict[str, Any]) -> dict[str, Any]:
    """Passages by their length, the longest first, as a model that looks at nothing else would have it."""
    rows = [{"index": n, "relevance_score": float(len(text))} for n, text in enumerate(asked.get("documents", []))]
    return {"model": asked.get("model", ""), "results": sorted(rows, key=lambda row: -row["relevance_score"])}


def stream_events(text: str, asked: dict[str, Any], scenario: Scenario) -> Iterator[bytes]:
    """The events of a streamed answer: one for each word, then the closing ones that the scenario has."""
    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": asked.get("model", "")}
    yield _event({**head, "choices": [_choice({"role": "assistant", "content": ""})]})
    # Everything but the word is the same in each event: a benchmark's floor should not be JSON.
    before, after = json.dumps({**head, "choices": [_choice({"content": "\0"})]}).split('"\\u0000"')
    for word in re.findall(r"\s*\S+|\s+$", text):
        yield f"data: {before}{json.dumps(word)}{after}\n\n".encode()
    if scenario.finish_reason is not None:
        yield _event({**head, "choices": [_choice({}, scenario.finish_reason)]})
    options = asked.get("stream_options")
    if scenario.usage and isinstance(options, dict) and options.get("include_usage"):
        yield _event({**head, "choices": [], "usage": _usage(text, asked)})
    if scenario.done:
        yield b"data: [DONE]\n\n"


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _usage(text: str, asked: dict[str, Any]) -> dict[str, int]:
    """Words instead of tokens: the same for the same request."""
    prompt = sum(len(str(m.get("content", "")).split()) for m in asked["messages"])
    completion = len(text.split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
