"""The one place where exceptions become the contract's JSON, for HTTP answers and socket frames alike."""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from replyx.errors import (
    BadRequest,
    DiskFull,
    FileTooLarge,
    InsufficientPermissions,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    ReplyXError,
)
from replyx.server.context import context_of
from replyx.types import Json

logger = logging.getLogger(__name__)


class BodyTooLarge(FileTooLarge):
    """A JSON body over `server.max_body_bytes`."""

    ru, en = "Тело запроса превышает лимит", "The body is over the limit"


class UnknownRoute(NotFound):
    """No route has this address."""

    ru, en = "Такого адреса нет. Список адресов: /openapi.json", "No such address. They are listed in /openapi.json"


#: What a file system says when nothing more goes in.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

#: What the router and the form parser say with bare statuses.
_BY_STATUS: dict[int, type[ReplyXError]] = {
    400: BadRequest,
    401: NotAuthenticated,
    403: InsufficientPermissions,
    404: UnknownRoute,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    429: RateLimited,
}


@dataclass(frozen=True)
class Told:
    """What a client is told of an error."""

    status: int
    code: str
    message: str
    details: Json
    #: Seconds after which another try makes sense.
    retry_after: int | None = None

    def as_json(self) -> Json:
        return {"code": self.code, "message": self.message, "details": self.details}


def told(error: Exception, language: str) -> Told:
    """`error` in `language`, without what a client is not to know: why a part of ours or a provider fails."""
    if isinstance(error, HTTPException):
        fallback = BadRequest if error.status_code < 500 else ReplyXError
        error = _BY_STATUS.get(error.status_code, fallback)()
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        error = DiskFull()
    if isinstance(error, ReplyXError) and error.status < 500:
        details = error.details_in(language)
        return Told(error.status, error.code, error.message(language), details, error.retry_after)
    kind = type(error) if isinstance(error, ReplyXError) and error.status > 500 else ReplyXError
    after = error.retry_after if isinstance(error, ReplyXError) else None
    return Told(kind.status, kind.code, kind.en if language == "en" else kind.ru, {}, after)


def error_response(error: Exception, language: str) -> Response:
    """The HTTP answer to `error`."""
    answer = told(error, language)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": answer.as_json()}, status_code=answer.status, headers=headers)


def error_frame(error: Exception, language: str) -> Json:
    """The socket frame for `error`."""
    return {"type": "error", "error": told(error, language).as_json()}


async def answer_error(request: HTTPConnection, error: Exception) -> Response:
    """Starlette's handler of everything that a route or the router raises on purpose."""
    context = context_of(request.scope)
    if isinstance(error, ReplyXError) and error.status >= 500:
        logger.error(
            "a request failed",
            extra={"request_id": context.request_id, "code": error.code, "cause": str(error)},
        )
    return error_response(error, context.language)
