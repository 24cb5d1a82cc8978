"""Reads what an OpenAI-compatible server sends as an answer, trusting none of it: pure, bytes in, text out.

An answer is whole only if the server said so, by `[DONE]` or a finish reason. Everything else raises `BadStream`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from replyx.llm.engine import Usage
from replyx.llm.views import KeyVerdict

#: Bytes of one line and of everything: models that think aloud send megabytes that are not text of the answer.
_MOST_LINE, _MOST_BYTES = 256 * 1024, 8 * 1024 * 1024

#: Bytes of text that any answer may have, and bytes for each token that was allowed.
_LEAST_TEXT, _TEXT_PER_TOKEN = 16 * 1024, 16

#: How an answer that says what it should can end. `length` is the limit that we set ourselves.
_WHOLE = frozenset({"stop", "length", "eos", "end_turn", "max_tokens", "stop_sequence"})

#: What a line of an event stream begins with; a comment begins with a colon.
_FIELDS = frozenset({b"", b"event", b"id", b"retry"})

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class BadStream(Exception):
    """What came is no whole answer. `reason` is ours, in English, and holds nothing that the server wrote freely."""

    def __init__(self, reason: str, verdict: KeyVerdict = KeyVerdict.TROUBLE) -> None:
        super().__init__(reason)
        self.reason, self.verdict = reason, verdict


class TextCleaner:
    """Takes out what no database and no screen should get: control characters and halves of surrogate pairs.

    A pair whose halves came in two pieces is joined.
    """

    def __init__(self) -> None:
        self._held = ""

    def clean(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        text = _CONTROL.sub("", text)
        if _LONE.search(text):
            text = _LONE.sub("", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")).replace(
                "\ufffd", ""
            )
        return text


class CompletionReader:
    """One streamed answer. `finished`: a finish reason came; `done`: nothing more will."""

    def __init__(self, max_tokens: int) -> None:
        self.finished = False
        self.done = False
        self.usage = Usage()
        self._most_text = max(_LEAST_TEXT, max_tokens * _TEXT_PER_TOKEN)
        self._text_bytes = 0
        self._all_bytes = 0
        self._buffer = b""
        self._data: list[bytes] = []
        self._cleaner = TextCleaner()

    def feed(self, chunk: bytes) -> list[str]:
        """The pieces of text that `chunk` completes.

        Raises:
            BadStream: it is too much, no UTF-8, no JSON, an error, or not the form of an answer.
        """
        self._all_bytes += len(chunk)
        if self._all_bytes > _MOST_BYTES:
            raise BadStream("too many bytes")
        lines = (self._buffer + chunk).split(b"\n")
        self._buffer = lines.pop()
        if len(self._buffer) > _MOST_LINE:
            raise BadStream("a line is too long")
        pieces = []
        for line in lines:
            if self.done:
                break
            pieces += self._line(line.removesuffix(b"\r"))
        return [piece for piece in pieces if piece]

    def end(self) -> list[str]:
        """The server ended the stream: what the last line still held.

        Raises:
            BadStream: the answer was not whole.
        """
        pieces = self._line(self._buffer.removesuffix(b"\r")) + self._line(b"")
        self._buffer = b""
        if not (self.done or self.finished):
            raise BadStream("the answer ended early")
        self.done = True
        return [piece for piece in pieces if piece]

    def whole(self, body: bytes) -> list[str]:
        """The text of an answer that came in one piece, from a server that does not stream.

        Raises:
            BadStream: as `feed`.
        """
        pieces = self._object(_parse(body), "message")
        if not self.finished:
            raise BadStream("the answer has no finish reason")
        self.done = True
        return [piece for piece in pieces if piece]

    def _line(self, line: bytes) -> list[str]:
        if line:
            field, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif field not in _FIELDS and not (self.done or self.finished):
                # A browser would pass over it; here it may have been a part of the answer.
                raise BadStream("a line is no part of an event stream")
            return []
        data, self._data = b"\n".join(self._data).strip(), []
        if not data or self.done:
            return []
        if data == b"[DONE]":
            self.done = True
            return []
        return self._object(_parse(data), "delta")

    def _object(self, event: Any, part: str) -> list[str]:
        if not isinstance(event, dict):
            raise BadStream("an event is not an object")
        if event.get("error") or event.get("object") == "error":
            raise _error_of(event)
        self._note_usage(event.get("usage"))
        choices = event.get("choices")
        if choices is None or choices == []:
            return []
        if not isinstance(choices, list) or not isinstance(choices[0], dict):
            raise BadStream("choices have no known form")
        choice = choices[0]
        # After the finish reason only usage and [DONE] may follow; other choices were never asked for.
        text = "" if self.finished or choice.get("index", 0) != 0 else self._text(choice.get(part))
        self._note_finish(choice.get("finish_reason"))
        return [text]

    def _text(self, part: Any) -> str:
        if part is None:
            return ""
        if not isinstance(part, dict):
            raise BadStream("a piece has no known form")
        content = part.get("content")
        if content is None:
            return ""
        if not isinstance(content, str):
            raise BadStream("the content is not text")
        text = self._cleaner.clean(content)
        self._text_bytes += len(text.encode())
        if self._text_bytes > self._most_text:
            raise BadStream("the answer is too long")
        return text

    def _note_finish(self, reason: Any) -> None:
        if reason is None or reason == "":
            return
        if reason == "content_filter":
            raise BadStream("the provider's filter stopped the answer", KeyVerdict.REJECTED)
        if not isinstance(reason, str) or reason not in _WHOLE:
            raise BadStream("the answer ended for an unknown reason")
        self.finished = True

    def _note_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self.usage = Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def error_word(body: bytes, secret: str) -> str:
    """The machine's word for an error in an API's answer (`invalid_api_key`), or nothing; never the secret."""
    try:
        error = _parse(body)
    except BadStream:
        return ""
    if isinstance(error, dict) and isinstance(error.get("error"), dict):
        error = error["error"]
    if not isinstance(error, dict):
        return ""
    for name in ("code", "type"):
        word = error.get(name)
        if isinstance(word, str) and _WORD.fullmatch(word) and not word.startswith("sk-") and secret not in word:
            return word
    return ""


def verdict_of(status: int) -> KeyVerdict:
    """What an HTTP status other than 200 says about the key."""
    if status in (401, 402, 403):
        return KeyVerdict.REFUSED
    if status == 429:
        return KeyVerdict.BUSY
    if status >= 500 or status in (408, 409, 425):
        return KeyVerdict.TROUBLE
    return KeyVerdict.REJECTED


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadStream("not UTF-8") from None
    except (ValueError, RecursionError):
        raise BadStream("not JSON") from None


def _error_of(event: dict[str, Any]) -> BadStream:
    error = event["error"] if isinstance(event.get("error"), dict) else event
    status = error.get("code", error.get("status"))
    known = isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599
    return BadStream(f"error {status} in the stream" if known else "an error in the stream", _in_stream(status, known))


def _in_stream(status: Any, known: bool) -> KeyVerdict:
    # A stream that had begun under the key shows that the key is good: only 429 says more than "trouble".
    return KeyVerdict.BUSY if known and verdict_of(status) is KeyVerdict.BUSY else KeyVerdict.TROUBLE


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000_000 else 0
