"""Pages of print as running text: hyphens joined, headers and contents left out, paragraphs and headings found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from replyx.knowledge.extract import Block

#: A word broken at the end of a line, by whichever hyphen.
_BROKEN = re.compile(r"(\w+)[-\u2010\u00ad]\n(\w+)(\S*) ?")
_WORD = re.compile(r"\w+(?:-\w+)*")
#: A line of a table of contents: dots that lead to a number.
_LEADER = re.compile(r"(?:\.\s?){4,}\s*\d+\s*$|(?:\s\.){3,}")
_CONTENTS_ITEM = re.compile(r"^(?:\d+(?:\.\d+)*\.?\s)?\S.*\s\d{1,4}$")
#: A line of a subject index: a term and its pages.
_INDEX_ITEM = re.compile(r"^[^.!?]{1,60},\s*\d+(?:[,–-]\s*\d+)*$|^,?\s*\d+$")
_ITEM = re.compile(r"^(?:[•●▪◦‣·*–—-]\s|\(?\d{1,3}[.)]\s|\(?[a-zа-я][.)]\s)")
#: An address that was broken goes on without a space.
_ADDRESS = re.compile(r"https?:(?:/{0,2}|//[^\s)]*[/.])\n(?=[/a-z0-9])")
_ROMAN = re.compile(r"^[ivxlc]+$")
#: How many lines at each end of a page may be furniture.
_EDGE = 2
#: Most lines that a heading takes.
_TITLE_LINES = 6
#: Share of pages that an edge line must stand on, in its form without numbers, to be furniture; and the least count.
_REPEATED, _AT_LEAST = 0.2, 3


@dataclass(frozen=True)
class Page:
    """A page's lines; `number` counts from 1, as a viewer's does."""

    number: int
    lines: list[str]


def join_hyphens(texts: Sequence[str]) -> list[str]:
    """Words broken at line ends made whole. Whether the hyphen stays is decided by how the document spells the word."""
    known = Counter(word.casefold() for text in texts for word in _WORD.findall(text))

    def whole(match: re.Match[str]) -> str:
        left, right, rest = match.groups()
        joined, hyphened = (left + right).casefold(), f"{left}-{right}".casefold()
        if left[-1].isdigit() or right[0].isdigit() or right[0].isupper() or known[hyphened] > known[joined]:
            return f"{left}-{right}{rest}\n"
        # The break stays, after the word: lines keep their widths, by which paragraphs are known.
        return f"{left}{right}{rest}\n"

    # A mark left over broke something that is no word, as an address.
    return [_BROKEN.sub(whole, text).replace("\u2010\n", "") for text in texts]


def without_furniture(pages: Sequence[Sequence[str]]) -> list[list[str]]:
    """Pages without running headers, footers, page numbers, tables of contents and subject indexes."""
    filled = [[line for line in page if line] for page in pages]
    seen = Counter(key for page in filled for key in {_form(line) for line in _edges(page)})
    least = max(_AT_LEAST, len(filled) * _REPEATED)
    repeated = {key for key, count in seen.items() if count >= least}
    return [_without_lists(_trimmed(page, repeated)) for page in filled]


def _edges(page: Sequence[str]) -> list[str]:
    return [*page[:_EDGE], *page[-_EDGE:]]


def _form(line: str) -> str:
    """A header's form: what stays the same when the page and the section change."""
    words = [_ROMAN.sub("#", re.sub(r"\d+", "#", word)) for word in line.casefold().split()]
    # "CHAPTER 7. NAME OF THE CHAPTER": the number tells that the rest may differ.
    return " ".join(words[:2]) if len(words) > 2 and "#" in words[1] and words[0][0].isalpha() else " ".join(words)


def _trimmed(page: list[str], repeated: set[str]) -> list[str]:
    kept = list(page)
    for _ in range(_EDGE):
        if kept and _form(kept[0]) in repeated:
            kept.pop(0)
        if kept and _form(kept[-1]) in repeated:
            kept.pop()
    return kept


def _without_lists(page: list[str]) -> list[str]:
    """Contents and indexes repeat every heading with the wrong page: a search must not find them."""
    if sum(bool(_INDEX_ITEM.match(line)) for line in page) >= max(8, len(page) * 0.6):
        return []
    leaders = sum(bool(_LEADER.search(line)) for line in page)
    if leaders < max(3, len(page) * 0.3):
        return page
    items = sum(bool(_LEADER.search(line) or _CONTENTS_ITEM.match(line)) for line in page)
    if items >= len(page) * 0.6:
        return []
    return [line for line in page if not _LEADER.search(line)]


def outline_blocks(pages: Sequence[Page], outline: Sequence[tuple[str, int]]) -> list[Block]:
    """The pages' text cut where the outline's entries begin; entries are (title, page) in reading order.

    A block's heading is the entry that was the last to begin before it; where an entry's words are not found on its
    page, it begins at the top of the page.
    """
    blocks: list[Block] = []
    heading: str | None = None
    for page in pages:
        titles = [title for title, number in outline if number == page.number]
        begin = 0
        for start, end, title in _found(page.lines, titles):
            blocks += _block(page.lines[begin:start], page.number, heading)
            heading, begin = title, end
        blocks += _block(page.lines[begin:], page.number, heading)
    return blocks


def _found(lines: Sequence[str], titles: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first line, line after, title) of each title on the page, in order."""
    result: list[tuple[int, int, str]] = []
    begin = 0
    for title in titles:
        place = _place(lines, begin, _key(title))
        if place is None:
            result.append((begin, begin, title))
        else:
            result.append((*place, title))
            begin = place[1]
    return result


def _place(lines: Sequence[str], begin: int, key: str) -> tuple[int, int] | None:
    """Where the title stands alone: on one line or on several, perhaps with a number or "Chapter 1" before it."""
    if not key:
        return None
    for start in range(begin, len(lines)):
        text = ""
        for end in range(start, min(start + _TITLE_LINES, len(lines))):
            text += _key(lines[end])
            if text == key or (text.endswith(key) and text.removesuffix(key).isdigit()):
                above = start - 1
                is_numbered = above >= begin and len(lines[above]) < 20 and bool(re.search(r"\d$", lines[above]))
                return (above if is_numbered else start), end + 1
            if len(text) > len(key) + 8:
                break
    return None


def _key(text: str) -> str:
    """Letters and digits alone: print and outline differ in quotes, spaces and dashes."""
    return "".join(c for c in text.casefold() if c.isalnum())


def _block(lines: Sequence[str], page: int, heading: str | None) -> list[Block]:
    text = "\n".join(paragraphs(lines))
    return [Block(text, page, heading)] if text else []


def paragraphs(lines: Sequence[str]) -> list[str]:
    """Wrapped lines joined; list items, table rows and lines that end early keep their own."""
    if not lines:
        return []
    lengths = sorted(len(line) for line in lines)
    width = lengths[int(len(lengths) * 0.9)] if len(lengths) > 4 else lengths[-1]
    result = [lines[0]]
    for before, line in pairwise(lines):
        if _ADDRESS.search(f"{before[-200:]}\n{line[:1]}"):
            result[-1] += line
        elif len(before) > width * 0.72 and not _ITEM.match(line):
            result[-1] += f" {line}"
        else:
            result.append(line)
    return result
