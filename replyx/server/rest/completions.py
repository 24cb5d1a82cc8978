"""/v1: every assistant as a model of an OpenAI-compatible API, for clients that exist already."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from replyx.dialogs.completions import Completion, CompletionRequest
from replyx.errors import ValidationFailed
from replyx.llm.engine import Turn
from replyx.server.bodies import Text
from replyx.server.completion_chunks import DONE, ERRORS, Chunks, completion_json
from replyx.server.completion_task import CompletionTask
from replyx.server.endpoint import Call
from replyx.types import Json


class TextPart(BaseModel):
    """A piece of a message that is given in pieces."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    type: Literal["text", "input_text"]
    text: Text


class ChatMessage(BaseModel):
    """What was said; tools have no voice here."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The OpenAI API's request. What an assistant decides itself, such as the temperature, is not looked at."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)
    model: Annotated[Text, Field(min_length=1, max_length=100)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=200)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None


async def list_models(call: Call) -> Json:
    return {"object": "list", "data": await call.app.call(call.app.completions.models, call.actor)}


async def show_model(call: Call) -> Json:
    return await call.app.call(call.app.completions.model, call.actor, str(call.request.path_params["model"]))


async def complete(call: Call) -> Response:
    """The whole answer, or its stream. An error before the first word is an HTTP error, later it ends the stream."""
    name = f"chatcmpl-{secrets.token_hex(12)}"
    task = CompletionTask(call.app, call.actor, _asked(call.body))
    if not call.body.stream:
        finished = await task.whole(call.request.receive)
        return JSONResponse(completion_json(name, finished)) if finished else Response(status_code=499)
    first = await task.next_piece(call.request.receive)
    with_usage = bool(call.body.stream_options and call.body.stream_options.include_usage)
    stream = _stream(task, Chunks(name, call.body.model, with_usage=with_usage), first)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def _stream(task: CompletionTask, chunks: Chunks, piece: str | Completion | None) -> AsyncIterator[bytes]:
    try:
        yield chunks.head()
        while isinstance(piece, str):
            yield chunks.piece(piece)
            piece = await task.next_piece()
        if piece is not None:
            yield chunks.tail(piece)
            yield DONE
    except ERRORS as error:
        # Half an answer is none: the stream ends with the error, and without its closing word.
        yield chunks.error(error)
    finally:
        task.stop()


def _asked(body: Any) -> CompletionRequest:
    """The request's parts: instructions, history, and the last word, which must be a user's."""
    spoken = [message for message in body.messages if message.role in ("user", "assistant")]
    if not spoken or spoken[-1].role != "user" or not spoken[-1].text.strip():
        raise ValidationFailed.of(
            "messages", "Последнее сообщение должно быть от user", "The last message must be a user's, and not empty"
        )
    instructions = [message.text for message in body.messages if message.role in ("system", "developer")]
    return CompletionRequest(
        model=body.model,
        question=spoken[-1].text.strip(),
        history=tuple(Turn(message.role, message.text) for message in spoken[:-1] if message.text.strip()),
        instructions="\n\n".join(text for text in instructions if text.strip()),
    )
