"""The second factor: RFC 6238's own figures, codes that count once, and how it is switched on and off."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from replyx.accounts.accounts import Accounts
from replyx.accounts.tokens import Tokens
from replyx.config.settings import Config
from replyx.errors import Conflict, InvalidCredentials, NotFound, ValidationFailed
from replyx.events.audit import AuditFilter
from replyx.events.memory import MemoryBus
from replyx.security.secretbox import SecretBox
from replyx.security.totp import PERIOD, code_of, step_of
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.types import Actor, Role
from tests.support.clock import MovableClock

PASSWORD = "correct horse battery"
EMAIL = "admin@example.com"


@pytest.fixture
def accounts(db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> Accounts:
    key = bytes(range(32))
    return Accounts(db, bus, clock, Tokens(db, bus, clock, key), config, SecretBox(key))


@pytest.fixture
def admin(accounts: Accounts) -> Actor:
    made = accounts.create_user(EMAIL, PASSWORD, is_admin=True)
    return Actor(Role.ADMIN, user_id=made.id)


def _now(clock: MovableClock, secret: str, steps: int = 0) -> str:
    return code_of(secret, int(clock.now().timestamp()) // PERIOD + steps)


def _switched_on(accounts: Accounts, admin: Actor, clock: MovableClock) -> str:
    """The secret of a factor that was confirmed a while ago."""
    secret = accounts.second_factor.begin(admin).secret
    accounts.second_factor.confirm(admin, _now(clock, secret))
    clock.advance(10 * PERIOD)
    return secret


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"), (1111111109, "081804"), (1111111111, "050471"),
        (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130"),
    ],
)  # fmt: skip
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()

    assert code_of(secret, seconds // PERIOD) == code
    assert step_of(secret, f"{code[:3]} {code[3:]}", seconds, None) == seconds // PERIOD
    for moment in (seconds - 30, seconds + 30):
        assert step_of(secret, code, moment, None) == seconds // PERIOD
    for moment in (seconds + 60, seconds + 90):
        assert step_of(secret, code, moment, None) is None


@pytest.mark.parametrize(
    "code", ["", "0", "00000", "0000000", "abcdef", "-12345", "１２３４５６", "12345\x00", "٠٠٠٠٠٠"]
)
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert step_of(base64.b32encode(b"12345678901234567890").decode(), code, 59, None) is None


def test_an_app_is_set_up_by_its_first_code(
    accounts: Accounts, admin: Actor, clock: MovableClock, db: Database
) -> None:
    with pytest.raises(Conflict):
        accounts.second_factor.confirm(admin, "123456")
    made = accounts.second_factor.begin(admin)
    with pytest.raises(ValidationFailed):
        accounts.second_factor.confirm(admin, "000000" if _now(clock, made.secret) != "000000" else "000001")
    # Nothing counts before it is confirmed.
    accounts.login(EMAIL, PASSWORD)
    accounts.second_factor.confirm(admin, _now(clock, made.secret))

    uri = urlsplit(made.uri)
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", f"/ReplyX:{EMAIL}")
    assert parse_qs(uri.query) == {"secret": [made.secret], "issuer": ["ReplyX"]}
    assert len(base64.b32decode(made.secret)) == 20
    assert accounts.me(admin).has_totp
    with pytest.raises(Conflict):
        accounts.second_factor.begin(admin)
    with db.connection():
        row = User.get_by_id(admin.user_id)
    assert made.secret not in str(vars(row))


def test_a_login_needs_a_code_and_says_so_only_to_who_has_the_password(
    accounts: Accounts, admin: Actor, clock: MovableClock
) -> None:
    secret = _switched_on(accounts, admin, clock)

    for code in (None, "", "000000" if _now(clock, secret) != "000000" else "000001", _now(clock, secret, 5)):
        with pytest.raises(InvalidCredentials) as refused:
            accounts.login(EMAIL, PASSWORD, code)
        assert (refused.value.status, refused.value.details) == (401, {"totp_required": True})
    with pytest.raises(InvalidCredentials) as wrong:
        accounts.login(EMAIL, "wrong-password-9", _now(clock, secret))
    assert wrong.value.details == {}
    assert accounts.login(EMAIL, PASSWORD, _now(clock, secret))[1].id == admin.user_id


def test_a_code_counts_once_and_none_before_it_any_more(accounts: Accounts, admin: Actor, clock: MovableClock) -> None:
    secret = _switched_on(accounts, admin, clock)
    for _ in range(20):
        code, older = _now(clock, secret), _now(clock, secret, -1)
        accounts.login(EMAIL, PASSWORD, code)
        for used in (code, older):
            with pytest.raises(InvalidCredentials):
                accounts.login(EMAIL, PASSWORD, used)
        clock.advance(2 * PERIOD)


def test_the_code_that_switched_it_on_is_used_up(accounts: Accounts, admin: Actor, clock: MovableClock) -> None:
    secret = accounts.second_factor.begin(admin).secret
    accounts.second_factor.confirm(admin, code := _now(clock, secret))

    with pytest.raises(InvalidCredentials):
        accounts.login(EMAIL, PASSWORD, code)


def test_of_many_who_send_one_code_at_once_one_is_let_in(accounts: Accounts, admin: Actor, clock: MovableClock) -> None:
    code = _now(clock, _switched_on(accounts, admin, clock))

    def log_in(_: int) -> bool:
        try:
            accounts.login(EMAIL, PASSWORD, code)
        except InvalidCredentials:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(log_in, range(12))) == 1


def test_it_is_switched_off_with_the_password_or_from_the_command_line(
    accounts: Accounts, admin: Actor, clock: MovableClock
) -> None:
    _switched_on(accounts, admin, clock)
    with pytest.raises(ValidationFailed):
        accounts.second_factor.remove(admin, "wrong-password-9")
    assert accounts.me(admin).has_totp
    accounts.second_factor.remove(admin, PASSWORD)
    accounts.login(EMAIL, PASSWORD)
    _switched_on(accounts, admin, clock)
    accounts.second_factor.switch_off(admin.user_id or 0)
    accounts.login(EMAIL, PASSWORD)

    with pytest.raises(NotFound):
        accounts.second_factor.switch_off(404)
    lines = [(row.action, row.outcome) for row in accounts.audit.list(AuditFilter(limit=100))[0]]
    assert [line for line in reversed(lines) if line[0].startswith("totp")] == [
        ("totp.on", "ok"), ("totp.off", "refused"), ("totp.off", "ok"), ("totp.on", "ok"), ("totp.off", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_codes_of_one_step_before_and_after_are_taken_and_no_others(steps: int, is_taken: bool) -> None:
    secret, present = base64.b32encode(b"12345678901234567890").decode(), 59
    code = code_of(secret, present + steps)
    for second in (0, PERIOD - 1):
        step = step_of(secret, code, present * PERIOD + second, None)
        assert step == (present + steps if is_taken else None)
    assert step_of(secret, code, present * PERIOD, present + steps) is None
    assert step_of(secret, code_of(secret, 0), 0, None) == 0


def test_a_year_of_codes_is_six_digits_each(clock: MovableClock) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // PERIOD

    codes = [code_of(secret, start + number) for number in range(2000)]

    assert all(len(code) == 6 and code.isdigit() for code in codes)
