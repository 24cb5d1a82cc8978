"""What routes of knowledge answer with: web sites, gaps, files of prepared answers."""

from __future__ import annotations

from typing import Literal

from replyx.server.answers import Answer, Moment


class QaImport(Answer):
    added: int
    changed: int
    unchanged: int


class QaRow(Answer):
    question: str
    answer: str
    tags: list[str]


class GapExample(Answer):
    text: str
    dialog_id: int


class GapDraft(Answer):
    question: str
    answer: str
    dialog_id: int


class Gap(Answer):
    id: int
    question: str
    count: int
    dialogs: int
    unanswered: int
    best_score: float
    last_at: Moment
    examples: list[GapExample]
    draft: GapDraft | None


class SiteVisit(Answer):
    seen: int
    added: int
    changed: int
    gone: int
    failed: int


class Site(Answer):
    id: int
    assistant_id: int
    url: str
    max_depth: int
    max_pages: int
    every_hours: int
    status: Literal["waiting", "syncing", "ready", "failed"]
    error: str | None
    last_visit: SiteVisit
    synced_at: Moment | None
    created_at: Moment
