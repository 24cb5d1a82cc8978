"""What an answer costs, and how it is named on a statement."""

from __future__ import annotations

from dataclasses import dataclass

from replyx.billing.money import kopecks
from replyx.billing.wording import API_MESSAGE, TELEGRAM_MESSAGE, WIDGET_MESSAGE, in_language
from replyx.config.settings import Config
from replyx.types import Channel, Json

_SERVICES = {
    Channel.WEBSITE: "widget_message",
    Channel.TELEGRAM: "telegram_message",
    Channel.API: "api_message",
}

_DESCRIPTIONS = {
    Channel.WEBSITE: WIDGET_MESSAGE,
    Channel.TELEGRAM: TELEGRAM_MESSAGE,
    Channel.API: API_MESSAGE,
}


def price_of(assistant_price: int | None, config: Config) -> int:
    """Kopecks for an answered message: the assistant's own price, else `billing.message_price`. 0 is free.

    Raises:
        InvalidAmount: the price in the settings is finer than a kopeck.
    """
    return assistant_price if assistant_price is not None else kopecks(config.billing.message_price)


#: Tokens of a prompt that a price by tokens is held for; what a longer one costs is not charged.
HELD_PROMPT_TOKENS = 8_000


@dataclass(frozen=True)
class Price:
    """What an answer costs, in kopecks: a flat sum, and one for each 1,000 tokens of prompt and answer together."""

    flat: int
    per_1000_tokens: int = 0

    def highest(self, max_tokens: int) -> int:
        """The most that an answer of at most `max_tokens` can cost: what is held before it is written."""
        return self.of(HELD_PROMPT_TOKENS + max_tokens) if self.per_1000_tokens else self.flat

    def of(self, tokens: int) -> int:
        """The price of an answer that used `tokens`; a started kopeck counts whole."""
        return self.flat - (-self.per_1000_tokens * tokens // 1000)


def price_for(price: int | None, prices: Json | None, channel: Channel, model: str, config: Config) -> Price:
    """An answer's price by the assistant's list: of its channel, else its own flat one, else `billing.message_price`;
    and of its model by tokens where the list has it. A list with only token prices has no flat one.

    Raises:
        InvalidAmount: the price in the settings is finer than a kopeck.
    """
    listed = prices or {}
    by_tokens = int(listed.get("per_1000_tokens", {}).get(model, 0))
    if channel.value in listed:
        return Price(int(listed[channel.value]), by_tokens)
    if price is None and by_tokens:
        return Price(0, by_tokens)
    return Price(price_of(price, config), by_tokens)


def service_type_of(channel: Channel) -> str:
    """The contract's `service_type` of an answer in `channel`."""
    return _SERVICES[channel]


def describe(channel: Channel, language: str = "ru") -> str:
    """The line of a statement for an answer in `channel`; the ledger keeps the Russian one."""
    return in_language(_DESCRIPTIONS[channel], language)
