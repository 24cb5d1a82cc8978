"""/api/dialogs: what customers said and what operators do about it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import FileResponse, Response

from replyx.dialogs.dialogs import DialogFilter
from replyx.server.bodies import Body, Id, MessageKey, Page, Query, Seq, Text
from replyx.server.endpoint import Call
from replyx.types import HandoffReason, Json


class DialogList(Page):
    status: Literal["active", "archived"] | None = None
    handoff_status: Literal["none", "requested", "active", "released"] | None = None
    platform: Literal["telegram", "website", "api"] | None = None
    assistant_id: Id | None = None


class After(Query):
    """What came after a `seq`."""

    after_seq: Seq = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 200


class DialogChanges(Body):
    status: Literal["active", "archived"]


class OperatorMessage(Body):
    text: str
    operator_name: Text | None = None
    client_msg_id: MessageKey | None = None


class HandoffRequest(Body):
    reason: Literal["keyword", "button", "low_confidence", "failed", "policy", "api"] = "api"
    last_user_text: Text | None = None


class HandoffTake(Body):
    operator_name: Text | None = None
    operator_id: Id | None = None


async def list_all(call: Call) -> Json:
    which = DialogFilter(**call.query.model_dump())
    rows, total = await call.app.call(call.app.dialogs.list_for, call.actor, which)
    return {
        "dialogs": [row.list_json() for row in rows],
        "total": total,
        "has_more": which.offset + len(rows) < total,
    }


async def show(call: Call) -> Json:
    dialog = await call.app.call(call.app.dialogs.get, call.actor, call.id)
    return dialog.as_json()


async def change(call: Call) -> Json:
    dialog = await call.app.call(call.app.dialogs.set_status, call.actor, call.id, call.body.status)
    return dialog.as_json()


async def delete(call: Call) -> None:
    await call.app.call(call.app.dialogs.delete, call.actor, call.id)


async def list_messages(call: Call) -> Json:
    rows = await call.app.call(
        call.app.dialogs.messages, call.actor, call.id, after_seq=call.query.after_seq, limit=call.query.limit
    )
    return {"messages": [row.as_json() for row in rows]}


async def list_attachments(call: Call) -> list[Json]:
    page = call.query
    rows, total = await call.app.call(
        call.app.attachments.list_for, call.actor, call.id, limit=page.limit, offset=page.offset
    )
    call.count_items(total)
    return [row.as_json() for row in rows]


async def show_attachment(call: Call) -> Response:
    """The file as the customer sent it. It is never shown in place: it could be a page that runs here."""
    attachment, path = await call.app.call(call.app.attachments.open, call.actor, call.id)
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=attachment.filename,
        content_disposition_type="attachment",
        headers={"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-store"},
    )


async def list_events(call: Call) -> Json:
    def read() -> Json:
        dialog = call.app.dialogs.get(call.actor, call.id)
        rows = call.app.dialogs.events(call.actor, call.id, after_seq=call.query.after_seq, limit=call.query.limit)
        return {"events": rows, "last_seq": dialog.last_seq}

    return await call.app.call(read)


async def list_traces(call: Call) -> Json:
    page = call.query
    rows = await call.app.call(call.app.dialogs.traces, call.actor, call.id, limit=page.limit, offset=page.offset)
    return {"traces": rows}


async def say(call: Call) -> Json:
    def add() -> Json:
        body = call.body
        message = call.app.dialogs.say_as_operator(
            call.actor, call.id, body.text, body.operator_name, body.client_msg_id
        )
        return message.as_json()

    return await call.perform(add)


async def export(call: Call) -> Json:
    call.context.headers["Content-Disposition"] = f'attachment; filename="dialog-{call.id}.json"'
    return await call.app.call(call.app.dialogs.export, call.actor, call.id)


async def request_handoff(call: Call) -> Json:
    reason = HandoffReason(call.body.reason)
    dialog = await call.app.call(call.app.handoffs.request, call.actor, call.id, reason, call.body.last_user_text)
    return dialog.as_json()


async def take(call: Call) -> Json:
    dialog = await call.app.call(call.app.handoffs.take, call.actor, call.id, **call.body.model_dump())
    return dialog.as_json()


async def release(call: Call) -> Json:
    dialog = await call.app.call(call.app.handoffs.release, call.actor, call.id)
    return dialog.as_json()
