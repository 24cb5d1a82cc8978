"""/api/widget: sessions of a website's visitors, and messages for networks that block sockets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from replyx.server.bodies import Body, MessageKey, Text
from replyx.server.endpoint import Call
from replyx.types import Channel, Contact, InboundMessage, Json


class NewSession(Body):
    visitor_token: Annotated[str, Field(max_length=4096)] | None = None
    name: Text | None = None
    email: Text | None = None
    locale: Text | None = None
    page_url: Text | None = None


class VisitorMessage(Body):
    text: str
    client_msg_id: MessageKey | None = None


async def open_session(call: Call) -> Json:
    first, _, last = (call.body.name or "").strip().partition(" ")
    contact = Contact(
        first_name=first or None,
        last_name=last.strip() or None,
        email=call.body.email,
        locale=call.body.locale or call.language,
        page_url=call.body.page_url,
    )
    session = await call.app.call(call.app.sessions.open, call.site, call.body.visitor_token, contact)
    return {
        "dialog_key": session.dialog_key,
        "visitor_token": session.visitor_token,
        "dialog_id": session.dialog_id,
        "socket_url": f"/ws/dialogs/{session.dialog_key}",
        "messages": [message.as_json() for message in session.messages],
        "last_seq": session.last_seq,
        "assistant_name": call.site.name,
        "welcome_text": call.site.welcome_text,
        "handoff_status": session.handoff_status,
        "operator_name": session.operator_name,
    }


async def list_messages(call: Call) -> Json:
    def read() -> Json:
        rows = call.app.dialogs.messages(
            call.actor, call.dialog_id, after_seq=call.query.after_seq, limit=call.query.limit
        )
        last_seq = call.app.dialogs.get(call.actor, call.dialog_id).last_seq
        if len(rows) == call.query.limit:
            # There may be more: asking after the last one shown must find it.
            last_seq = rows[-1].seq
        return {"messages": [row.as_json() for row in rows], "last_seq": last_seq}

    return await call.app.call(read)


async def say(call: Call) -> Json:
    inbound = InboundMessage(Channel.WEBSITE, call.dialog_id, call.body.text, call.body.client_msg_id)
    return await call.perform(lambda: call.app.inbox.receive(inbound).message.as_json())
