"""The actor that writes answers."""

from __future__ import annotations

from replyx.app import App
from replyx.tasks.names import ANSWER_GENERATE
from replyx.worker.actors.declaring import declare_actor


def declare(app: App) -> None:
    """`answer.generate(reply_id)`."""
    declare_actor(app.broker, ANSWER_GENERATE, app.answering.answer)
