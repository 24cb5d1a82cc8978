"""/api/assistants: a tenant's assistants, their site tokens and the line that embeds the widget."""

from __future__ import annotations

from html import escape
from typing import Any

from replyx.assistants.views import AssistantView
from replyx.billing.money import kopecks
from replyx.errors import Conflict
from replyx.server.bodies import Body, Text
from replyx.server.endpoint import Call
from replyx.types import Json


class AssistantFields(Body):
    """Everything about an assistant that its owner may write; left out is left as it is, or at its default."""

    name: Text = ""
    description: Text = ""
    system_prompt: Text = ""
    ai_model: Text | None = None
    telegram_bot_token: Text | None = None
    website_integration: bool = False
    allowed_domains: list[Text] = []
    handoff_keywords: list[Text] | None = None
    not_found_text: Text | None = None
    unavailable_text: Text | None = None
    welcome_text: Text | None = None
    #: Roubles a message.
    price: float | None = None
    #: Roubles by channel (`website`, `telegram`, `api`), and by model under `per_1000_tokens`.
    prices: dict[str, float | dict[str, float]] | None = None
    #: Roubles a day.
    daily_cap: float | None = None
    #: Least score that is answered from, 0 to 1.
    answer_threshold: float | None = None
    #: Least score, below that one, that the customer is asked back about; 1: never.
    clarify_threshold: float | None = None
    #: The operators' group in Telegram, a negative number.
    telegram_group_id: int | None = None
    #: The address of the bot's own Bot API server; null: the appliance's.
    telegram_api_base: Text | None = None
    #: `socks5://user:password@host:port` or `http://host:port`; null: none of its own.
    telegram_proxy: Text | None = None


class NewAssistant(AssistantFields):
    name: Text


class AssistantChanges(AssistantFields):
    is_active: bool = True


async def list_all(call: Call) -> list[Json]:
    rows, total = await call.app.call(
        call.app.assistants.list_for, call.actor, limit=call.query.limit, offset=call.query.offset
    )
    call.count_items(total)
    return [row.as_json() for row in rows]


async def create(call: Call) -> Json:
    fields = _fields(call.body)
    return await call.perform(lambda: call.app.assistants.create(call.actor, **fields).as_json())


async def show(call: Call) -> Json:
    found = await call.app.call(call.app.assistants.get, call.actor, call.id)
    return found.as_json()


async def change(call: Call) -> Json:
    changed = await call.app.call(call.app.assistants.update, call.actor, call.id, _fields(call.body))
    return changed.as_json()


async def delete(call: Call) -> None:
    def remove() -> None:
        call.app.assistants.delete(call.actor, call.id)
        # Its rows went with it; what is left of its knowledge are files and the index.
        call.app.knowledge.forget_assistant(call.id)

    await call.app.call(remove)


async def rotate_site_token(call: Call) -> Json:
    changed = await call.app.call(call.app.assistants.rotate_site_token, call.actor, call.id)
    return changed.as_json()


async def show_embed(call: Call) -> Json:
    assistant = await call.app.call(call.app.assistants.get, call.actor, call.id)
    return _embed(assistant, f"{call.front.origins.base_url}/widget.js")


async def show_bot(call: Call) -> Json:
    found = await call.app.call(call.app.bot_states.get, call.actor, call.id)
    return found.as_json(call.language)


def _embed(assistant: AssistantView, script_url: str) -> Json:
    if assistant.site_token is None:
        raise Conflict(
            "Сначала включите website_integration: без него нет токена сайта.",
            "Switch website_integration on first: there is no site token without it.",
        )
    html = f'<script src="{escape(script_url)}" data-site-token="{escape(assistant.site_token)}" async></script>'
    return {"html": html, "script_url": script_url, "site_token": assistant.site_token}


def _fields(body: AssistantFields) -> Json:
    """What was sent, its money in kopecks. Raises InvalidAmount."""
    sent = body.model_dump(exclude_unset=True)
    return sent | {name: _in_kopecks(sent[name]) for name in ("price", "prices", "daily_cap") if name in sent}


def _in_kopecks(money: Any) -> Any:
    if isinstance(money, dict):
        return {key: _in_kopecks(part) for key, part in money.items()}
    return None if money is None else kopecks(money)
