"""Money at the edges: roubles as people and the contract write them, kopecks as everything else counts."""

from __future__ import annotations

import re
from decimal import Decimal

from replyx.errors import InvalidAmount

#: The largest sum that is taken at once: ten million roubles, in kopecks.
MOST_KOPECKS = 1_000_000_000

_FORM = re.compile(r"[0-9]{1,12}(?:\.[0-9]+)?", re.ASCII)


def kopecks(value: Decimal | int | str | float) -> int:
    """Roubles as kopecks.

    Raises:
        InvalidAmount: not a number, negative, finer than a kopeck or over ten million roubles.
    """
    amount = _decimal(value)
    if amount is None or not amount.is_finite() or amount.is_signed():
        raise InvalidAmount(
            "Некорректная сумма: нужно число рублей, например 1000.00",
            "Invalid amount: a number of roubles is needed, such as 1000.00",
        )
    if amount * 100 > MOST_KOPECKS:
        raise InvalidAmount("Некорректная сумма: больше 10 000 000", "Invalid amount: over 10,000,000")
    hundredths = amount * 100
    if hundredths != hundredths.to_integral_value():
        raise InvalidAmount("Некорректная сумма: мельче копейки", "Invalid amount: finer than a kopeck")
    return int(hundredths)


def rubles(amount: int) -> float:
    """Kopecks as the JSON number of the contract."""
    return amount / 100


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, float):
        # The shortest text that is this float: what the sender wrote.
        return Decimal(repr(value))
    if isinstance(value, str) and _FORM.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None
