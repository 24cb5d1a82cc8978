"""Keeps the instructions of an assistant out of its answers, also while they are streamed. Pure.

Eight words in a row that stand in the instructions, and nowhere in what the customer may see, are taken out of the
answer. What could still become such a row is held back until it has, or has not.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

#: Words in a row that are no chance any more, and the fewest that shorter instructions are known by.
RUN, SHORTEST = 8, 4

#: Stands where something was taken out.
GAP = "…"

_TOKEN = re.compile(r"\w+|\W+")


@dataclass(frozen=True)
class _Hidden:
    """Every word of the hidden texts, how long a row that ends there must be to count, and where each word stands."""

    words: list[str]
    least: list[int]
    places: dict[str, list[int]]
    known: list[str]


#: An assistant's instructions are the same from answer to answer.
@lru_cache(maxsize=128)
def _learned(hidden: tuple[str, ...]) -> _Hidden:
    learned = _Hidden([], [], {}, [])
    for text in hidden:
        words = _words_of(text)
        if len(words) < SHORTEST:
            continue
        # Two texts make no row together: an empty word ends each.
        for word in [*words, ""]:
            learned.places.setdefault(word, []).append(len(learned.words))
            learned.words.append(word)
            learned.least.append(min(RUN, len(words)))
    learned.known.extend(sorted(learned.places))
    return learned


class LeakGuard:
    """One answer. `hidden` are texts that must not come out; `public` are those that the answer may quote."""

    def __init__(self, hidden: Iterable[str], public: Iterable[str] = ()) -> None:
        self._hidden = _learned(tuple(hidden))
        self._public = tuple(public)
        self._allowed: frozenset[tuple[str, ...]] | None = None
        #: Place of the last word → how many words in a row it ends there.
        self._rows: dict[int, int] = {}
        #: What is held back: the words of the longest row, and what stands between them.
        self._held: deque[str] = deque()
        self._held_words = 0
        #: The beginning of a word that may go on; and whether the word that goes on was shown in part.
        self._partial = ""
        self._inside = False
        self._leaking = False
        self.leaked = False

    def feed(self, piece: str) -> str:
        """What may be shown now of all that came."""
        if not self._hidden.places:
            return piece
        tokens = _TOKEN.findall(self._partial + piece)
        self._partial = tokens.pop() if tokens and _is_word(tokens[-1]) else ""
        shown = "".join(self._token(token) for token in tokens)
        if self._partial and (self._inside or self._is_new(self._partial)):
            shown += self._drop_row() + self._partial
            self._partial, self._inside = "", True
        return shown

    def end(self) -> str:
        """The rest, once the answer is whole."""
        last, self._partial = self._partial, ""
        return (self._token(last) if last else "") + self._release(0)

    def _token(self, token: str) -> str:
        if _is_word(token):
            return self._word(token)
        self._inside = False
        if self._leaking:
            return ""
        if not self._held_words:
            return token
        self._held.append(token)
        return ""

    def _word(self, token: str) -> str:
        if self._inside:
            return token
        word = token.casefold()
        self._rows = {place: self._rows.get(place - 1, 0) + 1 for place in self._hidden.places.get(word, ())}
        longest = max(self._rows.values(), default=0)
        if self._is_leak():
            shown = "" if self._leaking else self._release(longest - 1) + GAP
            self._held.clear()
            self._held_words, self._leaking, self.leaked = 0, True, True
            return shown
        shown = " " if self._leaking else ""
        self._leaking = False
        shown += self._release(min(longest, RUN) - 1)
        if not longest:
            return shown + token
        self._held.append(token)
        self._held_words += 1
        return shown

    def _release(self, keep: int) -> str:
        """Show what is held but for its last `keep` words."""
        shown = []
        while self._held and self._held_words > max(keep, 0):
            token = self._held.popleft()
            self._held_words -= _is_word(token)
            shown.append(token)
        while self._held and not _is_word(self._held[0]):
            shown.append(self._held.popleft())
        return "".join(shown)

    def _drop_row(self) -> str:
        self._rows = {}
        shown = (" " if self._leaking else "") + self._release(0)
        self._leaking = False
        return shown

    def _is_new(self, beginning: str) -> bool:
        """Whether no hidden word begins so: then it ends any row, and can be shown before it is whole."""
        beginning = beginning.casefold()
        at = bisect_left(self._hidden.known, beginning)
        return at == len(self._hidden.known) or not self._hidden.known[at].startswith(beginning)

    def _is_leak(self) -> bool:
        least = self._hidden.least
        return any(row >= least[place] and not self._may_be_quoted(place) for place, row in self._rows.items())

    def _may_be_quoted(self, place: int) -> bool:
        if self._allowed is None:
            self._allowed = _runs(self._public, set(self._hidden.least))
        return tuple(self._hidden.words[place - self._hidden.least[place] + 1 : place + 1]) in self._allowed


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] == "_"


def _words_of(text: str) -> list[str]:
    return [token.casefold() for token in _TOKEN.findall(text) if _is_word(token)]


def _runs(texts: Iterable[str], sizes: Iterable[int]) -> frozenset[tuple[str, ...]]:
    """Every row of these lengths."""
    found: set[tuple[str, ...]] = set()
    for text in texts:
        words = _words_of(text)
        for size in sizes:
            found.update(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    return frozenset(found)
