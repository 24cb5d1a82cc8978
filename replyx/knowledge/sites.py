"""Web sites that assistants keep up with: visited on a schedule, changed pages read anew, gone ones forgotten."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from replyx.clock import Clock, iso
from replyx.config.settings import KnowledgeSettings
from replyx.errors import (
    Conflict,
    FileTooLarge,
    NotFound,
    ReplyXError,
    ServiceUnavailable,
    UnsupportedFormat,
    ValidationFailed,
    VirusDetected,
)
from replyx.knowledge.documents import Documents, access_assistant, as_id, owned_by
from replyx.knowledge.visiting import Known, Seen, Visit
from replyx.security.fetching import Outgoing
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.sites import Site, SitePage
from replyx.tasks.names import SITE_SYNC
from replyx.tasks.queue import TaskQueue
from replyx.types import SYSTEM, Actor, Json

logger = logging.getLogger(__name__)

#: Seconds without a page after which another worker may take a visit over; the longest request is far shorter.
LEASE_SECONDS = 120.0
#: Sites of one assistant.
_MAX_SITES = 50
_HOUR = 3600.0
#: When a site is due that is visited only when asked, in the database's milliseconds.
_NEVER = 2**62
#: Told while a visit goes on: pages seen so far.
Tell = Callable[[int], None]


@dataclass(frozen=True)
class SiteView:
    """A site as edges see it. `counts` is what the last visit found: seen, added, changed, gone, failed."""

    id: int
    assistant_id: int
    url: str
    max_depth: int
    max_pages: int
    every_hours: int
    status: str
    error_ru: str | None
    error_en: str | None
    counts: Json
    synced_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: Site) -> SiteView:
        return cls(
            row.id,
            row.assistant_id,
            row.url,
            row.max_depth,
            row.max_pages,
            row.every_hours,
            row.status,
            row.error_ru,
            row.error_en,
            dict(row.counts or {}),
            row.synced_at,
            row.created_at,
        )

    def as_json(self, language: str = "ru") -> Json:
        return {
            "id": self.id,
            "assistant_id": self.assistant_id,
            "url": self.url,
            "max_depth": self.max_depth,
            "max_pages": self.max_pages,
            "every_hours": self.every_hours,
            "status": self.status,
            "error": self.error_en if language == "en" else self.error_ru,
            "last_visit": {name: self.counts.get(name, 0) for name in ("seen", "added", "changed", "gone", "failed")},
            "synced_at": iso(self.synced_at) if self.synced_at else None,
            "created_at": iso(self.created_at),
        }


class _Lost(Exception):
    """The site is another worker's now, or gone."""


class Sites:
    """Rows of sites, and the visits."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        queue: TaskQueue,
        documents: Documents,
        outgoing: Outgoing,
        settings: KnowledgeSettings,
    ) -> None:
        self._db, self._clock, self._queue = db, clock, queue
        self._documents, self._outgoing, self._settings = documents, outgoing, settings

    def add(
        self, actor: Actor, assistant_id: int, url: str, max_depth: int = 3, max_pages: int = 200, every_hours: int = 24
    ) -> SiteView:
        """Keep up with a site from now on; the first visit begins soon.

        Raises:
            NotFound: no such assistant of the actor's. Conflict: it is there already, or there are too many.
            AddressRefused: the address leads inside, or is none. FetchFailed: nobody has that name.
        """
        access_assistant(self._db, actor, assistant_id)
        plain = self._outgoing.urls.check(url).url
        with self._db.transaction():
            Assistant.update(knowledge_revision=Assistant.knowledge_revision).where(
                Assistant.id == assistant_id
            ).execute()
            there = [row.url for row in Site.select(Site.url).where(Site.assistant == assistant_id)]
            if plain in there or len(there) >= _MAX_SITES:
                raise Conflict(
                    f"Этот сайт уже есть, или сайтов больше {_MAX_SITES}",
                    f"It is there already, or over {_MAX_SITES} are",
                )
            row = Site.create(
                assistant=assistant_id,
                url=plain,
                max_depth=max_depth,
                max_pages=max_pages,
                every_hours=every_hours,
                created_at=self._clock.now(),
            )
            self._db.after_commit(lambda: self._queue.send(SITE_SYNC, row.id))
        return SiteView.of(row)

    def list_for(self, actor: Actor, assistant_id: int | None, limit: int, offset: int) -> tuple[list[SiteView], int]:
        """Sites, newest first, and how many there are. Raises NotFound: the assistant is not the actor's."""
        with self._db.connection():
            query = Site.select().join(Assistant).where(owned_by(actor))
            if assistant_id is not None:
                access_assistant(self._db, actor, assistant_id)
                query = query.where(Site.assistant == as_id(assistant_id))
            rows = query.order_by(Site.id.desc()).limit(limit).offset(offset)
            return [SiteView.of(row) for row in rows], query.count()

    def get(self, actor: Actor, site_id: int) -> SiteView:
        """Raises NotFound where there is none of the actor's."""
        with self._db.connection():
            return SiteView.of(self._access(actor, site_id))

    def update(self, actor: Actor, site_id: int, **changes: int) -> SiteView:
        """Change `max_depth`, `max_pages` or `every_hours`; the next visit goes by them. Raises NotFound."""
        with self._db.transaction():
            row = self._access(actor, site_id)
            if "every_hours" in changes and changes["every_hours"] != row.every_hours and row.synced_at is not None:
                changes = {**changes, "due_at": self._due(changes["every_hours"])}
            if changes:
                Site.update(**changes).where(Site.id == row.id).execute()
            return SiteView.of(self._access(actor, site_id))

    def delete(self, actor: Actor, site_id: int) -> None:
        """Forget the site and every document that was a page of it. Raises NotFound."""
        with self._db.transaction():
            row = self._access(actor, site_id)
            for page in SitePage.select().where(SitePage.site == row.id):
                self._documents.delete_if_there(page.document_id)
            SitePage.delete().where(SitePage.site == row.id).execute()
            if not Site.delete().where(Site.id == row.id).execute():
                raise _no_site()

    def visit_soon(self, actor: Actor, site_id: int) -> SiteView:
        """Ask for a visit now. Raises NotFound."""
        with self._db.transaction():
            row = self._access(actor, site_id)
            Site.update(due_at=0).where(Site.id == row.id).execute()
            self._db.after_commit(lambda: self._queue.send(SITE_SYNC, row.id))
        return SiteView.of(row)

    def due(self) -> list[int]:
        """Sites whose time has come and that nobody visits."""
        with self._db.connection():
            now = self._db.now_ms()
            rows: Any = Site.select(Site.id).where((Site.due_at <= now) & (Site.lease_until < now)).limit(20).tuples()
            return [row[0] for row in rows]

    def visit(self, site_id: int, tell: Tell | None = None) -> SiteView | None:
        """Go through the site; None where it is not its time, another does it, or it is gone.

        A page is noted when its document is stored, so a visit that is cut short goes on where it was: what it has
        seen is not asked for in full again.
        """
        row = self._claim(site_id)
        if row is None:
            return None
        counts = {"seen": 0, "added": 0, "changed": 0, "gone": 0, "failed": 0}
        try:
            self._walk(row, counts, tell or (lambda _: None))
            return self._end(row, "ready", counts, None)
        except ReplyXError as error:
            if isinstance(error, ServiceUnavailable):
                raise
            logger.info("a site could not be visited", extra={"site_id": row.id, "error_code": error.code})
            return self._end(row, "failed", counts, error)
        except _Lost:
            return None

    def _walk(self, row: Site, counts: dict[str, int], tell: Tell) -> None:
        visit = Visit(self._outgoing, self._settings, lambda url: self._known(row.id, url))
        seen: set[str] = set()
        for page in visit.pages(row.url, row.max_depth, row.max_pages):
            seen.add(_hash(page.url))
            counts["seen"] += 1
            self._note(row, page, counts)
            tell(counts["seen"])
        counts["failed"] = visit.course.failed
        gone = {_hash(url) for url in visit.course.gone}
        with self._db.transaction():
            self._renew(row)
            for old in SitePage.select().where(SitePage.site == row.id):
                # What could not be reached may only be down; what nothing leads to any more is gone.
                is_unreachable = visit.course.is_whole and not visit.course.failed and old.url_hash not in seen
                if old.url_hash in gone or is_unreachable:
                    counts["gone"] += 1
                    self._documents.delete_if_there(old.document_id)
                    SitePage.delete().where(SitePage.id == old.id).execute()

    def _note(self, row: Site, page: Seen, counts: dict[str, int]) -> None:
        """Keep what was seen; a new or changed text becomes a document, which takes the old one's place."""
        with self._db.connection():
            known = SitePage.get_or_none((SitePage.site == row.id) & (SitePage.url_hash == _hash(page.url)))
        fields: dict[str, Any] = {"etag": page.etag, "modified": page.modified, "links": list(page.links)}
        old = known.document_id if known is not None else None
        is_same = known is not None and old is not None and known.text_hash == page.text_hash
        if page.body and not is_same:
            made = self._stored(row, page, old)
            if made is None:
                counts["failed"] += 1
            else:
                fields |= {"document": made, "text_hash": page.text_hash}
                counts["added" if old is None else "changed"] += 1
        with self._db.transaction():
            self._renew(row)
            if known is not None:
                SitePage.update(**fields).where(SitePage.id == known.id).execute()
            else:
                SitePage.create(site=row.id, url_hash=_hash(page.url), url=page.url, **fields)

    def _stored(self, row: Site, page: Seen, old: int | None) -> int | None:
        """The id of the page's document; None where it is nothing that can be read.

        Raises:
            UploadQuotaExceeded: there is no room for it.
        """
        content = io.BytesIO(page.body or b"")
        try:
            made = self._documents.add(
                SYSTEM, row.assistant_id, _label(page), content, page.content_type, replaces=old, url=page.url
            )
        except (UnsupportedFormat, ValidationFailed, FileTooLarge, VirusDetected):
            return None
        return made.id

    def _known(self, site_id: int, url: str) -> Known | None:
        with self._db.connection():
            row = SitePage.get_or_none((SitePage.site == site_id) & (SitePage.url_hash == _hash(url)))
        # A page whose document was deleted by hand is asked for in full.
        if row is None or row.document_id is None:
            return None
        return Known(row.etag, row.modified, tuple(row.links))

    def _claim(self, site_id: int) -> Site | None:
        with self._db.transaction():
            now = self._db.now_ms()
            is_free = (Site.due_at <= now) & (Site.lease_until < now)
            taken = (
                Site.update(fence=Site.fence + 1, lease_until=self._db.now_ms(LEASE_SECONDS), status="syncing")
                .where((Site.id == site_id) & is_free)
                .execute()
            )
            row: Site | None = Site.get_by_id(site_id) if taken else None
            return row

    def _renew(self, row: Site, **changes: Any) -> None:
        """Go on holding the site; inside a transaction. Raises _Lost."""
        ours = (Site.id == row.id) & (Site.fence == row.fence)
        values = {"lease_until": self._db.now_ms(LEASE_SECONDS), **changes}
        if not Site.update(**values).where(ours).execute():
            raise _Lost

    def _end(self, row: Site, status: str, counts: dict[str, int], error: ReplyXError | None) -> SiteView | None:
        with self._db.transaction():
            # As it is now: it may have been changed meanwhile, or be gone.
            now = Site.get_or_none(Site.id == row.id)
            self._renew(
                row,
                status=status,
                counts=counts,
                error_ru=error.message_ru if error else None,
                error_en=error.message_en if error else None,
                synced_at=self._clock.now(),
                lease_until=0,
                due_at=self._due(now.every_hours if now is not None else 0),
            )
            return SiteView.of(Site.get_by_id(row.id))

    def _due(self, every_hours: int) -> Any:
        """When the next visit is to be, from now on."""
        return self._db.now_ms(every_hours * _HOUR) if every_hours else _NEVER

    def _access(self, actor: Actor, site_id: int) -> Site:
        query = Site.select().join(Assistant).where((Site.id == as_id(site_id)) & owned_by(actor))
        row: Site | None = query.first()
        if row is None:
            raise _no_site()
        return row


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def _label(page: Seen) -> str:
    """What the page is called in lists: its title, else the end of its address."""
    parts = urlsplit(page.url)
    name = page.title or unquote(parts.path.rstrip("/").rsplit("/", 1)[-1]) or parts.netloc
    return name.replace("/", " ").strip() or parts.netloc


def _no_site() -> NotFound:
    return NotFound("Сайт не найден", "No such site")
