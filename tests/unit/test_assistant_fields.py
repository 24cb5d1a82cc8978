"""Fields of an assistant: what may be written into them, and that nothing else may."""

from __future__ import annotations

from typing import Any

import pytest

from replyx.assistants.fields import checked_fields
from replyx.errors import ValidationFailed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "   "), ("name", "x" * 101), ("name", "a\x00b"), ("name", "a\nb"), ("name", None),
        ("name", 5), ("description", "x" * 2001), ("description", 5), ("system_prompt", "x" * 20_001),
        ("system_prompt", "\ud800"),
        ("ai_model", 5), ("telegram_bot_token", 5), ("website_integration", "true"),
        ("website_integration", 1), ("website_integration", None), ("allowed_domains", "example.com"),
        ("allowed_domains", ["https://example.com"]), ("allowed_domains", [None]), ("handoff_keywords", "оператор"),
        ("handoff_keywords", [""]), ("handoff_keywords", ["x"] * 101), ("handoff_keywords", [5]),
        ("not_found_text", "x" * 2001), ("welcome_text", "a\x00"), ("unavailable_text", {}), ("price", -1),
        ("price", 1.5), ("price", True), ("price", "5"), ("price", 1_000_000_001), ("answer_threshold", 1.1),
        ("answer_threshold", -0.1),
        ("answer_threshold", float("nan")), ("answer_threshold", True), ("answer_threshold", "0.5"),
        ("clarify_threshold", 1.1),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked_fields({"name": "x", field: value})
    assert refused.value.details["field"].startswith(field)


@pytest.mark.parametrize(
    "field",
    ["id", "user_id", "user", "site_token", "created_at", "telegram_token", "telegram_bot_username", "isActive", ""],
)
def test_what_no_request_may_write_is_refused(field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked_fields({"name": "y", field: 1})
    assert refused.value.details["field"] == field


def test_values_come_out_in_the_form_of_their_columns() -> None:
    given = {
        "name": " x ",
        "allowed_domains": None,
        "handoff_keywords": ["a", "b", "a"],
        "welcome_text": "",
        "price": 0,
    }
    assert checked_fields({**given, "answer_threshold": 1, "telegram_bot_token": ""}) == {
        "name": "x",
        "allowed_domains": [],
        "handoff_keywords": ["a", "b"],
        "welcome_text": None,
        "price": 0,
        "answer_threshold": 1.0,
        "telegram_bot_token": None,
    }
