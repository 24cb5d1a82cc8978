"""One try of a request that has an `Idempotency-Key`: the first one does the work, later ones get its answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from replyx.app import App
from replyx.errors import NotAuthenticated, ReplyXError, ValidationFailed
from replyx.events.idempotency import Claim, FirstAnswer
from replyx.server.context import context_of
from replyx.server.errors import error_response
from replyx.types import Actor, Json

#: The header, as ASGI has it and as people write it.
_HEADER, KEY_HEADER = b"idempotency-key", "Idempotency-Key"

#: Characters of a key at most.
LONGEST_KEY = 255

#: Bytes of a file that are read at once.
_PIECE = 1024 * 1024

#: Refusals that are an answer to keep. All others say that nothing was tried: the same request may come again.
_KEPT = (402, 403, 404, 409)


class Attempt:
    """A request under a key. `run` surrounds the handler; the key is claimed once it is known what was sent."""

    def __init__(self, app: App, request: Request, actor: Actor, name: tuple[str, str], status: int) -> None:
        """`name` is the route and the key; `status` is what success has."""
        self._app, self._request, self._actor, self._status = app, request, actor, status
        self._route, self._key = name
        #: The SHA-256 of the body, hexadecimal; None: the handler itself calls `claim`.
        self.digest: str | None = None
        self._claim: Claim | None = None
        #: Whether there was an effect, or an answer to keep: from then on the key is not given back.
        self._is_done = False
        #: Whether the answer was recorded with the effect. Both may have been undone, as long as the handler goes on.
        self._is_kept = False

    @property
    def claim_id(self) -> int | None:
        """What names this request in the record, whoever does it in the end; None until the key is claimed."""
        return None if self._claim is None else self._claim.id

    async def run(self, work: Callable[[], Awaitable[Response]]) -> Response:
        """The answer of `work`, or of the first request under this key.

        Raises:
            IdempotencyMismatch: the key named another request. Conflict: its twin is being done right now.
        """
        try:
            if self.digest is not None:
                await self.claim(self.digest)
            return await self._record(await work())
        except _AnsweredBefore as before:
            return before.response
        except ReplyXError as error:
            if self._claim is None or error.status not in _KEPT or self._is_done:
                raise
            return await self._record(error_response(error, context_of(self._request.scope).language))
        finally:
            if self._claim is not None:
                self._app.idempotency.drop(self._claim)
                if not self._is_done:
                    await self._app.call(self._app.idempotency.release, self._claim)

    async def claim(self, digest: str) -> None:
        """Claim the key for what has that digest.

        Raises:
            IdempotencyMismatch, Conflict. What else it raises ends the handler: the answer is known.
        """
        found = await self._app.call(self._app.idempotency.claim, self._actor, self._route, self._key, digest)
        if isinstance(found, FirstAnswer):
            raise _AnsweredBefore(found)
        self._claim = found
        self._app.idempotency.hold(found)

    async def perform(self, effect: Callable[[], Json]) -> Json:
        """Do `effect` and record its answer in one transaction.

        Raises:
            Conflict: another process has taken the request on meanwhile; nothing was done.
        """
        claim = self._claim
        if claim is None:
            return await self._app.call(effect)
        done = await self._app.call(
            self._app.idempotency.perform, claim, self._status, lambda: _text(JSONResponse(effect()))
        )
        self._is_done = True
        answer: Json = json.loads(done)
        return answer

    def keep(self, answer: Json) -> None:
        """Record the answer of success inside the transaction of its effect, in that transaction's thread.

        Raises:
            Conflict: another process has taken the request on meanwhile; the transaction has to fail with it.
        """
        if self._claim is not None:
            self._app.idempotency.keep(self._claim, self._status, _text(JSONResponse(answer)))
            self._is_kept = True

    async def _record(self, response: Response) -> Response:
        if self._is_kept and response.status_code == self._status:
            self._is_done = True
        if self._claim is not None and not self._is_done and response.status_code < 500:
            self._is_done = True
            await self._app.call(self._app.idempotency.complete, self._claim, response.status_code, _text(response))
        return response


class _AnsweredBefore(Exception):
    """Ends a handler whose answer is known."""

    def __init__(self, first: FirstAnswer) -> None:
        super().__init__()
        headers = {"Idempotent-Replayed": "true"}
        self.response = Response(first.body, first.status, headers, "application/json")


def attempt_of(app: App, request: Request, actor: Actor, path: str, status: int) -> Attempt | None:
    """The attempt that the request's header names; None where there is none. `path` is the registered one.

    Raises:
        ValidationFailed: the header is empty, too long, has other than printable ASCII, or there are several.
    """
    keys = [value for name, value in request.scope["headers"] if name == _HEADER]
    if not keys:
        return None
    if actor.user_id is None and actor.dialog_id is None:
        raise NotAuthenticated
    key = keys[0].decode("latin-1")
    if len(keys) > 1 or not re.fullmatch(rf"[!-~]{{1,{LONGEST_KEY}}}", key):
        raise ValidationFailed.of(
            KEY_HEADER,
            f"Нужен один заголовок, от 1 до {LONGEST_KEY} печатных символов ASCII без пробелов",
            f"One header of 1 to {LONGEST_KEY} printable ASCII characters without spaces is needed",
        )
    ids = " ".join(str(value) for value in request.path_params.values())
    return Attempt(app, request, actor, (f"{request.method} {path} {ids}", key), status)


def digest_of(*parts: bytes) -> str:
    """The SHA-256 of `parts`, hexadecimal."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def digest_of_file(file: BinaryIO, *parts: bytes) -> str:
    """The SHA-256 of a file, from its beginning, and of `parts`; the file stands at its beginning afterwards."""
    file.seek(0)
    content = hashlib.sha256()
    while piece := file.read(_PIECE):
        content.update(piece)
    file.seek(0)
    return digest_of(content.digest(), *parts)


def _text(response: Any) -> str:
    return bytes(response.body).decode("utf-8")
