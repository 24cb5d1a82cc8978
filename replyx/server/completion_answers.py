"""What the OpenAI-compatible API and the routes of its keys answer, as models."""

from __future__ import annotations

from typing import Any, Literal

from replyx.server.answers import Answer, Moment, Source


class ApiKey(Answer):
    id: int
    name: str
    #: Masked; whole in the one answer that made it.
    key: str
    created_at: Moment
    last_used_at: Moment | None


class Model(Answer):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    name: str


class Models(Answer):
    object: Literal["list"]
    data: list[Model]


class ChoiceMessage(Answer):
    role: Literal["assistant"]
    content: str


class Choice(Answer):
    index: int
    message: ChoiceMessage
    finish_reason: Literal["stop"]
    logprobs: Any


class Usage(Answer):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class About(Answer):
    outcome: Literal["answered", "not_found"]
    engine: Literal["remote", "local", "plugin", "extractive", "qa"]
    sources: list[Source]


class ChatCompletion(Answer):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    replyx: About
