"""What reading a document gives: its text in blocks, each with its page and heading."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: Characters that no text needs and PostgreSQL or JSON refuse: control characters, surrogates, non-characters.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u200b\u2060\ufeff\ufff0-\ufffd\uffff]")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00ad": None})
#: Spaces of every width; line breaks stay.
_SPACES = re.compile(r"[^\S\n]+")
#: An accent without its letter: TeX writes quotation marks so.
_STRAY_ACCENT = re.compile(r"(^|[^\S\n]|[^\w\s])[\u0300-\u036f]+", re.MULTILINE)

#: Longest heading that is kept, in characters.
MAX_HEADING = 300


@dataclass(frozen=True)
class Block:
    """Consecutive paragraphs (one a line) under one heading; `page` counts from 1, None where there are no pages."""

    text: str
    page: int | None = None
    heading: str | None = None


@dataclass(frozen=True)
class Extract:
    """A whole document's text in reading order."""

    blocks: tuple[Block, ...]
    pages: int
    #: Pages that are pictures without text: what is on them is not known.
    scanned: tuple[int, ...] = ()
    #: Of a page: where its links lead, as they are written; and whether it asks to be left out of indexes.
    links: tuple[str, ...] = ()
    is_private: bool = False


def clean(text: str) -> str:
    """`text` in one Unicode form, without control characters and stray accents, each run of spaces as one."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n").replace("\x0c", "\n")
    text = _UNWANTED.sub("", text.replace("\u2028", "\n").replace("\u2029", "\n")).translate(_LIGATURES)
    text = _STRAY_ACCENT.sub(r"\1", unicodedata.normalize("NFC", text))
    return "\n".join(line.strip() for line in _SPACES.sub(" ", text).split("\n")).strip()


def as_heading(text: str | None) -> str | None:
    """`text` as one clean line that fits the column; None where nothing is left."""
    line = " ".join(clean(text or "").split())
    return line[:MAX_HEADING].rstrip() or None
