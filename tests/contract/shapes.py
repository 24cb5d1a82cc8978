"""Comparing JSON with an example of the contract: every field there, of the same type and form."""

from __future__ import annotations

import json
import re
from typing import Any

from replyx.server.examples import FOLDER

#: Forms of text that an example implies for the real value.
_FORMS = (
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    re.compile(r"\d+(\.\d)?(B|KB|MB|GB|TB)"),
    re.compile(r"\d+d \d+h \d+m"),
)


def names() -> list[str]:
    """Every example by its name."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def example(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def differences(expected: Any, found: Any, nullable: frozenset[str] = frozenset(), at: str = "") -> list[str]:
    """Where `found` lacks what the example has, or has it of another type or form.

    A field that is null in the example may hold anything; `nullable` names fields that may be null where it has a
    value. Elements of a list are compared with the first of the example's that fits them best.
    """
    if expected is None or (found is None and at.rpartition(".")[2] in nullable):
        return []
    if type(expected) is not type(found):
        return [f"{at}: {type(found).__name__} in place of {type(expected).__name__}"]
    if isinstance(expected, dict):
        missing = [f"{at}.{key} is missing" for key in expected.keys() - found.keys()]
        inner = [
            differences(expected[key], found[key], nullable, f"{at}.{key}") for key in expected.keys() & found.keys()
        ]
        return missing + [line for lines in inner for line in lines]
    if isinstance(expected, list):
        if not found:
            return [f"{at} is empty"]
        return [line for row in found for line in _least(expected, row, nullable, f"{at}[]")]
    forms = [form for form in _FORMS if isinstance(expected, str) and form.fullmatch(expected)]
    return [f"{at}: {found!r} has another form than {expected!r}" for form in forms if not form.fullmatch(found)]


def additions(expected: Any, found: Any, at: str = "") -> set[str]:
    """Paths of `found` that the example does not have."""
    if isinstance(expected, dict) and isinstance(found, dict):
        own = {f"{at}.{key}" for key in found.keys() - expected.keys()}
        inner = (additions(expected[key], found[key], f"{at}.{key}") for key in expected.keys() & found.keys())
        return own.union(*inner)
    if isinstance(expected, list) and isinstance(found, list):
        return {path for row in found for path in additions(_nearest(expected, row), row, f"{at}[]")}
    return set()


def _least(expected: list[Any], found: Any, nullable: frozenset[str], at: str) -> list[str]:
    return min((differences(row, found, nullable, at) for row in expected), key=len)


def _nearest(expected: list[Any], found: Any) -> Any:
    """The example's element that has most in common with `found`."""
    return max(expected, key=lambda row: len(row.keys() & found.keys()) if isinstance(row, dict) else 0)
