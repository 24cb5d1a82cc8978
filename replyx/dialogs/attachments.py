"""Files that customers send: scanned, counted against the tenant's room, kept beside the message they came with."""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import peewee

from replyx.clock import Clock, iso
from replyx.config.settings import Config
from replyx.dialogs.access import access_dialog
from replyx.errors import FileTooLarge, NotFound, UploadQuotaExceeded, VirusDetected
from replyx.knowledge.uploads import Stored, Uploads, as_label
from replyx.plugins.host import Host
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Message
from replyx.storage.knowledge import Document
from replyx.storage.telegram import Attachment
from replyx.types import SYSTEM, Actor, Json

logger = logging.getLogger(__name__)

#: What Telegram makes of pictures and voices; of other files their names are believed, for a label only.
_TYPES = {"photo": "image/jpeg", "voice": "audio/ogg", "video_note": "video/mp4"}


@dataclass(frozen=True)
class AttachmentView:
    """One file. `seq` is of its message, `size` is bytes."""

    id: int
    dialog_id: int
    seq: int
    kind: str
    filename: str
    content_type: str
    size: int
    created_at: datetime

    def as_json(self) -> Json:
        return {**vars(self), "created_at": iso(self.created_at)}

    def short_json(self) -> Json:
        """As it stands beside its message."""
        return {name: getattr(self, name) for name in ("id", "kind", "filename", "content_type", "size")}


class Attachments:
    """Rows and files of attachments."""

    def __init__(self, db: Database, clock: Clock, config: Config, plugins: Host) -> None:
        self._db, self._clock, self._config, self._plugins = db, clock, config, plugins
        self._uploads = Uploads(config.data_dir / "attachments", config.bots.max_file_bytes)

    def check(self, dialog_id: int, size: int) -> None:
        """Let pass one more file of `size` bytes in this dialog, before it is fetched.

        Raises:
            NotFound: no such dialog. FileTooLarge: over `bots.max_file_bytes`. UploadQuotaExceeded: the chat has sent
                enough today, or the tenant has no room left.
        """
        with self._db.connection():
            dialog = access_dialog(self._db, SYSTEM, dialog_id)
            if size > self._config.bots.max_file_bytes:
                raise FileTooLarge
            self._check_day(dialog_id)
            self._check_room(dialog.user_id, size)

    def is_kept(self, dialog_id: int, seq: int) -> bool:
        """Whether the file of a message is here already."""
        with self._db.connection():
            return bool(Attachment.select().where((Attachment.dialog == dialog_id) & (Attachment.seq == seq)).exists())

    def add(self, dialog_id: int, seq: int, kind: str, filename: str, content: BinaryIO) -> AttachmentView:
        """Keep a file of the message `seq`; it is on disk for good on return.

        Raises:
            NotFound, FileTooLarge, UploadQuotaExceeded: as in `check`.
            VirusDetected, ScannerUnavailable: as in `stage`.
        """
        return self.keep(dialog_id, seq, kind, filename, self.stage(content))

    def stage(self, content: BinaryIO) -> Stored:
        """A file on disk, scanned, that is of no message yet; what is never kept is deleted after some hours.

        Raises:
            FileTooLarge: over `bots.max_file_bytes`. VirusDetected: a scanner found something. ScannerUnavailable: it
                cannot be told now. Then nothing was kept.
        """
        stored = self._uploads.store(content)
        try:
            self._refuse_virus(stored)
        except BaseException:
            self._uploads.remove(stored.name)
            raise
        return stored

    def place_of(self, stored: Stored) -> Path:
        """Where a staged file is."""
        return self._uploads.path(stored.name)

    def keep(self, dialog_id: int, seq: int, kind: str, filename: str, stored: Stored) -> AttachmentView:
        """Make a staged file one of the message `seq`.

        Raises:
            NotFound, UploadQuotaExceeded: as in `check`; the file is gone.
        """
        label = as_label(filename)
        try:
            with self._db.transaction():
                dialog = access_dialog(self._db, SYSTEM, dialog_id, lock=True)
                self._check_room(dialog.user_id, stored.size)
                row = Attachment.create(
                    dialog=dialog_id,
                    seq=seq,
                    kind=kind,
                    filename=label,
                    content_type=type_of(kind, label),
                    size=stored.size,
                    sha256=stored.sha256,
                    storage_name=stored.name,
                    created_at=self._clock.now(),
                )
                return _view(row)
        except BaseException:
            self._uploads.remove(stored.name)
            raise

    def _refuse_virus(self, stored: Stored) -> None:
        found = self._plugins.scan(self._uploads.path(stored.name))
        if found:
            logger.warning("a virus was sent", extra={"found": found[:100], "sha256": stored.sha256})
            raise VirusDetected(details={"found": found[:100]})

    def list_for(
        self, actor: Actor, dialog_id: int, *, limit: int = 200, offset: int = 0
    ) -> tuple[list[AttachmentView], int]:
        """A page of the files of a dialog, oldest first, and how many there are. Raises NotFound."""
        with self._db.connection():
            dialog = access_dialog(self._db, actor, dialog_id)
            rows = Attachment.select().where(Attachment.dialog == dialog.id)
            page = rows.order_by(Attachment.id).limit(limit).offset(offset)
            return [_view(row) for row in page], rows.count()

    def open(self, actor: Actor, attachment_id: int) -> tuple[AttachmentView, Path]:
        """One file, and where it is. Raises NotFound: there is none, or it is in another tenant's dialog."""
        with self._db.connection():
            row = Attachment.get_or_none(Attachment.id == attachment_id) if 0 < attachment_id < 2**63 else None
            if row is None or not _may_see(self._db, actor, row.dialog_id):
                raise NotFound("Файл не найден", "No such file")
            return _view(row), self._uploads.path(row.storage_name)

    def remove_forgotten_files(self) -> int:
        """Delete files whose row was never written, or is gone with its dialog; returns how many."""
        with self._db.connection():
            rows: Any = Attachment.select(Attachment.storage_name).tuples()
            known = {row[0] for row in rows}
        return self._uploads.remove_forgotten(known)

    def _check_day(self, dialog_id: int) -> None:
        most = self._config.bots.max_files_per_day
        today = Attachment.created_at > self._clock.now() - timedelta(days=1)
        if Attachment.select().where((Attachment.dialog == dialog_id) & today).count() >= most:
            raise UploadQuotaExceeded(
                f"За сутки принимается не больше {most} файлов", f"No more than {most} files are taken in a day"
            )

    def _check_room(self, user_id: int, size: int) -> None:
        """Documents and attachments share the room of a tenant."""
        most = self._config.knowledge.max_storage_bytes
        if not most:
            return
        files = Attachment.select(peewee.fn.SUM(Attachment.size)).join(Dialog).where(Dialog.user == user_id).scalar()
        documents: Any = Document.select(peewee.fn.SUM(Document.size)).join(Assistant).where(Assistant.user == user_id)
        # PostgreSQL's sum of whole numbers is a decimal.
        if int(files or 0) + int(documents.scalar() or 0) + size > most:
            raise UploadQuotaExceeded("Для файлов не осталось места", "There is no room left for files")


def _may_see(db: Database, actor: Actor, dialog_id: int) -> bool:
    try:
        access_dialog(db, actor, dialog_id)
    except NotFound:
        return False
    return True


def type_of(kind: str, filename: str) -> str:
    """The type that a file is said to have, for a label only."""
    return _TYPES.get(kind) or mimetypes.guess_type(filename)[0] or "application/octet-stream"


def attached_to(messages: Sequence[Message]) -> dict[int, list[Json]]:
    """`seq` → the files that came with it, for messages of one dialog that have any. Inside a connection."""
    found: dict[int, list[Json]] = {}
    if messages:
        here = Attachment.dialog == messages[0].dialog_id
        theirs = here & Attachment.seq.between(messages[0].seq, messages[-1].seq)
        for row in Attachment.select().where(theirs).order_by(Attachment.id):
            found.setdefault(row.seq, []).append(_view(row).short_json())
    return found


def _view(row: Attachment) -> AttachmentView:
    return AttachmentView(
        id=row.id,
        dialog_id=row.dialog_id,
        seq=row.seq,
        kind=row.kind,
        filename=row.filename,
        content_type=row.content_type,
        size=row.size,
        created_at=row.created_at,
    )
