"""Rate limits: exactly as many as allowed, in one process and shared through Redis, and when Redis is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from replyx.security import limits
from replyx.security.limits import Limiter, MemoryLimiter, RedisLimiter
from tests.support.clock import MovableClock
from tests.support.programs import wait_until
from tests.support.redis import RedisServer


@pytest.fixture
def redis_limiter(redis_url: str, clock: MovableClock) -> Iterator[RedisLimiter]:
    limiter = RedisLimiter(redis_url, clock)
    yield limiter
    limiter.close()


@pytest.fixture(params=["memory", "redis"])
def limiter(request: pytest.FixtureRequest, clock: MovableClock) -> Limiter:
    if request.param == "memory":
        return MemoryLimiter(clock)
    found: RedisLimiter = request.getfixturevalue("redis_limiter")
    return found


def test_the_limit_is_exact_and_its_state_fits_the_headers(limiter: Limiter, clock: MovableClock) -> None:
    states = [limiter.hit("login:a", 5, 300) for _ in range(7)]

    assert [state.allowed for state in states] == [True] * 5 + [False] * 2
    assert [state.remaining for state in states] == [4, 3, 2, 1, 0, 0, 0]
    assert {state.limit for state in states} == {5}
    now = clock.now().timestamp()
    assert all(now + 298 <= state.reset_at <= now + 301 for state in states)
    assert [state.retry_after for state in states[:5]] == [0] * 5
    assert all(298 <= state.retry_after <= 300 for state in states[5:])


def test_keys_do_not_touch_each_other(limiter: Limiter) -> None:
    for key in ("login:a", "login:b", "вход:а", "x" * 10_000, "x" * 10_001, "\ud800", "a b\r\nFLUSHALL"):
        assert limiter.hit(key, 1, 60).allowed
        assert not limiter.hit(key, 1, 60).allowed


def test_of_many_at_once_exactly_the_limit_pass(limiter: Limiter) -> None:
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: limiter.hit("key", 50, 60), range(200)))
    assert sum(state.allowed for state in states) == 50
    assert sorted(state.remaining for state in states)[-50:] == list(range(50))


def test_a_window_ends(clock: MovableClock) -> None:
    limiter = MemoryLimiter(clock)
    for _ in range(3):
        limiter.hit("key", 2, 60)
    clock.advance(59.5)
    assert limiter.hit("key", 2, 60).retry_after == 1
    clock.advance(0.5)
    assert limiter.hit("key", 2, 60).remaining == 1


def test_a_window_ends_in_redis(redis_limiter: RedisLimiter) -> None:
    assert redis_limiter.hit("key", 1, 1).allowed
    assert not redis_limiter.hit("key", 1, 1).allowed
    wait_until(lambda: redis_limiter.hit("key", 1, 1).allowed, 5, "the window did not end")


def test_every_key_in_redis_ends_by_itself(redis_limiter: RedisLimiter, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("replyx:limit:stuck", 10)
        assert not redis_limiter.hit("stuck", 5, 60).allowed
        redis_limiter.hit("fresh", 5, 60)
        assert [0 < client.ttl(f"replyx:limit:{key}") <= 60 for key in ("stuck", "fresh")] == [True, True]


def test_processes_share_a_limit_through_redis(redis_url: str, clock: MovableClock) -> None:
    one, two = RedisLimiter(redis_url, clock), RedisLimiter(redis_url, clock)
    allowed = [limiter.hit("key", 3, 60).allowed for _ in range(3) for limiter in (one, two)]
    assert allowed == [True] * 3 + [False] * 3
    one.close()
    two.close()


def test_without_redis_each_process_counts_for_itself_and_says_so_once(
    redis_server: RedisServer,
    redis_limiter: RedisLimiter,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert redis_limiter.hit("key", 2, 600).allowed
    redis_server.kill()
    with caplog.at_level(logging.INFO, "replyx"):
        allowed = [redis_limiter.hit("key", 2, 600).allowed for _ in range(3)]
        clock.advance(10)
        allowed.append(redis_limiter.hit("key", 2, 600).allowed)
        assert allowed == [True, True, False, False]
        assert caplog.text.count("Redis is away") == 1

        redis_server.start_again()
        clock.advance(10)
        assert redis_limiter.hit("key", 2, 600).remaining == 1
        assert caplog.text.count("Redis is back") == 1


def test_a_flushed_redis_forgets_and_goes_on(redis_server: RedisServer, redis_limiter: RedisLimiter) -> None:
    for _ in range(3):
        redis_limiter.hit("key", 1, 60)
    redis_server.flush()
    with redis.Redis.from_url(redis_server.url) as client:
        client.script_flush()
    assert redis_limiter.hit("key", 1, 60).allowed
    assert not redis_limiter.hit("key", 1, 60).allowed


def test_a_flood_of_keys_is_bounded_and_the_newest_still_count(clock: MovableClock) -> None:
    limiter = MemoryLimiter(clock)
    for number in range(limits.MOST_KEYS + 10):
        limiter.hit(f"key:{number}", 1, 60)
    assert len(limiter._windows) <= limits.MOST_KEYS
    assert not limiter.hit(f"key:{limits.MOST_KEYS + 9}", 1, 60).allowed
