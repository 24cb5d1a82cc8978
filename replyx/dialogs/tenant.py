"""All that one tenant has: given out as one stream, and deleted as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from replyx.accounts.accounts import Accounts
from replyx.assistants.assistants import Assistants
from replyx.billing.ledger import Ledger
from replyx.clock import iso
from replyx.dialogs.dialogs import Dialogs
from replyx.errors import NotFound
from replyx.knowledge.knowledge import Knowledge
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from replyx.types import Actor, Json, Role

#: Rows that are read at once; dialogs fewer, as each comes with all that was said.
_ROWS, _DIALOGS = 200, 20

#: Reads so many rows from an offset on.
_Page = Callable[[int, int], tuple[list[Any], int]]


class Tenants:
    """What is done to everything of one owner."""

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        ledger: Ledger,
        assistants: Assistants,
        knowledge: Knowledge,
        dialogs: Dialogs,
    ) -> None:
        self._db, self._accounts, self._ledger = db, accounts, ledger
        self._assistants, self._knowledge, self._dialogs = assistants, knowledge, dialogs

    def export(self, actor: Actor, language: str = "ru") -> Iterator[str]:
        """One JSON object in pieces: profile, operators, assistants, dialogs with messages, documents, transactions.

        Secrets are masked, as everywhere. Nothing is held between two pieces; what changes meanwhile may be old or new.

        Raises:
            NotAuthenticated: the actor is no user, or is gone.
        """
        user = self._accounts.me(actor)
        self._accounts.audit.record("user.exported", f"user:{user.id}")
        yield f'{{"user":{_text(user.as_json())}'
        lists: dict[str, Iterator[list[Json]]] = {
            "operators": iter([self._operators(user.id)]),
            "assistants": _pages(
                lambda limit, offset: self._assistants.list_for(actor, limit=limit, offset=offset),
                lambda row: row.as_json(),
            ),
            "dialogs": self._all_dialogs(actor),
            "documents": _pages(
                lambda limit, offset: self._knowledge.list_documents(actor, limit=limit, offset=offset),
                lambda row: row.as_json(language),
            ),
            "qa_knowledge": _pages(
                lambda limit, offset: self._knowledge.list_qa(actor, limit=limit, offset=offset),
                lambda row: row.as_json(),
            ),
            "transactions": _pages(
                lambda limit, offset: self._ledger.transactions(user.id, limit=limit, offset=offset),
                lambda row: row.as_json(language),
            ),
        }
        for name, pages in lists.items():
            before = f',"{name}":['
            for rows in pages:
                if rows:
                    yield before + ",".join(map(_text, rows))
                    before = ","
            yield "]" if before == "," else f"{before}]"
        yield "}"

    def delete_own(self, actor: Actor, password: str) -> None:
        """Delete the actor with all that it has, proven by the password; the ledger keeps its entries.

        Raises:
            ValidationFailed: the password is wrong. Conflict: nobody would be left to administer.
        """
        self.delete(self._accounts.require_password(actor, password).id)

    def delete(self, user_id: int, *, may_be_last: bool = False) -> None:
        """Delete a user with assistants, dialogs, operators, documents, their files and their place in the index.

        Raises:
            NotFound: no such user. Conflict: nobody would be left to administer.
        """
        user = self._accounts.get(user_id)
        if user.is_admin and user.is_active:
            # Before anything is gone: two administrators who delete each other must not both get half of the way.
            self._accounts.set_active(user_id, False, may_be_last=may_be_last)
        owner = Actor(Role.OWNER, user_id=user.id)
        while rows := self._assistants.list_for(owner, limit=_ROWS)[0]:
            for row in rows:
                # First what it knows: its files and its part of the index are found by the row.
                self._knowledge.forget_assistant(row.id)
                self._assistants.delete(owner, row.id)
        self._accounts.delete_user(user_id, may_be_last=may_be_last)

    def _operators(self, user_id: int) -> list[Json]:
        with self._db.connection():
            rows = User.select().where(User.owner_id == user_id).order_by(User.id)
            names = ("id", "email", "first_name", "last_name", "is_active")
            return [{**{n: getattr(row, n) for n in names}, "created_at": iso(row.created_at)} for row in rows]

    def _all_dialogs(self, actor: Actor) -> Iterator[list[Json]]:
        last = 0
        while ids := self._dialog_ids(actor, last):
            last = ids[-1]
            yield [found for found in (self._dialog(actor, dialog_id) for dialog_id in ids) if found]

    def _dialog_ids(self, actor: Actor, after: int) -> list[int]:
        with self._db.connection():
            mine = (Dialog.user == actor.tenant_id) & (Dialog.id > after)
            return [row.id for row in Dialog.select(Dialog.id).where(mine).order_by(Dialog.id).limit(_DIALOGS)]

    def _dialog(self, actor: Actor, dialog_id: int) -> Json | None:
        try:
            return self._dialogs.export(actor, dialog_id)
        except NotFound:
            # Deleted since its number was read.
            return None


def _pages(read: _Page, as_json: Callable[[Any], Json]) -> Iterator[list[Json]]:
    seen: set[int] = set()
    offset = 0
    while rows := read(_ROWS, offset)[0]:
        # New rows push old ones over the edge of the next page.
        fresh = [row for row in rows if row.id not in seen]
        seen |= {row.id for row in fresh}
        offset += len(rows)
        yield [as_json(row) for row in fresh]


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
