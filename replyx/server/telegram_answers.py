"""What the routes of bots and of customers' files answer, as models."""

from __future__ import annotations

from typing import Literal

from replyx.server.answers import Answer, AttachedFile, Moment


class Bot(Answer):
    assistant_id: int
    assistant_name: str
    username: str | None
    #: `none`: the assistant has no bot. `off`: it has one, and is off itself. `waiting`: no process has it now.
    #: `refused`: Telegram does not know the token; it rests until another is set.
    state: Literal["none", "off", "waiting", "starting", "running", "conflict", "unreachable", "refused"]
    #: For how long it has been so; 0 where there is none that could run.
    seconds: float
    #: What the state means and what to do about it; null where the bot is well.
    message: str | None
    #: What Telegram said.
    detail: str | None
    code: Literal["BOT_STARTUP_FAILED"] | None
    #: The process that runs it.
    process: str | None
    last_update_seconds: float | None
    #: Updates that came and have had no effect yet.
    waiting: int
    #: Messages to customers that are on their way.
    to_send: int
    #: Messages that customers may have got twice, or not at all.
    in_doubt: int


class Attachment(AttachedFile):
    dialog_id: int
    #: Of the message that it came with.
    seq: int
    created_at: Moment
