"""The pool of AI keys: what is stored, which key is used next, and what limits and failures do to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from replyx.errors import Conflict, NotFound, ValidationFailed
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.views import KeyOutcome, KeyVerdict, ReservedKey
from replyx.security.secretbox import SecretBox
from replyx.storage.ai_tokens import AiToken
from replyx.storage.audit import AuditRow
from replyx.storage.database import Database
from tests.support.clock import MovableClock

SECRET = "sk-proj-0123456789abcdefghijklmnopqr"


@pytest.fixture
def keys(db: Database, clock: MovableClock) -> AiTokens:
    return AiTokens(db, clock, SecretBox(b"k" * 32))


def add(keys: AiTokens, name: str, **fields: Any) -> int:
    fields = {"model_access": ["m"], **fields}
    return keys.add(name, f"{SECRET}-{name}", **fields).id


def take(keys: AiTokens, model: str = "m", exclude: set[int] | None = None) -> ReservedKey:
    key = keys.reserve(model, exclude or set())
    assert key is not None
    return key


def test_a_key_is_shown_in_the_form_of_the_contract_with_its_secret_masked(keys: AiTokens) -> None:
    view = keys.add(
        "Backup GPT-3.5",
        SECRET,
        model_access=["gpt-3.5-turbo"],
        daily_limit=500,
        monthly_limit=15000,
        priority=2,
        notes="Резервный токен",
    )
    assert view.as_json() == {
        "id": view.id,
        "name": "Backup GPT-3.5",
        "token": "sk-…opqr",
        "model_access": ["gpt-3.5-turbo"],
        "daily_limit": 500,
        "monthly_limit": 15000,
        "daily_usage": 0,
        "monthly_usage": 0,
        "priority": 2,
        "is_active": True,
        "created_at": "2025-09-01T10:00:00Z",
        "base_url": "https://api.openai.com/v1",
        "notes": "Резервный токен",
        "disabled_reason": "",
        "cooling_until": None,
    }
    assert keys.get(view.id) == keys.get("Backup GPT-3.5") == keys.list()[0] == view


def test_the_secret_is_stored_sealed_and_a_reserved_key_does_not_show_it(keys: AiTokens, db: Database) -> None:
    add(keys, "a")
    with db.connection():
        row = AiToken.get()
    assert SECRET not in row.secret + row.masked
    key = take(keys)
    assert key.secret == f"{SECRET}-a"
    assert SECRET not in repr(key)
    assert row.secret not in repr(key)


def test_two_keys_cannot_have_one_name(keys: AiTokens) -> None:
    add(keys, "a")
    with pytest.raises(Conflict) as caught:
        add(keys, "a")
    assert caught.value.details["field"] == "name"
    other = add(keys, "b")
    with pytest.raises(Conflict):
        keys.update(other, name="a")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("name", "a\nb"),
        ("token", ""),
        ("token", "sk one two"),
        ("token", "ключ"),
        ("token", "sk-1\r\nX-Evil: 1"),
        ("base_url", "ftp://api.example.com"),
        ("base_url", "api.example.com/v1"),
        ("base_url", "http://"),
        ("base_url", "http://user:word@api.example.com"),
        ("base_url", "http://api.example.com/v1?key=1"),
        ("base_url", "http://api.example.com:99999/v1"),
        ("base_url", "http://api.example.com/ v1"),
        ("base_url", "http://[::1"),
        ("model_access", []),
        ("model_access", "gpt-4"),
        ("model_access", ["gpt-4", 5]),
        ("model_access", [""]),
        ("model_access", ["extractive"]),
        ("model_access", ["local/mine"]),
        ("daily_limit", -1),
        ("daily_limit", True),
        ("monthly_limit", 3_000_000_000),
        ("priority", 1.5),
        ("notes", "a\0b"),
        ("is_active", "yes"),
        ("daily_usage", 0),
        ("secret", "x"),
    ],
)
def test_a_field_that_cannot_stand_is_refused_by_its_name(keys: AiTokens, field: str, value: Any) -> None:
    token = add(keys, "a")
    before = keys.get(token)
    with pytest.raises(ValidationFailed) as caught:
        keys.update(token, **{field: value})
    assert caught.value.details["field"] == field
    assert keys.get(token) == before


def test_a_loopback_address_is_the_administrators_own_business(keys: AiTokens) -> None:
    token = add(keys, "a", base_url="http://127.0.0.1:11434/v1/")
    assert keys.get(token).base_url == "http://127.0.0.1:11434/v1"
    assert keys.update(token, base_url="http://[::1]:8080/v1/chat/completions").base_url == "http://[::1]:8080/v1"


def test_a_masked_secret_that_is_sent_back_changes_nothing_and_a_new_one_is_used(keys: AiTokens) -> None:
    token = add(keys, "a")
    keys.update(token, token=keys.get(token).token, notes="seen")
    assert keys.get(token).notes == "seen"
    assert take(keys).secret == f"{SECRET}-a"
    keys.update(token, token="sk-new-abcdefghijkl")
    assert take(keys).secret == "sk-new-abcdefghijkl"
    assert keys.get(token).token == "sk-…ijkl"


def test_a_key_that_does_not_exist_is_not_found(keys: AiTokens) -> None:
    for call in (lambda: keys.get(7), lambda: keys.get("x"), lambda: keys.update(7, notes=""), lambda: keys.remove(7)):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(NotFound):
        keys.test(7)


def test_a_removed_key_takes_only_itself_along(keys: AiTokens) -> None:
    first, second = add(keys, "a"), add(keys, "b")
    keys.remove(second)
    assert [view.id for view in keys.list()] == [first]


def test_the_lowest_priority_number_goes_first_and_among_equals_the_least_used(keys: AiTokens) -> None:
    add(keys, "late", priority=2)
    first, second = add(keys, "a"), add(keys, "b")
    assert [take(keys).id for _ in range(4)] == [first, second, first, second]
    assert take(keys, exclude={first, second}).name == "late"
    assert keys.reserve("m", {view.id for view in keys.list()}) is None


def test_only_active_keys_of_the_model_are_used(keys: AiTokens) -> None:
    first = add(keys, "a", model_access=["m", "n"])
    add(keys, "b", model_access=["n"], priority=0)
    assert take(keys).id == first
    assert keys.models() == {"m", "n"}
    assert keys.default_model() == "n"
    keys.set_active(first, active=False)
    assert keys.reserve("m") is None
    assert keys.reserve("unknown") is None
    assert keys.models() == {"n"}


def test_the_pool_without_a_key_has_no_default_model(keys: AiTokens) -> None:
    assert keys.default_model() is None
    assert keys.models() == set()


def test_limits_hold_and_begin_anew_with_the_day_and_the_month(keys: AiTokens, clock: MovableClock) -> None:
    token = add(keys, "a", daily_limit=2, monthly_limit=3)
    assert [keys.reserve("m") is not None for _ in range(3)] == [True, True, False]
    clock.advance(24 * 3600)
    assert keys.get(token).daily_usage == 0
    assert keys.get(token).monthly_usage == 2
    assert [keys.reserve("m") is not None for _ in range(2)] == [True, False]
    clock.advance(30 * 24 * 3600)
    assert keys.get(token).monthly_usage == 0
    assert keys.reserve("m") is not None
    assert (keys.get(token).daily_usage, keys.get(token).monthly_usage) == (1, 1)


def test_twenty_workers_use_exactly_what_the_limits_allow(keys: AiTokens) -> None:
    limits = {add(keys, "a", daily_limit=17): 17, add(keys, "b", daily_limit=23, priority=2): 23}
    taken: list[int] = []
    barrier = threading.Barrier(20)

    def work() -> None:
        barrier.wait()
        for _ in range(3):
            key = keys.reserve("m")
            if key is not None:
                taken.append(key.id)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == limits
    assert {view.id: view.daily_usage for view in keys.list()} == limits


def test_a_refused_key_is_switched_off_with_its_reason_until_somebody_mends_it(keys: AiTokens) -> None:
    token = add(keys, "a")
    keys.report(take(keys), KeyOutcome(KeyVerdict.REFUSED, "401 invalid_api_key"))
    view = keys.get(token)
    assert (view.is_active, view.disabled_reason) == (False, "401 invalid_api_key")
    assert keys.reserve("m") is None
    keys.update(token, token="sk-new-abcdefghijkl")
    assert (keys.get(token).is_active, keys.get(token).disabled_reason) == (True, "")
    assert keys.reserve("m") is not None


def test_a_key_that_was_replaced_meanwhile_is_not_blamed_for_the_old_one(keys: AiTokens) -> None:
    token = add(keys, "a")
    old = take(keys)
    keys.update(token, token="sk-new-abcdefghijkl")
    keys.report(old, KeyOutcome(KeyVerdict.REFUSED, "401"))
    assert keys.get(token).is_active


def test_a_busy_key_rests_as_long_as_its_server_asked(keys: AiTokens) -> None:
    add(keys, "a")
    keys.report(take(keys), KeyOutcome(KeyVerdict.BUSY, "429", retry_after=0.4))
    assert keys.reserve("m") is None
    rest = keys.rest_of("m")
    assert rest is not None
    assert 0 < rest <= 0.4
    assert keys.rest_of("other") is None
    deadline = time.monotonic() + 5
    while keys.reserve("m") is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert keys.rest_of("m") is None


@pytest.mark.parametrize(
    ("outcome", "least", "most"),
    [
        (KeyOutcome(KeyVerdict.BUSY, "429"), 29, 30),
        (KeyOutcome(KeyVerdict.BUSY, "429", retry_after=1e9), 3599, 3600),
        (KeyOutcome(KeyVerdict.TROUBLE, "503"), 1, 2),
        (KeyOutcome(KeyVerdict.TROUBLE, "503", retry_after=60), 59, 60),
    ],
)
def test_each_kind_of_failure_has_its_rest(keys: AiTokens, outcome: KeyOutcome, least: float, most: float) -> None:
    token = add(keys, "a")
    keys.report(take(keys), outcome)
    rest = keys.rest_of("m")
    assert rest is not None
    assert least <= rest <= most
    assert keys.get(token).cooling_until is not None
    keys.set_active(token, active=True)
    assert keys.reserve("m") is not None


def trouble(keys: AiTokens, token: int, db: Database, times: int = 1) -> None:
    """Let the key's server fail, each time after its rest."""
    for _ in range(times):
        wake(db, token)
        keys.report(take(keys), KeyOutcome(KeyVerdict.TROUBLE, "503"))


def wake(db: Database, token: int) -> None:
    with db.transaction():
        AiToken.update(cooling_until=1).where(AiToken.id == token).execute()


def test_after_troubles_in_a_row_one_call_at_a_time_tries_whether_they_are_over(keys: AiTokens, db: Database) -> None:
    token = add(keys, "a")
    trouble(keys, token, db, 3)
    rest = keys.rest_of("m")
    assert rest is not None
    assert 9 < rest <= 10
    wake(db, token)
    probe = take(keys)
    assert keys.reserve("m") is None
    keys.report(probe, KeyOutcome(KeyVerdict.TROUBLE, "503"))
    assert (keys.rest_of("m") or 0) > 19
    wake(db, token)
    keys.settle(take(keys))
    assert [keys.reserve("m") is not None for _ in range(3)] == [True, True, True]


def test_a_probe_that_was_given_up_makes_way_for_another(keys: AiTokens, db: Database) -> None:
    token = add(keys, "a")
    trouble(keys, token, db, 4)
    wake(db, token)
    probe = take(keys)
    assert keys.reserve("m") is None
    keys.abandon(probe)
    assert keys.reserve("m") is not None


def test_calls_that_fail_together_are_one_trouble(keys: AiTokens) -> None:
    token = add(keys, "a")
    at_once = [take(keys) for _ in range(20)]
    for key in at_once:
        keys.report(key, KeyOutcome(KeyVerdict.TROUBLE, "503"))
    assert (keys.rest_of("m") or 0) <= 2
    assert keys.get(token).is_active


def test_twenty_that_are_refused_switch_the_key_off_once_and_the_audit_log_says_so(
    keys: AiTokens, db: Database
) -> None:
    token = add(keys, "a")
    for key in [take(keys) for _ in range(20)]:
        keys.report(key, KeyOutcome(KeyVerdict.REFUSED, "401 invalid_api_key"))
    with db.connection():
        lines = list(AuditRow.select().where(AuditRow.action == "ai_token.disabled"))
    assert [(line.object, line.details) for line in lines] == [
        (f"ai_token:{token}", {"name": "a", "reason": "401 invalid_api_key"})
    ]


def test_days_and_months_turn_in_the_configured_time_zone(db: Database, clock: MovableClock) -> None:
    clock.advance(29 * 24 * 3600 + 10.5 * 3600)
    assert clock.now().isoformat() == "2025-09-30T20:30:00+00:00"
    keys = AiTokens(db, clock, SecretBox(b"k" * 32), ZoneInfo("Europe/Moscow"))
    token = add(keys, "a", daily_limit=1, monthly_limit=1)
    assert [keys.reserve("m") is not None for _ in range(2)] == [True, False]
    clock.advance(3600)
    assert (keys.get(token).daily_usage, keys.get(token).monthly_usage) == (0, 0)
    assert keys.reserve("m") is not None


def test_a_refused_request_says_nothing_of_its_key(keys: AiTokens) -> None:
    token = add(keys, "a")
    keys.report(take(keys), KeyOutcome(KeyVerdict.REJECTED, "400"))
    assert keys.get(token).is_active
    assert keys.reserve("m") is not None
