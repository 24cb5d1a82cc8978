"""Personal data in a prompt, replaced before it leaves the machine, and put back into the answer. Pure.

Cards (with their check digit), passports of Russia, e-mail addresses and telephone numbers of what customers write;
of passages only cards and passports, since a company's own telephone number is what customers ask for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from replyx.llm.engine import EngineRequest, Turn

_EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_CARD = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-])")
#: Two digits, two digits, six digits, with a gap or a sign between series and number; or ten after the word.
_PASSPORT = re.compile(
    r"(?<![\d-])\d{2} ?\d{2}(?: ?№ ?| )\d{6}(?![\d-])|(?<=[Пп]аспорт )\d{10}(?!\d)|(?<=[Pp]assport )\d{9,10}(?!\d)"
)
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}|8)[ -]?\(?\d{3,4}\)?[ -]?\d{2,3}[ -]?\d{2}[ -]?\d{2}(?!\d)|(?<![\w.])\+\d{10,14}(?!\d)"
)

#: Every number above has nine digits or more, with three signs between two of them at most. Few texts have any; this
#: tells in a twentieth of the time.
_MAY_HAVE_NUMBERS = re.compile(r"\d(?:\D{0,3}\d){8}")

_MARK = re.compile(r"\[(CARD|PASSPORT|EMAIL|PHONE)_(\d{1,3})\]", re.IGNORECASE)

#: The beginning of a mark at the end of a text.
_BEGUN = re.compile(r"\[[A-Za-z]{0,8}(?:(?<=[A-Za-z])_\d{0,3})?\Z")


@dataclass
class Masks:
    """The masks of one request: each value has one mark, however often it stands there."""

    _marks: dict[str, str] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict)
    _held: str = ""

    def mask(self, request: EngineRequest) -> EngineRequest:
        """`request` with marks such as `[PHONE_1]` in place of personal data."""
        masked = replace(
            request,
            question=self._customer(request.question),
            history=tuple(Turn(turn.role, self._customer(turn.text)) for turn in request.history),
            passages=tuple(
                replace(p, text=self._strict(p.text), before=self._strict(p.before), after=self._strict(p.after))
                if _has_numbers(p.in_context)
                else p
                for p in request.passages
            ),
        )
        return masked if self._marks else request

    def restore(self, piece: str) -> str:
        """The next piece of the answer with what the marks stand for; a mark that may go on is held back."""
        if not self._values:
            return piece
        text = self._held + piece
        begun = _BEGUN.search(text)
        self._held = text[begun.start() :] if begun else ""
        return _MARK.sub(self._value, text[: begun.start()] if begun else text)

    def end(self) -> str:
        """What was still held back."""
        rest, self._held = self._held, ""
        return rest

    def _customer(self, text: str) -> str:
        if "@" in text:
            text = _EMAIL.sub(lambda m: self._mark("EMAIL", m.group()), text)
        text = self._strict(text)
        if _MAY_HAVE_NUMBERS.search(text) is None:
            return text
        return _PHONE.sub(lambda m: self._mark("PHONE", m.group()), text)

    def _strict(self, text: str) -> str:
        if _MAY_HAVE_NUMBERS.search(text) is None:
            return text
        text = _CARD.sub(lambda m: self._mark("CARD", m.group()) if _is_card(m.group()) else m.group(), text)
        return _PASSPORT.sub(lambda m: self._mark("PASSPORT", m.group()), text)

    def _mark(self, kind: str, value: str) -> str:
        if value not in self._marks:
            number = sum(mark.startswith(f"[{kind}_") for mark in self._marks.values()) + 1
            self._marks[value] = f"[{kind}_{number}]"
            self._values[self._marks[value]] = value
        return self._marks[value]

    def _value(self, match: re.Match[str]) -> str:
        return self._values.get(match.group().upper(), match.group())


#: Many questions find the same passages.
@lru_cache(maxsize=512)
def _has_numbers(passage: str) -> bool:
    return _MAY_HAVE_NUMBERS.search(passage) is not None


def _is_card(text: str) -> bool:
    """Luhn's check digit, ISO/IEC 7812-1; a row of one digit passes it and is no card."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [sum(divmod(d * 2, 10)) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1
