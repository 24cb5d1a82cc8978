"""The one guarded door to a dialog: whoever asks, and for what, it is opened here or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from replyx.errors import NotFound
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from replyx.storage.prepared import Prepared, Slot
from replyx.types import Actor, Role

#: What of its assistant a dialog is read with.
_OF_ASSISTANT = (
    Assistant.id,
    Assistant.name,
    Assistant.is_active,
    Assistant.ai_model,
    Assistant.system_prompt,
    Assistant.handoff_keywords,
    Assistant.not_found_text,
    Assistant.unavailable_text,
    Assistant.welcome_text,
    Assistant.price,
    Assistant.prices,
    Assistant.daily_cap,
    Assistant.answer_threshold,
    Assistant.clarify_threshold,
    Assistant.telegram_group_id,
)

#: Who works with all dialogs of one tenant.
TENANTS = (Role.OPERATOR, Role.OWNER, Role.ADMIN)


def _door(condition: Callable[[], Any] | None = None) -> tuple[Prepared[Any], Prepared[Any]]:
    """The statement that reads a dialog with its assistant, and the one that also locks it."""

    def read() -> Any:
        query = Dialog.select(Dialog, *_OF_ASSISTANT).join(Assistant).where(Dialog.id == Slot("dialog"))
        return (query.where(condition()) if condition else query).limit(1)

    # Only the dialog's row is locked: with its assistant, all of a tenant's dialogs would queue behind one another.
    return Prepared(read), Prepared(lambda: read().for_update(of=Dialog))


_OPEN_DOOR = _door()
_TENANTS_DOOR = _door(lambda: Dialog.user == Slot("whose"))
_VISITORS_DOOR = _door(lambda: Dialog.id == Slot("whose"))


def access_dialog(db: Database, actor: Actor, dialog_id: int, *, lock: bool = False) -> Dialog:
    """The dialog's row with its assistant, if `actor` may see it. `lock` holds it until the transaction ends.

    A tenant and its operators see its dialogs, a visitor its one dialog, the command line all.

    Raises:
        NotFound: there is no such dialog, or it is another's; the two cannot be told apart.
    """
    if actor.role in TENANTS:
        door, whose = _TENANTS_DOOR, actor.tenant_id
    elif actor.role is Role.VISITOR:
        door, whose = _VISITORS_DOOR, actor.dialog_id
    elif actor.role is Role.SYSTEM:
        door, whose = _OPEN_DOOR, None
    else:
        raise _missing()
    # SQLite's transaction is a lock already.
    row: Dialog | None = door[lock and not db.is_sqlite].bind(dialog=dialog_id, whose=whose).first()
    if row is None:
        raise _missing()
    return row


def _missing() -> NotFound:
    return NotFound("Диалог не найден", "No such dialog")
