"""The actor that reads documents."""

from __future__ import annotations

from replyx.app import App
from replyx.tasks.names import DOCUMENT_INGEST
from replyx.worker.actors.declaring import declare_actor


def declare(app: App) -> None:
    """`document.ingest(document_id)`."""
    declare_actor(app.broker, DOCUMENT_INGEST, app.knowledge.ingest)
