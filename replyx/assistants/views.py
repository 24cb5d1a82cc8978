"""What is shown of an assistant. The bot's token only as its mask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from replyx.billing.money import rubles
from replyx.clock import iso
from replyx.types import Json


@dataclass(frozen=True)
class AssistantView:
    """An assistant as its owner sees it. `price` is kopecks a message, None: the default of the settings."""

    id: int
    user_id: int
    name: str
    description: str
    system_prompt: str
    ai_model: str
    is_active: bool
    telegram_bot_token: str | None
    telegram_bot_username: str | None
    website_integration: bool
    allowed_domains: tuple[str, ...]
    #: Opens the widget's routes; None where `website_integration` is off.
    site_token: str | None
    #: None: the list in the settings.
    handoff_keywords: tuple[str, ...] | None
    not_found_text: str | None
    unavailable_text: str | None
    welcome_text: str | None
    price: int | None
    #: Kopecks by channel, and by model under `per_1000_tokens`; None: `price` everywhere.
    prices: Json | None
    #: Kopecks a day; None: no bound.
    daily_cap: int | None
    answer_threshold: float | None
    clarify_threshold: float | None
    #: The operators' group in Telegram.
    telegram_group_id: int | None
    #: The bot's own way to Telegram; None: the settings'. The proxy's password is hidden.
    telegram_api_base: str | None
    telegram_proxy: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Any) -> AssistantView:
        """The view of a row of `assistants`."""
        return cls(
            id=row.id,
            user_id=row.user_id,
            name=row.name,
            description=row.description,
            system_prompt=row.system_prompt,
            ai_model=row.ai_model,
            is_active=row.is_active,
            telegram_bot_token=row.telegram_token_masked,
            telegram_bot_username=row.telegram_bot_username,
            website_integration=row.website_integration,
            allowed_domains=tuple(row.allowed_domains),
            site_token=row.site_token,
            handoff_keywords=None if row.handoff_keywords is None else tuple(row.handoff_keywords),
            not_found_text=row.not_found_text,
            unavailable_text=row.unavailable_text,
            welcome_text=row.welcome_text,
            price=row.price,
            prices=row.prices,
            daily_cap=row.daily_cap,
            answer_threshold=row.answer_threshold,
            clarify_threshold=row.clarify_threshold,
            telegram_group_id=row.telegram_group_id,
            telegram_api_base=row.telegram_api_base,
            telegram_proxy=row.telegram_proxy_masked,
            created_at=row.created_at,
        )

    def as_json(self) -> Json:
        """The contract's assistant, and what it lacks: the site token, texts, keywords, price (roubles), threshold."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "system_prompt": self.system_prompt,
            "ai_model": self.ai_model,
            "is_active": self.is_active,
            "telegram_bot_token": self.telegram_bot_token,
            "telegram_bot_username": self.telegram_bot_username,
            "website_integration": self.website_integration,
            "allowed_domains": list(self.allowed_domains),
            "created_at": iso(self.created_at),
            "site_token": self.site_token,
            "handoff_keywords": None if self.handoff_keywords is None else list(self.handoff_keywords),
            "not_found_text": self.not_found_text,
            "unavailable_text": self.unavailable_text,
            "welcome_text": self.welcome_text,
            "price": None if self.price is None else rubles(self.price),
            "prices": None if self.prices is None else _in_roubles(self.prices),
            "daily_cap": None if self.daily_cap is None else rubles(self.daily_cap),
            "answer_threshold": self.answer_threshold,
            "clarify_threshold": self.clarify_threshold,
            "telegram_group_id": self.telegram_group_id,
            "telegram_api_base": self.telegram_api_base,
            "telegram_proxy": self.telegram_proxy,
        }


def _in_roubles(prices: Json) -> Json:
    return {key: _in_roubles(price) if isinstance(price, dict) else rubles(price) for key, price in prices.items()}
