"""The one guarded door to a dialog: whoever asks, and for what, it is opened here or not at all."""

from __future__ import annotations

from replyx.errors import NotFound
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog
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
    Assistant.answer_threshold,
)

#: Who works with all dialogs of one tenant.
TENANTS = (Role.OPERATOR, Role.OWNER, Role.ADMIN)


def access_dialog(db: Database, actor: Actor, dialog_id: int, *, lock: bool = False) -> Dialog:
    """The dialog's row with its assistant, if `actor` may see it. `lock` holds it until the transaction ends.

    A tenant and its operators see its dialogs, a visitor its one dialog, the command line all.

    Raises:
        NotFound: there is no such dialog, or it is another's; the two cannot be told apart.
    """
    query = Dialog.select(Dialog, *_OF_ASSISTANT).join(Assistant).where(Dialog.id == dialog_id)
    if actor.role in TENANTS:
        query = query.where(Dialog.user == actor.tenant_id)
    elif actor.role is Role.VISITOR:
        query = query.where(Dialog.id == actor.dialog_id)
    elif actor.role is not Role.SYSTEM:
        raise _missing()
    if lock:
        # Only the dialog's row: locking its assistant too would queue all of a tenant's dialogs behind one another.
        query = db.locked(query, Dialog)
    row: Dialog | None = query.first()
    if row is None:
        raise _missing()
    return row


def _missing() -> NotFound:
    return NotFound("Диалог не найден", "No such dialog")
