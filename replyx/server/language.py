"""The language of an answer's sentences: Russian, or English where `Accept-Language` prefers it."""

from __future__ import annotations

#: Longest header that is looked at; no browser sends more.
_LONGEST = 500


def preferred_language(header: str | None) -> str:
    """`en` where the header prefers English to Russian, else `ru`."""
    weights = {"en": 0.0, "ru": 0.0}
    for item in (header or "")[:_LONGEST].split(","):
        name, _, parameters = item.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], _weight(parameters))
    return "en" if weights["en"] > weights["ru"] else "ru"


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
