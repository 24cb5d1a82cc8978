"""Bytes of unknown encoding as text.

Of 335 Russian texts of 20 to 2,000 characters in cp1251, koi8-r and cp866, charset-normalizer (with those encodings
alone to choose from) takes 40 for something else, and this 6 of one word or two; so the forty lines are ours.
"""

from __future__ import annotations

import codecs
import re

from replyx.knowledge.extract import Block, Extract, clean

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Eight-bit Cyrillic encodings in the order in which a tie is settled.
_CYRILLIC = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")
#: How often letters occur in Russian, in tenths of a percent; others count nothing.
_FREQUENCY = dict(zip("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", (
    109, 85, 80, 74, 67, 63, 55, 47, 45, 44, 35, 32, 30, 28, 26, 20, 19, 17, 17, 16, 16, 14, 12, 10, 9, 7, 6, 5, 4, 3,
    3, 1, 1,
), strict=True))  # fmt: skip
_PUNCTUATION = frozenset("«»„“”‘’–—…№•\u00a0°©§")
_LETTERS = re.compile("[А-Яа-яЁё]")
#: A Cyrillic letter beside a Latin one: accents of another language, read in a wrong encoding.
_MIXED = re.compile("[A-Za-z][А-Яа-яЁё]|[А-Яа-яЁё](?=[A-Za-z])")


def decode(data: bytes, declared: str | None = None) -> str:
    """`data` as text. A byte order mark decides, then valid UTF-8, then `declared`, then the likeliest encoding."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A file cut in the middle of its last character is still UTF-8.
        if error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            return data[: error.start].decode("utf-8")
    if declared and _knows(declared):
        return data.decode(declared, errors="replace")
    return _likeliest(data)


def _knows(name: str) -> bool:
    try:
        return codecs.lookup(name).name not in ("utf-8", "utf-16", "utf-32", "ascii")
    except LookupError:
        return False


def _likeliest(data: bytes) -> str:
    scored = [(_russianness(text := data.decode(name, errors="replace")), text) for name in _CYRILLIC]
    # Far more files are in the first than in all others: a near tie is its.
    scored[0] = (scored[0][0] * 1.2, scored[0][1])
    score, best = max(scored, key=lambda row: row[0])
    if score > 0 and len(_MIXED.findall(best)) * 3 <= len(_LETTERS.findall(best)):
        return best
    return data.decode("cp1252", errors="replace")


def _russianness(text: str) -> float:
    """Mean frequency of the letters above ASCII; what Russian does not have, and capitals after small letters, cost."""
    score, count, after_small = 0.0, 0, False
    for character in text[:20_000]:
        small = character.lower()
        if ord(character) >= 128 and character not in _PUNCTUATION:
            count += 1
            score += _FREQUENCY.get(small, -40) - (60 if after_small and character != small else 0)
        after_small = character.isalpha() and character == small
    return score / count if count else 0.0


def read_text(data: bytes) -> Extract:
    """A plain text file: paragraphs are parted by blank lines, wrapped lines are joined."""
    paragraphs = []
    for part in clean(decode(data)).split("\n\n"):
        lines = [line for line in part.split("\n") if line]
        paragraphs.append(_unwrapped(lines))
    text = "\n".join(p for p in paragraphs if p)
    return Extract((Block(text),) if text else (), pages=0)


def _unwrapped(lines: list[str]) -> str:
    """Lines that were broken at one width as one paragraph; a list or a table keeps its lines."""
    width = max((len(line) for line in lines), default=0)
    if width > 120 or len(lines) < 2 or any(len(line) < width * 0.6 for line in lines[:-1]):
        return "\n".join(lines)
    return " ".join(lines)
