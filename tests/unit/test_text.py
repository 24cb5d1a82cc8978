"""Texts that people send: what a database or a screen could not hold is refused."""

from __future__ import annotations

import pytest

from replyx.errors import ValidationFailed
from replyx.security.text import many_lines, one_line


def test_a_text_is_taken_without_the_blanks_at_its_ends() -> None:
    assert one_line("  Техподдержка 😀 ", "name", most=20) == "Техподдержка 😀"
    assert many_lines("\nодин\r\n\tдва\n", "prompt", most=20) == "один\r\n\tдва"
    assert one_line("", "name", most=5) == ""


@pytest.mark.parametrize(
    "value", [None, 5, True, ["a"], {"a": 1}, b"a", "a\x00b", "a\nb", "a\x1b[31mb", "\ud800", "abcdef"]
)
def test_what_is_no_line_is_refused(value: object) -> None:
    with pytest.raises(ValidationFailed) as refused:
        one_line(value, "name", most=5)
    assert refused.value.details["field"] == "name"


def test_too_little_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        one_line("   ", "name", least=1, most=5)
    with pytest.raises(ValidationFailed):
        many_lines("ab", "text", least=3, most=5)
