"""What an answer costs, and how it is named on a statement."""

from __future__ import annotations

from replyx.billing.money import kopecks
from replyx.billing.wording import API_MESSAGE, TELEGRAM_MESSAGE, WIDGET_MESSAGE, in_language
from replyx.config.settings import Config
from replyx.types import Channel

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


def service_type_of(channel: Channel) -> str:
    """The contract's `service_type` of an answer in `channel`."""
    return _SERVICES[channel]


def describe(channel: Channel, language: str = "ru") -> str:
    """The line of a statement for an answer in `channel`; the ledger keeps the Russian one."""
    return in_language(_DESCRIPTIONS[channel], language)
