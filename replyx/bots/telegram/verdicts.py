"""What became of a call to the Bot API: done, surely not done, refused for good, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)

#: Errors that come before a request left this machine, by class; a proxy's, by the package they are defined in.
_BEFORE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
_PROXY_PACKAGES = ("python_socks", "aiohttp_socks")

#: What stands in a 400 that the same text without markup would not meet.
_MARKUP = ("can't parse entities", "unsupported start tag", "entity_bounds_invalid", "entities_too_long")
_UNCHANGED = "message is not modified"
_NO_MESSAGE = ("message to edit not found", "message can't be edited", "message_id_invalid")


class Kind(StrEnum):
    DONE = "done"
    #: Surely not done: to be tried again after `seconds`.
    LATER = "later"
    #: Too many messages: the chat has to wait `seconds`.
    WAIT = "wait"
    #: The markup was refused.
    MARKUP = "markup"
    #: The message to be changed is not there.
    GONE = "gone"
    #: The customer blocks the bot, or the bot was removed.
    BLOCKED = "blocked"
    #: The chat has the id `chat_id` now.
    MOVED = "moved"
    #: Refused for good.
    REFUSED = "refused"
    #: The call may have been done or not.
    DOUBT = "doubt"


@dataclass(frozen=True)
class Verdict:
    """`reason` holds no token and nothing that a customer said."""

    kind: Kind
    reason: str = ""
    seconds: float = 0.0
    chat_id: int | None = None
    #: The call's result, of what was done.
    result: object = None

    @property
    def message_id(self) -> int:
        """The id of the message that was made or changed; 0 where the result is none."""
        found = getattr(self.result, "message_id", 0)
        return found if isinstance(found, int) else 0


def verdict_of(error: AiogramError | OSError) -> Verdict:
    """What an error of a call means.

    Raises:
        TelegramUnauthorizedError: the token counts no longer, for this call and for every other.
    """
    if isinstance(error, TelegramUnauthorizedError):
        raise error
    if isinstance(error, TelegramRetryAfter):
        return Verdict(Kind.WAIT, "too many requests", seconds=float(error.retry_after))
    if isinstance(error, TelegramMigrateToChat):
        return Verdict(Kind.MOVED, "the group became a supergroup", chat_id=error.migrate_to_chat_id)
    if isinstance(error, TelegramForbiddenError):
        return Verdict(Kind.BLOCKED, _words(error))
    if isinstance(error, TelegramBadRequest):
        return _bad_request(_words(error))
    if isinstance(error, TelegramEntityTooLarge):
        return Verdict(Kind.REFUSED, _words(error))
    if isinstance(error, TelegramServerError):
        return Verdict(Kind.DOUBT, f"server error: {_words(error)}")
    if isinstance(error, TelegramAPIError) and not isinstance(error, TelegramNetworkError):
        # An address that is no Bot API, a conflict: nothing was done, and somebody has to mend it.
        return Verdict(Kind.LATER, _words(error), seconds=5.0)
    if any(isinstance(cause, _BEFORE) or _is_proxys(cause) for cause in _causes(error)):
        return Verdict(Kind.LATER, "no connection to the Bot API", seconds=1.0)
    return Verdict(Kind.DOUBT, f"no answer from the Bot API ({_last_cause(error)})")


def _bad_request(words: str) -> Verdict:
    lowered = words.lower()
    if _UNCHANGED in lowered:
        return Verdict(Kind.DONE, words)
    if any(mark in lowered for mark in _MARKUP):
        return Verdict(Kind.MARKUP, words)
    if any(mark in lowered for mark in _NO_MESSAGE):
        return Verdict(Kind.GONE, words)
    return Verdict(Kind.REFUSED, words)


def _words(error: AiogramError) -> str:
    """What Telegram said."""
    return str(getattr(error, "message", type(error).__name__))[:200]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _is_proxys(error: BaseException) -> bool:
    return any(cls.__module__.split(".")[0] in _PROXY_PACKAGES for cls in type(error).__mro__)


def _last_cause(error: BaseException) -> str:
    # The class alone: the words of a network error may hold the address, and with it the token.
    return type(list(_causes(error))[-1]).__name__
