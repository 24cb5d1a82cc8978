"""The one guarded door to a dialog: whoever asks, and for what, it is opened here or not at all."""

from __future__ import annotations

from replyx.errors import NotFound
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
from replyx.types import Actor, Role


def access_dialog(db: Database, actor: Actor, dialog_id: int, *, lock: bool = False) -> Dialog:
    """The dialog's row with its assistant, if `actor` may see it. `lock` holds it until the transaction ends.

    A tenant sees its own dialogs, a visitor its one dialog, the command line all.

    Raises:
        NotFound: there is no such dialog, or it is another's; the two cannot be told apart.
    """
    query = Dialog.select(Dialog, Assistant).join(Assistant).where(Dialog.id == dialog_id)
    if actor.role in (Role.OWNER, Role.ADMIN):
        query = query.where(Dialog.user == actor.user_id)
    elif actor.role is Role.VISITOR:
        query = query.where(Dialog.id == actor.dialog_id)
    elif actor.role is not Role.SYSTEM:
        raise _missing()
    if lock:
        # Only the dialog's row: locking its assistant too would queue all of a tenant's dialogs behind one another.
        locked = db.locked(Dialog.select(Dialog.id).where(Dialog.id == dialog_id)).first()
        if locked is None:
            raise _missing()
    row: Dialog | None = query.first()
    if row is None:
        raise _missing()
    return row


def _missing() -> NotFound:
    return NotFound("Диалог не найден", "No such dialog")
