"""How much a tenant may keep: documents, and bytes of them."""

from __future__ import annotations

from typing import Any

import peewee

from replyx.errors import UploadQuotaExceeded
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.knowledge import Document


class Quota:
    """`knowledge.max_documents` and `knowledge.max_storage_bytes` of every tenant; 0: no bound."""

    def __init__(self, db: Database, max_documents: int, max_bytes: int) -> None:
        self._db, self._max_documents, self._max_bytes = db, max_documents, max_bytes

    def check(self, assistant_id: int, size: int, *, lock: bool = False) -> None:
        """Let pass one more document of `size` bytes of the assistant's owner.

        With `lock`, inside a transaction, no other document of that owner can come before it ends.

        Raises:
            UploadQuotaExceeded: it is one too many, or too large for what is left.
        """
        if not self._max_documents and not self._max_bytes:
            return
        with self._db.connection():
            owner = self._owner(assistant_id, lock=lock)
            query = Document.select(peewee.fn.COUNT(Document.id), peewee.fn.SUM(Document.size))
            counted: Any = query.join(Assistant).where(Assistant.user == owner).tuples()
            [(count, total)] = counted
        # PostgreSQL's sum of whole numbers is a decimal.
        self._refuse(count, int(total or 0), size)

    def _owner(self, assistant_id: int, *, lock: bool) -> int | None:
        query = User.select(User.id).join(Assistant).where(Assistant.id == assistant_id)
        row: User | None = (self._db.locked(query, User) if lock else query).first()
        return row.id if row is not None else None

    def _refuse(self, count: int, total: int, size: int) -> None:
        if self._max_documents and count >= self._max_documents:
            raise UploadQuotaExceeded(
                f"Документов уже {count}: больше нельзя. Удалите лишние или увеличьте knowledge.max_documents.",
                f"There are {count} documents, and no more may be. Delete some or raise knowledge.max_documents.",
                details={"max_documents": self._max_documents},
            )
        if self._max_bytes and total + size > self._max_bytes:
            raise UploadQuotaExceeded(
                "Для документов не осталось места. Удалите лишние или увеличьте knowledge.max_storage_bytes.",
                "There is no room left for documents. Delete some or raise knowledge.max_storage_bytes.",
                details={"max_storage_bytes": self._max_bytes, "used_bytes": total},
            )
