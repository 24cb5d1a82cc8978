"""How movements of money are named on a statement: kept in Russian, shown in either language."""

from __future__ import annotations

WIDGET_MESSAGE = "Сообщение виджета"
TELEGRAM_MESSAGE = "Сообщение Telegram"
API_MESSAGE = "Сообщение API"
WELCOME_BONUS = "Приветственный бонус"
OPENING_BALANCE = "Начальный баланс"
TOP_UP = "Пополнение баланса"
CREDIT = "Начисление администратора"
REFUND = "Возврат платежа"

_ENGLISH = {
    WIDGET_MESSAGE: "Widget message",
    TELEGRAM_MESSAGE: "Telegram message",
    API_MESSAGE: "API message",
    WELCOME_BONUS: "Welcome bonus",
    OPENING_BALANCE: "Opening balance",
    TOP_UP: "Balance top-up",
    CREDIT: "Credit by the administrator",
    REFUND: "Refund of a payment",
}


def in_language(description: str, language: str) -> str:
    """A stored description in `language`; one that an administrator wrote stays as it is."""
    return _ENGLISH.get(description, description) if language == "en" else description
