"""Every error is one sentence in two languages, with a code and a status that the contract knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from replyx.errors import (
    ConfigError,
    Conflict,
    EngineFailed,
    FieldIssue,
    NotFound,
    RateLimited,
    ReplyXError,
    UniqueViolation,
    ValidationFailed,
)

#: Codes of the contract and of its notes, with the statuses they have there.
CONTRACT = {
    "VALIDATION_ERROR": 422, "BAD_REQUEST": 400, "NOT_AUTHENTICATED": 401, "TOKEN_EXPIRED": 401,
    "INVALID_CREDENTIALS": 401, "INSUFFICIENT_PERMISSIONS": 403, "NOT_FOUND": 404, "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409, "RATE_LIMITED": 429, "INTERNAL_ERROR": 500, "SERVICE_UNAVAILABLE": 503,
    "INSUFFICIENT_BALANCE": 402, "INVALID_AMOUNT": 422, "FILE_TOO_LARGE": 413, "UNSUPPORTED_FORMAT": 415,
    "UPLOAD_QUOTA_EXCEEDED": 429, "INVALID_TELEGRAM_TOKEN": 422, "BOT_ALREADY_EXISTS": 409,
    "IDEMPOTENCY_MISMATCH": 422, "VIRUS_DETECTED": 422,
}  # fmt: skip


def _classes(parent: type[ReplyXError] = ReplyXError) -> Iterator[type[ReplyXError]]:
    yield parent
    for child in parent.__subclasses__():
        if child.__module__ == "replyx.errors":
            yield from _classes(child)


CLASSES = sorted(set(_classes()), key=lambda error: error.__name__)


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_has_a_code_a_status_and_a_sentence_in_both_languages(error: type[ReplyXError]) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", error.code)
    assert 400 <= error.status < 600
    assert re.search("[а-я]", error.ru)
    assert not re.search("[а-я]", error.en)


def test_codes_of_the_contract_have_the_contract_s_statuses() -> None:
    ours = {error.code: error.status for error in CLASSES}

    assert {code: ours.get(code) for code in CONTRACT} == CONTRACT


def test_a_code_has_one_status() -> None:
    # The contract gives PAYMENT_FAILED two: the payment was refused, or its provider is down.
    pairs = {(error.code, error.status) for error in CLASSES} - {("PAYMENT_FAILED", 402)}

    assert len(pairs) == len({code for code, _ in pairs})


def test_the_message_is_in_the_asked_language_and_russian_is_the_default() -> None:
    error = NotFound("Ассистента нет", "No such assistant")

    assert error.message("ru") == error.message("de") == "Ассистента нет"
    assert error.message("en") == str(error) == "No such assistant"


def test_without_sentences_of_its_own_an_error_has_those_of_its_class() -> None:
    assert (NotFound().message("ru"), NotFound().message("en")) == (NotFound.ru, NotFound.en)


def test_an_error_with_one_sentence_says_it_in_both_languages() -> None:
    assert Conflict("Уже есть").message("en") == "Уже есть"


def test_a_refused_field_is_named_with_its_issue_in_the_asked_language() -> None:
    error = ValidationFailed.of("email", "нужен адрес", "an address is needed")

    assert error.details == {"field": "email", "issue": "нужен адрес"}
    assert error.details_in("en") == {"field": "email", "issue": "an address is needed"}


def test_several_refused_fields_are_all_named_and_the_first_stands_out() -> None:
    error = ValidationFailed([FieldIssue("a", "раз", "one"), FieldIssue("b.0", "два", "two")])

    assert error.details_in("en") == {
        "field": "a",
        "issue": "one",
        "errors": [{"field": "a", "issue": "one"}, {"field": "b.0", "issue": "two"}],
    }


def test_details_can_be_sent_as_json() -> None:
    for error in (RateLimited(details={"limit": 5}, retry_after=7), ValidationFailed.of("a", "б", "c"), NotFound()):
        assert json.loads(json.dumps(error.details_in("en"))) == error.details_in("en")


def test_a_pause_before_the_next_try_travels_with_the_error() -> None:
    assert RateLimited(retry_after=7).retry_after == 7
    assert RateLimited().retry_after is None


def test_an_engine_s_error_knows_whether_another_try_may_help() -> None:
    assert EngineFailed("busy", retryable=True).retryable
    assert not EngineFailed("bad key", retryable=False).retryable


def test_a_taken_key_is_a_conflict_wherever_nobody_knows_better() -> None:
    assert issubclass(UniqueViolation, Conflict)
    assert UniqueViolation.code == "CONFLICT"


def test_a_broken_configuration_is_no_request_s_fault() -> None:
    assert ConfigError.status == 500
