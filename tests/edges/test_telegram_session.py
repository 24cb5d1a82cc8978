"""HTTP toward Telegram when whatever answers is not Telegram, or not well."""

from __future__ import annotations

import asyncio
import gzip
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)

from replyx.bots.telegram.addresses import checked_proxy
from replyx.bots.telegram.session import LARGEST_ANSWER, BotSession, Route, Sessions
from replyx.errors import AddressRefused
from replyx.security.outgoing import OutgoingUrls
from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_faults import Fault, conflict, too_many
from replyx.testing.telegram_server import FakeTelegram


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def bot(telegram: FakeTelegram) -> FakeBot:
    return telegram.add_bot()


def asked(telegram: FakeTelegram, token: str, *, updates: bool = False, route: Route | None = None) -> Any:
    """What getMe, or getUpdates, gives or raises; fails where an error knows the token."""

    async def ask() -> Any:
        session = BotSession(route or Route(telegram.base_url), OutgoingUrls())
        api = Bot(token, session=session)
        try:
            return await (session.raw_updates(api, None, 0, ["message"]) if updates else api.get_me())
        except TelegramAPIError as error:
            if token in "".join(traceback.format_exception(error)):
                pytest.fail("the error knows the token")
            raise
        finally:
            await session.close()

    return asyncio.run(ask())


def body(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Fault:
    return Fault("body", status=status, body=content, headers=headers or {}, times=None)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (body(b"<html>Bad Gateway</html>", 502), TelegramServerError),
        (body(b'{"ok": false}', 500), TelegramServerError),
        (body(b"<html>Your provider blocks this page</html>"), TelegramNetworkError),
        (body(b'{"ok": true, "result": 5}'), TelegramNetworkError),
        (body(b'{"ok": true, "result": [{"update_id": "x"}]}'), TelegramNetworkError),
        (body(b"[" * 100_000), TelegramNetworkError),
        (body(b""), TelegramNetworkError),
        (body(b" " * (LARGEST_ANSWER + 1)), TelegramNetworkError),
        (body(gzip.compress(b"0" * (5 * LARGEST_ANSWER)), 200, {"Content-Encoding": "gzip"}), TelegramNetworkError),
        (Fault("cut", times=None), TelegramNetworkError),
        (Fault(times=None), TelegramServerError),
        (too_many(7, times=None), TelegramRetryAfter),
        (conflict(), TelegramConflictError),
    ],
)
def test_whatever_is_answered_ends_in_an_error_that_does_not_know_the_token(
    telegram: FakeTelegram, bot: FakeBot, fault: Fault, kind: type[TelegramAPIError]
) -> None:
    telegram.add_fault(fault)

    with pytest.raises(kind):
        asked(telegram, bot.token, updates=True)


def test_a_redirect_is_not_followed_so_that_the_token_goes_nowhere_else(telegram: FakeTelegram, bot: FakeBot) -> None:
    with FakeTelegram() as other:
        target = f"{other.base_url}/bot{bot.token}/getMe"
        telegram.add_fault(body(b"", 307, {"Location": target}))

        with pytest.raises(TelegramNetworkError):
            asked(telegram, bot.token)

        assert other.log() == []


def test_an_unknown_token_is_told_from_trouble_of_the_network(telegram: FakeTelegram, bot: FakeBot) -> None:
    assert asked(telegram, bot.token).username == bot.username
    bot.is_revoked = True

    with pytest.raises(TelegramUnauthorizedError):
        asked(telegram, bot.token)


def test_an_update_of_a_kind_that_nobody_knows_does_not_hold_up_the_others(
    telegram: FakeTelegram, bot: FakeBot
) -> None:
    bot.push(message={"message_id": "odd"})
    bot.message(42, "hello")

    updates = asked(telegram, bot.token, updates=True)

    assert [update["message"]["message_id"] for update in updates] == ["odd", 1]


@pytest.mark.parametrize("address", ["http://127.0.0.1:8081", "http://localhost:8081", "http://[::1]:8081"])
def test_a_tenants_own_server_may_not_lead_inside(telegram: FakeTelegram, bot: FakeBot, address: str) -> None:
    with pytest.raises(AddressRefused):
        asked(telegram, bot.token, route=Route(address, is_guarded=True))


def test_a_name_that_turns_inward_after_it_was_checked_is_not_called(telegram: FakeTelegram, bot: FakeBot) -> None:
    answers = iter([["93.184.216.34"]])
    guard = OutgoingUrls(resolve=lambda _host, _port: next(answers, ["127.0.0.1"]))

    async def ask() -> None:
        session = BotSession(Route(f"http://bots.example:{telegram.port}", is_guarded=True), guard)
        try:
            await Bot(bot.token, session=session).get_me()
        finally:
            await session.close()

    with pytest.raises(TelegramNetworkError):
        asyncio.run(ask())
    assert telegram.log() == []


def test_a_route_that_nobody_takes_any_more_is_closed(telegram: FakeTelegram, bot: FakeBot) -> None:
    first, second = Route(telegram.base_url), Route(f"{telegram.base_url}/other")

    async def change() -> tuple[bool, bool, bool]:
        sessions = Sessions(OutgoingUrls())
        old, kept = sessions.of(first, "send"), sessions.of(second, "poll")
        await Bot(bot.token, session=old).get_me()
        await sessions.keep({second})
        is_new = sessions.of(first, "send") is not old
        await sessions.close()
        return old.is_over, is_new, sessions.of(second, "poll") is not kept

    assert asyncio.run(change()) == (True, True, True)
    with pytest.raises(TelegramNetworkError):
        asyncio.run(_use_after_the_end(first, bot.token))


async def _use_after_the_end(route: Route, token: str) -> None:
    sessions = Sessions(OutgoingUrls())
    session = sessions.of(route, "send")
    await sessions.close()
    await Bot(token, session=session).get_me()


def test_a_tenants_proxy_is_called_at_the_address_that_was_checked() -> None:
    guard = OutgoingUrls(resolve=lambda _host, _port: ["93.184.216.34"])

    assert checked_proxy("socks5://me:se%40cret@proxy.example:1080", guard) == (
        "socks5://me:se%40cret@93.184.216.34:1080"
    )
    with pytest.raises(AddressRefused):
        checked_proxy("http://127.0.0.1:3128", guard)
