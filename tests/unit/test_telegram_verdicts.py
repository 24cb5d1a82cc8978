"""Every answer and every silence of the Bot API has one meaning; only what surely was not done is done again freely."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import pytest
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetMe

from replyx.bots.telegram.verdicts import Kind, verdict_of

METHOD: Any = GetMe()
TOKEN = "123456789:AAF-secret-secret-secret-secret-sec"
#: What aiohttp's errors of connecting are about.
KEY: Any = aiohttp.client_reqrep.ConnectionKey("api.telegram.org", 443, True, True, None, None, None, None)


def _network(cause: BaseException) -> AiogramError:
    """The error that aiogram makes of a library's."""
    error = TelegramNetworkError(METHOD, f"{type(cause).__name__}: https://api/bot{TOKEN}/x")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TelegramRetryAfter(METHOD, "Too Many Requests", 30), Kind.WAIT),
        (TelegramMigrateToChat(METHOD, "upgraded", -100500), Kind.MOVED),
        (TelegramForbiddenError(METHOD, "Forbidden: bot was blocked by the user"), Kind.BLOCKED),
        (TelegramBadRequest(METHOD, "Bad Request: can't parse entities: Unsupported start tag"), Kind.MARKUP),
        (TelegramBadRequest(METHOD, "Bad Request: message is not modified: exactly the same"), Kind.DONE),
        (TelegramBadRequest(METHOD, "Bad Request: message to edit not found"), Kind.GONE),
        (TelegramBadRequest(METHOD, "Bad Request: chat not found"), Kind.REFUSED),
        (TelegramBadRequest(METHOD, "Bad Request: message text is empty"), Kind.REFUSED),
        (TelegramEntityTooLarge(METHOD, "Request Entity Too Large"), Kind.REFUSED),
        (TelegramServerError(METHOD, "Bad Gateway"), Kind.DOUBT),
        (TelegramNotFound(METHOD, "Not Found"), Kind.LATER),
        (TelegramConflictError(METHOD, "Conflict"), Kind.LATER),
        (ClientDecodeError("Failed to decode object", ValueError("x"), "<html>"), Kind.DOUBT),
        (_network(TimeoutError()), Kind.DOUBT),
        (_network(aiohttp.ServerDisconnectedError()), Kind.DOUBT),
        (_network(aiohttp.ClientOSError(104, "Connection reset by peer")), Kind.DOUBT),
        (_network(aiohttp.ClientPayloadError()), Kind.DOUBT),
        (_network(aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))), Kind.LATER),
        (_network(aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown"))), Kind.LATER),
        (_network(aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "bad"))), Kind.LATER),
        (_network(aiohttp.ConnectionTimeoutError()), Kind.LATER),
        (ConnectionResetError(104, "reset"), Kind.DOUBT),
    ],
)
def test_each_error_has_its_meaning(error: AiogramError | OSError, kind: Kind) -> None:
    verdict = verdict_of(error)
    assert verdict.kind is kind
    assert TOKEN not in verdict.reason
    assert verdict.reason


def test_a_revoked_token_is_no_matter_of_one_message() -> None:
    with pytest.raises(TelegramUnauthorizedError):
        verdict_of(TelegramUnauthorizedError(METHOD, "Unauthorized"))


def test_what_telegram_asks_for_is_kept() -> None:
    assert verdict_of(TelegramRetryAfter(METHOD, "Too Many Requests", 30)).seconds == 30.0
    assert verdict_of(TelegramMigrateToChat(METHOD, "upgraded", -100500)).chat_id == -100500
