"""How Telegram reads the HTML of a message: the text without tags, its entities, or why it refuses them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from replyx.testing.telegram_faults import Refusal

#: Longest text and caption, in UTF-16 units after the tags were taken away.
LONGEST_TEXT, LONGEST_CAPTION = 4096, 1024

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)([^<>]*)>")
_KINDS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
    "span": "spoiler", "a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}  # fmt: skip


@dataclass(frozen=True)
class Parsed:
    """A text as a reader sees it; offsets and lengths of entities are UTF-16 units."""

    text: str
    entities: list[dict[str, Any]]


def utf16_length(text: str) -> int:
    """How long Telegram counts `text`."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse_text(text: str, parse_mode: str | None, *, longest: int = LONGEST_TEXT, may_be_empty: bool = False) -> Parsed:
    """The text of a message that a bot sends.

    Raises:
        Refusal: 400 in Telegram's words: empty, too long, tags that it does not read.
    """
    if parse_mode is not None and parse_mode.lower() not in ("html", ""):
        raise Refusal(400, "Bad Request: unsupported parse_mode")
    parsed = _parse_html(text) if parse_mode else Parsed(text, [])
    if not parsed.text.strip() and not may_be_empty:
        raise Refusal(400, "Bad Request: message text is empty")
    if utf16_length(parsed.text) > longest:
        words = "message is too long" if longest == LONGEST_TEXT else "message caption is too long"
        raise Refusal(400, f"Bad Request: {words}")
    return Parsed(parsed.text.strip(), parsed.entities)


def _parse_html(text: str) -> Parsed:
    plain, entities = "", []
    opened: list[tuple[str, int, str]] = []
    at = 0
    for tag in _TAG.finditer(text):
        plain += _unescaped(text[at : tag.start()], at)
        at = tag.end()
        name, attributes = tag[2].lower(), tag[3]
        if name not in _KINDS or (name == "span" and not tag[1] and "tg-spoiler" not in attributes):
            raise _unparsable(f'Unsupported start tag "{name}" at byte offset {_offset(text, tag.start())}')
        if not tag[1]:
            opened.append((name, utf16_length(plain), attributes))
            continue
        if not opened:
            raise _unparsable(f"Unexpected end tag at byte offset {_offset(text, tag.start())}")
        start_name, start, attributes = opened.pop()
        if start_name != name:
            raise _unparsable(
                f"Unmatched end tag at byte offset {_offset(text, tag.start())}, "
                f'expected "</{start_name}>", found "</{name}>"'
            )
        entities += _entity(name, start, utf16_length(plain) - start, attributes)
    plain += _unescaped(text[at:], at)
    if opened:
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{opened[-1][0]}"')
    return Parsed(plain, sorted(entities, key=lambda e: (e["offset"], -e["length"])))


def _entity(name: str, offset: int, length: int, attributes: str) -> list[dict[str, Any]]:
    if length == 0:
        return []
    entity: dict[str, Any] = {"type": _KINDS[name], "offset": offset, "length": length}
    if name == "a":
        link = re.search(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)')""", attributes)
        if link is None:
            return []
        entity["url"] = html.unescape(link[1] or link[2] or "")
    return [entity]


def _unescaped(text: str, at: int) -> str:
    if "<" in text:
        raise _unparsable(f'Unsupported start tag "" at byte offset {at}')
    return html.unescape(text)


def _offset(text: str, at: int) -> int:
    return len(text[:at].encode())


def _unparsable(why: str) -> Refusal:
    return Refusal(400, f"Bad Request: can't parse entities: {why}")
