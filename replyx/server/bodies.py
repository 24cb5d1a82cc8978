"""Reading what a request sends: JSON with nothing left to interpretation, and query parameters."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from replyx.errors import BadRequest, ReplyXError, ValidationFailed
from replyx.server.errors import BodyTooLarge
from replyx.server.validation import issue_of, refused
from replyx.types import Json

M = TypeVar("M", bound=BaseModel)

#: Seconds without a byte after which a body is given up.
SILENCE = 30.0

#: Bytes a second that a body must bring after that: one that drips would hold its connection for days.
SLOWEST = 1024

#: The largest id that the databases can hold.
MOST_ID = 2**63 - 1

#: Text without the one character that PostgreSQL cannot store.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]

#: How an amount of roubles is described.
MONEY: Json = {"exclusiveMinimum": 0, "maximum": 10_000_000, "multipleOf": 0.01}

#: A row's id.
Id = Annotated[int, Field(ge=1, le=MOST_ID)]

#: Characters of the name below.
LONGEST_KEY = 128

#: The channel's or the client's own name of a message; the same one again is the same message.
MessageKey = Annotated[Text, Field(min_length=1, max_length=LONGEST_KEY)]

#: A number of a dialog's events.
Seq = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Body(BaseModel):
    """A JSON body: no unknown keys, no wrong types, no infinities."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Query(BaseModel):
    """Query parameters; unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


class Page(Query):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=MOST_ID)] = 0


async def read_body(request: Request, model: type[M], most_bytes: int) -> M:
    """The JSON body as `model`.

    Raises:
        BodyTooLarge: it is over `most_bytes`; nothing beyond was read. BadRequest: it is not JSON, or no object.
        ValidationFailed: keys that are unknown or given twice, missing fields, wrong types.
    """
    raw = await read_raw(request, most_bytes)
    if not raw and not any(field.is_required() for field in model.model_fields.values()):
        return model()
    return checked(model, parse_object(raw))


async def read_raw(request: Request, most_bytes: int) -> bytes:
    """The body as it came.

    Raises:
        BodyTooLarge: it is over `most_bytes`; nothing beyond was read.
    """
    raw = bytearray()
    receive = bounded(request.scope, request.receive, most_bytes, BodyTooLarge)
    async for chunk in Request(request.scope, receive).stream():
        raw += chunk
    return bytes(raw)


def read_query(params: QueryParams, model: type[M]) -> M:
    """Query parameters as `model`.

    Raises:
        ValidationFailed: a parameter is out of range, of the wrong type or given twice.
    """
    given: dict[str, str] = {}
    for name, value in params.multi_items():
        if name in given and name in model.model_fields:
            raise ValidationFailed([issue_of("duplicate_key", name)])
        given[name] = value
    return checked(model, given)


def checked(model: type[M], value: Any) -> M:
    """`value` as `model`. Raises ValidationFailed."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refused(error) from error


def parse_object(raw: bytes | str) -> Json:
    """A JSON object, its keys told apart.

    Raises:
        BadRequest: it is not UTF-8, not JSON, or no object. ValidationFailed: a key is given twice.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest from error
    if not isinstance(value, dict):
        raise BadRequest
    return value


def bounded(scope: Any, receive: Receive, most_bytes: int, too_large: type[ReplyXError]) -> Receive:
    """`receive` that refuses a body over `most_bytes` before reading on, and one that stands still or drips.

    Raises:
        BodyTooLarge: at once where the client announces more than that.
    """
    seen, clock = 0, asyncio.get_running_loop().time
    began = clock()
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > most_bytes:
        raise too_large

    async def receive_bounded() -> Message:
        nonlocal seen
        left = began + SILENCE + seen / SLOWEST - clock()
        try:
            async with asyncio.timeout(min(SILENCE, left)):
                message = await receive()
        except TimeoutError as error:
            # Else the connection would go on taking what drips in.
            raise HTTPException(400, headers={"Connection": "close"}) from error
        seen += len(message.get("body", b""))
        if seen > most_bytes:
            raise too_large
        return message

    return receive_bounded


def _distinct(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValidationFailed([issue_of("duplicate_key", twice[:100])])
    return found


def _refuse_constant(name: str) -> Any:
    # NaN and Infinity are JavaScript, not JSON.
    raise ValueError(name)
