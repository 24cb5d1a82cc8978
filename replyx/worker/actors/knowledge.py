"""The actors that read documents and visit web sites."""

from __future__ import annotations

from replyx.app import App
from replyx.tasks.names import DOCUMENT_INGEST, SITE_SYNC
from replyx.worker.actors.declaring import declare_actor


def declare(app: App) -> None:
    """`document.ingest(document_id)`, `site.sync(site_id)`."""
    declare_actor(app.broker, DOCUMENT_INGEST, app.knowledge.ingest)
    declare_actor(app.broker, SITE_SYNC, app.knowledge.sites.visit)
