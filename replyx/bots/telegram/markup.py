"""What an engine wrote, as text with styles that Telegram knows, and that as Telegram's HTML.

Styles are kept beside the plain text as spans, so whatever part of it is cut out renders with balanced tags, and its
length is counted as Telegram counts it: in UTF-16 units of the text without its tags.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: Tags of Telegram's HTML that are made here; `a` and `pre` have a value: address, language.
TAGS = ("blockquote", "a", "b", "i", "s", "pre", "code")

#: Marks of Markdown's inline tokens → tag.
_INLINE = {"strong": "b", "em": "i", "s": "s"}

_BULLET = "• "
_RULE = "———"

#: Longest address of a link, in characters: longer ones Telegram refuses.
_LONGEST_URL = 2_000


@dataclass(frozen=True)
class Span:
    """A style of the text from `start` up to `end`, in characters."""

    start: int
    end: int
    tag: str
    value: str = ""


@dataclass(frozen=True)
class Rich:
    """Plain text and its styles; spans are nested or apart, never across each other."""

    text: str
    spans: tuple[Span, ...] = ()

    @property
    def units(self) -> int:
        """The text's length in UTF-16 units."""
        return utf16_units(self.text)

    def cut(self, start: int, end: int) -> Rich:
        """The text from `start` up to `end` with what of each style is in it."""
        inside = (
            Span(max(s.start, start) - start, min(s.end, end) - start, s.tag, s.value)
            for s in self.spans
            if s.start < end and s.end > start
        )
        return Rich(self.text[start:end], tuple(s for s in inside if s.end > s.start))

    def __add__(self, other: Rich) -> Rich:
        size = len(self.text)
        moved = tuple(Span(s.start + size, s.end + size, s.tag, s.value) for s in other.spans)
        return Rich(self.text + other.text, self.spans + moved)

    def as_html(self) -> str:
        """Telegram's HTML: only tags of `TAGS`, balanced; everything else escaped."""
        opening = sorted(self.spans, key=lambda s: (s.start, -s.end, TAGS.index(s.tag)))
        out: list[str] = []
        open_spans: list[Span] = []
        at = 0
        for span in opening:
            at = _close_until(self.text, out, open_spans, at, span.start)
            out += [_escape(self.text[at : span.start]), _start_tag(span)]
            at = span.start
            open_spans.append(span)
        at = _close_until(self.text, out, open_spans, at, len(self.text))
        out.append(_escape(self.text[at:]))
        return "".join(out)


def utf16_units(text: str) -> int:
    """How many UTF-16 units `text` takes: two for characters outside the basic plane."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def plain(text: str) -> Rich:
    """Text that means no Markdown: an operator's, a document's."""
    return Rich(text.strip())


def from_markdown(text: str) -> Rich:
    """Markdown as engines write it. What Telegram has no style for keeps its words; HTML in it stays text."""
    writer = _Writer()
    writer.blocks(_parser().parse(text))
    return writer.done()


def safe_url(address: str | None) -> str | None:
    """`address` if a customer may be sent there: absolute, http or https, without credentials or odd characters."""
    if not address or len(address) > _LONGEST_URL or any(ord(c) <= 32 or c in '"<>\\' for c in address):
        return None
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None


def link(label: str, address: str | None) -> Rich:
    """`label`, as a link where the address may be one."""
    url = safe_url(address)
    return Rich(label, (Span(0, len(label), "a", url),) if url and label else ())


def join(pieces: Iterable[Rich]) -> Rich:
    """One text of several."""
    whole = Rich("")
    for piece in pieces:
        whole += piece
    return whole


class _Writer:
    """Walks Markdown's tokens and writes text and spans."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._spans: list[Span] = []
        self._open: list[tuple[int, str, str]] = []
        #: For each list around: the number of the next item, None where it has bullets.
        self._lists: list[int | None] = []
        #: Line breaks that go before whatever comes next.
        self._gap = 0
        self._cells = 0

    def done(self) -> Rich:
        text = "".join(self._parts)
        kept = text.rstrip()
        return Rich(text, tuple(self._spans)).cut(0, len(kept))

    def blocks(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            kind = token.type
            if kind == "inline":
                self._inline(token.children or [])
            elif kind in ("fence", "code_block"):
                self._pre(token)
            elif kind == "hr":
                self._write(_RULE)
                self._space(2)
            elif kind == "html_block":
                self._write(token.content.strip())
                self._space(2)
            else:
                self._around(token)

    def _around(self, token: Token) -> None:
        """The beginning or the end of a block that holds others."""
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            start = token.attrGet("start")
            self._lists.append(None if kind == "bullet_list_open" else int(start if start is not None else 1))
            self._space(1)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
            self._space(1 if self._lists else 2)
        elif kind == "list_item_open":
            self._item()
        elif kind == "list_item_close":
            self._gap = 1
        elif kind in ("heading_open", "th_open", "blockquote_open"):
            self._cell(kind)
            self._begin("blockquote" if kind == "blockquote_open" else "b")
        elif kind in ("heading_close", "th_close", "blockquote_close"):
            self._end("blockquote" if kind == "blockquote_close" else "b")
            self._space(0 if kind == "th_close" else 2)
        elif kind == "td_open":
            self._cell(kind)
        elif kind == "tr_close":
            self._cells = 0
            self._space(1)
        elif kind in ("paragraph_close", "table_close"):
            self._space(1 if token.hidden else 2)

    def _item(self) -> None:
        number = self._lists[-1]
        self._space(1)
        indent = "    " * (len(self._lists) - 1)
        self._write(indent + (_BULLET if number is None else f"{number}. "))
        if number is not None:
            self._lists[-1] = number + 1

    def _cell(self, kind: str) -> None:
        if kind in ("th_open", "td_open"):
            if self._cells:
                self._write(" | ")
            self._cells += 1

    def _inline(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            mark = token.type.removesuffix("_open").removesuffix("_close")
            if mark in _INLINE:
                (self._begin if token.nesting > 0 else self._end)(_INLINE[mark])
            elif token.type == "link_open":
                self._begin("a", safe_url(str(token.attrGet("href") or "")) or "")
            elif token.type == "link_close":
                self._end("a")
            elif token.type == "code_inline":
                self._begin("code")
                self._write(token.content)
                self._end("code")
            elif token.type in ("softbreak", "hardbreak"):
                self._write("\n")
            else:
                self._write(token.content)

    def _pre(self, token: Token) -> None:
        language = token.info.split()[0] if token.info.strip() else ""
        self._begin("pre", language if language.isascii() and language.isalnum() else "")
        self._write(token.content.rstrip("\n"))
        self._end("pre")
        self._space(2)

    def _write(self, text: str) -> None:
        if not text:
            return
        if self._gap and self._size:
            self._append("\n" * self._gap)
            # What was begun before its first word begins with it.
            self._open = [
                (self._size if start == self._size - self._gap else start, tag, value)
                for start, tag, value in self._open
            ]
        self._gap = 0
        self._append(text)

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)

    def _space(self, lines: int) -> None:
        self._gap = max(self._gap, lines)

    def _begin(self, tag: str, value: str = "") -> None:
        self._open.append((self._size, tag, value))

    def _end(self, tag: str) -> None:
        """Tokens are nested: what ends is what began last. Telegram takes no style twice, and no quote in a quote."""
        start, _, value = self._open.pop()
        outer = {outer_tag for _, outer_tag, _ in self._open}
        if self._size > start and tag not in outer and (tag != "a" or value):
            self._spans.append(Span(start, self._size, tag, value))


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Four spaces before a line are no code in a chat; HTML stays what it is: text.
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["strikethrough", "table"])
    return parser.disable(["code", "html_block", "html_inline"])


def _close_until(text: str, out: list[str], open_spans: list[Span], at: int, start: int) -> int:
    """Write text and end tags of what ends up to `start`; answers how far the text is written."""
    while open_spans and open_spans[-1].end <= start:
        span = open_spans.pop()
        out += [_escape(text[at : span.end]), _end_tag(span)]
        at = span.end
    return at


def _start_tag(span: Span) -> str:
    if span.tag == "a":
        return f'<a href="{html.escape(span.value, quote=True)}">'
    if span.tag == "pre" and span.value:
        return f'<pre><code class="language-{span.value}">'
    return f"<{span.tag}>"


def _end_tag(span: Span) -> str:
    return "</code></pre>" if span.tag == "pre" and span.value else f"</{span.tag}>"


def _escape(text: str) -> str:
    return html.escape(text, quote=False)
