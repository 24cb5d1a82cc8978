"""Tokens: forged, stale and revoked ones open nothing, on every process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest

from replyx.accounts.tokens import BELIEVED_SECONDS, Tokens
from replyx.errors import NotAuthenticated, TokenExpired
from replyx.events.bus import Bus
from replyx.events.catalogue import CONTROL
from replyx.events.memory import MemoryBus
from replyx.security.master_key import derive_key
from replyx.security.tokens import TokenKind, TokenSigner
from replyx.storage.accounts import RevokedToken
from replyx.storage.database import Database
from replyx.types import Json
from tests.support.clock import MovableClock

KEY = bytes(range(32))


@pytest.fixture
def tokens(sqlite_db: Database, bus: Bus, clock: MovableClock) -> Tokens:
    """For what does not depend on the database."""
    return Tokens(sqlite_db, bus, clock, KEY)


def _claims(clock: MovableClock) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    return {"sub": "7", "jti": "x" * 20, "iat": now, "exp": now + 60, "aud": "replyx", "typ": "access"}


def _signed(claims: dict[str, Any], header: dict[str, Any] | None = None, key: bytes | None = None) -> str:
    """A token made by hand: header and claims as given, signed with HMAC-SHA256."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    text = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(hmac.digest(derive_key(KEY, 'jwt') if key is None else key, text.encode(), hashlib.sha256))}"


def test_a_token_says_what_was_put_into_it(tokens: Tokens, clock: MovableClock) -> None:
    token = tokens.issue(TokenKind.VISITOR, "key", 60, did=5)

    claims = tokens.read(token, TokenKind.VISITOR)

    assert (claims.kind, claims.subject, claims.extra) == ("visitor", "key", {"did": 5})
    assert claims.expires_at == clock.now() + timedelta(seconds=60)
    assert claims.jti != tokens.read(tokens.issue(TokenKind.VISITOR, "key", 60), TokenKind.VISITOR).jti
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_extra_claims_cannot_replace_our_own(tokens: Tokens) -> None:
    token = tokens.issue(TokenKind.TICKET, "7", 60, exp=2**40, typ="access", aud="else", jti="mine")

    claims = tokens.read(token, TokenKind.TICKET)
    assert claims.jti != "mine"
    with pytest.raises(NotAuthenticated):
        tokens.read(token, TokenKind.ACCESS)


def test_a_token_ends_to_the_second(tokens: Tokens, clock: MovableClock) -> None:
    token = tokens.issue(TokenKind.ACCESS, "7", 60)
    clock.advance(59)
    tokens.read(token, TokenKind.ACCESS)
    clock.advance(1)
    with pytest.raises(TokenExpired):
        tokens.read(token, TokenKind.ACCESS)


def test_a_token_of_one_kind_opens_nothing_of_another(tokens: Tokens) -> None:
    for made in TokenKind:
        token = tokens.issue(made, "7", 60)
        for asked in set(TokenKind) - {made}:
            with pytest.raises(NotAuthenticated):
                tokens.read(token, asked)


def test_a_token_made_by_hand_with_our_key_is_read(tokens: Tokens, clock: MovableClock) -> None:
    assert tokens.read(_signed(_claims(clock)), TokenKind.ACCESS).subject == "7"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"}, {"aud": ["other"]}, {"aud": None}, {"typ": "visitor"}, {"typ": None}, {"typ": ["access"]},
        {"sub": 7}, {"sub": None}, {"jti": None}, {"jti": 5}, {"exp": "9999999999"}, {"exp": True}, {"exp": 9e9},
        {"exp": 10**30}, {"exp": None}, {"nbf": 99_999_999_999},
    ],
)  # fmt: skip
def test_claims_of_another_form_are_refused(tokens: Tokens, clock: MovableClock, changes: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.read(_signed({**_claims(clock), **changes}), TokenKind.ACCESS)


@pytest.mark.parametrize("missing", ["sub", "jti", "iat", "exp", "aud", "typ"])
def test_every_claim_is_needed(tokens: Tokens, clock: MovableClock, missing: str) -> None:
    claims = _claims(clock)
    del claims[missing]
    with pytest.raises(NotAuthenticated):
        tokens.read(_signed(claims), TokenKind.ACCESS)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {"alg": ""}, {"alg": None}, {"alg": "HS384"},
        {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "ES256"}, {"alg": "hs256"}, {}, {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "crit": ["b64"], "b64": False}, {"alg": "HS256", "b64": False}, {"alg": ["HS256"]},
    ],
)  # fmt: skip
def test_headers_of_another_form_are_refused(tokens: Tokens, clock: MovableClock, header: dict[str, Any]) -> None:
    header = header or {"typ": "JWT"}
    for key in (None, b""):
        with pytest.raises(NotAuthenticated):
            tokens.read(_signed(_claims(clock), header, key), TokenKind.ACCESS)


def test_headers_that_name_another_key_are_not_followed(tokens: Tokens, clock: MovableClock) -> None:
    for extra in (
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1"},
        {"jku": "https://evil.invalid"},
        {"jwk": {"k": "AA"}},
    ):
        header = {"alg": "HS256", **extra}
        with pytest.raises(NotAuthenticated):
            tokens.read(_signed(_claims(clock), header, b""), TokenKind.ACCESS)


def test_other_keys_are_refused(tokens: Tokens, clock: MovableClock) -> None:
    for key in (KEY, b"", bytes(32), derive_key(KEY, "secretbox"), derive_key(KEY[::-1], "jwt")):
        with pytest.raises(NotAuthenticated):
            tokens.read(_signed(_claims(clock), key=key), TokenKind.ACCESS)
    foreign = TokenSigner(clock, KEY[::-1]).issue(TokenKind.ACCESS, "7", 60)
    with pytest.raises(NotAuthenticated):
        tokens.read(foreign, TokenKind.ACCESS)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "null",
        "undefined",
        "a.b.c",
        "..",
        "a" * 5000,
        "' OR 1=1 --",
        "\x00",
        "\ud800",
        "é.é.é",
        None,
        5,
        b"x",
        [],
        {},
    ],
)
def test_what_is_no_token_is_refused(tokens: Tokens, token: Any) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.read(token, TokenKind.ACCESS)


def test_a_token_that_was_cut_or_mixed_is_refused(tokens: Tokens) -> None:
    one, two = (tokens.issue(TokenKind.ACCESS, "7", 60).split(".") for _ in range(2))
    for parts in ([*one[:2], ""], one[:2], [*one[:2], two[2]], [one[0], two[1], one[2]], [*one, "x"]):
        with pytest.raises(NotAuthenticated):
            tokens.read(".".join(parts), TokenKind.ACCESS)


def test_a_revoked_token_is_refused_at_once_where_the_bus_tells_of_it(
    db: Database, bus: MemoryBus, clock: MovableClock
) -> None:
    here, there = Tokens(db, bus, clock, KEY), Tokens(db, bus, clock, KEY)
    news: list[Json] = []
    bus.subscribe(CONTROL, news.append)
    token = here.issue(TokenKind.ACCESS, "7", 60)
    claims = there.read(token, TokenKind.ACCESS)

    here.revoke(claims.jti, claims.expires_at)
    here.revoke(claims.jti, claims.expires_at)

    for tokens in (here, there):
        with pytest.raises(NotAuthenticated):
            tokens.read(token, TokenKind.ACCESS)
    assert news[0] == {"kind": "token_revoked", "jti": claims.jti}


def test_a_revoked_token_is_refused_within_a_moment_where_the_bus_is_silent(db: Database, clock: MovableClock) -> None:
    here, there = Tokens(db, MemoryBus(), clock, KEY), Tokens(db, MemoryBus(), clock, KEY)
    token = here.issue(TokenKind.ACCESS, "7", 60)
    claims = there.read(token, TokenKind.ACCESS)

    here.revoke(claims.jti, claims.expires_at)
    clock.advance(BELIEVED_SECONDS)

    assert BELIEVED_SECONDS < 2
    with pytest.raises(NotAuthenticated):
        there.read(token, TokenKind.ACCESS)


def test_a_revocation_that_was_rolled_back_tells_nobody(db: Database, bus: MemoryBus, clock: MovableClock) -> None:
    tokens, news = Tokens(db, bus, clock, KEY), list[Json]()
    bus.subscribe(CONTROL, news.append)
    token = tokens.issue(TokenKind.ACCESS, "7", 60)
    claims = tokens.read(token, TokenKind.ACCESS)

    def revoke_and_fail() -> None:
        with db.transaction():
            tokens.revoke(claims.jti, claims.expires_at)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        revoke_and_fail()

    assert news == []
    assert tokens.read(token, TokenKind.ACCESS) == claims


def test_a_ticket_is_redeemed_once_however_many_try(db: Database, bus: MemoryBus, clock: MovableClock) -> None:
    processes = [Tokens(db, bus, clock, KEY) for _ in range(2)]
    claims = processes[0].read(processes[0].issue(TokenKind.TICKET, "7", 60), TokenKind.TICKET)

    def redeem(number: int) -> int:
        try:
            processes[number % 2].redeem_once(claims)
        except NotAuthenticated:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(redeem, range(32))) == 1


def test_the_list_of_revoked_tokens_does_not_grow_for_ever(db: Database, bus: Bus, clock: MovableClock) -> None:
    tokens = Tokens(db, bus, clock, KEY)
    for seconds in (60, 86_400):
        claims = tokens.read(tokens.issue(TokenKind.ACCESS, "7", seconds), TokenKind.ACCESS)
        tokens.revoke(claims.jti, claims.expires_at)

    clock.advance(120)
    assert tokens.purge_expired() == 0
    clock.advance(3600)
    assert tokens.purge_expired() == 1
    with db.connection():
        assert RevokedToken.select().count() == 1


def test_a_token_of_a_process_whose_clock_is_ahead_is_read(tokens: Tokens, clock: MovableClock) -> None:
    ahead = int(clock.now().timestamp()) + 10**9
    assert tokens.read(_signed({**_claims(clock), "iat": ahead}), TokenKind.ACCESS).subject == "7"


def test_a_token_that_was_believed_is_not_once_it_was_redeemed(tokens: Tokens) -> None:
    ticket = tokens.issue(TokenKind.TICKET, "7", 60)
    tokens.redeem_once(tokens.read(ticket, TokenKind.TICKET))
    with pytest.raises(NotAuthenticated):
        tokens.read(ticket, TokenKind.TICKET)


def test_what_is_believed_of_tokens_is_bounded(tokens: Tokens) -> None:
    most = 20_000
    tokens._good_until = {f"token-{number}": 0.0 for number in range(most - 1)}
    assert not tokens.is_revoked("the last that has room")
    assert len(tokens._good_until) == most
    assert not tokens.is_revoked("one more")
    assert list(tokens._good_until) == ["one more"]


def test_a_token_of_an_earlier_key_that_is_none_of_ours_is_refused(
    sqlite_db: Database, bus: Bus, clock: MovableClock
) -> None:
    tokens = Tokens(sqlite_db, bus, clock, b"n" * 32, KEY)
    earlier = Tokens(sqlite_db, bus, clock, KEY)
    assert tokens.read(earlier.issue(TokenKind.ACCESS, "7", 60), TokenKind.ACCESS).subject == "7"
    for key in (derive_key(b"n" * 32, "jwt"), None):
        with pytest.raises(NotAuthenticated):
            tokens.read(_signed({**_claims(clock), "aud": "other"}, key=key), TokenKind.ACCESS)


def test_what_listens_can_stop(bus: MemoryBus, tokens: Tokens) -> None:
    tokens.close()
    tokens.close()
    bus.publish(CONTROL, {"kind": "token_revoked", "jti": "x"})
