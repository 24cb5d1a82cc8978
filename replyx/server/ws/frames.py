"""Frames that clients send: parsed and checked; and how frames for them are written."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from replyx.errors import ReplyXError, ValidationFailed
from replyx.server.bodies import LONGEST_KEY, Body, MessageKey, Seq, Text, checked, parse_object
from replyx.types import Json

#: Asks a client whether it lives, and its answer; bare texts by the contract.
PING, PONG = "__ping__", "__pong__"


class Auth(Body):
    """The first frame, where the URL has no token; later: a newer token, with which the socket lives on."""

    token: Annotated[str, Field(max_length=4096)]


class SendMessage(Body):
    text: str
    client_msg_id: MessageKey | None = None
    operator_name: Text | None = None


class Typing(Body):
    operator_name: Text | None = None


class Read(Body):
    """How far the sender has read."""

    seq: Seq


class Resume(Body):
    """Which event the client saw last; what came after it is sent."""

    last_seq: Seq


ClientFrame = Auth | SendMessage | Typing | Read | Resume

_KINDS: dict[str, type[ClientFrame]] = {
    "auth": Auth,
    "send_message": SendMessage,
    "typing": Typing,
    "read": Read,
    "resume": Resume,
}


def parse_frame(text: str) -> ClientFrame:
    """The frame in `text`.

    Raises:
        BadRequest: it is no JSON object. ValidationFailed: its type is unknown, or a field of it is refused.
    """
    fields = parse_object(text)
    kind = fields.pop("type", None)
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = ", ".join(_KINDS)
        raise ValidationFailed.of("type", f"Неизвестный тип. Допустимо: {known}", f"Unknown type. Allowed: {known}")
    return checked(model, fields)


def client_msg_id_of(text: str) -> str | None:
    """The client's own name of the frame in `text`, whatever else is wrong with it; None where it has none."""
    try:
        name = parse_object(text).get("client_msg_id")
    except ReplyXError:
        return None
    return name if isinstance(name, str) and 0 < len(name) <= LONGEST_KEY else None


def written(payload: Json) -> str:
    """`payload` as the text of a frame."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
